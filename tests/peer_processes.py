"""Several real processes of one run on this machine, connected by gloo."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import threading

from tests import paths

MAX_SECONDS = 240  # so that no failure waits for ever
_WRITTEN = {}  # {process id: files of its stdout and stderr}


def free_port():
    """A port that nobody listens on now."""
    with socket.socket() as s:
        s.bind(("localhost", 0))
        return s.getsockname()[1]


def start(n, words, env, folders=None, more=None, address="localhost", before=None):
    """Start n processes of one training command.

    Args:
      n: number of processes.
      words: of the command, such as ["gan", "--steps=8"].
      env: environment.
      folders: current folder of each, or None.
      more: {process: more words}.
      address: host of process 0.
      before: words before the command of each, or None.
    """
    given = [f"--coordinator={address}:{free_port()}", f"--processes={n}"]
    started = []
    for p in range(n):
        command = [sys.executable, "-m", "gan_jax", "train", *words, *(more or {}).get(p, [])]
        written = [tempfile.TemporaryFile("w+", errors="replace") for _ in range(2)]
        process = subprocess.Popen(
            [*(before[p] if before else []), *command, *given, f"--process={p}"],
            env={**env, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(paths.ROOT)},
            cwd=folders[p] if folders else paths.ROOT,
            stdout=written[0],
            stderr=written[1],
        )
        _WRITTEN[process.pid] = written
        started.append(process)
        timer = threading.Timer(MAX_SECONDS, process.kill)
        timer.daemon = True
        timer.start()
    return started


def end(started):
    """Return [(exit code, stdout, what it said on stderr)] of processes, without native noise."""
    ended = []
    for process in started:
        process.wait()
        stdout, stderr = [_read(file) for file in _WRITTEN[process.pid]]
        said = [line for line in stderr.splitlines() if not _is_native(line)]
        ended.append((process.returncode, stdout, "\n".join(said)))
    return ended


def _read(file):
    file.seek(0)
    return file.read()


def _is_native(line):
    """Whether C++ wrote a line: gloo's and those of the end of jax.distributed."""
    begins = ("[Gloo]", "    @ ", "*** ", "Additional GRPC", ":UNKNOWN", ":UNAVAILABLE", "WARNING:")
    return not line.strip() or line.startswith(begins) or re.match(r"[IWEF]\d{4} ", line)


def digest(folder):
    """The digest that a finished run folder holds."""
    return (folder / "DONE").read_text().split()[-1]


def checkpoints(folder):
    """Steps of the checkpoints of a run folder."""
    root = folder / "checkpoints"
    names = os.listdir(root) if root.is_dir() else []
    return sorted(int(name) for name in names if name.isdigit())
