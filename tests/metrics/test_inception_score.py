"""The Inception Score in closed forms, against loops, and against torch-fidelity."""

import math

import numpy as np
import pytest

from gan_jax import errors
from gan_jax.metrics import inception_score


def draw(n, k, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(k, 0.3), n)


def brute_force(probs):
    n, k = probs.shape
    marginal = [sum(float(row[c]) for row in probs) / n for c in range(k)]
    total = sum(
        float(row[c]) * math.log(float(row[c]) / marginal[c])
        for row in probs
        for c in range(k)
        if row[c] > 0
    )
    return math.exp(total / n)


@pytest.mark.parametrize("k", [2, 10])
def test_closed_forms(k):
    sure = np.eye(k, dtype=np.float32)
    assert inception_score.inception(np.tile(sure, (3, 1))) == pytest.approx(
        k, rel=1e-12
    )  # all classes, no doubt
    assert inception_score.inception(np.tile(sure[:1], (7, 1))) == pytest.approx(
        1, rel=1e-12
    )  # one class
    assert inception_score.inception(np.full((7, k), 1 / k)) == pytest.approx(
        1, rel=1e-12
    )  # no idea
    # Right with probability q, the rest shared: the marginal is uniform, so the score is K exp(-entropy).
    q, r = 0.9, 0.1 / (k - 1)
    doubt = np.where(np.eye(k, dtype=bool), q, r)
    expected = k * math.exp(q * math.log(q) + (k - 1) * r * math.log(r))
    assert inception_score.inception(doubt) == pytest.approx(expected, rel=1e-12)


def test_brute_force_with_zeros():
    probs = draw(50, 6)
    probs[:5] = np.eye(6)[:5]
    assert inception_score.inception(probs) == pytest.approx(brute_force(probs), rel=1e-12)
    fake = {"probs": probs}
    assert inception_score.METRIC.measure({"probs": draw(9, 6, 1)}, fake) == {
        "inception": inception_score.inception(probs)
    }
    assert inception_score.inception(probs[::-1]) == pytest.approx(
        inception_score.inception(probs), rel=1e-12
    )


def test_rounded_probabilities_do_not_leave_the_range():
    """float32 rows of a softmax sum to 1 within 1e-7 only."""
    rows = np.tile(draw(1, 10).astype(np.float32), (40, 1))
    rows[::2] *= np.float32(1 - 3e-7)
    assert inception_score.inception(rows) == pytest.approx(1, abs=1e-12)


def test_splits_are_parts_in_order():
    probs = draw(103, 5)
    parts = [brute_force(probs[a:b]) for a, b in ((0, 25), (25, 51), (51, 77), (77, 103))]
    assert inception_score.inception(probs, 4) == pytest.approx(np.mean(parts), rel=1e-12)
    assert inception_score.inception(probs, 103) == pytest.approx(1, rel=1e-12)  # each image alone


@pytest.mark.parametrize("splits", [1, 10])
def test_against_torch_fidelity(splits):
    torch = pytest.importorskip("torch")
    isc = pytest.importorskip("torch_fidelity.metric_isc")
    probs = np.maximum(draw(1003, 10), 1e-30)
    theirs = isc.isc_features_to_metric(torch.from_numpy(np.log(probs)), splits, shuffle=False)
    assert inception_score.inception(probs, splits) == pytest.approx(
        theirs["inception_score_mean"], rel=1e-9
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 2.0])
def test_what_is_no_probability_is_refused(value):
    probs = draw(20, 3)
    probs[4, 1] = value
    with pytest.raises(errors.InputError, match="negative or do not sum to 1"):
        inception_score.inception(probs)


@pytest.mark.parametrize("splits", [0, 21])
def test_more_splits_than_images_are_refused(splits):
    with pytest.raises(
        errors.InputError, match=f"in {splits} splits was asked of 20 images; use 1 to 20"
    ):
        inception_score.inception(draw(20, 3), splits)
