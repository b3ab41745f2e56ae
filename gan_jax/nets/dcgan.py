"""Deep convolutional nets for images of 8 pixels or more: generator, discriminator, encoder.

Images halve until their shorter side is 4 (or DcganConfig.stop) while channels double from `width`.
A DcganConfig is what distinguishes one family of such nets from another.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn

from gan_jax.nets import layers
from gan_jax.nets.family import (
    ConvGenerator,
    Discriminator,
    Encoder,
    Family,
    Net,
    conv_generator_fields,
)
from gan_jax.nets.outputs import squash
from gan_jax.settings import Size


class DcganConfig(NamedTuple):
    """What distinguishes one family of these nets."""

    gen: Callable  # activation of the generator
    first: Callable  # activation of D's first block, which sees the image
    rest: Callable  # activation of D's other blocks
    repeat: int = 8  # channels of blocks beyond the fourth, in multiples of `width`
    stop: int = 4  # shorter side at which halving ends
    kernel: int = 5  # side of the convolutions' kernels
    first_norm: bool = False  # BatchNorm on D's first block too
    last_norm: bool = False  # BatchNorm on the generator's image and on the logit
    offset: bool = True  # the BatchNorms behind the generator's convolutions have an offset
    # Layers in front of a BatchNorm have a bias, which it cancels: only for the parameter counts
    # of sources that have one.
    bias: bool = False
    disc_init: Callable | None = None  # initialiser of D's convolutions; None: that of the settings
    head_init: Callable | None = None  # initialiser of D's heads; None: that of the settings
    stem: Callable = nn.relu  # activation of the generator's first, dense layer


leaky_relu = functools.partial(nn.leaky_relu, negative_slope=0.2)
# Radford et al. 2016, and Dist-GAN's "dcgan" nets.
DCGAN = DcganConfig(gen=nn.relu, first=leaky_relu, rest=leaky_relu)
# VEEGAN's and PacGAN's nets for Stacked MNIST: 28 -> 14 -> 7 -> 4 -> 2.
VEEGAN = DCGAN._replace(stop=2)
# S2: 28 -> 14 -> 7. Activations of its tables, ReLU in G and ELU in D. No BatchNorm next to pixels
# and logit, as its text has it (D20).
S2 = DcganConfig(gen=nn.relu, first=nn.elu, rest=nn.elu, stop=7)
# S2's tables to the letter: BatchNorm on every row (D20).
S2_LITERAL = S2._replace(first_norm=True, last_norm=True)
# S2's text: leaky ReLU throughout (D20).
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


def channels(hw: Size, width: int, config: DcganConfig) -> list[int]:
    """List the channels of all blocks, the one next to the image first.

    64 px and width 128 give [128, 256, 512, 1024].
    """
    n = len(layers.sides(hw, config.stop)) - 1
    doubling = [2**i for i in range(min(n, 4))]
    return [width * m for m in sorted(doubling + [config.repeat] * (n - len(doubling)))]


class Gen(ConvGenerator):
    """Generator: one dense layer, then transposed convolutions that double the side.

    With n_gens it is a mixture of generators with private first layers that share all others (Hoang
    et al. 2018). It then returns [B * n_gens, ...], see layers.mixture, or [B, ...] where `which`,
    int [B], names the generator of each row.
    """

    config: DcganConfig = DCGAN
    n_gens: int = 0  # generators of a mixture; 0: one generator
    # "transposed", or "nearest": 3 x 3 convolutions of the image that is doubled to the nearest
    # pixel (Odena et al. 2016, "Deconvolution and Checkerboard Artifacts")
    upsample: str = "transposed"

    @nn.compact
    def __call__(self, z, cond=None, which=None, *, train):
        config, normed = self.config, self.norm == "batch"
        sides = layers.sides(self.hw, config.stop)[::-1]
        widths = channels(self.hw, self.width, config)[::-1]
        options = {"use_bias": config.bias or not normed, "weights": self.weights}

        def stem(net, z):
            h = layers.Dense(math.prod(sides[0]) * widths[0], **options)(z, train)
            # Normalised per unit, not per channel, as in the sources.
            return config.stem(layers.batch_norm(net, train, cond)(h) if normed else h)

        x = layers.mixture(stem, self, self.n_gens, z, which) if self.n_gens else stem(self, z)
        x = x.reshape(-1, *sides[0], widths[0])
        for hw, features in zip(sides[1:-1], widths[1:], strict=True):
            x = self._double(x, features, hw, train, **options)
            x = config.gen(self.normalize(x, train, cond, use_bias=config.offset))
        x = self._double(x, self.colors, self.hw, train, weights=self.weights)
        return squash(self.normalize(x, train) if config.last_norm else x, self.pixels)

    def _double(self, x, features, hw, train, **options):
        """Double the sides of x, or one less than double."""
        if self.upsample == "nearest":
            x = layers.Conv(features, 3, 1, resize="up", **options)(x, train)
            return x[:, : hw.height, : hw.width]
        return layers.ConvT(features, hw, self.config.kernel, **options)(x, train)


class _TrunkFields(Net):
    """Fields of the nets that see images."""

    hw: Size  # height and width of the images in pixels
    width: int  # channels next to the image; deeper layers have multiples of it
    config: DcganConfig = DCGAN
    # "batch", or "none" for a critic whose penalty must not couple samples (Gulrajani et al. 2017,
    # section 4)
    norm: str = "batch"


class Trunk(_TrunkFields):
    """Strided convolutions: images [B, H, W, colors] -> features [B, F]."""

    last: int = 0  # channels of the last block; 0: those of `channels`

    @nn.compact
    def __call__(self, x, *, train):
        widths = channels(self.hw, self.width, self.config)
        for i, features in enumerate([*widths[:-1], self.last or widths[-1]]):
            normed = (i > 0 or self.config.first_norm) and self.norm == "batch"
            bias = self.config.bias or not normed
            kernel = self.config.kernel
            x = layers.Conv(features, kernel, use_bias=bias, weights=self.weights)(x, train)
            x = layers.batch_norm(self, train)(x) if normed else x
            x = self.config.rest(x) if i else self.config.first(x)
        return layers.flatten(x)


class Disc(Discriminator, _TrunkFields):
    """Discriminator: a Trunk and its heads."""

    @nn.compact
    def __call__(self, x, *, train):
        config = self.config
        weights = self.weights._replace(init=config.disc_init or self.weights.init)
        trunk = Trunk(self.hw, self.width, config, self.norm, weights=weights, axis=self.axis)
        head_weights = self.weights._replace(init=config.head_init or self.weights.init)
        out = self.heads(trunk(x, train=train), train, weights=head_weights)
        if config.last_norm and self.norm == "batch":
            logit = layers.batch_norm(self, train)(out.logit[:, None])[:, 0]
            out = out._replace(logit=logit)
        return out


class Enc(Encoder, _TrunkFields):
    """Encoder: a Trunk with BatchNorm and a dense layer."""

    wide: bool = False  # the last block is twice as wide (D16)

    @nn.compact
    def __call__(self, x, *, train):
        last = 2 * channels(self.hw, self.width, self.config)[-1] if self.wide else 0
        fields = {"last": last, "weights": self.weights, "axis": self.axis}
        x = Trunk(self.hw, self.width, self.config, **fields)(x, train=train)
        return layers.Dense(self.z_dim, weights=self.weights)(x, train)


class DcganFamily(Family):
    """The nets of one DcganConfig."""

    supports_mixture = chooses_upsample = True

    def __init__(self, config: DcganConfig):
        self.config = config

    def gen(self, hp, spec, weights, n_gens=0):
        fields = conv_generator_fields(hp, spec)
        fields |= {"config": self.config, "upsample": hp.upsample, "weights": weights}
        return Gen(**fields, n_gens=n_gens)

    def disc(self, hp, spec, weights, n_classes=0):
        config, norm = self.config, hp.disc_norm
        return Disc(spec.hw, hp.width, config, norm, n_classes=n_classes, weights=weights)

    def enc(self, hp, spec, weights):
        options = {"wide": hp.wide_enc, "z_dim": hp.z_dim, "weights": weights}
        return Enc(spec.hw, hp.width, self.config, **options)
