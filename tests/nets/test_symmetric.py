"""A generator that turns its images by the signs of its noise."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import methods
from gan_jax.core import initialize
from gan_jax.core.method import apply_net, make_context
from gan_jax.core.state import Vars
from gan_jax.errors import InputError
from gan_jax.nets import symmetric
from gan_jax.settings import Size
from tests import methods_small


def build(name="gan", **changes):
    """A small method and its first state."""
    module = methods.TABLE[name]
    hp = dataclasses.replace(module.Settings(), **(methods_small.SMALL | changes))
    method = module.build(hp, methods_small.SHAPE, 10)
    return method, initialize.init(method, jax.random.key(0))


def generate(method, state, z):
    vs = Vars(state.params, state.batch_stats)
    return np.asarray(apply_net(make_context(method), vs, "gen", z, train=False)[0])


def noise(n):
    size = n, methods_small.SMALL["z_dim"]
    return np.random.default_rng(0).normal(size=size).astype(np.float32)


def without_signs(z, n):
    return np.concatenate([np.abs(z[:, :n]), z[:, n:]], 1)


def test_the_moves_are_the_symmetries_of_a_square():
    image = np.arange(16.0).reshape(1, 4, 4, 1)
    coins = np.array(list(itertools.product([False, True], repeat=3)))
    moved = np.asarray(symmetric.move(jnp.repeat(image, 8, 0), jnp.asarray(coins)))[..., 0]
    turns = [np.rot90(image[0, ..., 0], k) for k in range(4)]
    expected = {x.tobytes() for x in (*turns, *(x[:, ::-1] for x in turns))}
    assert {x.astype(float).tobytes() for x in moved} == expected and len(expected) == 8


@pytest.mark.parametrize("symmetry", ["mirror", "flip", "turn"])
def test_signs_choose_the_move_and_nothing_else(symmetry):
    plain, _ = build()
    method, state = build(gen_symmetry=symmetry)
    n = symmetric.SIGNS[symmetry]
    z = noise(8)
    images, unmoved = generate(method, state, z), generate(plain, state, without_signs(z, n))
    for image, still, signs in zip(images, unmoved, z[:, :n] < 0, strict=True):
        if signs[0]:
            still = still[:, ::-1]
        if n > 1 and signs[1]:
            still = still[::-1]
        if n > 2 and signs[2]:
            still = still.swapaxes(0, 1)
        np.testing.assert_allclose(image, still, atol=1e-6)


def test_parameters_are_those_of_the_plain_net():
    (_, plain), (_, state) = build(), build(gen_symmetry="turn")
    jax.tree.map(np.testing.assert_array_equal, plain.params, state.params)


def test_images_lie_every_way_alike():
    def largest_bias(**changes):
        """Of the mean image minus its mirrors, in standard errors."""
        x = generate(*build(**changes), noise(400)).mean(-1)
        differences = np.stack([x - y for y in (x[:, ::-1], x[:, :, ::-1], x.swapaxes(1, 2))])
        error = differences.std(1) / np.sqrt(len(x)) + 1e-7
        return (np.abs(differences.mean(1)) / error).max()

    assert largest_bias(gen_symmetry="turn") < 5 < largest_bias()


def test_a_mixture_turns_all_images_of_a_row_alike():
    (plain, _), (method, state) = build("mgan"), build("mgan", gen_symmetry="flip")
    z = noise(3)
    z[:, :2] = [[1, 1], [-1, 1], [-1, -1]]
    images, still = (
        generate(*of, noise).reshape(3, method.hp.n_gens, *methods_small.SHAPE.hw, -1)
        for of, noise in (((method, state), z), ((plain, state), without_signs(z, 2)))
    )
    expected = still[0], still[1][:, :, ::-1], still[2][:, ::-1, ::-1]
    np.testing.assert_allclose(images, np.stack(expected), atol=1e-6)


@pytest.mark.parametrize(
    ("hw", "changes", "message"),
    [
        ((16, 24), {}, "turn turns images by quarters"),
        ((16, 16), {"z_dim": 3}, "takes 3 signs"),
        ((1, 1), {"net": "mlp", "pixels": "linear"}, "moves images"),
    ],
)
def test_refusals(hw, changes, message):
    module = methods.TABLE["gan"]
    hp = module.Settings(**({"gen_symmetry": "turn"} | changes))
    with pytest.raises(InputError, match=message):
        module.check(hp, methods_small.SHAPE._replace(hw=Size(*hw)))
