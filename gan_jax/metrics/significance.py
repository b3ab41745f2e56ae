"""Statistics of all reports and studies: means, intervals, and whether two systems differ.

Intervals of a mean stay within what the score can be, see `bounded_interval`. Two systems are
compared by the ratio of their means where a score is a distance, else by their difference, see
`compare_means`. Shares of test images have `exact_tests`.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike

# How to read intervals of means, for pages.
MEANS_NOTE = (
    "Intervals of means are Student's t over seeds; those of a score with limits, such as a share, "
    "are computed on its logit or logarithm, so that they stay within what it can be."
)

Values = list[float] | np.ndarray  # scores of independent seeds, [n]


def mean_std_text(values: Values, decimals: int = 2) -> str:
    """Format values as "mean +- standard deviation"; a single one as it is."""
    values = np.asarray(values, float)
    spread = f" +- {values.std(ddof=1):.{decimals}f}" if len(values) > 1 else ""
    return f"{values.mean():.{decimals}f}{spread}"


def bounded_interval(
    mean: float, se: float, quantile: float, least: float = -math.inf, most: float = math.inf
) -> tuple[float, float]:
    """Return an interval around a mean that stays within what a score can be.

    Without limits it is mean +- quantile * se. With limits that is done on a scale without ends
    and brought back: log(x - least) of a score with one limit, log((x - least) / (most - x)) with
    two, with the standard error of that scale by the delta method. A mean that lies at a limit has
    no place on such a scale; its interval is mean +- quantile * se, cut.

    Why so: near a limit scores are skewed. Cutting a plain interval keeps it within the range, but
    of 3 to 10 seeds it then holds the true mean in 84 to 93 % of the cases; this one in 92 to 95 %
    (tests/metrics/test_significance.py). A bootstrap, such as BCa, has too little to draw from with
    so few seeds.

    Args:
      mean: of the values.
      se: its standard error, on the scale of the values.
      quantile: of the mean's distribution, such as 1.96.
      least: the least possible value; -inf: none.
      most: the largest one; inf: none.

    Returns:
      (low, high), least <= low <= mean <= high <= most but for a mean that rounding puts outside.

    Source: Oehlert 1992, "A Note on the Delta Method"; the logit of a share: Agresti 2013,
    "Categorical Data Analysis", section 1.6.
    """
    half = quantile * se
    above, below = mean - least, most - mean
    if min(above, below) <= 0 or (math.isinf(above) and math.isinf(below)):
        return min(max(mean - half, least), mean), max(min(mean + half, most), mean)
    if math.isinf(below):
        factor = _exp(half / above)
        return least + above / factor, least + above * factor
    if math.isinf(above):
        factor = _exp(half / below)
        return most - below * factor, most - below / factor
    width, odds = most - least, above / below
    factor = _exp(half * width / (above * below))
    return least + width / (1 + factor / odds), least + width / (1 + 1 / (factor * odds))


def _exp(x):
    return math.exp(min(x, 700.0))  # finite


def confidence_interval(
    values: Values, least: float = -math.inf, most: float = math.inf
) -> tuple[float, tuple[float, float] | None]:
    """Compute the mean and its 95 % interval by Student's t; None without spread.

    Args:
      values: of independent seeds, [n].
      least: the least value that there can be, see `bounded_interval`.
      most: the largest one.

    Returns:
      (mean, (low, high) or None).
    """
    values = np.asarray(values, float)
    mean = float(values.mean())
    if len(values) < 2 or np.ptp(values) == 0:
        return mean, None
    quantile = float(scipy.stats.t.ppf(0.975, len(values) - 1))
    return mean, bounded_interval(mean, float(scipy.stats.sem(values)), quantile, least, most)


def settled(
    groups: Sequence[Values], least: float = -math.inf, most: float = math.inf, paired: bool = False
) -> int | None:
    """Return the first of several groups from which on a score is as in the last one.

    The means of all groups from there on lie within the 95 % interval of the last, which knows
    nothing of theirs.

    Args:
      groups: values of independent seeds, ascending by what they are a curve over.
      least, most: see `confidence_interval`.
      paired: whether groups have the same seeds, in order. Then the change of each seed to the last
        group counts, too: its interval must hold 0.

    Returns:
      An index; None where the last group has no interval.
    """
    _, interval = confidence_interval(groups[-1], least, most)
    if interval is None:
        return None

    def is_as_last(group):
        return interval[0] <= np.mean(group) <= interval[1] and not (paired and changes(group))

    def changes(group):
        change = paired_t_test(group, groups[-1])
        if change.low is None or change.high is None:  # all seeds change alike
            return change.mean != 0
        return not change.low <= 0 <= change.high

    first = len(groups) - 1
    while first and is_as_last(groups[first - 1]):
        first -= 1
    return first


def interval_text(
    values: Values, digits: int, least: float = -math.inf, most: float = math.inf, scale: float = 1
) -> str:
    """Format the mean of values with its 95 % interval, if any, as "0.50 (0.41 to 0.59)".

    Args:
      values: of independent seeds, [n].
      digits: decimals.
      least, most: see `confidence_interval`.
      scale: factor of what is shown, such as 100 for percent.
    """
    mean, interval = confidence_interval(values, least, most)
    text = f"{scale * mean:.{digits}f}"
    if interval is None:
        return text
    low, high = (f"{scale * x:.{digits}f}" for x in interval)
    return f"{text} ({low} to {high})"


def _cut(low, high, widest):
    """Cut the interval of a difference at +-widest, beyond which no difference is possible.

    0 stays where it is, inside or outside, so that the interval says the same as the test.
    """
    return max(float(low), -widest), min(float(high), widest)


def welch_interval(
    a: Values, b: Values, n_comparisons: int = 1, widest: float = math.inf
) -> tuple[float, float | None, float | None]:
    """Compute mean(a) - mean(b) with its 95 % interval by Welch's t (unequal variances).

    Args:
      a: scores of independent seeds, [n].
      b: scores of independent seeds, [m].
      n_comparisons: number of intervals that are read together; all of them hold with 95 %
        (Bonferroni).
      widest: the largest difference that there can be, such as 1 of two shares.

    Returns:
      (difference, low, high); low and high are None where a side has fewer than two seeds or no
      spread.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    difference = float(a.mean() - b.mean())
    if min(len(a), len(b)) < 2 or min(np.ptp(a), np.ptp(b)) == 0:
        return difference, None, None
    test = scipy.stats.ttest_ind(a, b, equal_var=False)
    return difference, *_cut(*test.confidence_interval(1 - 0.05 / n_comparisons), widest)


