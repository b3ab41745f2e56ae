"""Unrolled GAN's and VEEGAN's nets for Stacked MNIST: sizes counted by hand."""

import dataclasses

import pytest

from gan_jax.methods import base, gan
from gan_jax.nets import unrolled
from gan_jax.nets.families import TABLE
from tests.nets import probe

SHAPE, IMAGE = base.DataSpec(28, 3), (2, 28, 28, 3)


def test_the_generator_has_the_papers_layers():
    hp = dataclasses.replace(gan.Settings(), width=8, z_dim=256)
    net = unrolled.FAMILY.gen(hp, SHAPE, probe.WEIGHTS)
    kernels = 256 * 16 * 64 + 9 * (64 * 32 + 32 * 16 + 16 * 8 + 8 * 3)
    norms = 2 * (64 + 32 + 16 + 8)
    assert probe.count(net, (2, 256)) == kernels + norms + 3  # the image has a bias
    assert probe.shapes(net, (2, 256)) == IMAGE


@pytest.mark.parametrize("width", [2, 4, 8])
def test_the_discriminator_has_the_papers_layers_at_each_size(width):
    hp = dataclasses.replace(gan.Settings(), net="unrolled", width=8, disc_width=width, pack=2)
    net = base.build_discriminator(hp, SHAPE)
    a, b, c = width, 2 * width, 4 * width
    kernels = 9 * (6 * a + a * b + b * c) + 16 * c
    assert probe.count(net, (2, 28, 28, 6)) == kernels + 2 * (a + b + c) + 1


def test_without_a_width_of_its_own_d_has_that_of_g():
    narrow = dataclasses.replace(gan.Settings(), net="unrolled", width=4)
    same = dataclasses.replace(narrow, disc_width=4)
    nets = [base.build_discriminator(hp, SHAPE) for hp in (narrow, same)]
    assert nets[0] == nets[1]
    assert base.build_generator(same, SHAPE) == base.build_generator(
        dataclasses.replace(narrow, disc_width=16), SHAPE
    )


def test_veegans_nets_end_at_two_pixels():
    hp = dataclasses.replace(gan.Settings(), net="veegan", width=64, z_dim=100)
    gen, disc = (getattr(TABLE["veegan"], net)(hp, SHAPE, probe.WEIGHTS) for net in ("gen", "disc"))
    kernels = 100 * 4 * 512 + 25 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 3)
    norms = 2 * (4 * 512 + 256 + 128 + 64)
    assert probe.count(gen, (2, 100)) == kernels + norms + 3
    kernels = 25 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512) + 4 * 512
    assert probe.count(disc, IMAGE) == kernels + 64 + 2 * (128 + 256 + 512) + 1
