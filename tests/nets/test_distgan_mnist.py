"""Dist-GAN's MNIST nets: sizes counted in the released code."""

import dataclasses

import jax
import numpy as np
import pytest

from gan_jax.errors import InputError
from gan_jax.methods import base, distgan
from gan_jax.nets import distgan_mnist
from tests.nets import probe

SHAPE, IMAGE = base.DataSpec(28, 1), (2, 28, 28, 1)


def test_parameter_counts():
    hp = dataclasses.replace(distgan.Settings(), width=64, z_dim=100)
    family = distgan_mnist.FAMILY
    gen, disc, enc = (
        build(hp, SHAPE, probe.WEIGHTS) for build in (family.gen, family.disc, family.enc)
    )
    assert probe.count(gen, (2, 100)) == 52_830_273
    assert (probe.count(disc, IMAGE), probe.count(enc, IMAGE)) == (1_030_529, 1_436_132)
    assert probe.shapes(disc, IMAGE).features == (2, 4096)


def test_shapes():
    hp = probe.settings(width=1, pixels="sigmoid")
    shape, image = base.DataSpec(28, 3), (2, 28, 28, 3)
    gen = distgan_mnist.FAMILY.gen(hp, shape, probe.WEIGHTS)
    assert probe.shapes(gen, (2, 5)) == image
    assert probe.shapes(gen, (2, 5), (2, 4)) == image
    assert probe.shapes(distgan_mnist.FAMILY.disc(hp, shape, probe.WEIGHTS, 4), image).classes == (
        2,
        4,
    )
    assert probe.shapes(distgan_mnist.FAMILY.enc(hp, shape, probe.WEIGHTS), image) == (2, 5)
    norms = {n for n in probe.params(gen, (2, 5)) if n.startswith("BatchNorm")}
    assert len(norms) == 3  # none behind the second dense layer
    gen = distgan_mnist.FAMILY.gen(probe.settings(gen_norm="none"), shape, probe.WEIGHTS)
    assert not any(n.startswith("BatchNorm") for n in probe.params(gen, (2, 5)))


def test_encoder_is_relu():
    """Its first block, which no norm follows: every negative value is 0."""
    net, x = distgan_mnist.FAMILY.enc(probe.settings(), SHAPE, probe.WEIGHTS), probe.noise(*IMAGE)
    variables = probe.variables(net, x)

    @jax.jit
    def slope(variables):
        return jax.grad(lambda x: net.apply(variables, x, train=False).sum())(x)

    assert np.abs(slope(variables)).max() > 0
    variables["params"]["Trunk_0"]["Conv_0"]["bias"] -= 100.0
    assert np.abs(slope(variables)).max() == 0


def test_other_sizes_are_refused():
    with pytest.raises(InputError, match="--size=32.*--size=28"):
        distgan_mnist.FAMILY.check(base.DataSpec(32, 1))
