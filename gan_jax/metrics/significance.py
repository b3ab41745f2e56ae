"""What several training seeds say together: mean, spread, and whether two systems differ."""

import math

import numpy as np
from scipy import stats

Values = list[float] | np.ndarray  # scores of independent seeds, [n]


def mean_std_text(values: Values, decimals: int = 2) -> str:
    """Format values as "mean +- standard deviation"; a single one as it is."""
    values = np.asarray(values, float)
    spread = f" +- {values.std(ddof=1):.{decimals}f}" if len(values) > 1 else ""
    return f"{values.mean():.{decimals}f}{spread}"


def confidence_interval(
    values: Values, least: float = -math.inf, most: float = math.inf
) -> tuple[float, tuple[float, float] | None]:
    """Compute the mean and its 95 % interval by Student's t; None without spread.

    Args:
      values: of independent seeds, [n].
      least: the least value that there can be; the interval is cut there.
      most: the largest one.

    Returns:
      (mean, (low, high) or None).
    """
    values = np.asarray(values, float)
    mean = float(values.mean())
    if len(values) < 2 or np.ptp(values) == 0:
        return mean, None
    half = float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
    return mean, (max(mean - half, least), min(mean + half, most))


def welch_interval(
    a: Values, b: Values, n_comparisons: int = 1
) -> tuple[float, float | None, float | None]:
    """Compute mean(a) - mean(b) with its 95 % interval by Welch's t (unequal variances).

    Args:
      a: scores of independent seeds, [n].
      b: scores of independent seeds, [m].
      n_comparisons: number of intervals that are read together; all of them hold with 95 %
        (Bonferroni).

    Returns:
      (difference, low, high); low and high are None where a side has fewer than two seeds or no
      spread.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    difference = float(a.mean() - b.mean())
    if min(len(a), len(b)) < 2 or min(np.ptp(a), np.ptp(b)) == 0:
        return difference, None, None
    test = stats.ttest_ind(a, b, equal_var=False)
    low, high = test.confidence_interval(1 - 0.05 / n_comparisons)
    return difference, float(low), float(high)


def paired_gain_text(gain: dict) -> str:
    """Format a paired difference of shares in percentage points, with its interval.

    Args:
      gain: vote.Paired as a dict.
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
) -> str:
    """Say in one sentence which system is better in a score, or that these seeds cannot tell.

    Args:
      name_a: name of the first system.
      a: its scores, one per seed.
      name_b: name of the second system.
      b: its scores, one per seed.
      score: name of the score.
      decimals: decimals of the numbers.
      n_comparisons: see `welch_interval`.
      better: "low" or "high"; anything else where neither end of the scale is good.
    """
    difference, low, high = welch_interval(a, b, n_comparisons)
    head = f"{name_a} against {name_b}, {score}:"
    if low is None or high is None:
        return f"{head} {difference:+.{decimals}f} (no interval without spread: nothing follows)."
    together = f", one of {n_comparisons} that hold together" if n_comparisons > 1 else ""
    text = (
        f"{head} {difference:+.{decimals}f} (95 % interval {low:+.{decimals}f} to "
        f"{high:+.{decimals}f}{together})"
    )
    if low <= 0 <= high:
        return f"{text}: these seeds cannot tell."
    if better not in ("low", "high"):
        return f"{text}: they differ."
    return f"{text}: {name_a if (difference < 0) == (better == 'low') else name_b} is better."


def compare_two_runs(
    name_a: str,
    a: float,
    se_a: float,
    name_b: str,
    b: float,
    se_b: float,
    score: str,
    decimals: int = 3,
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
    """
    difference, half = a - b, stats.norm.ppf(0.975) * np.hypot(se_a, se_b)
    head = f"{name_a} against {name_b}, {score}: {difference:+.{decimals}f}"
    if not np.isfinite(half):
        return f"{head} (one run each, no interval: nothing follows)."
    low, high = difference - half, difference + half
    conclusion = "these samples cannot tell" if abs(difference) <= half else "these two runs differ"
    return (
        f"{head} (95 % interval from sampling {low:+.{decimals}f} to {high:+.{decimals}f}): "
        f"{conclusion}; one run each says nothing of other seeds."
    )


def fisher_exact_p(generated: np.ndarray, real: np.ndarray) -> float:
    """Compute the one-sided p-value of Fisher's exact test.

    It is the probability that at least so many of the True ones are generated, if generated and
    real ones did not differ. Computed in integers, so it is exact however small it is.

    Args:
      generated: bool [n].
      real: bool [m].
    """
    n_true_real = int(real.sum())
    n_true = int(generated.sum()) + n_true_real
    ways = sum(
        math.comb(len(real), i) * math.comb(len(generated), n_true - i)
        for i in range(n_true_real + 1)
    )
    return ways / math.comb(len(generated) + len(real), n_true)
