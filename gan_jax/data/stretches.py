"""Stretches: invertible curves from a range of values to [0, 1], and how that range is chosen."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gan_jax.errors import InputError

N_SAMPLED = 2**22  # values of a band that percentiles and zscale of a whole set are computed from
_ZSCALE_SAMPLES, _ZSCALE_ROUNDS, _ZSCALE_SIGMAS = 4096, 5, 2.5
_COMMON = ("low", "high", "per", "bands")  # keys that every stretch has
_CHOICES = {"per": ("set", "image"), "bands": ("each", "joint")}


class Parameter(NamedTuple):
    """A number of a stretch."""

    default: float
    low: float  # the bounds, both allowed
    high: float


class Stretch(NamedTuple):
    """A curve and the range of values that it is for.

    Its functions take arrays of numpy or JAX, and the module that they are of.
    """

    # (u in [0, 1], its parameters by name, numpy or jax.numpy) -> [0, 1]; it rises from 0 to 1
    forward: Callable[[Any, dict[str, float], Any], Any]
    # The inverse of `forward`.
    inverse: Callable[[Any, dict[str, float], Any], Any]
    parameters: dict[str, Parameter]
    # (sorted values [n] of a band, parameters) -> (low, high) that become 0 and 1
    limits: Callable[[np.ndarray, dict[str, float]], tuple[float, float]]


def _same(x, p, xp):
    return x


def _extremes(values, p):
    return values[0], values[-1]


def _percentiles(values, p):
    return percentile(values, p["below"]), percentile(values, p["above"])


def percentile(values: np.ndarray, percent: float) -> float:
    """Return a percentile of sorted values, linear between two of them."""
    at = percent / 100 * (len(values) - 1)
    before = int(at)
    after = min(before + 1, len(values) - 1)
    low, high = float(values[before]), float(values[after])
    return low + (at - before) * (high - low)


def zscale(values: np.ndarray, contrast: float) -> tuple[float, float]:
    """Compute the limits of IRAF's zscale from sorted values.

    A line is fitted to the values against their ranks, without values far from it. The limits are
    where the line, made steeper by 1 / contrast around the median, has its ends.

    Source: the help page of IRAF's task `display`, "zscale algorithm".
    """
    if len(values) > _ZSCALE_SAMPLES:
        values = values[np.linspace(0, len(values) - 1, _ZSCALE_SAMPLES).astype(int)]
    values = np.asarray(values, np.float64)
    n = len(values)
    rank, inliers = np.arange(n) - (n - 1) / 2, np.ones(n, bool)
    slope, least = 0.0, max(5, n // 2)
    for _ in range(_ZSCALE_ROUNDS):
        if inliers.sum() < least:
            return values[0], values[-1]
        slope, intercept = np.polyfit(rank[inliers], values[inliers], 1)
        off = values - (intercept + slope * rank)
        still = inliers & (
            np.abs(off) <= _ZSCALE_SIGMAS * off[inliers].std() + 1e-12 * np.abs(off).max()
        )
        if (still == inliers).all():
            break
        inliers = still
    median, reach = float(np.median(values)), slope / contrast * (n - 1) / 2
    return max(values[0], median - reach), min(values[-1], median + reach)


TABLE = {
    "linear": Stretch(_same, _same, {}, _extremes),
    "asinh": Stretch(
        lambda u, p, xp: xp.arcsinh(u / p["softening"]) / np.arcsinh(1 / p["softening"]),
        lambda y, p, xp: xp.sinh(y * np.arcsinh(1 / p["softening"])) * p["softening"],
        {"softening": Parameter(0.1, 1e-4, 10)},
        _extremes,
    ),
    "log": Stretch(
        lambda u, p, xp: xp.log1p(u * p["a"]) / np.log1p(p["a"]),
        lambda y, p, xp: xp.expm1(y * np.log1p(p["a"])) / p["a"],
        {"a": Parameter(1000, 0.1, 1e5)},
        _extremes,
    ),
    "sqrt": Stretch(lambda u, p, xp: xp.sqrt(u), lambda y, p, xp: y * y, {}, _extremes),
    "zscale": Stretch(
        _same,
        _same,
        {"contrast": Parameter(0.25, 0.01, 1)},
        lambda values, p: zscale(values, p["contrast"]),
    ),
    "percentile": Stretch(
        _same,
        _same,
        {"below": Parameter(0.5, 0, 49.9), "above": Parameter(99.5, 50.1, 100)},
        _percentiles,
    ),
}


class Choice(NamedTuple):
    """What a --stretch says."""

    stretch: Stretch
    p: dict[str, float]  # parameters by name
    low: str  # "" for what the stretch finds; "P%" for a percentile; a number in the data's units
    high: str
    per_image: bool  # limits of each image, not of the whole set
    joint: bool  # all bands together, which keeps their ratios

    def find_limits(self, values: np.ndarray, to_stored: Callable[[float], float]):
        """Find (low, high) of sorted values [n]; low is not below high where they contradict.

        Args:
          values: stored numbers, sorted.
          to_stored: from the data's units to stored numbers.
        """
        ends = []
        for text, own in zip(
            (self.low, self.high), self.stretch.limits(values, self.p), strict=True
        ):
            if text.endswith("%"):
                ends.append(percentile(values, float(text[:-1])))
            else:
                ends.append(to_stored(float(text)) if text else own)
        low, high = map(float, ends)
        return low, high


@functools.lru_cache
def parse(text: str) -> Choice:
    """Read a --stretch: NAME, or NAME:KEY=VALUE,KEY=VALUE.

    Raises:
      InputError: the name, a key or a value makes no sense.
    """
    name, _, rest = (text or "linear").partition(":")
    flag = f"--stretch={text}"
    if name not in TABLE:
        raise InputError(f"{flag}: {name!r} is not known; use one of: {', '.join(TABLE)}.")
    stretch, values = TABLE[name], {}
    keys = (*stretch.parameters, *_COMMON)
    for word in filter(None, rest.split(",")):
        key, _, value = word.partition("=")
        if key not in keys or key in values or not value:
            raise InputError(
                f"{flag}: {word!r} is no setting of {name}; write KEY=VALUE with the keys "
                f"{', '.join(keys)}, each once."
            )
        values[key] = value
    p = {k: _number(flag, k, values.get(k), part) for k, part in stretch.parameters.items()}
    for key, choices in _CHOICES.items():
        if values.get(key, choices[0]) not in choices:
            raise InputError(
                f"{flag}: {key}={values[key]} is not known; use {' or '.join(choices)}."
            )
    ends = [_limit(flag, key, values.get(key, "")) for key in ("low", "high")]
    units = [float(end) for end in ends if end and not end.endswith("%")]
    percents = [float(end[:-1]) for end in ends if end.endswith("%")]
    for pair in (units, percents):
        if len(pair) == 2 and pair[0] >= pair[1]:
            raise InputError(
                f"{flag}: low={ends[0]} is not below high={ends[1]}; exchange them: "
                f"low={ends[1]},high={ends[0]}."
            )
    return Choice(stretch, p, *ends, values.get("per") == "image", values.get("bands") == "joint")


def _number(flag, key, text, part):
    try:
        value = part.default if text is None else float(text)
    except ValueError:
        value = np.nan
    if not part.low <= value <= part.high:
        raise InputError(
            f"{flag}: {key}={text} must be a number from {part.low:g} to {part.high:g}; the "
            f"default is {key}={part.default:g}."
        )
    return value


def _limit(flag, key, text):
    if not text:
        return ""
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = np.nan
    if not np.isfinite(value) or (text.endswith("%") and not 0 <= value <= 100):
        raise InputError(
            f"{flag}: {key}={text} must be a number in the data's units, or a percentile such as "
            f"{key}=99.5%."
        )
    return text
