"""What the studio started in a run folder: a record, what the command printed, and a lock."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from gan_jax import cache
from gan_jax.errors import InputError
from gan_jax.rundir import run_lock
from gan_jax.studio import files


class LaunchFiles(NamedTuple):
    """Names of the files of one kind of command. Its supervisor holds the lock while it lives."""

    record: str  # {"state", "experiment", "flags", "asked", "began", "pid", "code", "ended"}
    console: str
    lock: str

    def read(self, folder: Path) -> dict[str, Any]:
        """Return the record; {} where there is none.

        Raises:
          InputError: it is damaged.
        """
        return files.read_json(folder / self.record) or {}

    def write(self, folder: Path, launch: dict[str, Any]) -> None:
        """Write the record, whole or not at all."""
        cache.write_atomic(folder / self.record, json.dumps(launch))

    @contextlib.contextmanager
    def locked(self, folder: Path) -> Iterator[TextIO]:
        """Hold the lock.

        Raises:
          InputError: a supervisor, or another studio, holds it.
        """
        with open(folder / self.lock, "w") as lock:
            try:
                run_lock.lock_file(lock)
            except BlockingIOError as error:
                raise InputError(
                    f"{folder.name} is being started or ended; try again in a moment."
                ) from error
            yield lock


TRAINING = LaunchFiles("studio.json", "console.log", "studio.lock")
SCORING = LaunchFiles("studio-evaluate.json", "evaluate.log", "studio-evaluate.lock")
# {word for the supervisor: its files}
KINDS = {"train": TRAINING, "evaluate": SCORING}
