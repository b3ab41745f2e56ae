"""Is the run well? Judged at the log cadence, from what is logged there and the variety of one batch of images.

Two things look alike in losses and are not: a generator that learns, and one that turns all noise into one picture. So the
watch measures what losses do not show, keeps every value beside the range that healthy runs keep to, and says in a sentence
what is wrong. All is a function of the state, the seed and the records so far: a resumed run says the same. The ranges come
from short runs on MNIST, galaxies and points, healthy and made to fail (tests/training/test_monitor.py repeats some of them).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from gan_jax import images
from gan_jax.metrics import class_balance
from gan_jax.training import sampling

N = sampling.CHUNK  # images per look
SIDE = 64  # pixels; of larger images every second, third, ... row and column is compared
KEY = 65  # what the key of the watched images is folded with
WARM_RECORDS = 10  # records of a run's beginning that are not judged
WARM_MEMORIES = 3  # nor as many times the 1/(1-ema) steps that the averaged generator remembers
COLLAPSED = (
    "watch/diversity low",
    "watch/largest_class high",
)  # warnings that --stop_on_collapse heeds


def _one(values, warm):
    return 1.0


def _usual(values, warm):
    """Half of the values are above it: the beginning's extremes do not count."""
    return float(np.median(values))


def _best(values, warm):
    """The most since the beginning, of which neither noise (above 1) nor a run that was never good (below 0.7) is a measure."""
    return min(max([*values[warm:], 0.7]), 1.0)


class Range(NamedTuple):
    """Between which bounds a value of healthy runs lies. low, high: in units of unit(values so far, how many of them are of the
    beginning). patience: records in a row outside that begin a warning, and inside that end it. below, above: what it means."""

    low: float
    high: float
    below: str
    above: str
    unit: Callable = _one
    patience: int = 5


RANGES = {  # by a value's name, or the last part of it
    "watch/diversity": Range(
        0.5,
        math.inf,
        "generated images are much more alike than the data: mode collapse. Look at the newest samples; a "
        "lower --lr, a higher --lr_disc or --n_disc, or a --penalty on D help",
        "",
        unit=_best,
    ),
    "watch/largest_class": Range(
        0,
        0.9,
        "",
        "nearly all generated images are of one class: mode collapse. Other losses, a --penalty, or --condition=labels help",
        patience=2,
    ),
    "watch/gap": Range(
        -0.1,
        0.9,
        "D takes generated images for more real than real ones, and G learns nothing true. A higher --lr_disc or --n_disc, or "
        "a lower --lr help",
        "D tells real from generated without doubt, and G learns little from it. A lower --lr_disc, a --penalty, --input_noise "
        "or --augment help",
    ),
    "grad_norm": Range(
        1e-3,
        30.0,
        "gradients have vanished: this player no longer learns",
        "gradients are growing out of bounds. A lower learning rate or a --penalty helps",
        unit=_usual,
    ),
    "penalty": Range(
        -math.inf,
        30.0,
        "",
        "the penalty grows: D's slope is out of control. A higher --lambda_p or a lower --lr_disc helps",
        unit=_usual,
    ),
}


