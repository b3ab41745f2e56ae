"""Nets of SN-GAN (Miyato et al. 2018) and of WGAN-GP's ResNet, for sides of 4, 5, 6 or 7 times a power of two.

SNGAN   Their standard CNN as Dist-GAN's code has it for 32 and 48 px (width 64), whose encoder is that of dcgan.
RESNET  Pre-activation residual blocks as for CIFAR-10 (width 128, of which G and E have twice as many channels). Larger sides
        have further blocks of as many channels, where the sources double them.

Generators begin at 4 to 7 px. No discriminator has a norm, so that `disc_norm` says nothing here.
"""

import functools

import flax.linen as nn

from gan_jax.errors import InputError
from gan_jax.nets import dcgan, layers
from gan_jax.nets.family import Family
from gan_jax.nets.heads import heads
from gan_jax.nets.outputs import squash

_leaky_relu = functools.partial(nn.leaky_relu, negative_slope=0.1)


def start(size):
    """(side at which a generator begins, in [4, 7]; how often it doubles, once at least): 48 -> (6, 3).

    Raises:
      InputError: no such side leads to `size`.
    """
    if size < 8:
        raise InputError(
            f"--size={size} is too small for --net=sngan and --net=resnet; use 8 or more."
        )
    n = (size // 4).bit_length() - 1
    low = size >> n << n
    if size != low:
        raise InputError(
            f"--size={size} is not 4, 5, 6 or 7 times a power of two, as --net=sngan and --net=resnet need; "
            f"use {low} or {low + 2**n}."
        )
    return size >> n, n


class SnganGen(nn.Module):
    """Noise [B, z_dim] -> images [B, size, size, colors] in the range that `pixels` names. norm: "batch" or "none".

    Channels, from the image inward: 2, 4, 8, 16 times `width`, 16 in all further layers.
    """

    size: int
    colors: int
    width: int
    pixels: str
    norm: str = "batch"
    weights: layers.Weights = layers.Weights()
    axis: str | None = None

    @nn.compact
    def __call__(self, z, cond=None, *, train):
        side, n = start(self.size)
        *widths, first = [self.width * min(2 ** (i + 1), 16) for i in range(n + 1)]
        normed = self.norm == "batch"
        x = nn.relu(layers.Dense(side**2 * first, weights=self.weights)(z, train)).reshape(
            -1, side, side, first
        )
        for features in widths[::-1]:
            side *= 2
            x = layers.ConvT(features, (side, side), 4, use_bias=not normed, weights=self.weights)(
                x, train
            )
            x = nn.relu(layers.norm(self, train, cond)(x) if normed else x)
        return squash(layers.Conv(self.colors, 3, 1, weights=self.weights)(x, train), self.pixels)


class SnganDisc(nn.Module):
    """Images [B, size, size, colors] -> DiscOut: pairs of a k3 and a halving k4 convolution of 1, 2, 4, 8 times `width`
    channels, LeakyReLU 0.1, then one k3 convolution more. n_classes: of a second head; 0: none."""

    size: int
    width: int
    n_classes: int = 0
    weights: layers.Weights = layers.Weights()
    axis: str | None = None

    @nn.compact
    def __call__(self, x, *, train):
        *widths, last = [self.width * min(2**i, 8) for i in range(start(self.size)[1] + 1)]
        for features in widths:
            x = _leaky_relu(layers.Conv(features, 3, 1, weights=self.weights)(x, train))
            x = _leaky_relu(layers.Conv(features, 4, 2, weights=self.weights)(x, train))
        x = _leaky_relu(layers.Conv(last, 3, 1, weights=self.weights)(x, train))
        return heads(self, layers.flatten(x), train)


def downsample(x):
    """Averages of 2 x 2 pixels: [N, H, W, C] -> [N, H/2, W/2, C]."""
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).mean((2, 4))


