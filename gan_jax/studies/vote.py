"""Voting of classifiers, and tests of whether a vote is better: paired t-test and McNemar's test.

S0 votes over classifiers and tests the gain with a paired t-test. Its p-values can only come from
differences between images (D18): such a test, `t_test_over_images`, tells whether these trained
classifiers differ on other images like these, and nothing about other trainings. Whether voting
helps in general is tested by `paired_t_test` over repeated trainings.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


def plurality_vote(probs: np.ndarray) -> np.ndarray:
    """Return the class that most voters name.

    Among classes with equally many votes the one with the highest summed probability wins, and
    among those the lowest number.

    Args:
      probs: float [V, N, K], class probabilities of each voter for each image; voter v names
        argmax of probs[v, i].

    Returns:
      int64 [N].
    """
    probs = np.asarray(probs)
    votes = (probs.argmax(-1)[..., None] == np.arange(probs.shape[-1])).sum(0)
    best = votes == votes.max(-1, keepdims=True)
    return np.where(best, probs.sum(0, dtype=np.float64), -np.inf).argmax(-1)


class PairedTest(NamedTuple):
    """The result of a paired t-test."""

    n: int  # pairs
    mean: float  # of the differences
    low: float | None  # ends of the interval of the mean
    high: float | None
    t: float | None  # the statistic, of n - 1 degrees of freedom
    p: float | None  # two-sided
    note: str  # why low to p are None; "" where they are not


def paired_t_test(a: ArrayLike, b: ArrayLike, n_comparisons: int = 1) -> PairedTest:
    """Test whether a differs from b, pair by pair.

    Differences that are all the same, to rounding, have no spread, and one pair has none either.
    Then there is no test, since any p-value would claim a certainty that was not measured.

    Args:
      a, b: float [n], n >= 1; the pairs must be independent of one another.
      n_comparisons: how many such intervals are read together; all of them hold with 95 %
        (Bonferroni). p is of this one alone.
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
    test = stats.ttest_rel(a, b)
    low, high = test.confidence_interval(1 - 0.05 / n_comparisons)
    return PairedTest(
        n, mean, float(low), float(high), float(test.statistic), float(test.pvalue), ""
    )


def t_test_over_images(voted: np.ndarray, single: np.ndarray) -> PairedTest:
    """Test the vote against the mean of its voters over images, as S0 must have done it (D18).

    Args:
      voted: bool [N], whether the vote was right about each image.
      single: bool [V, N], whether each voter was.
    """
    return paired_t_test(voted, np.mean(single, 0))


class McNemarTest(NamedTuple):
    """The result of McNemar's test."""

    only_a: int  # images that a alone has right
    only_b: int
    p: float | None  # two-sided, exact
    note: str  # why p is None; "" where it is not


def mcnemar_test(correct_a: ArrayLike, correct_b: ArrayLike) -> McNemarTest:
    """Test whether two classifiers are right equally often.

    The images count on which one of them alone is right: under equality each is as likely to be
    a's as b's.

    Args:
      correct_a, correct_b: bool [N], whether each image was classified rightly.

    Source: McNemar 1947, in its exact binomial form.
    """
    a, b = np.asarray(correct_a, bool), np.asarray(correct_b, bool)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    if only_a + only_b == 0:
        note = f"both are right on the same of {len(a)} images: no p-value"
        return McNemarTest(0, 0, None, note)
    p = stats.binomtest(only_a, only_a + only_b).pvalue
    return McNemarTest(only_a, only_b, float(p), "")
