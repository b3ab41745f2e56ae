"""Adversarial losses against textbook formulas in float64; gradients against differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.core import losses

LOGITS = np.array([-3.0, -1.5, -0.4, 0.0, 0.3, 0.9, 1.6, 4.0])  # off the corners of the hinge


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


# {loss: (D's on reals, D's on fakes, G's)}, from probabilities where the paper writes those.
EXPECTED = {
    "ns": (
        lambda a: -np.log(sigmoid(a)),
        lambda a: -np.log(1 - sigmoid(a)),
        lambda a: -np.log(sigmoid(a)),
    ),
    "saturating": (
        lambda a: -np.log(sigmoid(a)),
        lambda a: -np.log(1 - sigmoid(a)),
        lambda a: np.log(1 - sigmoid(a)),
    ),
    "ls": (lambda a: (a - 1) ** 2 / 2, lambda a: a**2 / 2, lambda a: (a - 1) ** 2 / 2),
    "hinge": (lambda a: -np.minimum(0, -1 + a), lambda a: -np.minimum(0, -1 - a), lambda a: -a),
    "wasserstein": (lambda a: -a, lambda a: a, lambda a: -a),
}
AT_ZERO = {
    "ns": (np.log(2), np.log(2), np.log(2)),
    "saturating": (np.log(2), np.log(2), -np.log(2)),
    "ls": (0.5, 0.0, 0.5),
    "hinge": (1.0, 1.0, 0.0),
    "wasserstein": (0.0, 0.0, 0.0),
}


@pytest.mark.parametrize("target", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_bce_is_the_textbook_formula(float64, target):
    s = sigmoid(LOGITS)
    textbook = -target * np.log(s) - (1 - target) * np.log(1 - s)
    np.testing.assert_allclose(losses.bce(jnp.asarray(LOGITS), target), textbook, rtol=1e-12)


@pytest.mark.parametrize("target", [0.0, 0.5, 1.0])
def test_bce_at_extreme_logits(target):
    """In float32: no overflow, linear on the wrong side, zero on the right side."""
    a = np.array([-1e30, -1e4, -200.0, 200.0, 1e4, 1e30], np.float32)
    value, slope = jax.vmap(jax.value_and_grad(lambda a: losses.bce(a, target)))(a)
    np.testing.assert_allclose(
        value, np.where(a > 0, (1 - target) * a, -target * a), rtol=1e-6, atol=1e-30
    )
    np.testing.assert_allclose(slope, np.where(a > 0, 1 - target, -target), atol=1e-7)


def test_every_loss_is_tested():
    assert set(losses.ADVERSARIAL) == set(EXPECTED) == set(AT_ZERO)


@pytest.mark.parametrize("part", losses.AdversarialLoss._fields)
@pytest.mark.parametrize("name", EXPECTED)
def test_value_and_gradient(float64, name, part):
    f = getattr(losses.ADVERSARIAL[name], part)
    expected = EXPECTED[name][losses.AdversarialLoss._fields.index(part)]
    np.testing.assert_allclose(f(jnp.asarray(LOGITS)), expected(LOGITS), rtol=1e-12, atol=1e-15)
    h = 1e-5
    np.testing.assert_allclose(
        jax.grad(lambda a: f(a).sum())(jnp.asarray(LOGITS)),
        (expected(LOGITS + h) - expected(LOGITS - h)) / (2 * h),
        atol=1e-9,
    )


@pytest.mark.parametrize("name", AT_ZERO)
def test_value_at_logit_zero(name):
    zero = jnp.zeros(3)
    for f, expected in zip(losses.ADVERSARIAL[name], AT_ZERO[name], strict=True):
        assert f(zero).shape == (3,)
        np.testing.assert_allclose(f(zero), expected, atol=1e-7)


@pytest.mark.parametrize("name", ["ns", "hinge", "ls"])
def test_which_losses_let_gen_learn_when_it_is_rejected(name):
    """At logit -30 the saturating loss has no gradient left; all others push the logit up."""
    slope = lambda name: float(jax.grad(losses.ADVERSARIAL[name].gen)(-30.0))
    assert -1e-12 < slope("saturating") <= 0
    assert slope(name) <= -1


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_bce_keeps_its_tail(target):
    a = (2 * target - 1) * np.array([8.0, 12, 18, 25], np.float32)
    value, slope = jax.vmap(jax.value_and_grad(lambda a: losses.bce(a, target)))(a)
    np.testing.assert_allclose(value, np.log1p(np.exp(-np.abs(a, dtype=float))), rtol=1e-5)
    np.testing.assert_allclose(slope, -np.sign(a) / (1 + np.exp(np.abs(a, dtype=float))), rtol=1e-5)
