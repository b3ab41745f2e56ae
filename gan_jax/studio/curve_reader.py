"""The curves of a run, and its class shares, over steps, in bounded memory however long metrics.jsonl grows; its new lines."""

import collections
import os

from gan_jax.studio import files

POINTS = 800  # of a curve at most, an even number; neighbours are averaged as it grows beyond
NAMES = 200  # curves of one run, at most
BLOCK = 2**20  # bytes read at a time
CLASSES = 64  # of which shares are shown, at most
SHARES = 200  # evaluations whose shares are held, an even number; every second is left out as there are more
KEPT = 8  # runs whose curves are held


class Curve:
    """Means of `every` neighbouring values each, where `every` doubles whenever there are too many of them."""

    def __init__(self):
        self.steps, self.values, self.every = [], [], 1
        self._sum, self._n, self._step = 0.0, 0, 0

    def to_dict(self):
        """JSON-able: steps, and values up to the newest, whose neighbourhood may not be full yet."""
        if not self._n:
            return {"steps": self.steps, "values": self.values}
        return {"steps": [*self.steps, self._step], "values": [*self.values, self._sum / self._n]}

    def add(self, step, value):
        """One more value; steps ascend."""
        self._sum, self._n, self._step = self._sum + value, self._n + 1, step
        if self._n < self.every:
            return
        self.steps.append(step)
        self.values.append(self._sum / self._n)
        self._sum, self._n = 0.0, 0
        if len(self.steps) == POINTS:
            pairs = zip(self.values[::2], self.values[1::2], strict=True)
            self.steps, self.values = self.steps[1::2], [(a + b) / 2 for a, b in pairs]
            self.every *= 2


def shown(record):
    """{name: value} of a record that can be drawn: finite numbers but the step, times of the wall clock left out."""
    numbers = (
        (name, value)
        for name, value in record.items()
        if type(value) in (int, float) and name != "step"
    )
    return {name[:80]: value for name, value in numbers if "/" in name and abs(value) < files.HUGE}


def shares(record):
    """{"real": [K], "model": [K]}, the class shares that a record of an evaluation holds, or None."""
    found = record.get("shares")
    real, made = (
        (found.get(key) for key in ("real", "model")) if isinstance(found, dict) else (None, None)
    )
    if (
        not isinstance(real, list)
        or not isinstance(made, list)
        or not 0 < len(real) == len(made) <= CLASSES
    ):
        return None
    return (
        {"real": real, "model": made}
        if all(type(v) in (int, float) and 0 <= v <= 1 for v in real + made)
        else None
    )


class Series:
    """The curves of one metrics.jsonl, read on from where they end.

    place: (identity of the file, bytes read), by which a stream of new lines goes on.
    """

    def __init__(self, path):
        self._path, self.place, self.curves, self.shares = path, (0, 0), {}, []

    def advance(self):
        """Reads on, a block at most. Returns whether there is more."""
        try:
            with files.open_regular(self._path) as file:
                found = os.fstat(file.fileno())
                if found.st_ino != self.place[0] or found.st_size < self.place[1]:
                    self.place, self.curves, self.shares = (
                        (found.st_ino, 0),
                        {},
                        [],
                    )  # another: cut back at a resumption
                lines, end = new_lines(file, self.place[1], BLOCK)
        except OSError:
            self.place, self.curves, self.shares = (0, 0), {}, []
            return False
        for line in lines:
            if record := files.record(line):
                self._add(record)
        more, self.place = end > self.place[1], (self.place[0], end)
        return more

    def _add(self, record):
        for name, value in shown(record).items():
            if name in self.curves or len(self.curves) < NAMES:
                self.curves.setdefault(name, Curve()).add(record["step"], value)
        if found := shares(record):
            self.shares.append({"step": record["step"], **found})
            if len(self.shares) > SHARES:
                self.shares = self.shares[::2]

    def to_dict(self):
        """JSON-able: {"place": "IDENTITY-BYTES", "curves": {name: {"steps": [...], "values": [...]}}, "shares": [{"step", and
        see shares}]}."""
        curves = {name: curve.to_dict() for name, curve in sorted(self.curves.items())}
        return {"place": "{}-{}".format(*self.place), "curves": curves, "shares": self.shares}


def new_lines(file, start, limit):
    """(complete lines from a byte on, where they end): what at most `limit` bytes hold; a longer line is skipped."""
    file.seek(start)
    data = file.read(limit)
    end = data.rfind(b"\n") + 1
    if not end and len(data) == limit:
        return [], start + limit
    return data[:end].splitlines(), start + end


def news(path, place, limit=2**18):
    """What a file has gained since a place.

    Returns:
      (records, the new place); (None, ...) where it is another file than the place was in.
    """
    try:
        with files.open_regular(path) as file:
            found = os.fstat(file.fileno())
            if found.st_ino != place[0] or found.st_size < place[1]:
                return None, (found.st_ino, 0)
            if found.st_size == place[1]:
                return [], place
            lines, end = new_lines(file, place[1], limit)
    except OSError:
        return ([], place) if place == (0, 0) else (None, (0, 0))
    records = [files.record(line) for line in lines]
    return [_told(r) for r in records if r], (place[0], end)


def _told(record):
    found = shares(record)
    return {"step": record["step"], **shown(record), **({"shares": found} if found else {})}


class Shelf:
    """Series of the runs looked at last."""

    def __init__(self):
        self._series = collections.OrderedDict()

    def of(self, path):
        """The Series of a metrics.jsonl."""
        found = self._series.pop(path, None) or Series(path)
        self._series[path] = found
        while len(self._series) > KEPT:
            self._series.popitem(last=False)
        return found
