"""Deep convolutional nets for any square image of 8 pixels or more: generator, discriminator, encoder.

Images halve down to 4 x 4 (or to `Style.stop`) while channels double from `width`. A Style says what a family of such nets has
of its own; STYLE is that of DCGAN (Radford et al. 2016) and of Dist-GAN's "dcgan" nets. Further families: S2's tables (D20) and
MGAN's nets (D15).
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn

from gan_jax.nets import layers
from gan_jax.nets.family import Family
from gan_jax.nets.heads import heads
from gan_jax.nets.outputs import squash


class DcganConfig(NamedTuple):
    """What one family of these nets has of its own.

    gen, first, rest: activations of the generator, of the first block that sees the image, and of the other blocks.
    repeat: multiple of `width` that blocks beyond the fourth repeat. stop: side at which halving ends.
    first_norm: BatchNorm on the discriminator's first block too. last_norm: BatchNorm on the generator's image and on the
    logit. offset: the generator's convolutions have a BatchNorm with offset. bias: layers in front of a BatchNorm have one,
    which it cancels: only where a source's parameter count needs it. disc_init, head_init: initialisers of D's convolutions
    and of its heads where they differ from the others. stem: activation of the generator's first, dense layer.
    """

    gen: Callable
    first: Callable
    rest: Callable
    repeat: int = 8
    stop: int = 4
    first_norm: bool = False
    last_norm: bool = False
    offset: bool = True
    bias: bool = False
    disc_init: Callable | None = None
    head_init: Callable | None = None
    stem: Callable = nn.relu


leaky_relu = functools.partial(nn.leaky_relu, negative_slope=0.2)
STYLE = DcganConfig(gen=nn.relu, first=leaky_relu, rest=leaky_relu)
# S2's tables: 28 -> 14 -> 7, ReLU in G and ELU in D, no BatchNorm next to pixels and logit, as its prose has it (D20).
S2 = DcganConfig(gen=nn.relu, first=nn.elu, rest=nn.elu, stop=7)
S2_LITERAL = S2._replace(first_norm=True, last_norm=True)
S2_PROSE = DcganConfig(gen=leaky_relu, first=leaky_relu, rest=leaky_relu, stop=7, stem=leaky_relu)
# MGAN's released CIFAR-10 nets, and the same for 28 px (D14, D15).
MGAN = DcganConfig(
    gen=nn.relu,
    first=leaky_relu,
    rest=leaky_relu,
    first_norm=True,
    offset=False,
    bias=True,
    disc_init=nn.initializers.truncated_normal(0.02),
    head_init=nn.initializers.normal(0.01),
)
MGAN_MNIST = MGAN._replace(stop=7)


def channels(size, width, style):
    """Channels of the blocks from the image inward: 64 px, width 128 -> [128, 256, 512, 1024]."""
    n = len(layers.sides(size, style.stop)) - 1
    doubling = [2**i for i in range(min(n, 4))]
    return [width * m for m in sorted(doubling + [style.repeat] * (n - len(doubling)))]


class Gen(nn.Module):
    """Noise [B, z_dim] -> images [B, size, size, colors] in the range that `pixels` names, see outputs.squash.

    norm: "batch" or "none". cond: see layers.norm. n_gens: 0, or a mixture of so many generators with private first layers
    that share all others (Hoang et al. 2018): -> [B * n_gens, ...], or [B, ...] where `which` int [B] names the generators.
    """

    size: int
    colors: int
    width: int
    pixels: str
    style: DcganConfig = STYLE
    norm: str = "batch"
    n_gens: int = 0
    weights: layers.Weights = layers.Weights()
    axis: str | None = None

    @nn.compact
    def __call__(self, z, cond=None, which=None, *, train):
        style, normed = self.style, self.norm == "batch"
        sides = layers.sides(self.size, style.stop)[::-1]
        widths = channels(self.size, self.width, style)[::-1]
        bias = style.bias or not normed
        weights = self.weights

        def stem(net, z):
            h = layers.Dense(sides[0] ** 2 * widths[0], bias, weights)(z, train)
            # Normalised per unit, not per channel: so the sources have it.
            return style.stem(layers.norm(net, train, cond)(h) if normed else h)

        x = layers.mixture(stem, self, self.n_gens, z, which) if self.n_gens else stem(self, z)
        x = x.reshape(-1, sides[0], sides[0], widths[0])
        for side, features in zip(sides[1:-1], widths[1:], strict=True):
            x = layers.ConvT(features, (side, side), use_bias=bias, weights=weights)(x, train)
            x = style.gen(layers.norm(self, train, cond, use_bias=style.offset)(x) if normed else x)
        x = layers.ConvT(self.colors, (self.size, self.size), weights=weights)(x, train)
        return squash(layers.norm(self, train)(x) if style.last_norm and normed else x, self.pixels)


class Trunk(nn.Module):
    """Images [B, size, size, colors] -> features [B, F]: strided convolutions.

    norm: "batch", or "none" for a critic whose penalty must not couple samples (Gulrajani et al. 2017, section 4).
    last: channels of the last block where they differ from the style's; 0 otherwise.
    """

    size: int
    width: int
    style: DcganConfig = STYLE
    norm: str = "batch"
    last: int = 0
    weights: layers.Weights = layers.Weights()
    axis: str | None = None

    @nn.compact
    def __call__(self, x, *, train):
        widths = channels(self.size, self.width, self.style)
        for i, features in enumerate([*widths[:-1], self.last or widths[-1]]):
            normed = (i > 0 or self.style.first_norm) and self.norm == "batch"
            x = layers.Conv(features, use_bias=self.style.bias or not normed, weights=self.weights)(
                x, train
            )
            x = layers.norm(self, train)(x) if normed else x
            x = self.style.rest(x) if i else self.style.first(x)
        return layers.flatten(x)


class Disc(nn.Module):
    """Images [B, size, size, colors] -> DiscOut. norm: see Trunk. n_classes: of a second head on the features; 0: none."""

    size: int
    width: int
    style: DcganConfig = STYLE
    norm: str = "batch"
    n_classes: int = 0
    weights: layers.Weights = layers.Weights()
    axis: str | None = None

    @nn.compact
    def __call__(self, x, *, train):
        style = self.style
        weights = self.weights._replace(init=style.disc_init or self.weights.init)
        features = Trunk(self.size, self.width, style, self.norm, 0, weights, self.axis)(
            x, train=train
        )
        out = heads(
            self,
            features,
            train,
            weights=self.weights._replace(init=style.head_init or self.weights.init),
        )
        if style.last_norm and self.norm == "batch":
            out = out._replace(logit=layers.norm(self, train)(out.logit[:, None])[:, 0])
        return out


class Enc(nn.Module):
    """Images [B, size, size, colors] -> codes [B, z_dim], unbounded. wide: the last block is twice as wide (D16)."""

    size: int
    width: int
    z_dim: int
    style: DcganConfig = STYLE
    wide: bool = False
    weights: layers.Weights = layers.Weights()
    axis: str | None = None

    @nn.compact
    def __call__(self, x, *, train):
        last = 2 * channels(self.size, self.width, self.style)[-1] if self.wide else 0
        x = Trunk(self.size, self.width, self.style, "batch", last, self.weights, self.axis)(
            x, train=train
        )
        return layers.Dense(self.z_dim, weights=self.weights)(x, train)


class DcganFamily(Family):
    """The nets of one style."""

    supports_mixture = True

    def __init__(self, style):
        self.style = style

    def gen(self, hp, shape, weights, n_gens=0):
        """The generator for images of a base.DataSpec."""
        return Gen(
            shape.size, shape.colors, hp.width, hp.pixels, self.style, hp.gen_norm, n_gens, weights
        )

    def disc(self, hp, shape, weights, n_classes=0):
        """The discriminator; n_classes: see Disc."""
        return Disc(shape.size, hp.width, self.style, hp.disc_norm, n_classes, weights)

    def enc(self, hp, shape, weights):
        """The encoder."""
        return Enc(shape.size, hp.width, hp.z_dim, self.style, hp.wide_enc, weights)