def spread(x):
    """How different images are: the mean rms difference of two of them.

    Args:
      x: [n, H, W, C], uint8 or float; of images above SIDE pixels evenly chosen rows and columns count.

    Returns:
      float >= 0 in the units of x, exact to rounding for uint8.
    """
    by = -(-x.shape[1] // SIDE)
    flat = np.asarray(x)[:, ::by, ::by].reshape(len(x), -1).astype(np.float64)
    gram = flat @ flat.T
    square = np.diag(gram)[:, None] + np.diag(gram) - 2 * gram
    return float(np.sqrt(square.clip(0) / flat.shape[1]).sum() / max(len(x) * (len(x) - 1), 1))


def _range(name):
    return RANGES.get(name) or RANGES.get(name.rpartition("/")[2])


def meaning(warning):
    """What a warning says about the run, and what helps."""
    name, _, side = warning.rpartition(" ")
    return f"{_range(name).below if side == 'low' else _range(name).above}."


def episodes(records):
    """[(warning, first step, last step or None where it still holds)] of a run's records, by first step."""
    out, open_ = [], {}
    for record in records:
        now = record.get("warnings", [])
        out += [(w, open_.pop(w), record["step"]) for w in list(open_) if w not in now]
        open_ |= {w: record["step"] for w in now if w not in open_}
    return sorted([*out, *((w, first, None) for w, first in open_.items())], key=lambda e: e[1])


class Health:
    """The judgement alone: what a run's records say, in order.

    began: {warning "NAME low" or "NAME high": the step of the record that it begins with}, of the warnings that hold now.
    """

    def __init__(self, config):
        """config: what config.json holds."""
        ema, counts = config["hp"].get("ema"), config["source"].get("counts") or [0]
        # Where the data themselves are mostly of one class, so are good images.
        self._ignored = ("watch/largest_class",) if max(counts) > 0.6 * sum(counts) else ()
        self._warm_steps = WARM_MEMORIES / (1 - ema) if ema else 0
        self._values, self._warm, self._n = {}, {}, 0
        self.began = {}

    def add(self, record):
        """Takes in the next record. Returns the warnings that hold now, sorted."""
        self._n += 1
        warm = self._n <= WARM_RECORDS or record["step"] < self._warm_steps
        for name in (n for n in record if _range(n) and n not in self._ignored):
            self._values.setdefault(name, []).append(record[name])
            self._warm[name] = self._warm.get(name, 0) + warm
        found = [w for name in self._values if name in record for w in self._broken(name)]
        # Not measured at every record, a value stays what it was.
        found += [w for w in self.began if w.rpartition(" ")[0] not in record]
        self.began = {w: self.began.get(w, record["step"]) for w in sorted(found)}
        return list(self.began)

    def bounds(self, name):
        """(low, high) of a value as of now, or None where it is not judged, or never was other than 0."""
        values = self._values.get(name, [])
        unit = _range(name).unit(values, self._warm[name]) if values else 0
        return (_range(name).low * unit, _range(name).high * unit) if unit > 0 else None

    def _broken(self, name):
        """Warnings of one value: it was outside all the time and is not on its way back; or was never inside since."""
        n, bounds, all_values = _range(name).patience, self.bounds(name), self._values[name]
        if len(all_values) < self._warm[name] + n or bounds is None:
            return []
        now, before = np.array(all_values[-n:]), np.array(all_values[-2 * n : -n])
        rise = (
            (np.median(now) - np.median(before)) / abs(np.median(before)) if before.any() else 0.0
        )
        found = {
            f"{name} {side}": outside.any()
            if f"{name} {side}" in self.began
            else outside.all() and back <= 0.1
            for side, outside, back in (
                ("low", now < bounds[0], rise),
                ("high", now > bounds[1], -rise),
            )
        }
        return [warning for warning, holds in found.items() if holds]

    def text(self, warning):
        """A warning as a sentence."""
        name, _, side = warning.rpartition(" ")
        value, bound = self._values[name][-1], self.bounds(name)[side == "high"]
        return f"{name} is {value:.3g}, {'below' if side == 'low' else 'above'} {bound:.3g}: {meaning(warning)}"


class Watch:
    """Measures and judges one run while it trains."""

    def __init__(self, config, method, sampler, source, pool, records, say):
        """config: config.Config. sampler, pool: see sampling.build_sampler. records: of the run so far. say: shows a line."""
        self._method, self._sampler, self._say = method, sampler, say
        self._key = jax.random.fold_in(jax.random.key(config.run.seed), KEY)
        self._given = sampling.drawn_from(pool, self._key, N) if method.by == "image" else None
        real = (
            sampling.drawn_from(source.images, self._key, min(N, len(source.images)))
            if self._given is None
            else self._given
        )
        self._real = spread(self._seen(real))
        # Wasserstein scores have no origin and no scale: their sigmoid says nothing.
        self._bounded = getattr(method.hp, "loss", "") != "wasserstein"
        self.health = Health(config.to_dict())
        for record in records:
            self.health.add(record)

    def look(self, vs, record, shares=None):
        """What is added to a record, and said where something begins or ends.

        Args:
          vs: state.Vars of the generator that is sampled. record: what is logged at this step.
          shares: float [K], the classes of generated images, where they were just counted.

        Returns:
          {"watch/diversity": spread of N generated images of fixed noise over that of N real ones (of colorization: of what is
          added to the gray images); "watch/gap": D(x) - D(G(z)), but for --loss=wasserstein; "watch/modes": classes with 1 % of
          the images or more, and "watch/largest_class": share of the most frequent one, with shares; "warnings": names of those
          that hold, if any}.
        """
        out = {}
        if self._real:
            out["watch/diversity"] = (
                spread(self._seen(self._sampler(vs, self._key, N, self._given))) / self._real
            )
        if self._bounded and {"disc/real_prob", "disc/fake_prob"} <= set(record):
            out["watch/gap"] = record["disc/real_prob"] - record["disc/fake_prob"]
        if shares is not None:
            out |= {
                "watch/modes": class_balance.n_holding(shares, 0.01),
                "watch/largest_class": float(np.max(shares)),
            }
        before = set(self.health.began)
        warnings = self.health.add({**record, **out})
        for warning in [w for w in warnings if w not in before]:
            self._say(f"WARNING at step {record['step']}: {self.health.text(warning)}")
        for warning in sorted(before - set(warnings)):
            self._say(
                f"step {record['step']}: recovered: {warning.rpartition(' ')[0]} is healthy again"
            )
        return out | ({"warnings": warnings} if warnings else {})

    def collapse(self):
        """Why the run is taken for collapsed, as a sentence with its step; or ""."""
        found = [w for w in COLLAPSED if w in self.health.began]
        return (
            f"collapsed at step {self.health.began[found[0]]}: {self.health.text(found[0])}"
            if found
            else ""
        )

    def _seen(self, x):
        if self._given is None:
            return x
        x = images.to_float(x, self._method.hp.pixels)
        return x - np.asarray(self._method.condition(x))
