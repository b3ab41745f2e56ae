"""Commands of this package as the studio runs them: words, environment, dry runs."""

import os
import re
import shlex
import signal
import site
import subprocess
import sys
import sysconfig
from pathlib import Path

from gan_jax.errors import EXIT_DONE, EXIT_REFUSED, InputError

_PART = "[A-Za-z0-9][A-Za-z0-9._-]{0,79}"
RUN_NAME = re.compile(f"{_PART}(/{_PART}){{0,2}}")
PROJECT = Path(__file__).resolve().parent.parent.parent
CHECK_SECONDS = {"dry_run": 120, "check_data": 900}
MAX_OUTPUT = 20_000  # characters of a dry run that are shown
GPU_MEMORY = 0.9  # fraction that all runs share
TIMED_OUT = -1  # code of a check that was not done in time


def check_name(name: str) -> None:
    """Refuse what is no name of a run.

    Raises:
      InputError
    """
    if not RUN_NAME.fullmatch(name):
        raise InputError(
            "A run's name has letters, digits, dot, dash and underscore, and begins with a letter "
            "or digit."
        )


def command_words(
    name: str, flags: list[str], folder: Path | None = None, python: str = sys.executable
) -> list[str]:
    """Return the words that run a command of this package."""
    workdir = [f"--workdir={folder}"] if folder else []
    return [python, "-m", "gan_jax", name, *flags, *workdir]


def command_line(name: str, flags: list[str], folder: Path) -> str:
    """Return the same command as one would type it."""
    return shlex.join(command_words(name, flags, folder, "python"))


def command_environment(jobs: int = 1) -> dict[str, str]:
    """Return the environment of commands: they find this package, and share a GPU's memory.

    A checkout comes behind the user's own PYTHONPATH. An installed package is found without it;
    in PYTHONPATH its folder would come before the standard library.

    Args:
      jobs: runs that may train at a time.
    """
    folders = [os.environ.get("PYTHONPATH", "")]
    if PROJECT not in _installed_folders():
        folders.append(str(PROJECT))
    path = os.pathsep.join(filter(None, folders))
    shared = {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{GPU_MEMORY / jobs:.3f}"} if jobs > 1 else {}
    env = {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **shared}
    if not path:
        del env["PYTHONPATH"]
    return env


def _installed_folders():
    """List the folders that installed packages lie in."""
    names = [*site.getsitepackages(), site.getusersitepackages()]
    names += [sysconfig.get_paths()[key] for key in ("purelib", "platlib")]
    return [Path(name).resolve() for name in names]


def check(
    experiment: str, flags: list[str], folder: Path, trust: bool = False, flag: str = "dry_run"
) -> tuple[int, str]:
    """Run a command with --dry_run or --check_data.

    Args:
      experiment: training command, or that of a sweep.
      flags: its flags.
      folder: its run folder.
      trust: whether it may import plug-ins that its flags name.
      flag: key of CHECK_SECONDS.

    Returns:
      (exit code or TIMED_OUT, output).
    """
    words = [*command_words(experiment, flags, folder), f"--{flag}", *["--trust"] * trust]
    # Beside runs that train, it must not take the memory of their GPU.
    env = {**command_environment(), "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    process = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=env,
        start_new_session=True,
        text=True,
        errors="replace",
    )
    try:
        output, _ = process.communicate(timeout=CHECK_SECONDS[flag])
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return TIMED_OUT, (
            f"It was not done after {CHECK_SECONDS[flag]} s. Reading large data for the first time "
            "takes long: try a terminal."
        )
    return process.returncode, output[-MAX_OUTPUT:]


def refuse_failed(code: int, output: str) -> None:
    """Refuse a command that failed in its dry run; one that was not done in time may start.

    Args:
      code, output: see `check`.

    Raises:
      InputError: says the last line of the output.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    last = lines[-1] if lines else f"It ended with code {code}."
    if code == EXIT_REFUSED:
        raise InputError(last)
    if code not in (EXIT_DONE, TIMED_OUT):
        raise InputError(f"It would fail: {last}")
