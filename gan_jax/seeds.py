"""What several training seeds say together: mean and spread, and whether two systems differ."""

import numpy as np
from scipy import stats


def text(values, decimals=2):
    """Values of several seeds as "mean +- standard deviation"; a single one as it is."""
    values = np.asarray(values, float)
    spread = f" +- {values.std(ddof=1):.{decimals}f}" if len(values) > 1 else ""
    return f"{values.mean():.{decimals}f}{spread}"


def difference(a, b):
    """Mean of a minus mean of b, with its 95 % interval by Welch's t (unequal variances).

    Args:
      a, b: scores of independent seeds, floats [n] and [m].

    Returns:
      (difference, low, high); low and high are None with fewer than two seeds on a side.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    gap = float(a.mean() - b.mean())
    if min(len(a), len(b)) < 2:
        return gap, None, None
    part_a, part_b = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    if part_a + part_b == 0:
        return gap, gap, gap
    freedom = (part_a + part_b) ** 2 / (part_a**2 / (len(a) - 1) + part_b**2 / (len(b) - 1))
    half = float(stats.t.ppf(0.975, freedom) * np.sqrt(part_a + part_b))
    return gap, gap - half, gap + half


def verdict(name_a, a, name_b, b, score, decimals=2):
    """One sentence on a score of which less is better: which system is better, or that these seeds do not tell."""
    gap, low, high = difference(a, b)
    if low is None:
        return f"{name_a} against {name_b}, {score}: {gap:+.{decimals}f} (one seed: no interval, so nothing follows)."
    interval = f"{gap:+.{decimals}f} (95 % interval {low:+.{decimals}f} to {high:+.{decimals}f})"
    if low <= 0 <= high:
        return f"{name_a} against {name_b}, {score}: {interval}: these seeds show no difference."
    return f"{name_a} against {name_b}, {score}: {interval}: {name_a if gap < 0 else name_b} is better."
