"""Medians over rounds, and ratios of times from the same round, with intervals that assume no distribution."""

import math
from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A median over rounds and its interval."""

    median: float
    low: float
    high: float

    def __str__(self):
        return f"{self.median:.3f} [{self.low:.3f}, {self.high:.3f}]"


def coverage(n, k):
    """Probability that the k-th smallest and the k-th largest of n independent draws enclose their distribution's median."""
    return sum(math.comb(n, i) for i in range(k, n - k + 1)) / 2**n


def rank(n):
    """The k of the narrowest interval with CONFIDENCE, from n draws; n is 6 or more."""
    return max(k for k in range(1, n // 2 + 1) if coverage(n, k) >= CONFIDENCE)


def estimate(values):
    """Estimate from one value per round, without assuming a distribution."""
    ordered, k = sorted(values), rank(len(values))
    return Estimate(float(np.median(ordered)), float(ordered[k - 1]), float(ordered[-k]))


def ratio(times, one, other):
    """Estimate of one program's time over another's, each pair from the same round. times: {program: seconds per round}."""
    return estimate(np.divide(times[one], times[other]))
