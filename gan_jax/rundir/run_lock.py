"""The lock of a run folder: one process trains in it at a time.

Imports nothing large, so that programs that watch runs stay small.
"""

import contextlib
import fcntl
import os
import pathlib
import sys
import time
from collections.abc import Iterator
from typing import IO

from gan_jax.errors import InputError

NAME = ".lock"


@contextlib.contextmanager
def lock_run(workdir: pathlib.Path) -> Iterator[None]:
    """Lock a run folder for this process, within the context; make the folder if it is absent.

    Raises:
      InputError: another process holds the lock, or the folder cannot be used.
    """
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        lock = open(workdir / NAME, "w")
    except OSError as error:
        raise InputError(
            f"--workdir={workdir} cannot be used ({error.strerror}); choose another folder."
        ) from error
    with lock:
        try:
            lock_file(lock)
        except BlockingIOError as error:
            raise InputError(
                f"Another process is training in {workdir}; wait for it, or use another --workdir."
            ) from error
        except OSError as error:
            print(
                f"{workdir} cannot be locked ({error.strerror}); start no second run in it.",
                file=sys.stderr,
            )
        yield


def lock_file(file: IO) -> None:
    """Lock an open file.

    A process that calls `is_locked` holds the lock for an instant, so this tries more than once.

    Raises:
      BlockingIOError: another process holds the lock.
    """
    for pause in (0.01, 0.05, 0.2):
        with contextlib.suppress(BlockingIOError):
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(pause)
    return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_locked(workdir: pathlib.Path, name: str = NAME) -> bool:
    """Say whether another process holds the lock of a run folder, or another lock in it."""
    try:
        with open(workdir / name) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no such folder, or one that cannot be locked
        return False
    return False


def lock_owner_pid(workdir: pathlib.Path) -> int | None:
    """Return the id of the process that holds the lock, as Linux tells it; None if none is seen."""
    try:
        file = os.stat(workdir / NAME)
        locks = pathlib.Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    inode = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    for line in locks:
        _, kind, _, _, pid, place, *_ = [*line.split(), *[""] * 6]
        if kind == "FLOCK" and place == inode and int(pid) > 0:
            return int(pid)
    return None
