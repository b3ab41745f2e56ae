"""Deep convolutional nets for any square image of 8 pixels or more: generator, discriminator, encoder.

Images halve down to 4 x 4 while channels double from `width`. A Style says what a family of such nets has of its own;
STYLE is that of DCGAN (Radford et al. 2016) and of Dist-GAN's "dcgan" nets.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn

from gan_jax.nets import layers
from gan_jax.nets.outputs import DiscOut


class Style(NamedTuple):
    """Activations of the generator, of the first block that sees the image, and of the other blocks; and the multiple of
    `width` that blocks beyond the fourth repeat."""

    gen: Callable
    first: Callable
    rest: Callable
    repeat: int


leaky_relu = functools.partial(nn.leaky_relu, negative_slope=0.2)
STYLE = Style(gen=nn.relu, first=leaky_relu, rest=leaky_relu, repeat=8)


def channels(size, width, style):
    """Channels of the blocks from the image inward: 64 px, width 128 -> [128, 256, 512, 1024]."""
    n = len(layers.sides(size)) - 1
    doubling = [2**i for i in range(min(n, 4))]
    return [width * m for m in sorted(doubling + [style.repeat] * (n - len(doubling)))]


class Gen(nn.Module):
    """Noise [B, z_dim] -> images [B, size, size, colors] in [-1, 1] (pixels="tanh") or [0, 1] (pixels="sigmoid")."""

    size: int
    colors: int
    width: int
    pixels: str
    style: Style = STYLE
    weight_init: str = "xavier"
    axis: str | None = None

    @nn.compact
    def __call__(self, z, train):
        sides, widths = layers.sides(self.size)[::-1], channels(self.size, self.width, self.style)[::-1]
        first = sides[0] ** 2 * widths[0]
        x = nn.Dense(first, use_bias=False, kernel_init=layers.initializer(self.weight_init))(z)
        # Per unit, not per channel, and ReLU in every style: so the sources have it.
        x = nn.relu(layers.norm(self, train)(x)).reshape(-1, sides[0], sides[0], widths[0])
        for side, features in zip(sides[1:-1], widths[1:], strict=True):
            x = layers.ConvT(features, (side, side), use_bias=False, weight_init=self.weight_init)(x)
            x = self.style.gen(layers.norm(self, train)(x))
        x = layers.ConvT(self.colors, (self.size, self.size), weight_init=self.weight_init)(x)
        return nn.sigmoid(x) if self.pixels == "sigmoid" else nn.tanh(x)


class Trunk(nn.Module):
    """Images [B, size, size, colors] -> features [B, F]: strided convolutions, no norm on the first.

    norm: "batch", or "none" for a critic whose penalty must not couple samples (Gulrajani et al. 2017, section 4).
    last: channels of the last block where they differ from the style's; 0 otherwise.
    """

    size: int
    width: int
    style: Style = STYLE
    norm: str = "batch"
    last: int = 0
    weight_init: str = "xavier"
    axis: str | None = None

    @nn.compact
    def __call__(self, x, train):
        widths = channels(self.size, self.width, self.style)
        for i, features in enumerate([*widths[:-1], self.last or widths[-1]]):
            normed = i > 0 and self.norm == "batch"
            x = layers.Conv(features, use_bias=not normed, weight_init=self.weight_init)(x)
            x = layers.norm(self, train)(x) if normed else x
            x = self.style.rest(x) if i else self.style.first(x)
        return layers.flatten(x)


class Disc(nn.Module):
    """Images [B, size, size, colors] -> DiscOut. norm: see Trunk."""

    size: int
    width: int
    style: Style = STYLE
    norm: str = "batch"
    weight_init: str = "xavier"
    axis: str | None = None

    @nn.compact
    def __call__(self, x, train):
        features = Trunk(self.size, self.width, self.style, self.norm, 0, self.weight_init, self.axis)(x, train)
        return DiscOut(nn.Dense(1, kernel_init=layers.initializer(self.weight_init))(features)[:, 0], features)


class Enc(nn.Module):
    """Images [B, size, size, colors] -> codes [B, z_dim], unbounded. wide: the last block is twice as wide (D16)."""

    size: int
    width: int
    z_dim: int
    style: Style = STYLE
    wide: bool = False
    weight_init: str = "xavier"
    axis: str | None = None

    @nn.compact
    def __call__(self, x, train):
        last = 2 * channels(self.size, self.width, self.style)[-1] if self.wide else 0
        x = Trunk(self.size, self.width, self.style, "batch", last, self.weight_init, self.axis)(x, train)
        return nn.Dense(self.z_dim, kernel_init=layers.initializer(self.weight_init))(x)
