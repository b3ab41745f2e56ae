"""What a run writes about itself: metrics.jsonl and the terminal; on request TensorBoard and W&B.

A full disk silences none of them for good.
"""

import contextlib
import errno
import json
import os
import pathlib
import shutil
import sys
import time
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from tqdm import tqdm

from gan_jax import cache
from gan_jax.errors import Stopped
from gan_jax.rundir.wandb_writer import WandbWriter

Record = dict[str, Any]
DISK_FULL_MESSAGES = tuple(os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT))


def disk_full(error: BaseException) -> bool:
    """Say whether an exception means a full disk or quota; tensorstore says so in words alone."""
    return any(message in str(error) for message in DISK_FULL_MESSAGES)


def say(text: str, file: IO | None = None) -> None:
    """Print a line that does not disturb a progress bar, on stdout or the given file.

    A full disk behind that file is ignored.
    """
    try:
        tqdm.write(text, file=file or sys.stdout)
        (file or sys.stdout).flush()
    except OSError as error:
        if not disk_full(error):
            raise


def say_full(what: str, folder: pathlib.Path, error: BaseException, consequence: str) -> None:
    """Warn on stderr that something was not written, with the consequence and the remedy."""
    why = next(message for message in DISK_FULL_MESSAGES if message in str(error))
    free = shutil.disk_usage(folder).free / 1e6
    say(
        f"DISK FULL: {what} was NOT saved in {folder} ({why}; {free:.1f} MB free). {consequence} "
        "Make room there.",
        sys.stderr,
    )


@contextlib.contextmanager
def stopping_if_full(folder: str | os.PathLike) -> Iterator[None]:
    """Turn a full disk into Stopped, for what cannot wait for room: the start and end of a run."""
    try:
        yield
    except OSError as error:
        if not disk_full(error):
            raise
        raise Stopped(
            f"The disk of {folder} is full; make room, and the same command goes on where it "
            "stands."
        ) from error


def read(path: str | os.PathLike) -> list[Record]:
    """Read the records of a metrics.jsonl; ignore a torn last line, as a kill leaves it."""
    path = pathlib.Path(path)
    records = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


class Log:
    """Appends records to the metrics.jsonl of a run, after cutting it back to the resumed step.

    Attributes:
      records: those up to that step.
      wall: {name: seconds or speed} of the last of them, {} without one.
    """

    def __init__(
        self, workdir: str | os.PathLike, step: int, tensorboard: bool = False, wandb: bool = False
    ):
        """Open the log of a run that goes on from `step`.

        Args:
          workdir: the run folder.
          step: steps done.
          tensorboard: also write TensorBoard files.
          wandb: also write to Weights & Biases.
        """
        self._path = pathlib.Path(workdir) / "metrics.jsonl"
        self.records = [r for r in read(self._path) if r["step"] <= step]
        self.wall = self.records[-1]["wall"] if self.records else {}
        cache.write_atomic(self._path, "".join(json.dumps(r) + "\n" for r in self.records))
        self._file = open(self._path, "ab", buffering=0)
        self._pending, self._full = [], False
        board = self._path.parent / "tensorboard"
        self._board = TensorBoardWriter(board, step + 1) if tensorboard else None
        warn = lambda text: say(text, sys.stderr)
        self._wandb = WandbWriter(self._path.parent, warn) if wandb else None

    def write(self, record: Record) -> None:
        """Write one record; keep it in memory while the disk is full.

        Raises:
          ValueError: the record holds what JSON cannot (NaN, infinity).
        """
        self._pending.append(json.dumps(record, allow_nan=False) + "\n")
        self.flush()
        if self._wandb:
            self._wandb.write(record)
        try:
            if self._board:
                self._board.write(record)
        except OSError as error:
            if not disk_full(error):
                raise
            self._board = None
            consequence = "It ends here until the next start; metrics.jsonl has it all."
            say_full("tensorboard/", self._path.parent, error, consequence)

    def write_picture(self, step: int, picture: np.ndarray) -> None:
        """Write a sample grid, uint8 [H, W, 1 or 3], where the log takes pictures."""
        if self._wandb:
            self._wandb.write_picture(step, picture)

    def flush(self, consequence: str = "") -> bool:
        """Write the records that are in memory, whole lines or nothing.

        Args:
          consequence: what a failure means for the caller. Without it, a full disk is reported
            once, not at every record.

        Returns:
          whether metrics.jsonl holds every record.
        """
        size, data = os.fstat(self._file.fileno()).st_size, "".join(self._pending).encode()
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            if not disk_full(error):
                raise
            os.ftruncate(self._file.fileno(), size)
            if consequence or not self._full:
                waiting = "Its records wait in memory, and checkpoints wait for them."
                say_full(self._path.name, self._path.parent, error, consequence or waiting)
            self._full = True
            return False
        if self._full:
            say(
                f"There is room again: {self._path} holds all {len(self._pending)} records that "
                "waited.",
                sys.stderr,
            )
        self._pending, self._full = [], False
        return True

    def close(self) -> None:
        """Close the files.

        Records that find no room now are later than the newest checkpoint, so a resumed run makes
        them again.
        """
        self.flush()
        self._file.close()
        if self._board:
            self._board.close()
        if self._wandb:
            self._wandb.close()


