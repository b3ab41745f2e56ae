"""The parent process of a launched command: starts it, waits, records how it ended.

It runs in a session of its own and outlives the studio. It inherits the lock of its launch_files as
an open file, so that the lock is held while it lives.
Usage: python -m gan_jax.studio.supervisor FOLDER KIND -- COMMAND ...
"""

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

from gan_jax.studio import launch_files


def main(folder: Path, kind: str, words: list[str]) -> int:
    """Run a command with its output appended to the console's file. Returns its exit code.

    Args:
      folder: run folder.
      kind: key of launch_files.KINDS.
      words: the command.
    """
    place = launch_files.KINDS[kind]
    launch = place.read(folder)
    with open(folder / place.console, "ab") as console:
        console.write(f"$ {' '.join(words)}\n".encode())
        console.flush()
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT
        )
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    # On a full disk the run goes on, and the lock of its folder tells its process.
    with contextlib.suppress(OSError):
        place.write(folder, launch | {"pid": process.pid})
    code = process.wait()
    place.write(folder, launch | {"state": "ended", "code": code, "ended": time.time()})
    return code


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[4:])
