"""A command as a process of its own, by the clock of the one who waits for it."""

import contextlib
import os
import subprocess
import sys
import time
from typing import NamedTuple

FIRST_STEP = "first step"  # how the line begins that a run writes when it is through its start


class Ran(NamedTuple):
    """first_s, whole_s: seconds from the command to its first step and to its end. text: all that it wrote."""

    first_s: float
    whole_s: float
    text: str


@contextlib.contextmanager
def started(module, words, env=()):
    """The process of `python -m module words`, its output a pipe of text; killed on the way out if it still runs."""
    environment = {**os.environ, **dict(env), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", module, *map(str, words)]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def run(module, words, env=()):
    """Ran, of a command from its start to its end. env: {name: value} added to this process's. Exits if the command fails."""
    began, first, lines = time.perf_counter(), float("nan"), []
    with started(module, words, env) as process:
        for line in process.stdout:
            if line.startswith(FIRST_STEP):
                first = time.perf_counter() - began
            lines.append(line)
        code = process.wait()
    whole = time.perf_counter() - began
    if code:
        raise SystemExit(
            f"python -m {module} {' '.join(map(str, words))} ended with code {code}:\n{''.join(lines[-5:])}"
        )
    return Ran(first, whole, "".join(lines))


def flags(settings):
    """A dataclass of settings as words of a command line."""
    return [f"--{name}={value}" for name, value in vars(settings).items()]
