"""Several classifiers as one, and whether they are better together: plurality vote, paired t-test, McNemar's test.

S0 votes over classifiers and tests the gain with a paired t-test. Its p-values can only come from differences between images
(D18): such a test, `per_image`, tells whether these trained classifiers differ on other images like these, and nothing about
other trainings. Whether voting helps in general is asked with `paired` over repeated trainings.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats


def plurality(probs):
    """The class that most voters name; among classes with equally many votes the one with the highest summed probability.

    Args:
      probs: float [V, N, K], each voter's class probabilities for each image; voter v names argmax of probs[v, i].

    Returns:
      int64 [N]. Classes that are equal in the sum as well: the lowest number.
    """
    probs = np.asarray(probs)
    votes = (probs.argmax(-1)[..., None] == np.arange(probs.shape[-1])).sum(0)
    best = votes == votes.max(-1, keepdims=True)
    return np.where(best, probs.sum(0, dtype=np.float64), -np.inf).argmax(-1)


class Paired(NamedTuple):
    """What a paired t-test found.

    n: pairs. mean: of the differences. low, high: its interval. t: the statistic, of n - 1 degrees of freedom. p:
    two-sided. note: why low to p are None, "" where they are not.
    """

    n: int
    mean: float
    low: float | None
    high: float | None
    t: float | None
    p: float | None
    note: str


def paired(a, b, n_comparisons=1):
    """Whether a differs from b, pair by pair: t = mean(d) / (sd(d) / sqrt(n)) with d = a - b and n - 1 in the variance.

    Args:
      a, b: float [n], n >= 1; the pairs must be independent of one another.
      n_comparisons: how many such intervals are read together; all of them hold with 95 % (Bonferroni). p is of this one alone.

    Returns:
      Paired. Differences that are all the same, to rounding, have no spread, and one pair has none either: then there is no
      test, since any p-value would claim a certainty that was not measured.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    d, n = a - b, len(a)
    mean = float(d.mean())
    if n < 2:
        return Paired(
            n, mean, None, None, None, None, "one pair has no spread: no interval, no p-value"
        )
    if np.ptp(d) <= 8 * np.finfo(np.float64).eps * max(np.abs(a).max(), np.abs(b).max()):
        same = "are 0" if mean == 0 else "are the same"
        return Paired(
            n,
            mean,
            None,
            None,
            None,
            None,
            f"all {n} differences {same}: no spread, no interval, no p-value",
        )
    error = d.std(ddof=1) / np.sqrt(n)
    half = float(stats.t.ppf(1 - 0.025 / n_comparisons, n - 1) * error)
    t = float(mean / error)
    return Paired(n, mean, mean - half, mean + half, t, float(2 * stats.t.sf(abs(t), n - 1)), "")


def per_image(voted, single):
    """`paired` over test images, as S0 must have done it (D18): the vote against the mean of its voters.

    Args:
      voted: bool [N], whether the vote was right about each image. single: bool [V, N], whether each voter was.
    """
    return paired(voted, np.mean(single, 0))


class McNemar(NamedTuple):
    """What McNemar's test found. only_a, only_b: images that a alone, or b alone, has right. p: two-sided, exact.
    note: why p is None, "" where it is not."""

    only_a: int
    only_b: int
    p: float | None
    note: str


def mcnemar(correct_a, correct_b):
    """Whether two classifiers are right equally often, from the images on which one of them alone is right.

    Args:
      correct_a, correct_b: bool [N], whether each image was classified rightly.

    Returns:
      McNemar, with the exact binomial p-value: under equality each such image is as likely to be a's as b's.

    Source: McNemar 1947.
    """
    a, b = np.asarray(correct_a, bool), np.asarray(correct_b, bool)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    if only_a + only_b == 0:
        return McNemar(0, 0, None, f"both are right on the same of {len(a)} images: no p-value")
    tail = stats.binom.cdf(min(only_a, only_b), only_a + only_b, 0.5)
    return McNemar(only_a, only_b, float(min(1.0, 2 * tail)), "")
