"""Several seeds: means, spreads, Welch's interval against scipy."""

import numpy as np
import pytest
from scipy import stats

from gan_jax.metrics import significance


def test_text():
    assert significance.text([1.0, 2.0, 4.0], 2) == "2.33 +- 1.53"
    assert significance.text([0.5], 3) == "0.500"


@pytest.mark.parametrize("b", [[3.0, 3.5, 5.0, 9.0], [2.0, 2.5]])
def test_difference_is_welchs(b):
    a = [1.0, 2.0, 4.0]
    interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    np.testing.assert_allclose(
        significance.difference(a, b), (np.mean(a) - np.mean(b), interval.low, interval.high)
    )


def test_one_seed_and_equal_seeds():
    assert significance.difference([1.0], [2.0, 3.0]) == (-1.5, None, None)
    assert significance.difference([1.0, 1.0], [2.0, 2.5]) == (-1.25, None, None)


def test_many_intervals_are_wider():
    a, b = [1.0, 2.0, 4.0], [3.0, 3.5, 5.0, 9.0]
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval(1 - 0.05 / 12)
    np.testing.assert_allclose(significance.difference(a, b, 12)[1:], (expected.low, expected.high))


def test_verdict():
    low, high = [1.0, 1.1, 0.9], [5.0, 5.2, 4.9]
    assert "A is better" in significance.verdict("A", low, "B", high, "distance")
    assert "A is better" in significance.verdict("B", high, "A", low, "distance")
    assert "cannot tell" in significance.verdict("A", [1.0, 5.0], "B", [2.0, 5.0], "distance")
    assert "nothing follows" in significance.verdict("A", [1.0], "B", [2.0], "distance")


def test_interval_is_students():
    values = [0.8, 0.9, 0.85, 0.7]
    mean, half = significance.interval(values)
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (mean - half, mean + half) == pytest.approx((low, high))
    assert significance.interval([0.5]) == (0.5, None) and significance.interval([0.5, 0.5]) == (
        0.5,
        None,
    )
