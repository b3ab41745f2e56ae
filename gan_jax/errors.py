"""Errors that end a run early and are not bugs, and the one-line texts that they are made of."""

import pathlib
import sys
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Exit codes of commands.
EXIT_DONE = 0
EXIT_REFUSED = 2
EXIT_FAILED = 3  # diverged or collapsed
EXIT_STOPPED = 4


class InputError(ValueError):
    """A request of the user that cannot be met.

    The message is one line: the value, the allowed values, what to do. Commands print it on stderr
    and exit with EXIT_REFUSED; `--debug` shows the traceback.
    """


class NonFiniteError(RuntimeError):
    """A loss or gradient that became infinite or NaN.

    The message names the player and the step. Commands exit with EXIT_FAILED.
    """


class Collapsed(RuntimeError):
    """A generator of one picture or one class, in a run with --stop_on_collapse.

    The message says since when, and which step is saved. Commands exit with EXIT_FAILED, not
    EXIT_STOPPED: the same command would end at once with the same words.
    """


class Stopped(Exception):
    """The end of a run before its last step: by a signal, or because the disk is full.

    The message says which step is saved; the same command resumes there. Commands exit with
    EXIT_STOPPED.
    """


def install_command(extra: str) -> str:
    """Return what to type to install an extra of gan_jax here, from its checkout if it is one."""
    checkout = pathlib.Path(__file__).resolve().parent.parent
    is_checkout = (checkout / "pyproject.toml").is_file()
    what = f"-e '{checkout}[{extra}]'" if is_checkout else f"'gan-jax[{extra}]'"
    return f"{sys.executable} -m pip install {what}"


def result_or_error(function: Callable[..., T], *args) -> "T | InputError":
    """Return function(*args), or the InputError that it raised."""
    try:
        return function(*args)
    except InputError as error:
        return error


def printable(text: object) -> str:
    """Return str(text) for a message of one line: escaped if it is not printable."""
    text = str(text)
    return text if text.isprintable() else repr(text)
