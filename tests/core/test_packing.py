"""Packs of PacGAN against loops in numpy: what D sees, its losses, its penalties, the refusals."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.core import packing
from gan_jax.core.method import StepContext
from gan_jax.core.state import Vars
from gan_jax.errors import InputError
from gan_jax.methods import base, colorize, discriminator, gan, infogan, mgan
from gan_jax.nets.outputs import DiscOutput
from tests.reference import mlp

KEY = jax.random.key(4)
R = np.random.default_rng(8)
SHAPE = mlp.IMAGE
M, B = 3, 6
X = R.random((B, *SHAPE))
FEATURES = R.normal(size=(M * 4, 5)), R.normal(size=5)


class Packed(nn.Module):
    """A discriminator of packs: tanh(pack W) v."""

    axis: str | None = None

    @nn.compact
    def __call__(self, x, train):
        w = self.param("w", nn.initializers.ones, (M * 4, 5))
        v = self.param("v", nn.initializers.ones, (5,))
        features = jnp.tanh(x.reshape(len(x), -1) @ w)
        return DiscOutput(features @ v, features)


NETS = {"gen": mlp.NETS["gen"], "disc": Packed()}
P = {"gen": mlp.params()["gen"], "disc": dict(zip("wv", FEATURES, strict=True))}


def joined(x):
    """Every three images side by side in the channels, by a loop."""
    return np.stack([np.concatenate(x[i : i + M], axis=-1) for i in range(0, len(x), M)])


def logit(x):
    w, v = FEATURES
    return np.tanh(joined(x).reshape(len(x) // M, -1) @ w) @ v


def slopes(x):
    """l2 norms of a pack's logit in all its images."""
    w, v = FEATURES
    hidden = np.tanh(joined(x).reshape(len(x) // M, -1) @ w)
    return np.linalg.norm(((1 - hidden**2) * v) @ w.T, axis=1)


def run(f, **options):
    hp = dataclasses.replace(gan.Settings(), **{"z_dim": 3, "pack": M, **options})
    vs = Vars(P, {net: {} for net in P})
    value, (_, metrics) = f(StepContext(NETS, hp, {}), vs, {"image": jnp.asarray(X)}, KEY)
    return float(value), {name: float(metric) for name, metric in metrics.items()}


def fakes(key):
    noise = np.asarray(jax.random.uniform(key, (B, 3), minval=-1, maxval=1))
    return mlp.gen({"gen": P["gen"]}, noise)


@pytest.mark.parametrize("m", [1, 2, 3, 6])
def test_packs_are_joined_by_channel_and_taken_apart(m):
    x = R.random((6, 4, 5, 2))
    packs = packing.join(jnp.asarray(x), m)
    by_hand = np.stack([np.concatenate(x[i : i + m], axis=-1) for i in range(0, 6, m)])
    np.testing.assert_array_equal(packs, by_hand.astype(np.float32))
    np.testing.assert_array_equal(packing.split(packs, m), x.astype(np.float32))


def test_losses_are_those_of_packs(float64):
    real, fake = logit(X), logit(fakes(jax.random.split(KEY, 4)[0]))
    on_disc = np.mean(np.maximum(0, 1 - real)) + np.mean(np.maximum(0, 1 + fake))
    np.testing.assert_allclose(run(gan.disc_loss, loss="hinge")[0], on_disc, rtol=1e-10)
    fake = logit(fakes(jax.random.split(KEY)[0]))
    np.testing.assert_allclose(run(gan.gen_loss, loss="hinge")[0], -fake.mean(), rtol=1e-10)
    on_pairs = np.mean(np.log1p(np.exp(-(fake - real))))
    np.testing.assert_allclose(run(gan.gen_loss, loss="rp")[0], on_pairs, rtol=1e-10)


def test_penalties_act_on_packs(float64):
    fake = fakes(jax.random.split(KEY, 4)[0])
    value = run(gan.disc_loss, penalty="r1r2")[1]["penalty"]
    expected = 0.5 * (np.mean(slopes(X) ** 2) + np.mean(slopes(fake) ** 2))
    np.testing.assert_allclose(value, expected, rtol=1e-9)
    key = jax.random.split(KEY, 4)[3]
    a = np.repeat(np.asarray(jax.random.uniform(key, (B // M, 1, 1, 1))), M, axis=0)
    value = run(gan.disc_loss, penalty="wgan_gp")[1]["penalty"]
    expected = np.mean((slopes(X + a * (fake - X)) - 1) ** 2)
    np.testing.assert_allclose(value, expected, rtol=1e-9)


def test_each_image_of_a_pack_is_augmented_by_itself(float64):
    """A flip of single images, which the penalty of packs sees, too."""
    options = {"penalty": "r1", "augment": "flip", "penalty_augmented": True}
    value = run(gan.disc_loss, **options)[1]["penalty"]
    ctx = StepContext(NETS, gan.Settings(augment="flip"), {})
    flipped = discriminator.augmented(ctx, jax.random.split(KEY, 4)[3], jnp.asarray(X))
    assert not np.array_equal(flipped, X)
    np.testing.assert_allclose(value, 0.5 * np.mean(slopes(np.asarray(flipped)) ** 2), rtol=1e-9)


def test_nets_see_packs_and_generators_do_not():
    method = gan.build(gan.Settings(pack=2, width=4, z_dim=3), base.DataSpec(16, 3), 5)
    assert method.example_inputs["disc"][0].shape == (2, 16, 16, 6)
    assert method.nets["gen"].colors == 3


@pytest.mark.parametrize(
    "module, options, spec, words",
    [
        (gan, {"condition": "labels"}, base.DataSpec(16, 3, ("a", "b")), "a class of its own"),
        (mgan, {}, base.DataSpec(16, 3), "which generator"),
        (infogan, {}, base.DataSpec(16, 3), "reads the code"),
        (colorize, {}, base.DataSpec(16, 3), "gray version"),
    ],
)
def test_methods_whose_d_looks_at_single_images_refuse_packs(module, options, spec, words):
    hp = dataclasses.replace(module.Settings(), **options, pack=2)
    with pytest.raises(InputError, match=rf"{words}.*use --pack=1"):
        module.check(hp, spec)
    module.check(dataclasses.replace(hp, pack=1), spec)


@pytest.mark.parametrize("batch, devices, advised", [(8, 1, 6), (2, 1, 3), (9, 2, 6), (15, 2, 12)])
def test_a_minibatch_holds_whole_packs_on_each_device(batch, devices, advised):
    hp = gan.Settings(pack=3)
    with pytest.raises(InputError, match=f"use --batch={advised}, or"):
        base.check_minibatch(hp, batch, devices)
    base.check_minibatch(hp, advised, devices)
