"""Errors that end a run early and are not bugs, and the one-line texts that they are made of."""

import importlib.util
import os
import pathlib
import shlex
import shutil
import sys
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PROGRAM = "gan-jax"  # the console script

# Exit codes of commands.
EXIT_DONE = 0
EXIT_BUG = 1  # with a traceback
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


def typed(command: str, *words: object) -> str:
    """Return how this user types a command: as this process was started, or as what is installed.

    Args:
      command: its words after the program's name, such as "evaluate" or "train morpho"; or a
        module with its words, such as "experiments.benchmarks".
      *words: its arguments, such as a path; quoted where a shell needs it.
    """
    command = " ".join([command, *(shlex.quote(str(word)) for word in words)])
    if command.startswith("experiments."):  # what only a checkout has, such as benchmarks
        return f"python -m {command}"
    program = os.environ.get("GAN_JAX_PROGRAM")  # set by launch.sh
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if not program and spec is not None and spec.name.startswith("experiments."):
        door = f"experiments.{command.removeprefix('train ')}"
        module = importlib.util.find_spec(door.split()[0])
        if module and module.origin:  # and not a mere folder
            return f"python -m {door}"
    if not program:
        script = shutil.which(PROGRAM)
        same = script and os.path.dirname(script) == os.path.dirname(sys.executable)
        program = PROGRAM if same or is_console_script() else "python -m gan_jax"
    return f"{program} {command}"


def is_console_script() -> bool:
    """Say whether this process was started as `gan-jax`."""
    return os.path.basename(sys.argv[0]) == PROGRAM


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


def counted(n: int, noun: str) -> str:
    """Return a number with its noun: "1 repeat", "2,000 images"."""
    return f"{n:,} {noun}{'' if n == 1 else 'es' if noun.endswith('s') else 's'}"


def printable(text: object) -> str:
    """Return str(text) for a message of one line: escaped if it is not printable."""
    text = str(text)
    return text if text.isprintable() else repr(text)
