"""Detection at a rate of false positives: against all thresholds tried, ties and few images."""

import numpy as np
import pytest

from gan_jax.metrics import detection


def by_brute_force(positives, negatives, rate):
    """The best recall over all thresholds whose share of false positives is within the rate."""
    best = 0.0
    for threshold in [*positives, np.inf]:
        if sum(x >= threshold for x in negatives) / len(negatives) <= rate + 1e-12:
            best = max(best, sum(x >= threshold for x in positives) / len(positives))
    return best


@pytest.mark.parametrize("n_negatives", [1, 3, 50, 99, 100, 101, 700])
@pytest.mark.parametrize("levels", [2, 5, 10_000])  # of scores: few have many ties
@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05, 0.5, 1.0])
def test_recall_is_that_of_the_best_threshold(n_negatives, levels, rate):
    rng = np.random.default_rng(n_negatives + levels)
    for n in (1, 2, 17):
        positives = rng.integers(0, levels, n) + levels // 4
        negatives = rng.integers(0, levels, n_negatives)
        alarms = detection.false_alarms(positives, negatives)
        wanted = by_brute_force(positives, negatives, rate)
        assert detection.recall_at(alarms, n_negatives, rate) == pytest.approx(wanted)
        assert len(alarms) == n and alarms.min() >= 0 and alarms.max() <= n_negatives


def test_by_hand():
    """Of 100 others one is above the second positive and one ties with the third."""
    negatives = np.r_[5.0, 3.0, np.zeros(98)]
    alarms = detection.false_alarms(np.array([3.0, 6.0, 4.0, -1.0]), negatives)
    assert alarms.tolist() == [0, 1, 2, 100]
    assert detection.recall_at(alarms, 100) == 0.5
    assert detection.recall_at(alarms, 100, 0.02) == 0.75
    assert detection.recall_at(alarms, 99) == 0.25, "1 % of 99 is none"


@pytest.mark.parametrize("n", range(0, 12_000, 100))
def test_a_rate_allows_what_it_says_whatever_rounding(n):
    assert detection.allowed(n) == n // 100 == detection.allowed(n + 99)


def test_a_classifier_that_knows_nothing_finds_as_much_as_it_raises():
    rng = np.random.default_rng(0)
    alarms = detection.false_alarms(rng.random(20_000), rng.random(5_000))
    assert detection.recall_at(alarms, 5_000, 0.01) == pytest.approx(0.01, abs=0.005)
    assert detection.recall_at(alarms, 5_000, 0.3) == pytest.approx(0.3, abs=0.03)
    auc = 1 - alarms.mean() / 5_000
    assert auc == pytest.approx(0.5, abs=0.02), "the alarms are the whole curve"


def test_scores_tell_probabilities_near_one_apart():
    others = np.array([1e-9, 1e-12, 0.3, 1.0], np.float32)
    probs = np.stack([1 - others, others / 4, 3 * others / 4], 1).astype(np.float32)
    assert probs[0, 0] == probs[1, 0] == 1
    found = detection.log_odds(probs, 0)
    np.testing.assert_allclose(found[:3], np.log((1 - others[:3].astype(float)) / others[:3]), 1e-5)
    assert found[1] > found[0] > found[2] > found[3] == -np.inf