class TensorBoardWriter:
    """Writes TensorBoard event files at once.

    tensorboardX's SummaryWriter leaves that to a thread. A full disk ends the thread, and then the
    loop and the interpreter's exit wait for it for ever.
    """

    def __init__(self, folder: pathlib.Path, step: int):
        """Open a file.

        Args:
          folder: where event files lie.
          step: first step that will be written; TensorBoard hides what earlier invocations wrote
            from there on.
        """
        # An extra; commands.train refuses the flag without it.
        from tensorboardX import event_file_writer, summary
        from tensorboardX.proto import event_pb2

        folder.mkdir(exist_ok=True)
        self._event, self._scalar = event_pb2.Event, summary.scalar
        self._writer = event_file_writer.EventsWriter(str(folder / "events"))
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._writer.write_event(self._event(wall_time=time.time(), step=step, session_log=start))

    def write(self, record: Record) -> None:
        """Write a scalar for every number of a record but its step."""
        for name, value in record.items():
            if name != "step" and isinstance(value, (int, float)):
                scalar, now = self._scalar(name, value), time.time()
                event = self._event(wall_time=now, step=record["step"], summary=scalar)
                self._writer.write_event(event)
        self._writer.flush()

    def close(self) -> None:
        """Close the file; all that was written is in it."""
        self._writer.close()


def in_notebook() -> bool:
    """Say whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and getattr(shell, "kernel", None) is not None


class Progress:
    """A progress bar on a terminal and in a notebook; elsewhere lines at the log interval."""

    def __init__(self, start: int, total: int, name: str = ""):
        """Show the bar.

        Args:
          start: steps done.
          total: steps of the run.
          name: prefix of each line.
        """
        self._total, self._name, self._bar = total, name, None
        if sys.stderr.isatty() or in_notebook():
            self._bar = tqdm(
                total=total,
                initial=start,
                unit="step",
                dynamic_ncols=True,
                mininterval=1.0 if in_notebook() else 0.1,
                smoothing=0.1,
                desc=name.rstrip(": ") or None,
            )

    def advance(self, n: int) -> None:
        """Count n more steps."""
        if self._bar:
            self._bar.update(n)

    def record(self, record: Record) -> None:
        """Show a record."""
        wall = record["wall"]
        shown = [k for k in record if k.endswith("/loss") or k.startswith("eval/")]
        losses = "  ".join(f"{k} {record[k]:.3f}" for k in shown)
        images = f"{wall['images_per_s']:.0f} images/s"
        if self._bar:
            self._bar.set_postfix_str(f"{images}  {losses}")
            return
        left = clock((self._total - record["step"]) / max(wall["steps_per_s"], 1e-9))
        speed = f"{wall['steps_per_s']:.2f} steps/s, {images}"
        self.say(f"step {record['step']}/{self._total}  {losses}  {speed}, {left} left")

    def say(self, text: str) -> None:
        """Print a line that does not disturb the bar."""
        say(f"{self._name}{text}")

    def close(self) -> None:
        """Leave the bar on the terminal."""
        if self._bar:
            self._bar.close()


def clock(seconds: float) -> str:
    """Format seconds as 1:02:03 or 2:03."""
    minutes, s = divmod(int(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"
