"""What methods do with D: penalties through an augmentation."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.core import diffaugment
from gan_jax.core.method import StepContext
from gan_jax.core.state import Vars
from gan_jax.methods import discriminator, gan
from gan_jax.nets.outputs import DiscOutput
from tests import tiers

KEY = jax.random.key(5)
R = np.random.default_rng(2)
REAL, FAKE = R.random((2, 3, 8, 8, 2))


class Smooth(nn.Module):
    """A discriminator of images 8 x 8 x 2 with three hidden units."""

    axis: str | None = None

    @nn.compact
    def __call__(self, x, train):
        features = nn.tanh(nn.Dense(3)(x.reshape(len(x), -1)))
        return DiscOutput(nn.Dense(1)(features)[:, 0], features)


def params(scale=0.2):
    return {
        "Dense_0": {"kernel": scale * R.normal(size=(128, 3)), "bias": scale * R.normal(size=3)},
        "Dense_1": {"kernel": R.normal(size=(3, 1)), "bias": np.zeros(1)},
    }


WEIGHTS = params()


def context(**options):
    return StepContext({"disc": Smooth()}, dataclasses.replace(gan.Settings(), **options), {})


def variables(weights):
    return Vars({"disc": weights}, {"disc": {}})


def penalty(weights, real=REAL, fake=FAKE, **options):
    """The penalty without its weight."""
    ctx = context(penalty_augmented=True, **options)
    arrays = jnp.asarray(real), jnp.asarray(fake)
    return discriminator.penalty(ctx, variables(weights), KEY, *arrays)[1]


def logits(weights, x):
    d0, d1 = weights["Dense_0"], weights["Dense_1"]
    hidden = jnp.tanh(x.reshape(len(x), -1) @ d0["kernel"] + d0["bias"])
    return (hidden @ d1["kernel"])[:, 0]


@pytest.mark.parametrize(
    "names",
    [
        *tiers.cases(diffaugment.OPERATIONS, ("color", "rotation", "cutout")),
        "color,translation,cutout",
    ],
)
def test_r1r2_through_an_augmentation(float64, names):
    """Value by Jacobians of the composition in forward mode; gradient in D's weights by
    differences of that value.
    """
    ctx = context(augment=names)

    def brute_force(weights):
        def composed(x):
            return logits(weights, discriminator.augmented(ctx, KEY, x))

        slopes = [jax.jacfwd(composed)(jnp.asarray(x)) for x in (REAL, FAKE)]
        own = [np.stack([np.asarray(j)[i, i] for i in range(len(j))]) for j in slopes]
        return 0.5 * sum(np.mean(np.sum(j**2, (1, 2, 3))) for j in own)

    of_weights = lambda w: penalty(w, penalty="r1r2", augment=names)
    value, grads = jax.jit(jax.value_and_grad(of_weights))(WEIGHTS)
    np.testing.assert_allclose(value, brute_force(WEIGHTS), rtol=1e-9)
    along = params()  # a direction
    h = 1e-5
    up, down = (
        brute_force(jax.tree.map(lambda w, a, s=s: w + s * a, WEIGHTS, along)) for s in (h, -h)
    )
    inner = sum(np.sum(g * a) for g, a in zip(*map(jax.tree.leaves, (grads, along)), strict=True))
    np.testing.assert_allclose(inner, (up - down) / (2 * h), rtol=1e-6)


def test_points_are_the_images_before_the_augmentation(float64):
    """Gray squares have no slope; without the flag nothing is augmented."""
    plain = penalty(WEIGHTS, penalty="r1", augment="")
    cut = penalty(WEIGHTS, penalty="r1", augment="cutout")
    off = discriminator.penalty(
        context(penalty="r1", augment="cutout"),
        variables(WEIGHTS),
        KEY,
        jnp.asarray(REAL),
        jnp.asarray(FAKE),
    )[1]
    assert 0.1 * plain < cut < plain and off == plain


def test_second_order_is_finite_where_d_is_constant():
    zero = jax.tree.map(lambda a: jnp.zeros_like(jnp.float32(a)), WEIGHTS)
    names = "color,translation,cutout,flip,rotation"
    of_weights = lambda w: penalty(
        w, np.float32(REAL), np.float32(FAKE), penalty="r1r2", augment=names
    )
    value, grads = jax.jit(jax.value_and_grad(of_weights))(zero)
    assert abs(value) < 1e-5 and all(np.isfinite(g).all() for g in jax.tree.leaves(grads))
