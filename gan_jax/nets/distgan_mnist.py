"""Dist-GAN's nets for MNIST: `dcgan` with one more dense layer in G, from 8 x 8 to 7 x 7.

At width 64 the generator has 52,830,273 parameters, 51,386,496 of them in that layer.
"""

import flax.linen as nn

from gan_jax.errors import InputError
from gan_jax.nets import dcgan, layers
from gan_jax.nets.family import ConvGenerator, Family, conv_generator_fields
from gan_jax.nets.outputs import squash

SIZE = 28
ENCODER = dcgan.DCGAN._replace(first=nn.relu, rest=nn.relu)


class Gen(ConvGenerator):
    """Generator of images of 28 px."""

    @nn.compact
    def __call__(self, z, cond=None, *, train):
        width, weights, bias = self.width, self.weights, self.norm != "batch"

        def conv_t(x, features, side):
            x = layers.ConvT(features, (side, side), use_bias=bias, weights=weights)(x, train)
            return nn.relu(self.normalize(x, train, cond))

        x = layers.Dense(4 * 4 * 4 * width, bias, weights)(z, train)
        x = nn.relu(self.normalize(x, train, cond)).reshape(-1, 4, 4, 4 * width)
        x = conv_t(x, 2 * width, 8)
        x = layers.Dense(7 * 7 * 2 * width, weights=weights)(layers.flatten(x), train)
        x = nn.relu(x).reshape(-1, 7, 7, 2 * width)
        x = conv_t(x, width, 14)
        return squash(layers.ConvT(self.colors, (28, 28), weights=weights)(x, train), self.pixels)


class _Mnist(Family):
    """The generator of this module; discriminator and encoder are those of `dcgan`."""

    def check(self, spec):
        if spec.hw != (SIZE, SIZE):
            raise InputError(
                f"--size={spec.hw}: Dist-GAN's MNIST nets are for 28; "
                "use --size=28, or --net=dcgan."
            )

    def gen(self, hp, spec, weights):
        return Gen(**conv_generator_fields(hp, spec), weights=weights)

    def disc(self, hp, spec, weights, n_classes=0):
        options = {"norm": hp.disc_norm, "n_classes": n_classes, "weights": weights}
        return dcgan.Disc(spec.hw, hp.width, **options)

    def enc(self, hp, spec, weights):
        return dcgan.Enc(spec.hw, hp.width, ENCODER, z_dim=hp.z_dim, weights=weights)


FAMILY = _Mnist()
