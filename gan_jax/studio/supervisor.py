"""The parent of a launched run, in a session of its own: starts the command, waits, and writes down how it ended.

It outlives the studio. An open file that it inherits holds studio.lock, which tells everyone that it lives.
Run as python -m gan_jax.studio.supervisor FOLDER -- COMMAND ...
"""

import contextlib
import json
import pathlib
import signal
import subprocess
import sys
import time

from gan_jax import cache


def main(folder, words):
    """Runs a command; its output is appended to console.log of the folder. Returns its exit code."""
    place = folder / "studio.json"
    launch = json.loads(place.read_text())
    with open(folder / "console.log", "ab") as console:
        console.write(f"$ {' '.join(words)}\n".encode())
        console.flush()
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT
        )
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    with contextlib.suppress(
        OSError
    ):  # a full disk: the run goes on, and the lock of its folder tells whose it is
        cache.write_atomic(place, json.dumps(launch | {"pid": process.pid}))
    code = process.wait()
    cache.write_atomic(
        place, json.dumps(launch | {"state": "ended", "code": code, "ended": time.time()})
    )
    return code


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[3:])
