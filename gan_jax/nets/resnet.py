"""Nets of SN-GAN and of WGAN-GP's ResNet, for sides of 4, 5, 6 or 7 times a power of two.

Of other shapes the shorter side is such, and the longer a multiple of the same power.

SNGAN   The standard CNN (Miyato et al. 2018) as Dist-GAN's code has it for 32 and 48 px (width 64).
        Its encoder is that of dcgan.
RESNET  Pre-activation residual blocks as for CIFAR-10 (Gulrajani et al. 2017; width 128, G and E
        have twice as many channels). Larger sides have further blocks of as many channels, where
        the sources double them.

Generators begin at 4 to 7 px. No discriminator has a norm, so `disc_norm` has no effect here.
"""

import functools
import math

import flax.linen as nn

from gan_jax.errors import InputError
from gan_jax.nets import dcgan, layers
from gan_jax.nets.depth import one_layer
from gan_jax.nets.family import ConvGenerator, Discriminator, Encoder, Family, conv_generator_fields
from gan_jax.nets.outputs import squash
from gan_jax.settings import Size

_leaky_relu = functools.partial(nn.leaky_relu, negative_slope=0.1)


def first_sides(hw: Size) -> tuple[Size, int]:
    """Return the sides at which a generator begins, and how often they double: 48 -> (6 x 6, 3).

    The shorter side is in [4, 7]; it doubles at least once.

    Raises:
      InputError: no such sides lead to `hw`.
    """
    if min(hw) < 8:
        raise InputError(
            f"--size={hw} is too small for --net=sngan, resnet and r3gan; use 8 or more."
        )
    n = (min(hw) // 4).bit_length() - 1
    low, high = (Size(*((side + add) >> n << n for side in hw)) for add in (0, 2**n - 1))
    if hw != low:
        longer = "" if hw.is_square else " (the longer side, any multiple of that power)"
        raise InputError(
            f"--size={hw} is not 4, 5, 6 or 7 times a power of two{longer}, "
            f"as --net=sngan, resnet and r3gan need; use {low} or {high}."
        )
    return Size(hw.height >> n, hw.width >> n), n


class SnganGen(ConvGenerator):
    """SN-GAN's generator: transposed convolutions of k4 that double the side.

    Channels, from the image inward: 2, 4, 8, 16 times `width`, 16 in all further layers.
    """

    @nn.compact
    def __call__(self, z, cond=None, *, train):
        hw, n = first_sides(self.hw)
        *widths, first = [self.width * min(2 ** (i + 1), 16) for i in range(n + 1)]
        bias = self.norm != "batch"
        x = nn.relu(layers.Dense(math.prod(hw) * first, weights=self.weights)(z, train))
        x = x.reshape(-1, *hw, first)
        for features in widths[::-1]:
            hw = Size(2 * hw.height, 2 * hw.width)
            conv_t = layers.ConvT(features, hw, 4, use_bias=bias, weights=self.weights)
            x = nn.relu(self.normalize(conv_t(x, train), train, cond))
        return squash(layers.Conv(self.colors, 3, 1, weights=self.weights)(x, train), self.pixels)


class SnganDisc(Discriminator):
    """SN-GAN's discriminator: pairs of a k3 and a halving k4 convolution, then one of k3.

    Channels: 1, 2, 4, 8 times `width`, 8 in all further layers. LeakyReLU of slope 0.1.
    """

    hw: Size
    width: int

    @nn.compact
    def __call__(self, x, *, train):
        n = first_sides(self.hw)[1]
        *widths, last = [self.width * min(2**i, 8) for i in range(n + 1)]
        for features in widths:
            x = _leaky_relu(layers.Conv(features, 3, 1, weights=self.weights)(x, train))
            x = _leaky_relu(layers.Conv(features, 4, 2, weights=self.weights)(x, train))
        x = _leaky_relu(layers.Conv(last, 3, 1, weights=self.weights)(x, train))
        return self.heads(layers.flatten(x), train)


@one_layer
def _block(net, x, features, train, act, resize="", first=False):
    """Apply a pre-activation residual block: act, up, conv k3, act, conv k3, down; and a shortcut.

    The shortcut is the identity where neither side nor channels change, else a k1 convolution at
    the smaller side.

    Args:
      net: the module that creates the layers.
      x: [N, H, W, C].
      features: channels of the result.
      train: as in the net's call.
      act: applied to the block's input and between its convolutions.
      resize: "", "up" or "down".
      first: x is an image, which is not activated.
    """
    up, down = (resize if resize == name else "" for name in ("up", "down"))
    y = x if first else act(x)
    y = layers.Conv(features, 3, 1, weights=net.weights, resize=up)(y, train)
    y = layers.Conv(features, 3, 1, weights=net.weights, resize=down)(act(y), train)
    if not resize and x.shape[-1] == features:
        return x + y
    x = layers.downsample(x) if down else x
    shortcut = layers.Conv(features, 1, 1, weights=net.weights)(x, train)
    return (layers.upsample(shortcut) if up else shortcut) + y


class ResnetGen(ConvGenerator):
    """ResNet's generator. All blocks have 2 `width` channels."""

    @nn.compact
    def __call__(self, z, cond=None, *, train):
        def act(x):
            return nn.relu(self.normalize(x, train, cond))

        (hw, n), features = first_sides(self.hw), 2 * self.width
        x = layers.Dense(math.prod(hw) * features, weights=self.weights)(z, train)
        x = x.reshape(-1, *hw, features)
        for _ in range(n):
            x = _block(self, x, features, train, act, "up")
        x = layers.Conv(self.colors, 3, 1, weights=self.weights)(act(x), train)
        return squash(x, self.pixels)


class ResnetDisc(Discriminator):
    """ResNet's discriminator: halving blocks to twice G's first sides, then two of those.

    Features are the last activations. The logits are computed from their sums over space.
    """

    hw: Size
    width: int

    @nn.compact
    def __call__(self, x, *, train):
        n = first_sides(self.hw)[1] + 1
        for i in range(n):
            x = _block(self, x, self.width, train, nn.relu, "down" if i < n - 2 else "", i == 0)
        x = nn.relu(x)
        return self.heads(layers.flatten(x), train, pooled=x.sum((1, 2)))


class ResnetEnc(Encoder):
    """ResNet's encoder: halving blocks of 2 `width` channels with BatchNorm."""

    hw: Size
    width: int

    @nn.compact
    def __call__(self, x, *, train):
        def act(x):
            return _leaky_relu(layers.batch_norm(self, train)(x))

        x = layers.Conv(2 * self.width, 3, 1, weights=self.weights)(x, train)
        for _ in range(first_sides(self.hw)[1]):
            x = _block(self, x, 2 * self.width, train, act, "down")
        return layers.Dense(self.z_dim, weights=self.weights)(layers.flatten(act(x)), train)


class _Sngan(Family):
    """SN-GAN's nets."""

    gen_class, disc_class = SnganGen, SnganDisc

    def check(self, spec):
        first_sides(spec.hw)

    def gen(self, hp, spec, weights):
        return self.gen_class(**conv_generator_fields(hp, spec), weights=weights)

    def disc(self, hp, spec, weights, n_classes=0):
        return self.disc_class(spec.hw, hp.width, n_classes=n_classes, weights=weights)

    def enc(self, hp, spec, weights):
        return dcgan.Enc(spec.hw, 2 * hp.width, z_dim=hp.z_dim, weights=weights)


class _Resnet(_Sngan):
    """WGAN-GP's ResNets."""

    gen_class, disc_class = ResnetGen, ResnetDisc

    def enc(self, hp, spec, weights):
        return ResnetEnc(spec.hw, hp.width, z_dim=hp.z_dim, weights=weights)


SNGAN = _Sngan()
RESNET = _Resnet()
