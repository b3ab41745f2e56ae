"""Schedules in images against closed forms and loops in numpy: rates, beta2, averages, gamma."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import settings
from gan_jax.core import optimizers, schedules
from gan_jax.core.method import StepContext, make_context
from gan_jax.core.state import GanState, Vars
from gan_jax.core.step import update_averages
from gan_jax.errors import InputError
from gan_jax.methods import base, discriminator, gan
from gan_jax.nets.outputs import DiscOutput

KEY = jax.random.key(3)
SPEC = base.DataSpec(8, 1)


def cosine(images, warmup, start, end):
    share = np.clip(np.asarray(images, float) / warmup, 0, 1)
    return start + (1 - np.cos(np.pi * share)) / 2 * (end - start)


def test_move():
    images = np.array([0.0, 1e3, 5e6, 1e7, 1.9e7, 2e7, 3e7, 2e9])
    found = [schedules.move(jnp.float32(i), 20_000_000, 2e-4, 5e-5) for i in images]
    np.testing.assert_allclose(found, cosine(images, 2e7, 2e-4, 5e-5), rtol=2e-6)
    assert found[-1] == found[-2] == np.float32(5e-5)  # exactly, once it has arrived
    assert schedules.move(jnp.float32(7), 0, 0.3, 9.0) == 0.3
    assert schedules.move(jnp.float32(7), 10, 0.3, 0.3) == 0.3


def make(**options):
    hp = dataclasses.replace(optimizers.OptimizerSettings(), **options)
    settings.check(hp)
    return hp


def updates(tx, gradients, images):
    """What an optimizer makes of a row of gradients at numbers of images, compiled."""

    @jax.jit
    def step(state, g, images):
        return optax.with_extra_args_support(tx).update(g, state, jnp.zeros(3), images=images)

    state, out = tx.init(jnp.zeros(3)), []
    for g, i in zip(gradients, images, strict=True):
        change, state = step(state, jnp.asarray(g), jnp.float32(i))
        out.append(np.asarray(change))
    return np.array(out), state


GRADIENTS = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
IMAGES = 100.0 * np.arange(12)
MOVING = {"warmup_images": 800, "lr": 2e-3, "lr_end": 5e-4}


def adam(gradients, rates, decays, b1):
    """Adam's updates, with the means written as weighted sums of all gradients so far."""
    out = []
    for t in range(len(gradients)):
        g = gradients[: t + 1].astype(float)
        w1 = (1 - b1) * b1 ** np.arange(t, -1, -1.0)
        w2 = [(1 - decays[i]) * np.prod(decays[i + 1 : t + 1]) for i in range(t + 1)]
        mean, square = (np.tensordot(w / np.sum(w), a, 1) for w, a in ((w1, g), (w2, g**2)))
        out.append(-rates[t] * mean / (np.sqrt(square) + 1e-8))
    return np.array(out)


@pytest.mark.parametrize("b1", [0.0, 0.5])
def test_adam_divides_by_the_sum_of_its_weights(b1):
    """Rate and beta2 move; the weights of each mean sum to 1 at every step."""
    tx = optimizers.build(make(beta1=b1, beta2=0.9, beta2_end=0.99, **MOVING), "gen", 1)
    found, state = updates(tx, GRADIENTS, IMAGES)
    rates = cosine(IMAGES, 800, 2e-3, 5e-4)
    decays = cosine(IMAGES, 800, 0.9, 0.99)
    np.testing.assert_allclose(found, adam(GRADIENTS, rates, decays, b1), rtol=2e-5, atol=1e-9)
    np.testing.assert_allclose(state[0].product, np.prod(decays), rtol=1e-5)
    assert int(state[0].count) == 12


def test_adam_of_a_moving_beta2_that_stays_is_adam():
    plain, _ = updates(optimizers.build(make(beta2=0.9), "gen", 1), GRADIENTS, IMAGES)
    same = make(beta2=0.9, beta2_end=0.9, warmup_images=800)
    found, _ = updates(optimizers.build(same, "gen", 1), GRADIENTS, IMAGES)
    np.testing.assert_allclose(found, plain, rtol=1e-5)


@pytest.mark.parametrize("role, lr", [("gen", 2e-3), ("disc", 8e-3)])
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_rates_of_all_players_move_by_one_factor(optimizer, role, lr):
    """Momentum of sgd holds past steps as they were taken, at the rates of their time."""
    options = {"optimizer": optimizer, "lr": 2e-3, "lr_disc": 8e-3, "momentum": 0.5}
    constant, _ = updates(optimizers.build(make(**options), role, 1), GRADIENTS, IMAGES)
    tx = optimizers.build(make(**options, warmup_images=800, lr_end=5e-4), role, 1)
    found, _ = updates(tx, GRADIENTS, IMAGES)
    factors = cosine(IMAGES, 800, 1, 0.25)[:, None]
    if optimizer == "sgd":
        velocity, expected = 0.0, []
        for g, factor in zip(GRADIENTS, factors, strict=True):
            velocity = 0.5 * velocity - lr * factor * g
            expected.append(velocity)
    else:
        expected = factors * constant
    np.testing.assert_allclose(found, expected, rtol=2e-5)


