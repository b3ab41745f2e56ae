import numpy as np
import pytest

from gan_jax.metrics import class_balance

CONFUSION = np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.05, 0.15, 0.8]])


def test_counts_and_fractions():
    probs = np.float32([[0.6, 0.4, 0.0], [0.1, 0.9, 0.0], [0.2, 0.8, 0.0], [0.5, 0.3, 0.2]])
    np.testing.assert_array_equal(class_balance.class_counts(probs), [2, 2, 0])
    np.testing.assert_array_equal(class_balance.class_fractions(probs), [0.5, 0.5, 0])


@pytest.mark.parametrize("truth", [[0.5, 0.3, 0.2], [1.0, 0.0, 0.0], [0.0, 0.02, 0.98]])
def test_correction_recovers_the_mixture_behind_exact_reports(truth):
    estimate = class_balance.correct_fractions(CONFUSION.T @ truth, CONFUSION)
    np.testing.assert_allclose(estimate, truth, atol=1e-6)


def test_correction_recovers_a_mixture_from_random_reports():
    rng, truth = np.random.default_rng(0), np.array([0.6, 0.1, 0.3])
    classes = rng.choice(3, 20_000, p=truth)
    reports = (rng.random((20_000, 1)) > CONFUSION[classes].cumsum(1)).sum(1)
    observed = np.bincount(reports, minlength=3) / 20_000
    estimate = class_balance.correct_fractions(observed, CONFUSION)
    np.testing.assert_allclose(estimate, truth, atol=0.02)
    before, after = (class_balance.total_variation(p, truth) for p in (observed, estimate))
    assert after < before / 3


def test_correction_stays_a_distribution_where_the_inverse_does_not():
    observed = np.array([0.0, 0.0, 1.0])  # of no mixture of the rows
    assert np.linalg.solve(CONFUSION.T, observed).min() < 0
    estimate = class_balance.correct_fractions(observed, CONFUSION)
    assert estimate.min() >= 0 and estimate.sum() == pytest.approx(1)
    np.testing.assert_allclose(estimate, [0, 0, 1], atol=1e-6)


def test_total_variation_by_hand():
    assert class_balance.total_variation([0.5, 0.5, 0], [0.5, 0.25, 0.25]) == 0.25
    assert class_balance.total_variation([1, 0], [0, 1]) == 1
    assert class_balance.total_variation([0.3, 0.7], [0.3, 0.7]) == 0


def test_kl_by_hand():
    p, q = np.array([0.75, 0.25]), np.array([0.5, 0.5])
    expected = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    assert class_balance.kl(p, q, smoothing=1e-12) == pytest.approx(expected, abs=1e-9)
    assert class_balance.kl(q, q) == 0


def test_kl_is_bounded_by_the_smoothing_where_a_class_is_empty():
    full, empty = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    high, low = 1 - 1e-3 / 2, 1e-3 / 2
    assert class_balance.kl(full, empty) == pytest.approx((high - low) * np.log(high / low))


def test_classes_that_hold_their_share():
    assert class_balance.n_classes_holding([0.05, 0.049, 0.9]) == 2
    assert class_balance.n_classes_holding([0.05, 0.049, 0.9], share=0.5) == 1
