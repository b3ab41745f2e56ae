"""Medians over rounds and ratios within rounds, with intervals that assume no distribution."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A median over rounds and its interval."""

    median: float
    low: float
    high: float


def coverage(n: int, k: int) -> float:
    """Compute how surely the k-th smallest and k-th largest of n values enclose the median."""
    return sum(math.comb(n, i) for i in range(k, n - k + 1)) / 2**n


def rank(n: int) -> int:
    """Return the k of the narrowest interval with CONFIDENCE from n values; n is 6 or more."""
    return max(k for k in range(1, n // 2 + 1) if coverage(n, k) >= CONFIDENCE)


def estimate(values: Sequence[float]) -> Estimate:
    """Estimate the median from one value per round."""
    ordered, k = sorted(values), rank(len(values))
    return Estimate(float(np.median(ordered)), float(ordered[k - 1]), float(ordered[-k]))


def ratio(times: Mapping[Any, Sequence[float]], one: Any, other: Any) -> Estimate:
    """Estimate one program's time over another's; times: {program: seconds in every round}."""
    return estimate(np.divide(times[one], times[other]).tolist())
