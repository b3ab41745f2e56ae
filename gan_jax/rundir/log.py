"""What a run says: metrics.jsonl, the terminal, TensorBoard files on request. A full disk silences none for good."""

import contextlib
import errno
import json
import os
import pathlib
import shutil
import sys
import time

from tqdm import tqdm

from gan_jax import cache
from gan_jax.errors import Stopped

FULL = tuple(os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT))


def disk_full(error):
    """Whether an exception means that there is no room on the disk or in the quota; tensorstore says so in words alone."""
    return any(text in str(error) for text in FULL)


def say(text, file=None):
    """A line on stdout, or the file given, that does not disturb a progress bar. Either may lead to a full disk."""
    try:
        tqdm.write(text, file=file or sys.stdout)
        (file or sys.stdout).flush()
    except OSError as error:
        if not disk_full(error):
            raise


def say_full(what, folder, error, then):
    """Warns on stderr: what was not written, where, how much room there is, what happens next, what to do."""
    why = next(text for text in FULL if text in str(error))
    free = shutil.disk_usage(folder).free / 1e6
    say(
        f"DISK FULL: {what} was NOT saved in {folder} ({why}; {free:.1f} MB free). {then} Make room there.",
        sys.stderr,
    )


@contextlib.contextmanager
def stopping_if_full(folder):
    """For what cannot wait for room, at a run's start and end: a full disk raises Stopped."""
    try:
        yield
    except OSError as error:
        if not disk_full(error):
            raise
        raise Stopped(
            f"The disk of {folder} is full; make room, and the same command goes on where it stands."
        ) from error


def read(path):
    """Records of a metrics.jsonl, in order. A torn last line, as a kill leaves it, is ignored."""
    records = []
    for line in pathlib.Path(path).read_text().splitlines() if pathlib.Path(path).exists() else []:
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


class Log:
    """Appends records to metrics.jsonl of a run folder, after cutting it back to the step the run resumes from."""

    def __init__(self, workdir, step, tensorboard=False):
        self._path = pathlib.Path(workdir) / "metrics.jsonl"
        kept = [r for r in read(self._path) if r["step"] <= step]
        self.kept, self.wall = kept, kept[-1]["wall"] if kept else {}
        cache.write_atomic(self._path, "".join(json.dumps(r) + "\n" for r in kept))
        self._file = open(self._path, "ab", buffering=0)
        self._pending, self._full = [], False
        self._board = Board(self._path.parent / "tensorboard", step + 1) if tensorboard else None

    def write(self, record):
        """One line, flushed; kept in memory while the disk is full. Raises ValueError for what JSON cannot hold (NaN, inf)."""
        self._pending.append(json.dumps(record, allow_nan=False) + "\n")
        self.flush()
        try:
            if self._board:
                self._board.write(record)
        except OSError as error:
            if not disk_full(error):
                raise
            self._board = None
            say_full(
                "tensorboard/",
                self._path.parent,
                error,
                "It ends here until the next start; metrics.jsonl has it all.",
            )

    def flush(self, else_then=""):
        """Writes what is kept in memory, whole lines or nothing. Returns whether metrics.jsonl holds every record.

        else_then: what it means to the caller if it does not; without, a full disk is said once, not at every record.
        """
        size, data = os.fstat(self._file.fileno()).st_size, "".join(self._pending).encode()
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            if not disk_full(error):
                raise
            os.ftruncate(self._file.fileno(), size)
            if else_then or not self._full:
                then = else_then or "Its records wait in memory, and checkpoints wait for them."
                say_full(self._path.name, self._path.parent, error, then)
            self._full = True
            return False
        if self._full:
            say(
                f"There is room again: {self._path} holds all {len(self._pending)} records that waited.",
                sys.stderr,
            )
        self._pending, self._full = [], False
        return True

    def close(self):
        """Closes the files. Records that find no room now are after the newest checkpoint, so resuming makes them again."""
        self.flush()
        self._file.close()
        if self._board:
            self._board.close()


class Board:
    """TensorBoard event files, written at once: tensorboardX's SummaryWriter leaves it to a thread, which a full disk ends,
    and for which the loop and the interpreter's exit would then wait without end."""

    def __init__(self, folder, step):
        """step: the first that will be written; TensorBoard hides what earlier invocations wrote from there on."""
        from tensorboardX import (  # an extra; common.py refuses the flag without it
            event_file_writer,
            summary,
        )
        from tensorboardX.proto import event_pb2

        folder.mkdir(exist_ok=True)
        self._event, self._scalar = event_pb2.Event, summary.scalar
        self._writer = event_file_writer.EventsWriter(str(folder / "events"))
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._writer.write_event(self._event(wall_time=time.time(), step=step, session_log=start))

    def write(self, record):
        """A scalar for every number of a metrics record but its step."""
        for name, value in record.items():
            if name != "step" and isinstance(value, (int, float)):
                scalar = self._scalar(name, value)
                self._writer.write_event(
                    self._event(wall_time=time.time(), step=record["step"], summary=scalar)
                )
        self._writer.flush()

    def close(self):
        """Closes the file; all that was written is in it."""
        self._writer.close()


class Progress:
    """A progress bar on a terminal, plain lines at the log cadence elsewhere. name: what each line begins with."""

    def __init__(self, start, total, name=""):
        self._total, self._name = total, name
        options = {
            "unit": "step",
            "dynamic_ncols": True,
            "smoothing": 0.1,
            "desc": name.rstrip(": ") or None,
        }
        self._bar = tqdm(total=total, initial=start, **options) if sys.stderr.isatty() else None

    def advance(self, n):
        """n more steps are done."""
        if self._bar:
            self._bar.update(n)

    def record(self, record):
        """Shows a metrics record."""
        wall = record["wall"]
        losses = "  ".join(
            f"{k} {v:.3f}"
            for k, v in record.items()
            if k.endswith("/loss") or k.startswith("eval/")
        )
        speed = f"{wall['steps_per_s']:.2f} steps/s, {wall['images_per_s']:.0f} images/s"
        if self._bar:
            self._bar.set_postfix_str(f"{wall['images_per_s']:.0f} images/s  {losses}")
            return
        left = (self._total - record["step"]) / max(wall["steps_per_s"], 1e-9)
        self.say(f"step {record['step']}/{self._total}  {losses}  {speed}, {clock(left)} left")

    def say(self, text):
        """A line that does not disturb the bar."""
        say(f"{self._name}{text}")

    def close(self):
        """Leaves the bar on the terminal."""
        if self._bar:
            self._bar.close()


def clock(seconds):
    """Seconds as 1:02:03 or 2:03."""
    minutes, s = divmod(int(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"
