"""Adversarial losses against textbook formulas in float64; gradients against differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.core import losses, parallel
from gan_jax.core.method import StepContext

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


def log_of_average(r, f):
    return -np.mean(np.log(sigmoid(r - f.mean()))) - np.mean(np.log(1 - sigmoid(f - r.mean())))


def square_of_average(r, f):
    return np.mean((r - f.mean() - 1) ** 2) + np.mean((f - r.mean() + 1) ** 2)


def hinge_of_average(r, f):
    return np.mean(np.maximum(0, 1 - (r - f.mean()))) + np.mean(np.maximum(0, 1 + (f - r.mean())))


# {loss: D's of the logits of reals and of fakes}. G's is the same with the two exchanged.
PAIRS = {
    "rp": lambda r, f: -np.mean(np.log(sigmoid(r - f))),
    "rp_ls": lambda r, f: np.mean((r - f - 1) ** 2),
    "rp_hinge": lambda r, f: np.mean(np.maximum(0, 1 - (r - f))),
    "ra": log_of_average,
    "ra_ls": square_of_average,
    "ra_hinge": hinge_of_average,
}
PAIRS_AT_ZERO = {  # D's and G's where D knows nothing
    "rp": np.log(2),
    "rp_ls": 1.0,
    "rp_hinge": 1.0,
    "ra": 2 * np.log(2),
    "ra_ls": 2.0,
    "ra_hinge": 2.0,
}
ALONE = StepContext({}, None, {})
FAKES = np.array([0.7, -2.2, 0.1, 1.1, -0.6, 2.5, -4.0, 0.35])


@pytest.mark.parametrize("player", ["disc", "gen"])
@pytest.mark.parametrize("name", PAIRS)
def test_pairs(float64, name, player):
    """Value and gradient in both logits, in float64."""
    of_reals_and_fakes = {"disc": losses.disc_loss, "gen": losses.gen_loss}[player]
    f = lambda real, fake: of_reals_and_fakes(ALONE, name, real, fake)
    expected = PAIRS[name] if player == "disc" else lambda r, f: PAIRS[name](f, r)
    value, slopes = jax.value_and_grad(f, (0, 1))(jnp.asarray(LOGITS), jnp.asarray(FAKES))
    np.testing.assert_allclose(value, expected(LOGITS, FAKES), rtol=1e-12)
    h = 1e-6
    for i, step in enumerate(h * np.eye(len(LOGITS))):
        for j, (up, down) in enumerate(
            [
                ((LOGITS + step, FAKES), (LOGITS - step, FAKES)),
                ((LOGITS, FAKES + step), (LOGITS, FAKES - step)),
            ]
        ):
            difference = (expected(*up) - expected(*down)) / (2 * h)
            np.testing.assert_allclose(slopes[j][i], difference, atol=2e-9)
    np.testing.assert_allclose(f(jnp.zeros(3), jnp.zeros(3)), PAIRS_AT_ZERO[name], rtol=1e-12)


@pytest.mark.parametrize("name", PAIRS)
def test_pairs_over_four_devices_are_those_of_one(float64, name):
    ctx = ALONE._replace(axis=parallel.AXIS)
    parts = [jnp.asarray(a).reshape(4, 2) for a in (LOGITS, FAKES)]
    for f in (losses.disc_loss, losses.gen_loss):
        spread = jax.vmap(lambda r, k, f=f: f(ctx, name, r, k), axis_name=parallel.AXIS)(*parts)
        alone = f(ALONE, name, jnp.asarray(LOGITS), jnp.asarray(FAKES))
        np.testing.assert_allclose(spread, np.full(4, alone), rtol=1e-14)


@pytest.mark.parametrize("name", PAIRS)
def test_pairs_have_no_zero(float64, name):
    """A constant added to all logits changes nothing."""
    for f in (losses.disc_loss, losses.gen_loss):
        values = [f(ALONE, name, jnp.asarray(LOGITS + c), jnp.asarray(FAKES + c)) for c in (0, 9)]
        np.testing.assert_allclose(*values, rtol=1e-12)


def test_only_averages_take_any_number_of_fakes():
    real, fake = jnp.asarray(LOGITS), jnp.asarray(FAKES[:3])
    for name in PAIRS:
        assert losses.ADVERSARIAL[name].one_to_one == name.startswith("rp")
        if name.startswith("ra"):
            value = losses.disc_loss(ALONE, name, real, fake)
            np.testing.assert_allclose(value, PAIRS[name](LOGITS, FAKES[:3]), rtol=1e-6)


@pytest.mark.parametrize("name", ["rp", "ra"])
def test_pairs_at_extreme_logits(name):
    """In float32: no overflow, and G learns from a D that is sure."""
    real, fake = jnp.float32([1e4, 200.0]), jnp.float32([-1e4, -200.0])
    value, slope = jax.value_and_grad(lambda f: losses.gen_loss(ALONE, name, real, f))(fake)
    assert np.isfinite(value) and (slope < -0.4).all()
    assert losses.disc_loss(ALONE, name, real, fake) == 0


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
    assert set(EXPECTED) == set(AT_ZERO)
    assert set(losses.ADVERSARIAL) == set(EXPECTED) | set(PAIRS)
    assert {name for name in losses.ADVERSARIAL if losses.is_paired(name)} == set(PAIRS)


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
