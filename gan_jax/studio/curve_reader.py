"""Curves and class shares of a run, read from metrics.jsonl step by step in bounded memory."""

import collections
import os
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from gan_jax.studio import files

MAX_POINTS = 800  # of a curve, an even number; neighbours are averaged beyond it
MAX_CURVES = 200  # of one run
MAX_NAME_LENGTH = 80  # characters of a curve's name
MAX_CLASSES = 64  # classes whose shares are shown
MAX_SHARES = 200  # evaluations whose shares are kept; an even number, beyond it they are thinned
MAX_READERS = 8  # runs whose curves are kept in memory
BLOCK_BYTES = 2**20  # read at a time
MAX_NEW_BYTES = 2**18  # read by one `new_records`


class Position(NamedTuple):
    """A position in a metrics.jsonl, from which reading goes on."""

    inode: int  # another inode means that the file was replaced, as when a run is resumed
    offset: int  # bytes read


BEGINNING = Position(0, 0)


class Curve:
    """Means of `stride` neighbouring values each; the stride doubles as the curve grows."""

    def __init__(self):
        self.steps: list[int] = []
        self.values: list[float] = []
        self.stride = 1
        self._sum, self._n, self._step = 0.0, 0, 0

    def to_dict(self) -> dict[str, list]:
        """Return steps and values for JSON; the last value may be the mean of fewer neighbours."""
        if not self._n:
            return {"steps": self.steps, "values": self.values}
        return {"steps": [*self.steps, self._step], "values": [*self.values, self._sum / self._n]}

    def add(self, step: int, value: float) -> None:
        """Add a value. Steps must ascend."""
        self._sum, self._n, self._step = self._sum + value, self._n + 1, step
        if self._n < self.stride:
            return
        self.steps.append(step)
        self.values.append(self._sum / self._n)
        self._sum, self._n = 0.0, 0
        if len(self.steps) == MAX_POINTS:
            pairs = zip(self.values[::2], self.values[1::2], strict=True)
            self.steps, self.values = self.steps[1::2], [(a + b) / 2 for a, b in pairs]
            self.stride *= 2


def scalars(record: dict[str, Any]) -> dict[str, float]:
    """Return the finite scalars of a record by name, without step and wall-clock times."""
    return {
        name[:MAX_NAME_LENGTH]: value
        for name, value in record.items()
        if "/" in name and type(value) in (int, float) and abs(value) < files.MAX_NUMBER
    }


def class_shares(record: dict[str, Any]) -> dict[str, list] | None:
    """Return the class shares that an evaluation logged: {"real": [K], "model": [K]}, or None."""
    shares = record.get("shares")
    if not isinstance(shares, dict):
        return None
    real, model = shares.get("real"), shares.get("model")
    if not isinstance(real, list) or not isinstance(model, list):
        return None
    if not 0 < len(real) == len(model) <= MAX_CLASSES:
        return None
    if not all(type(v) in (int, float) and 0 <= v <= 1 for v in real + model):
        return None
    return {"real": real, "model": model}


class CurveReader:
    """The curves of one metrics.jsonl, which may grow or be replaced.

    Attributes:
      position: where reading goes on.
      curves: {name: Curve}.
      shares: [{"step", "real", "model"}], see `class_shares`.
    """

    def __init__(self, path: Path):
        self._path = path
        self._reset(BEGINNING)

    def _reset(self, position):
        self.position: Position = position
        self.curves: dict[str, Curve] = {}
        self.shares: list[dict[str, Any]] = []

    def advance(self) -> bool:
        """Read the next block. Returns whether there may be more."""
        try:
            with files.open_regular(self._path) as file:
                if _is_replaced(file, self.position):
                    self._reset(Position(os.fstat(file.fileno()).st_ino, 0))
                lines, end = _read_lines(file, self.position.offset, BLOCK_BYTES)
        except OSError:
            self._reset(BEGINNING)
            return False
        for line in lines:
            if record := files.parse_record(line):
                self._add(record)
        has_more = end > self.position.offset
        self.position = self.position._replace(offset=end)
        return has_more

    def _add(self, record):
        for name, value in scalars(record).items():
            if name in self.curves or len(self.curves) < MAX_CURVES:
                self.curves.setdefault(name, Curve()).add(record["step"], value)
        if shares := class_shares(record):
            self.shares.append({"step": record["step"], **shares})
            if len(self.shares) > MAX_SHARES:
                self.shares = self.shares[::2]

    def to_dict(self) -> dict[str, Any]:
        """Return {"position": "INODE-OFFSET", "curves": {name: Curve.to_dict()}, "shares": ...}."""
        curves = {name: curve.to_dict() for name, curve in sorted(self.curves.items())}
        position = f"{self.position.inode}-{self.position.offset}"
        return {"position": position, "curves": curves, "shares": self.shares}


def _is_replaced(file: BinaryIO, position: Position) -> bool:
    """Return whether a file is not the one, or is shorter than the one, of a position."""
    status = os.fstat(file.fileno())
    return status.st_ino != position.inode or status.st_size < position.offset


def _read_lines(file: BinaryIO, start: int, n_bytes: int) -> tuple[list[bytes], int]:
    """Read the complete lines within n_bytes. Returns (lines, end); skips a longer line."""
    file.seek(start)
    data = file.read(n_bytes)
    end = data.rfind(b"\n") + 1
    if not end and len(data) == n_bytes:
        return [], start + n_bytes
    return data[:end].splitlines(), start + end


def new_records(path: Path, position: Position) -> tuple[list[dict[str, Any]] | None, Position]:
    """Read the records that a metrics.jsonl gained since a position.

    Returns:
      (records with scalars and class shares, new position); (None, the beginning) where the file
      was replaced since.
    """
    try:
        with files.open_regular(path) as file:
            if _is_replaced(file, position):
                return None, Position(os.fstat(file.fileno()).st_ino, 0)
            lines, end = _read_lines(file, position.offset, MAX_NEW_BYTES)
    except OSError:
        return ([], position) if position == BEGINNING else (None, BEGINNING)
    records = [record for record in map(files.parse_record, lines) if record]
    return [_slim(record) for record in records], position._replace(offset=end)


def _slim(record):
    """Keep step, scalars and class shares of a record."""
    shares = class_shares(record)
    return {"step": record["step"], **scalars(record), **({"shares": shares} if shares else {})}


class ReaderCache:
    """CurveReaders of the runs that were viewed last."""

    def __init__(self):
        self._readers: collections.OrderedDict[Path, CurveReader] = collections.OrderedDict()

    def get(self, path: Path) -> CurveReader:
        """Return the CurveReader of a metrics.jsonl."""
        reader = self._readers.pop(path, None) or CurveReader(path)
        self._readers[path] = reader
        while len(self._readers) > MAX_READERS:
            self._readers.popitem(last=False)
        return reader