def test_clipped_weights_stay_clipped():
    tx = optimizers.build(make(clip=0.01, lr=0.1, lr_end=0.05, warmup_images=500), "disc", 1)
    found, _ = updates(tx, GRADIENTS, IMAGES)
    assert np.abs(found).max() <= 0.01


def test_the_state_of_an_optimizer_keeps_its_dtypes_in_float64():
    tx = optimizers.build(make(beta2=0.9, beta2_end=0.99, **MOVING), "gen", 1)
    with jax.enable_x64(True):
        weights = jnp.zeros(3, jnp.float64)
        state = tx.init(weights)
        shapes = jax.tree.map(lambda a: (a.shape, a.dtype), state)
        update = jax.jit(optax.with_extra_args_support(tx).update)
        change, after = update(weights + 1, state, weights, images=jnp.float32(3))
        assert change.dtype == jnp.float64 and change[0] == pytest.approx(-2e-3, rel=1e-4)
        assert jax.tree.map(lambda a: (a.shape, a.dtype), after) == shapes


def averaged(values, minibatch, **options):
    """The averages of a net of one weight that takes these values at the ends of steps."""
    hp = dataclasses.replace(gan.Settings(), **options)
    method = gan.build(hp, SPEC, 10)
    ctx, average, out = make_context(method), 0.0, []
    for t, value in enumerate(values):
        vs = Vars({"gen": jnp.float32(value)}, {"gen": {}})
        before = {"gen": Vars(jnp.float32(average), {})}
        state = GanState(jnp.int32(t), KEY, *vs, {}, before, {}, jnp.int32(-1), jnp.int32(-1))
        at = ctx._replace(images=jnp.float32(t * minibatch), minibatch=minibatch)
        average = float(update_averages(method, state, at)["gen"].params)
        out.append(average)
    return out


VALUES = np.random.default_rng(1).normal(size=30)


@pytest.mark.parametrize("minibatch", [4, 64])
def test_half_life_grows_from_0(minibatch):
    """The first average is the first trained net; a weight counts half after the half-life."""
    found = averaged(VALUES, minibatch, ema_images=200, warmup_images=900)
    average, expected = 0.0, []
    for t, value in enumerate(VALUES):
        half_life = cosine(t * minibatch, 900, 0, 200)
        decay = 0.5 ** (minibatch / half_life) if half_life else 0
        average = decay * average + (1 - decay) * value
        expected.append(average)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert found[0] == np.float32(VALUES[0])


def test_a_half_life_without_a_warm_up_forgets_the_start_as_others_do():
    """By --ema_warmup's bound, whatever that flag says; then by the half-life."""
    average, expected = 0.0, []
    for t, value in enumerate(VALUES):
        rate = max(1 - 0.5 ** (64 / 400), 9 / (t + 9))
        average += rate * (value - average)
        expected.append(average)
    for warmup in (True, False):
        found = averaged(VALUES, 64, ema_images=400, ema_warmup=warmup, ema=0.0)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


class Linear(nn.Module):
    """D(x) = 3 sum x, of slope 3 sqrt(pixels)."""

    axis: str | None = None

    def __call__(self, x, train):
        return DiscOutput(3 * x.sum((1, 2, 3)), x)


@pytest.mark.parametrize("every", [1, 2])
def test_gamma_moves(every):
    hp = gan.Settings(
        penalty="r1", lambda_p=2.0, lambda_p_end=0.2, warmup_images=800, penalty_every=every
    )
    x, vs = jnp.ones((2, 8, 8, 1)), Vars({"disc": {}}, {"disc": {}})
    for images in (0.0, 300.0, 800.0, 5e6):
        ctx = StepContext({"disc": Linear()}, hp, {}, images=jnp.float32(images), step=0)
        term, value = discriminator.penalty(ctx, vs, KEY, x, x)
        np.testing.assert_allclose(value, 0.5 * 9 * 64, rtol=1e-6)
        np.testing.assert_allclose(term, every * cosine(images, 800, 2, 0.2) * value, rtol=1e-5)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"lr_end": 1e-5}, "add --warmup_images"),
        ({"beta2_end": 0.9}, "add --warmup_images"),
        ({"lr_end": 1e-5, "warmup_images": 9, "schedule": "linear"}, "use --schedule=constant"),
        ({"beta2_end": 0.9, "warmup_images": 9, "optimizer": "sgd"}, "use --optimizer=adam"),
        ({"lambda_p_end": 0.9, "warmup_images": 9}, "add --penalty=r1"),
        ({"penalty_augmented": True, "penalty": "r1"}, "--penalty=r1 --augment=translation"),
        ({"penalty_augmented": True, "augment": "color"}, "--penalty=r1 --augment=translation"),
    ],
)
def test_refusals(options, words):
    with pytest.raises(InputError, match=words):
        gan.check(dataclasses.replace(gan.Settings(), **options), SPEC)


def test_an_average_that_float32_cannot_hold_is_refused():
    hp = gan.Settings(ema_images=5_000_000)
    base.check_minibatch(hp, 512)
    with pytest.raises(InputError, match=r"78125 minibatches.*--ema_images=4416000 or less"):
        base.check_minibatch(hp, 64)