class Comparison(NamedTuple):
    """How two means compare, and the interval of that; low and high are None without spread."""

    value: float  # mean(a) - mean(b), or mean(a) / mean(b)
    low: float | None
    high: float | None
    is_ratio: bool

    @property
    def is_decided(self) -> bool:
        """Say whether the interval leaves out that the means are equal."""
        equal = 1 if self.is_ratio else 0
        return self.low is not None and self.high is not None and not self.low <= equal <= self.high

    @property
    def is_larger(self) -> bool:
        """Say whether the first mean is the larger one."""
        return self.value > (1 if self.is_ratio else 0)

    def texts(self, decimals: int) -> tuple[str, str]:
        """Format the value, and its interval ("" without one).

        decimals: of a difference; a ratio has three digits.
        """
        form = "#.3g" if self.is_ratio else f"+.{decimals}f"
        unit = " times" if self.is_ratio else ""
        interval = "" if self.low is None else f"{self.low:{form}} to {self.high:{form}}"
        return f"{self.value:{form}}{unit}", interval

    def cell(self, decimals: int) -> str:
        """Format the value and its interval for a table; decimals as in `texts`."""
        value, interval = self.texts(decimals)
        return f"{value} ({interval})" if interval else value


def compare_means(
    a: Values,
    b: Values,
    n_comparisons: int = 1,
    limits: tuple[float, float] = (-math.inf, math.inf),
) -> Comparison:
    """Compare two means, by their ratio where the score is a distance, else by their difference.

    A distance is a score that can be anything from 0 on. Its spread grows with its mean, so that
    the interval of a difference is as wide as the worse of the two systems is bad: with three seeds
    and 36 comparisons it leaves undecided 67 % of the systems that are 20 times as far from the
    data. That of the ratio decides 99 % of them, and holds the truth as often
    (tests/metrics/test_significance.py).

    Args:
      a: scores of independent seeds, [n].
      b: scores of independent seeds, [m].
      n_comparisons: number of intervals that are read together; all of them hold with 95 %
        (Bonferroni).
      limits: the least and the largest value that the score can have, see metric.Score.limits.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    least, most = limits
    if least == 0 and math.isinf(most) and min(a.mean(), b.mean()) > 0:
        return Comparison(*_ratio_interval(a, b, n_comparisons), True)
    return Comparison(*welch_interval(a, b, n_comparisons, most - least), False)


def _ratio_interval(a, b, n_comparisons):
    """Compute mean(a) / mean(b) with its interval, by Welch's t on the logarithms of both means.

    Standard errors are taken to that scale by the delta method, as in `bounded_interval`.
    Returns and None as `welch_interval`.
    """
    ratio = float(a.mean() / b.mean())
    if min(len(a), len(b)) < 2 or min(np.ptp(a), np.ptp(b)) == 0:
        return ratio, None, None
    variances = [float(scipy.stats.sem(x) / x.mean()) ** 2 for x in (a, b)]
    freedom = sum(variances) ** 2 / sum(
        v**2 / (len(x) - 1) for v, x in zip(variances, (a, b), strict=True)
    )
    quantile = scipy.stats.t.ppf(1 - 0.025 / n_comparisons, freedom)
    factor = _exp(float(quantile) * math.sqrt(sum(variances)))
    return ratio, ratio / factor, ratio * factor


class PairedTest(NamedTuple):
    """The result of a paired t-test."""

    n: int  # pairs
    mean: float  # of the differences
    low: float | None  # ends of the interval of the mean
    high: float | None
    t: float | None  # the statistic, of n - 1 degrees of freedom
    p: float | None  # two-sided
    note: str  # why low to p are None; "" where they are not


def paired_t_test(
    a: ArrayLike, b: ArrayLike, n_comparisons: int = 1, widest: float = math.inf
) -> PairedTest:
    """Test whether a differs from b, pair by pair.

    Differences that are all the same, to rounding, have no spread, and one pair has none either.
    Then there is no test, since any p-value would claim a certainty that was not measured.

    Args:
      a, b: float [n], n >= 1; the pairs must be independent of one another.
      n_comparisons: how many such intervals are read together; all of them hold with 95 %
        (Bonferroni). p is of this one alone.
      widest: see `welch_interval`.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    n, mean = len(a), float((a - b).mean())
    rounding = 8 * np.finfo(np.float64).eps * max(np.abs(a).max(), np.abs(b).max())
    note = ""
    if n < 2:
        note = "one pair has no spread: no interval, no p-value"
    elif np.ptp(a - b) <= rounding:
        same = "are 0" if mean == 0 else "are the same"
        note = f"all {n} differences {same}: no spread, no interval, no p-value"
    if note:
        return PairedTest(n, mean, None, None, None, None, note)
    test = scipy.stats.ttest_rel(a, b)
    low, high = _cut(*test.confidence_interval(1 - 0.05 / n_comparisons), widest)
    return PairedTest(n, mean, low, high, float(test.statistic), float(test.pvalue), "")


