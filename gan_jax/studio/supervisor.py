"""The parent process of a launched run: starts the command, waits, records how it ended.

It runs in a session of its own and outlives the studio. It inherits studio.lock of the run folder
as an open file, so that the lock is held while it lives.
Usage: python -m gan_jax.studio.supervisor FOLDER -- COMMAND ...
"""

import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from gan_jax import cache


def main(folder: Path, words: list[str]) -> int:
    """Run a command with its output appended to console.log. Returns its exit code."""
    path = folder / "studio.json"
    launch = json.loads(path.read_text())
    with open(folder / "console.log", "ab") as console:
        console.write(f"$ {' '.join(words)}\n".encode())
        console.flush()
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT
        )
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    # On a full disk the run goes on, and the lock of its folder tells its process.
    with contextlib.suppress(OSError):
        cache.write_atomic(path, json.dumps(launch | {"pid": process.pid}))
    code = process.wait()
    ended = {"state": "ended", "code": code, "ended": time.time()}
    cache.write_atomic(path, json.dumps(launch | ended))
    return code


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[3:])
