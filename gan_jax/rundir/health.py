"""Is a run well? Judges the records of its metrics.jsonl; needs neither JAX nor the run itself.

Two things look alike in losses and are not: a generator that learns, and one that turns all noise
into one picture. So training.monitor logs values that losses do not show, and this module compares
each with the range that healthy runs keep to. The ranges come from short runs on MNIST, galaxies
and points, healthy ones and ones made to fail (tests/training/test_monitor.py repeats some of
them).
"""

import bisect
import collections
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# A run is judged after WARMUP_RECORDS records and WARMUP_MEMORIES times the steps that its averaged
# generator remembers, 1 / (1 - ema).
WARMUP_RECORDS = 10
WARMUP_MEMORIES = 3
# Warnings that --stop_on_collapse acts on.
COLLAPSE_WARNINGS = ("watch/diversity low", "watch/largest_class high")


class _History:
    """One value of all records so far. What bounds depend on is there without looking back."""

    def __init__(self):
        self.values: list[float] = []
        self.n_warmup = 0  # how many of them are warm-up
        self.best = -math.inf  # largest after warm-up
        self._ordered: list[float] = []

    def add(self, value: float, warmup: bool) -> None:
        """Add the next value, of the warm-up or after it."""
        self.values.append(value)
        bisect.insort(self._ordered, value)
        self.n_warmup += warmup
        if not warmup:
            self.best = max(self.best, value)

    def median(self) -> float:
        """Return the median of all values."""
        middle = len(self._ordered) // 2
        return (self._ordered[middle] + self._ordered[-middle - 1]) / 2


def _absolute(history: _History) -> float:
    """Unit of bounds that are absolute."""
    return 1.0


def _median(history: _History) -> float:
    """Median so far; extremes at the beginning do not count."""
    return history.median()


def _best(history: _History) -> float:
    """Best value after warm-up, clipped to [0.7, 1.0]."""
    return min(max(history.best, 0.7), 1.0)


class HealthyRange(NamedTuple):
    """The range in which a value of healthy runs lies."""

    low: float  # in units of `unit`
    high: float
    below: str  # what it means to lie below, and what helps
    above: str
    unit: Callable[[_History], float] = _absolute  # of the bounds
    patience: int = 5  # consecutive records outside that begin a warning, or inside that end it


# By the name of a value, or the last part of its name.
RANGES = {
    "watch/diversity": HealthyRange(
        0.5,
        2.0,
        "generated images are much more alike than the data: mode collapse. Look at the newest "
        "samples; a lower --lr, a higher --lr_disc or --n_disc, or a --penalty on D help",
        "generated images differ from one another far more than the data do: noise, or contrasts "
        "that no image of the data has. Look at the newest samples; longer training helps, or a "
        "lower --lr if they were better before",
        unit=_best,
    ),
    "watch/largest_class": HealthyRange(
        0,
        0.9,
        "",
        "nearly all generated images are of one class: mode collapse. Other losses, a --penalty, "
        "or --condition=labels help",
        patience=2,
    ),
    "watch/gap": HealthyRange(
        -0.1,
        0.9,
        "D takes generated images for more real than real ones, and G learns nothing true. A "
        "higher --lr_disc or --n_disc, or a lower --lr help",
        "D tells real from generated without doubt, and G learns little from it. A lower "
        "--lr_disc, a --penalty, --input_noise or --augment help",
    ),
    "watch/augment": HealthyRange(
        -math.inf,
        0.98,
        "",
        "ADA augments as often as it may, and D is still surer of real images than "
        "--augment_target asks for: they are few for this D. A smaller --width, a --penalty or "
        "more images help; look for augmentations that G shows in the newest samples",
    ),
    "grad_norm": HealthyRange(
        1e-3,
        30.0,
        "gradients have vanished: this player no longer learns",
        "gradients are growing out of bounds. A lower learning rate or a --penalty helps",
        unit=_median,
    ),
    "penalty": HealthyRange(
        -math.inf,
        30.0,
        "",
        "the penalty grows: D's slope is out of control. A higher --lambda_p or a lower --lr_disc "
        "helps",
        unit=_median,
    ),
}


def _key_of(name):
    return name if name in RANGES else name.rpartition("/")[2]


def _is_judged(name):
    return _key_of(name) in RANGES


def _range_of(name) -> HealthyRange:
    return RANGES[_key_of(name)]