def paired_gain_text(gain: dict) -> str:
    """Format a paired difference of shares in percentage points, with its interval.

    Args:
      gain: a PairedTest as a dict.
    """
    if gain["p"] is None:
        return f"{100 * gain['mean']:+.2f}"
    return f"{100 * gain['mean']:+.2f} ({100 * gain['low']:+.2f} to {100 * gain['high']:+.2f})"


def compare_seeds(
    name_a: str,
    a: Values,
    name_b: str,
    b: Values,
    score: str,
    decimals: int = 2,
    n_comparisons: int = 1,
    better: str = "low",
    limits: tuple[float, float] = (-math.inf, math.inf),
) -> str:
    """Say in one sentence which system is better in a score, or that these seeds cannot tell.

    Args:
      name_a: name of the first system.
      a: its scores, one per seed.
      name_b: name of the second system.
      b: its scores, one per seed.
      score: name of the score.
      decimals: decimals of a difference.
      n_comparisons: see `compare_means`.
      better: "low" or "high"; anything else where neither end of the scale is good.
      limits: see `compare_means`.
    """
    comparison = compare_means(a, b, n_comparisons, limits)
    value, interval = comparison.texts(decimals)
    head = f"{name_a} against {name_b}, {score}: {value}"
    if not interval:
        return f"{head} (no interval without spread: nothing follows)."
    text = f"{head} (95 % interval {interval}{_together(n_comparisons)})"
    if not comparison.is_decided:
        return f"{text}: these seeds cannot tell."
    if better not in ("low", "high"):
        return f"{text}: they differ."
    return f"{text}: {name_b if comparison.is_larger == (better == 'low') else name_a} is better."


def _together(n_comparisons):
    return f", one of {n_comparisons} that hold together" if n_comparisons > 1 else ""


def compare_two_runs(
    name_a: str,
    a: float,
    se_a: float,
    name_b: str,
    b: float,
    se_b: float,
    score: str,
    decimals: int = 3,
    n_comparisons: int = 1,
    widest: float = math.inf,
) -> str:
    """Say in one sentence whether two single runs differ, by the standard errors of sampling.

    It says nothing of other trainings.

    Args:
      name_a: name of the first run.
      a: its score.
      se_a: standard error of a; nan where unknown.
      name_b: name of the second run.
      b: its score.
      se_b: standard error of b.
      score: name of the score.
      decimals: decimals of the numbers.
      n_comparisons: see `welch_interval`.
      widest: see `welch_interval`.
    """
    quantile = scipy.stats.norm.ppf(1 - 0.025 / n_comparisons)
    difference, half = a - b, quantile * np.hypot(se_a, se_b)
    head = f"{name_a} against {name_b}, {score}: {difference:+.{decimals}f}"
    if not np.isfinite(half):
        return f"{head} (one run each, no interval: nothing follows)."
    low, high = _cut(difference - half, difference + half, widest)
    conclusion = "these samples cannot tell" if abs(difference) <= half else "these two runs differ"
    return (
        f"{head} (95 % interval from sampling {low:+.{decimals}f} to {high:+.{decimals}f}"
        f"{_together(n_comparisons)}): {conclusion}; one run each says nothing of other seeds."
    )
