"""Commands as processes of their own, timed by the clock of the process that waits for them."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

FIRST_STEP = "first step"  # begins the line that a run prints when its first step is done


class Timing(NamedTuple):
    """A finished command."""

    first_s: float  # seconds from the command to its first step
    whole_s: float  # seconds from the command to its end
    text: str  # its output


@contextlib.contextmanager
def started(
    module: str, words: Sequence, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen]:
    """Start `python -m module words` with a pipe as its output; kill it on the way out."""
    environment = {**os.environ, **(env or {}), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", module, *map(str, words)]
    out, none = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(
        command, env=environment, text=True, stdin=none, stdout=out, stderr=subprocess.STDOUT
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run(module: str, words: Sequence, env: Mapping[str, str] | None = None) -> Timing:
    """Time a command to its end; env: added to the environment. Exit if the command fails."""
    began, first, lines = time.perf_counter(), float("nan"), []
    with started(module, words, env) as process:
        for line in process.stdout or ():
            if line.startswith(FIRST_STEP):
                first = time.perf_counter() - began
            lines.append(line)
        code = process.wait()
    whole = time.perf_counter() - began
    if code:
        command, end = f"python -m {module} {' '.join(map(str, words))}", "".join(lines[-5:])
        raise SystemExit(f"{command} ended with code {code}:\n{end}")
    return Timing(first, whole, "".join(lines))
