"""What several training seeds say together: mean and spread, and whether two systems differ."""

import numpy as np
from scipy import stats


def text(values, decimals=2):
    """Values of several seeds as "mean +- standard deviation"; a single one as it is."""
    values = np.asarray(values, float)
    spread = f" +- {values.std(ddof=1):.{decimals}f}" if len(values) > 1 else ""
    return f"{values.mean():.{decimals}f}{spread}"


def interval(values):
    """(mean, half of its 95 % interval by Student's t, or None where there is no spread)."""
    values = np.asarray(values, float)
    if len(values) < 2 or np.ptp(values) == 0:
        return float(values.mean()), None
    return float(values.mean()), float(
        stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    )


def gain_text(gain):
    """A paired difference of shares in points, with its interval. gain: vote.Paired as a dict."""
    if gain["p"] is None:
        return f"{100 * gain['mean']:+.2f}"
    return f"{100 * gain['mean']:+.2f} ({100 * gain['low']:+.2f} to {100 * gain['high']:+.2f})"


def difference(a, b, n_comparisons=1):
    """Mean of a minus mean of b, with its interval by Welch's t (unequal variances).

    Args:
      a, b: scores of independent seeds, floats [n] and [m].
      n_comparisons: how many such intervals are read together; all of them hold with 95 % (Bonferroni).

    Returns:
      (difference, low, high); low and high are None where a side has fewer than two seeds, or no spread at all.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    gap = float(a.mean() - b.mean())
    if min(len(a), len(b)) < 2 or min(np.ptp(a), np.ptp(b)) == 0:
        return gap, None, None
    part_a, part_b = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    freedom = (part_a + part_b) ** 2 / (part_a**2 / (len(a) - 1) + part_b**2 / (len(b) - 1))
    half = float(stats.t.ppf(1 - 0.025 / n_comparisons, freedom) * np.sqrt(part_a + part_b))
    return gap, gap - half, gap + half


def verdict(name_a, a, name_b, b, score, decimals=2, n_comparisons=1, better="low"):
    """One sentence on a score: which system is better, or that these seeds cannot tell. better: "low", "high", or anything else
    where neither end of the scale is good."""
    gap, low, high = difference(a, b, n_comparisons)
    head = f"{name_a} against {name_b}, {score}:"
    if low is None:
        return f"{head} {gap:+.{decimals}f} (no interval without spread: nothing follows)."
    together = f", one of {n_comparisons} that hold together" if n_comparisons > 1 else ""
    interval = (
        f"{gap:+.{decimals}f} (95 % interval {low:+.{decimals}f} to {high:+.{decimals}f}{together})"
    )
    if low <= 0 <= high:
        return f"{head} {interval}: these seeds cannot tell."
    if better not in ("low", "high"):
        return f"{head} {interval}: they differ."
    return f"{head} {interval}: {name_a if (gap < 0) == (better == 'low') else name_b} is better."


def of_two_runs(name_a, a, se_a, name_b, b, se_b, score, decimals=3):
    """One sentence on a score of two single runs, from its standard errors by sampling; it says nothing of other trainings."""
    gap, half = a - b, stats.norm.ppf(0.975) * np.hypot(se_a, se_b)
    head = f"{name_a} against {name_b}, {score}: {gap:+.{decimals}f}"
    if not np.isfinite(half):
        return f"{head} (one run each, no interval: nothing follows)."
    interval = f"{head} (95 % interval from sampling {gap - half:+.{decimals}f} to {gap + half:+.{decimals}f})"
    found = "these samples cannot tell" if abs(gap) <= half else "these two runs differ"
    return f"{interval}: {found}; one run each says nothing of other seeds."