def meaning(warning: str) -> str:
    """Say what a warning "NAME low" or "NAME high" means for the run, and what helps."""
    name, _, side = warning.rpartition(" ")
    return f"{_range_of(name).below if side == 'low' else _range_of(name).above}."


def episodes(records: list[dict]) -> list[tuple[str, int, int | None]]:
    """List the warnings of a run in the order in which they began.

    Args:
      records: records of metrics.jsonl.

    Returns:
      [(warning, first step, last step or None if it still holds)].
    """
    ended, active = [], {}
    for record in records:
        now = record.get("warnings", [])
        ended += [(w, active.pop(w), record["step"]) for w in list(active) if w not in now]
        active |= {w: record["step"] for w in now if w not in active}
    return sorted([*ended, *((w, first, None) for w, first in active.items())], key=lambda e: e[1])


def _memory(config) -> float:
    """Return how many steps the averaged generator remembers; 0 where it needs no waiting for."""
    hp = config["hp"]
    ema, half_life = hp.get("ema"), hp.get("ema_images", 0)
    if half_life:  # which grows from 0 over warmup_images, as the memory does
        return 0 if hp["warmup_images"] else half_life / (math.log(2) * config["run"]["batch"])
    return 1 / (1 - ema) if ema else 0


class Health:
    """Judges the records of a run, one after another.

    Attributes:
      began: {warning "NAME low" or "NAME high": step at which it began}, of the active warnings.
    """

    def __init__(self, config: dict):
        """config: what config.json holds."""
        counts = config["dataset"].get("counts") or [0]
        # Where most of the data are of one class, so are good images.
        one_class = max(counts) > 0.6 * sum(counts)
        self._ignored = ("watch/largest_class",) if one_class else ()
        self._warmup_steps = WARMUP_MEMORIES * _memory(config)
        self._histories, self._n = collections.defaultdict(_History), 0
        self.began = {}

    def add(self, record: dict) -> list[str]:
        """Judge the next record. Returns the active warnings, sorted."""
        self._n += 1
        warmup = self._n <= WARMUP_RECORDS or record["step"] < self._warmup_steps
        for name in (n for n in record if _is_judged(n) and n not in self._ignored):
            self._histories[name].add(record[name], warmup)
        judged = [name for name in self._histories if name in record]
        active = [warning for name in judged for warning in self._warnings_of(name)]
        # A value that this record lacks keeps its warning.
        active += [w for w in self.began if w.rpartition(" ")[0] not in record]
        self.began = {w: self.began.get(w, record["step"]) for w in sorted(active)}
        return list(self.began)

    def bounds(self, name: str) -> tuple[float, float] | None:
        """Return (low, high) of a value now; None if it is not judged, or was always 0."""
        history = self._histories.get(name)
        unit = _range_of(name).unit(history) if history else 0
        return (_range_of(name).low * unit, _range_of(name).high * unit) if unit > 0 else None

    def _warnings_of(self, name):
        """List the active warnings of one value.

        A warning begins when the last `patience` values lie outside and are not on their way back.
        It ends when they all lie inside.
        """
        n, bounds, history = _range_of(name).patience, self.bounds(name), self._histories[name]
        values = history.values
        if len(values) < history.n_warmup + n or bounds is None:
            return []
        now, before = np.array(values[-n:]), np.array(values[-2 * n : -n])
        rise = (np.median(now) - np.median(before)) / abs(np.median(before)) if before.any() else 0
        active = []
        for side, outside, back in (
            ("low", now < bounds[0], rise),
            ("high", now > bounds[1], -rise),
        ):
            warning = f"{name} {side}"
            if outside.any() if warning in self.began else outside.all() and back <= 0.1:
                active.append(warning)
        return active

    def text(self, warning: str) -> str:
        """Write an active warning as a sentence."""
        name, _, side = warning.rpartition(" ")
        low, high = self.bounds(name) or (math.nan, math.nan)
        value = self._histories[name].values[-1]
        word, bound = ("below", low) if side == "low" else ("above", high)
        return f"{name} is {value:.3g}, {word} {bound:.3g}: {meaning(warning)}"

    def collapse(self) -> str:
        """Say why and since when the run counts as collapsed; "" if it does not."""
        for warning in COLLAPSE_WARNINGS:
            if warning in self.began:
                return f"collapsed at step {self.began[warning]}: {self.text(warning)}"
        return ""
