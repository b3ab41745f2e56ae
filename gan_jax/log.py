"""What a run says: metrics.jsonl, the terminal, TensorBoard files on request."""

import json
import pathlib
import sys

from tqdm import tqdm

from gan_jax import cache


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
        self.wall = kept[-1]["wall"] if kept else {}
        cache.write_atomic(self._path, "".join(json.dumps(r) + "\n" for r in kept))
        self._file = open(self._path, "a")
        self._board = None
        if tensorboard:
            from tensorboardX import SummaryWriter  # an extra; common.py refuses the flag without it

            self._board = SummaryWriter(str(pathlib.Path(workdir) / "tensorboard"), purge_step=step + 1)

    def write(self, record):
        """One line, flushed. Raises ValueError for a value that JSON cannot hold (NaN, infinity)."""
        self._file.write(json.dumps(record, allow_nan=False) + "\n")
        self._file.flush()
        if self._board:
            for name, value in record.items():
                if name not in ("step", "wall"):
                    self._board.add_scalar(name, value, record["step"])

    def close(self):
        """Closes the files."""
        self._file.close()
        if self._board:
            self._board.close()


class Progress:
    """A progress bar on a terminal, plain lines at the log cadence elsewhere."""

    def __init__(self, start, total):
        self._total = total
        self._bar = (
            tqdm(total=total, initial=start, unit="step", dynamic_ncols=True, smoothing=0.1) if sys.stderr.isatty() else None
        )

    def advance(self, n):
        """n more steps are done."""
        if self._bar:
            self._bar.update(n)

    def record(self, record):
        """Shows a metrics record."""
        wall = record["wall"]
        losses = "  ".join(f"{k} {v:.3f}" for k, v in record.items() if k.endswith("/loss") or k.startswith("eval/"))
        speed = f"{wall['steps_per_s']:.2f} steps/s, {wall['images_per_s']:.0f} images/s"
        if self._bar:
            self._bar.set_postfix_str(f"{wall['images_per_s']:.0f} images/s  {losses}")
            return
        left = (self._total - record["step"]) / max(wall["steps_per_s"], 1e-9)
        print(f"step {record['step']}/{self._total}  {losses}  {speed}, {clock(left)} left", flush=True)

    def say(self, text):
        """A line that does not disturb the bar."""
        if self._bar:
            self._bar.clear()
        print(text, flush=True)
        if self._bar:
            self._bar.refresh()

    def close(self):
        """Leaves the bar on the terminal."""
        if self._bar:
            self._bar.close()


def clock(seconds):
    """Seconds as 1:02:03 or 2:03."""
    minutes, s = divmod(int(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"
