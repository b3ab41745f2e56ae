"""Exact statistics of counts: intervals of shares of images, and whether two shares differ."""

import math
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike


def binomial_interval(hits: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Compute the exact interval of a share of n independent things.

    Args:
      hits: how many of them count, in [0, n]; a mean over repeats need not be whole.
      n: how many there are, at least 1.
      level: its confidence.

    Returns:
      (low, high) in [0, 1]; it holds the true share with at least `level`.

    Source: Clopper and Pearson 1934.
    """
    tail = (1 - level) / 2
    low = 0.0 if hits <= 0 else float(scipy.stats.beta.ppf(tail, hits, n - hits + 1))
    high = 1.0 if hits >= n else float(scipy.stats.beta.ppf(1 - tail, hits + 1, n - hits))
    return low, high


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
    p = scipy.stats.binomtest(only_a, only_a + only_b).pvalue
    return McNemarTest(only_a, only_b, float(p), "")


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
