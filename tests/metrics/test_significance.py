"""Several seeds: means, spreads, and intervals against other formulas of scipy's."""

import numpy as np
import pytest
from scipy import stats

from gan_jax.metrics import significance

A, B = [1.0, 2.0, 4.0], [3.0, 3.5, 5.0, 9.0]


def test_mean_std_text():
    assert significance.mean_std_text(A, 2) == "2.33 +- 1.53"
    assert significance.mean_std_text([0.5], 3) == "0.500"


def welch(a, b, level):
    """By the formula of Welch and Satterthwaite."""
    part_a, part_b = np.var(a, ddof=1) / len(a), np.var(b, ddof=1) / len(b)
    freedom = (part_a + part_b) ** 2 / (part_a**2 / (len(a) - 1) + part_b**2 / (len(b) - 1))
    half = stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(part_a + part_b)
    gap = np.mean(a) - np.mean(b)
    return gap, gap - half, gap + half


@pytest.mark.parametrize("b", [B, [2.0, 2.5]])
@pytest.mark.parametrize("n", [1, 12])
def test_welch_interval(b, n):
    """Intervals that are read together are wider."""
    found = significance.welch_interval(A, b, n)
    np.testing.assert_allclose(found, welch(A, b, 1 - 0.05 / n), rtol=1e-12)


def test_one_seed_and_equal_seeds():
    assert significance.welch_interval([1.0], [2.0, 3.0]) == (-1.5, None, None)
    assert significance.welch_interval([1.0, 1.0], [2.0, 2.5]) == (-1.25, None, None)


def test_compare_seeds():
    low, high = [1.0, 1.1, 0.9], [5.0, 5.2, 4.9]
    assert "A is better" in significance.compare_seeds("A", low, "B", high, "distance")
    assert "A is better" in significance.compare_seeds("B", high, "A", low, "distance")
    text = significance.compare_seeds("A", [1.0, 5.0], "B", [2.0, 5.0], "distance")
    assert "cannot tell" in text
    assert "nothing follows" in significance.compare_seeds("A", [1.0], "B", [2.0], "distance")


def test_compare_two_runs():
    text = significance.compare_two_runs("A", 1.0, 0.3, "B", 2.0, 0.4, "distance")
    assert "-1.000 (95 % interval from sampling -1.980 to -0.020): these two runs differ" in text
    text = significance.compare_two_runs("A", 1.0, 0.3, "B", 1.9, 0.4, "distance")
    assert "these samples cannot tell" in text
    text = significance.compare_two_runs("A", 1.0, np.nan, "B", 1.9, 0.4, "distance")
    assert "nothing follows" in text


def test_confidence_interval_is_students():
    values = [0.8, 0.9, 0.85, 0.7]
    mean, interval = significance.confidence_interval(values)
    assert mean == np.mean(values)
    assert interval == pytest.approx(stats.t.interval(0.95, 3, mean, stats.sem(values)))
    low, _ = interval
    assert significance.confidence_interval(values, 0, 0.9)[1] == pytest.approx((low, 0.9))
    assert significance.confidence_interval([0.01, 0.1], 0, 1)[1][0] == 0
    assert significance.confidence_interval([0.5]) == (0.5, None)
    assert significance.confidence_interval([0.5, 0.5]) == (0.5, None)


def test_fishers_exact_test():
    a, b = np.arange(40) < 9, np.arange(60) < 2
    exact = stats.fisher_exact([[9, 31], [2, 58]], alternative="greater").pvalue
    assert significance.fisher_exact_p(a, b) == pytest.approx(exact, rel=1e-9)
    assert significance.fisher_exact_p(np.zeros(5, bool), np.zeros(9, bool)) == 1
