"""S1's two nets, from the public scripts that its text describes (D19). For sides that are multiples of 4.

SECTION7  Keras-GAN's AC-GAN (width 128): its discriminator's row and column of zeros at 7 px is left out.
SECTION4  Atienza's Keras DCGAN (width 64), unconditional in its source. Its layers in front of a BatchNorm have a bias.

Norms come after the activation in SECTION7, and in D after the dropout: Keras' order.
"""

import flax.linen as nn

from gan_jax.errors import InputError
from gan_jax.nets import dcgan, layers
from gan_jax.nets.family import Family
from gan_jax.nets.heads import heads
from gan_jax.nets.outputs import squash


class Gen7(nn.Module):
    """Noise [B, z_dim] -> images [B, size, size, colors] in the range that `pixels` names. norm: "batch" or "none"."""

    size: int
    colors: int
    width: int
    pixels: str
    norm: str = "batch"
    weights: layers.Weights = layers.Weights()
    axis: str | None = None

    @nn.compact
    def __call__(self, z, cond=None, *, train):
        def active(x):
            return (
                layers.norm(self, train, cond, momentum=0.8)(nn.relu(x))
                if self.norm == "batch"
                else nn.relu(x)
            )

        side, width = self.size // 4, self.width
        x = layers.Dense(side**2 * width, weights=self.weights)(z, train)
        x = active(x.reshape(-1, side, side, width))
        for features in (width, max(width // 2, 1)):
            x = active(layers.Conv(features, 3, 1, weights=self.weights, resize="up")(x, train))
        return squash(layers.Conv(self.colors, 3, 1, weights=self.weights)(x, train), self.pixels)


class Gen4(nn.Module):
    """As Gen7; its first norm is per unit. Dropout takes 0.4 of the first feature map in training."""

    size: int
    colors: int
    width: int
    pixels: str
    norm: str = "batch"
    weights: layers.Weights = layers.Weights()
    axis: str | None = None

    @nn.compact
    def __call__(self, z, cond=None, *, train):
        def active(x):
            return nn.relu(layers.norm(self, train, cond)(x) if self.norm == "batch" else x)

        side, width = self.size // 4, self.width
        x = active(layers.Dense(side**2 * 4 * width, weights=self.weights)(z, train))
        x = layers.dropout(self, x.reshape(-1, side, side, 4 * width), 0.4, train)
        for features in (2 * width, width):
            x = active(layers.Conv(features, stride=1, weights=self.weights, resize="up")(x, train))
        x = active(layers.Conv(max(width // 2, 1), stride=1, weights=self.weights)(x, train))
        return squash(
            layers.Conv(self.colors, stride=1, weights=self.weights)(x, train), self.pixels
        )


def _trunk(net, x, train):
    """Four convolutions, the last with stride 1: LeakyReLU, dropout, and a BatchNorm after those that `net.normed` names."""
    for i, features in enumerate(net.widths):
        x = layers.Conv(features, net.kernel, 2 if i < 3 else 1, weights=net.weights)(x, train)
        x = layers.dropout(net, dcgan.leaky_relu(x), net.rate, train)
        x = layers.norm(net, train, momentum=0.8)(x) if i in net.normed else x
    return layers.flatten(x)


class Disc(nn.Module):
    """Images [B, size, size, colors] -> DiscOut; features are what the logit is computed from, after dropout.

    widths: channels of the four convolutions. rate: share that dropout takes. normed: blocks, from 0, with a BatchNorm.
    """

    widths: tuple
    kernel: int
    rate: float
    normed: tuple = ()
    n_classes: int = 0
    weights: layers.Weights = layers.Weights()
    axis: str | None = None

    @nn.compact
    def __call__(self, x, *, train):
        return heads(self, _trunk(self, x, train), train)


class Enc(nn.Module):
    """Images [B, size, size, colors] -> codes [B, z_dim], unbounded: the discriminator's convolutions. Fields as there."""

    widths: tuple
    kernel: int
    z_dim: int
    rate: float = 0.0
    normed: tuple = ()
    weights: layers.Weights = layers.Weights()
    axis: str | None = None

    @nn.compact
    def __call__(self, x, *, train):
        return layers.Dense(self.z_dim, weights=self.weights)(_trunk(self, x, train), train)


class _Section7(Family):
    gen_class, kernel, rate, normed = Gen7, 3, 0.25, (1, 2)

    def check(self, shape):
        """Refuses sides that do not double twice. Raises InputError."""
        if shape.size % 4:
            low = shape.size // 4 * 4
            raise InputError(
                f"--size={shape.size} is not a multiple of 4, as S1's nets need; use {low} or {low + 4}."
            )

    def widths(self, width):
        """Channels of D's convolutions."""
        return tuple(max(width // n, 1) for n in (8, 4, 2, 1))

    def gen(self, hp, shape, weights):
        """The generator for images of a base.DataSpec."""
        return self.gen_class(shape.size, shape.colors, hp.width, hp.pixels, hp.gen_norm, weights)

    def disc(self, hp, shape, weights, n_classes=0):
        """The discriminator; n_classes: of a second head; 0: none."""
        normed = self.normed if hp.disc_norm == "batch" else ()
        return Disc(self.widths(hp.width), self.kernel, self.rate, normed, n_classes, weights)

    def enc(self, hp, shape, weights):
        """The encoder."""
        return Enc(self.widths(hp.width), self.kernel, hp.z_dim, 0.0, self.normed, weights)


class _Section4(_Section7):
    gen_class, kernel, rate, normed = Gen4, 5, 0.4, ()

    def widths(self, width):
        return tuple(width * n for n in (1, 2, 4, 8))


SECTION7 = _Section7()
SECTION4 = _Section4()
