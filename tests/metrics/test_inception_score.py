"""The Inception Score in closed forms, against loops, and against torch-fidelity."""

import math

import numpy as np
import pytest

from gan_jax import errors
from gan_jax.metrics import inception_score as module
from gan_jax.metrics.inception_score import inception_score


def random_probs(n, k, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(k, 0.3), n)


def brute_force(probs):
    n, k = probs.shape
    marginal = [sum(float(row[c]) for row in probs) / n for c in range(k)]
    total = 0.0
    for row in probs:
        for c in range(k):
            if row[c] > 0:
                total += float(row[c]) * math.log(float(row[c]) / marginal[c])
    return math.exp(total / n)


@pytest.mark.parametrize("k", [2, 10])
def test_closed_forms(k):
    sure = np.eye(k, dtype=np.float32)
    all_classes, one_class = np.tile(sure, (3, 1)), np.tile(sure[:1], (7, 1))
    assert inception_score(all_classes) == pytest.approx(k, rel=1e-12)
    assert inception_score(one_class) == pytest.approx(1, rel=1e-12)
    assert inception_score(np.full((7, k), 1 / k)) == pytest.approx(1, rel=1e-12)
    # Right with probability q, the rest shared: the marginal is uniform, so the score is
    # K exp(-entropy).
    q, r = 0.9, 0.1 / (k - 1)
    doubt = np.where(np.eye(k, dtype=bool), q, r)
    expected = k * math.exp(q * math.log(q) + (k - 1) * r * math.log(r))
    assert inception_score(doubt) == pytest.approx(expected, rel=1e-12)


def test_brute_force_with_zeros():
    probs = random_probs(50, 6)
    probs[:5] = np.eye(6)[:5]
    score = inception_score(probs)
    assert score == pytest.approx(brute_force(probs), rel=1e-12)
    real, fake = {"probs": random_probs(9, 6, 1)}, {"probs": probs}
    assert module.METRIC.compute(real, fake) == {"inception": score}
    assert inception_score(probs[::-1]) == pytest.approx(score, rel=1e-12)


def test_rounded_probabilities_do_not_leave_the_range():
    """float32 rows of a softmax sum to 1 within 1e-7 only."""
    rows = np.tile(random_probs(1, 10).astype(np.float32), (40, 1))
    rows[::2] *= np.float32(1 - 3e-7)
    assert inception_score(rows) == pytest.approx(1, abs=1e-12)


def test_splits_are_parts_in_order():
    probs = random_probs(103, 5)
    parts = [brute_force(probs[a:b]) for a, b in ((0, 25), (25, 51), (51, 77), (77, 103))]
    assert inception_score(probs, 4) == pytest.approx(np.mean(parts), rel=1e-12)
    assert inception_score(probs, 103) == pytest.approx(1, rel=1e-12)  # each image alone


@pytest.mark.parametrize("splits", [1, 10])
def test_against_torch_fidelity(splits):
    torch = pytest.importorskip("torch")
    isc = pytest.importorskip("torch_fidelity.metric_isc")
    probs = np.maximum(random_probs(1003, 10), 1e-30)
    theirs = isc.isc_features_to_metric(torch.from_numpy(np.log(probs)), splits, shuffle=False)
    expected = theirs["inception_score_mean"]
    assert inception_score(probs, splits) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 2.0])
def test_what_is_no_probability_is_refused(value):
    probs = random_probs(20, 3)
    probs[4, 1] = value
    with pytest.raises(errors.InputError, match="negative or do not sum to 1"):
        inception_score(probs)


@pytest.mark.parametrize("splits", [0, 21])
def test_more_splits_than_images_are_refused(splits):
    message = f"in {splits} splits was asked of 20 images; use 1 to 20"
    with pytest.raises(errors.InputError, match=message):
        inception_score(random_probs(20, 3), splits)