def _block(net, x, features, train, active, resize="", first=False):
    """Pre-activation residual block: active, up, conv k3, active, conv k3, down, and a shortcut.

    The shortcut is the identity where neither side nor channels change, else a k1 convolution at the smaller side.

    Args:
      active: what activates the block's input and its middle. resize: "", "up" or "down". first: x is an image, which nothing
        activates.
    """
    of = lambda when: resize if resize == when else ""
    y = layers.Conv(features, 3, 1, weights=net.weights, resize=of("up"))(
        x if first else active(x), train
    )
    y = layers.Conv(features, 3, 1, weights=net.weights, resize=of("down"))(active(y), train)
    if not resize and x.shape[-1] == features:
        return x + y
    short = layers.Conv(features, 1, 1, weights=net.weights)(
        downsample(x) if resize == "down" else x, train
    )
    return (layers.upsample(short) if resize == "up" else short) + y


class ResnetGen(nn.Module):
    """Noise [B, z_dim] -> images [B, size, size, colors] in the range that `pixels` names. norm: "batch" or "none".

    All blocks have 2 `width` channels.
    """

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

        (side, n), features = start(self.size), 2 * self.width
        x = layers.Dense(side**2 * features, weights=self.weights)(z, train).reshape(
            -1, side, side, features
        )
        for _ in range(n):
            x = _block(self, x, features, train, active, "up")
        return squash(
            layers.Conv(self.colors, 3, 1, weights=self.weights)(active(x), train), self.pixels
        )


class ResnetDisc(nn.Module):
    """Images [B, size, size, colors] -> DiscOut: blocks that halve the side to twice where G begins, then two that keep it.

    Features are the last activations; the logits are computed from their sums over space. n_classes: of a second head.
    """

    size: int
    width: int
    n_classes: int = 0
    weights: layers.Weights = layers.Weights()
    axis: str | None = None

    @nn.compact
    def __call__(self, x, *, train):
        n = start(self.size)[1] + 1
        for i in range(n):
            x = _block(self, x, self.width, train, nn.relu, "down" if i < n - 2 else "", i == 0)
        x = nn.relu(x)
        return heads(self, layers.flatten(x), train, pooled=x.sum((1, 2)))


class ResnetEnc(nn.Module):
    """Images [B, size, size, colors] -> codes [B, z_dim], unbounded: halving blocks of 2 `width` channels with BatchNorm."""

    size: int
    width: int
    z_dim: int
    weights: layers.Weights = layers.Weights()
    axis: str | None = None

    @nn.compact
    def __call__(self, x, *, train):
        def active(x):
            return _leaky_relu(layers.norm(self, train)(x))

        x = layers.Conv(2 * self.width, 3, 1, weights=self.weights)(x, train)
        for _ in range(start(self.size)[1]):
            x = _block(self, x, 2 * self.width, train, active, "down")
        return layers.Dense(self.z_dim, weights=self.weights)(layers.flatten(active(x)), train)


class _Halving(Family):
    """Nets of one kind; enc: (hp, size, weights) -> encoder."""

    def __init__(self, gen, disc, enc):
        self._gen, self._disc, self._enc = gen, disc, enc

    def check(self, shape):
        """Refuses sides that no generator of these reaches. Raises InputError."""
        start(shape.size)

    def gen(self, hp, shape, weights):
        """The generator for images of a base.DataSpec."""
        return self._gen(shape.size, shape.colors, hp.width, hp.pixels, hp.gen_norm, weights)

    def disc(self, hp, shape, weights, n_classes=0):
        """The discriminator; n_classes: of its second head."""
        return self._disc(shape.size, hp.width, n_classes, weights)

    def enc(self, hp, shape, weights):
        """The encoder."""
        return self._enc(hp, shape.size, weights)


SNGAN = _Halving(
    SnganGen,
    SnganDisc,
    lambda hp, size, weights: dcgan.Enc(size, 2 * hp.width, hp.z_dim, weights=weights),
)
RESNET = _Halving(
    ResnetGen, ResnetDisc, lambda hp, size, weights: ResnetEnc(size, hp.width, hp.z_dim, weights)
)
