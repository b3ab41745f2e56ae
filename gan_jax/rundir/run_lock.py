"""The lock of a run folder: one process trains in it at a time. Imports nothing large: a watcher of runs stays small."""

import contextlib
import fcntl
import os
import pathlib
import sys
import time

from gan_jax.errors import InputError


@contextlib.contextmanager
def lock_run(workdir):
    """The run folder, created if absent and locked for this process; another process is refused until the lock is gone."""
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        lock = open(workdir / ".lock", "w")
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


def lock_file(file):
    """Locks an open file. Who asks `is_locked` holds it for an instant, which is waited for. Raises BlockingIOError."""
    for pause in (0.01, 0.05, 0.2):
        with contextlib.suppress(BlockingIOError):
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(pause)
    return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_locked(workdir, name=".lock"):
    """Whether another process has claimed a run folder, or what another lock in it stands for."""
    try:
        with open(workdir / name) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no such folder, or one that cannot be locked
        return False
    return False


def lock_owner_pid(workdir):
    """The id of the process that has claimed a run folder, as Linux tells it; None if there is none, or none can be seen."""
    try:
        file = os.stat(workdir / ".lock")
        locks = pathlib.Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    inode = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    for line in locks:
        _, kind, _, _, pid, place, *_ = [*line.split(), *[""] * 6]
        if kind == "FLOCK" and place == inode and int(pid) > 0:
            return int(pid)
    return None
