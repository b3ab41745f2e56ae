"""Dist-GAN's nets for MNIST, in full (width 64): `dcgan` whose generator has one dense layer more, from 8 x 8 to 7 x 7.

Of the 52,830,273 parameters of the generator that layer has 51,386,496.
"""

import flax.linen as nn

from gan_jax.errors import InputError
from gan_jax.nets import dcgan, layers
from gan_jax.nets.family import Family
from gan_jax.nets.outputs import squash

SIZE = 28
ENC_STYLE = dcgan.STYLE._replace(first=nn.relu, rest=nn.relu)


class Gen(nn.Module):
    """Noise [B, z_dim] -> images [B, 28, 28, colors] in the range that `pixels` names. norm: "batch" or "none"."""

    colors: int
    width: int
    pixels: str
    norm: str = "batch"
    weights: layers.Weights = layers.Weights()
    axis: str | None = None

    @nn.compact
    def __call__(self, z, cond=None, *, train):
        width, bias, weights = self.width, self.norm != "batch", self.weights

        def active(x):
            return nn.relu(x if bias else layers.norm(self, train, cond)(x))

        x = active(layers.Dense(4 * 4 * 4 * width, bias, weights)(z, train)).reshape(
            -1, 4, 4, 4 * width
        )
        x = active(layers.ConvT(2 * width, (8, 8), use_bias=bias, weights=weights)(x, train))
        x = nn.relu(
            layers.Dense(7 * 7 * 2 * width, weights=weights)(layers.flatten(x), train)
        ).reshape(-1, 7, 7, 2 * width)
        x = active(layers.ConvT(width, (14, 14), use_bias=bias, weights=weights)(x, train))
        return squash(layers.ConvT(self.colors, (28, 28), weights=weights)(x, train), self.pixels)


class _Mnist(Family):
    def check(self, shape):
        """Refuses other sides than 28. Raises InputError."""
        if shape.size != SIZE:
            raise InputError(
                f"--size={shape.size}: Dist-GAN's MNIST nets are for 28; use --size=28, or --net=dcgan."
            )

    def gen(self, hp, shape, weights):
        """The generator."""
        return Gen(shape.colors, hp.width, hp.pixels, hp.gen_norm, weights)

    def disc(self, hp, shape, weights, n_classes=0):
        """The discriminator: dcgan's."""
        return dcgan.Disc(
            shape.size, hp.width, norm=hp.disc_norm, n_classes=n_classes, weights=weights
        )

    def enc(self, hp, shape, weights):
        """The encoder: dcgan's, with ReLU throughout."""
        return dcgan.Enc(shape.size, hp.width, hp.z_dim, ENC_STYLE, weights=weights)


FAMILY = _Mnist()
