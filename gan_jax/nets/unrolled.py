"""Unrolled GAN's nets for Stacked MNIST, whose discriminator may be a part of G's size.

Convolutions of 3 x 3. The generator goes from 4 pixels to the image's sides, and ends in a
convolution that keeps them. At width 8 they are the paper's; its D is as large as G's last layers,
half or a quarter of it (--disc_width=8, 4, 2).

Source: Metz et al. 2017, "Unrolled Generative Adversarial Networks", appendix D; Lin et al. 2018.
"""

import functools
import math

import flax.linen as nn

from gan_jax.nets import dcgan, layers
from gan_jax.nets.family import ConvGenerator, Family, conv_generator_fields
from gan_jax.nets.outputs import squash

KERNEL = 3
_leaky_relu = functools.partial(nn.leaky_relu, negative_slope=0.3)
DISC = dcgan.DCGAN._replace(first=_leaky_relu, rest=_leaky_relu, first_norm=True, kernel=KERNEL)


class Gen(ConvGenerator):
    """Generator, with `width` channels at the full side and twice as many at each half of it.

    With n_gens it is a mixture of generators, see dcgan.Gen.
    """

    n_gens: int = 0  # generators of a mixture; 0: one generator

    @nn.compact
    def __call__(self, z, cond=None, which=None, *, train):
        sides = layers.sides(self.hw)[::-1]
        widths = [self.width * 2**i for i in range(len(sides))][::-1]
        options = {"use_bias": self.norm != "batch", "weights": self.weights}

        def finish(x, net=self):
            normed = layers.batch_norm(net, train, cond)(x) if self.norm == "batch" else x
            return nn.relu(normed)

        def stem(net, z):
            h = layers.Dense(math.prod(sides[0]) * widths[0], **options)(z, train)
            return finish(h.reshape(-1, *sides[0], widths[0]), net)

        x = layers.mixture(stem, self, self.n_gens, z, which) if self.n_gens else stem(self, z)
        x = x.reshape(-1, *sides[0], widths[0])
        for hw, features in zip(sides[1:], widths[1:], strict=True):
            x = finish(layers.ConvT(features, hw, KERNEL, **options)(x, train))
        x = layers.Conv(self.colors, KERNEL, 1, weights=self.weights)(x, train)
        return squash(x, self.pixels)


class _Unrolled(Family):
    """The generator of this module, and D of `dcgan`."""

    supports_mixture = True

    def gen(self, hp, spec, weights, n_gens=0):
        return Gen(**conv_generator_fields(hp, spec), n_gens=n_gens, weights=weights)

    def disc(self, hp, spec, weights, n_classes=0):
        options = {"norm": hp.disc_norm, "n_classes": n_classes, "weights": weights}
        return dcgan.Disc(spec.hw, hp.width, DISC, **options)

    def enc(self, hp, spec, weights):
        return dcgan.Enc(spec.hw, hp.width, DISC, z_dim=hp.z_dim, weights=weights)


FAMILY = _Unrolled()
