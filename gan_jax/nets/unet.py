"""Nets that turn a gray image into a coloured one: pix2pix's U-Net and patch discriminator (Isola et al. 2017, section 6.1).

S4 gives no layers; these are pix2pix's, at sides that are powers of two.
"""

import flax.linen as nn
import jax.numpy as jnp

from gan_jax.errors import InputError
from gan_jax.nets import dcgan, layers
from gan_jax.nets.family import Family
from gan_jax.nets.outputs import DiscOutput, squash


def levels(size):
    """How often an image halves down to one pixel.

    Raises:
      InputError: `size` is no power of two, or below 4.
    """
    if size < 4 or size & (size - 1):
        low = max(1 << size.bit_length() - 1, 4)
        raise InputError(
            f"--size={size} is not a power of two, as the U-Net needs; use {low} or {2 * low}."
        )
    return size.bit_length() - 1


def _channels(width, n):
    return [width * min(2**i, 8) for i in range(n)]


class UNet(nn.Module):
    """Gray images [B, S, S, 1] -> images [B, S, S, colors] in the range that `pixels` names, see outputs.squash.

    Halves the image to one pixel and doubles it again; every step up also sees the step down of its side. `width`, twice,
    four times, then eight times as many channels (64 in the source). No norm on the first layer, the one-pixel layer and the
    last. The only noise is dropout of half of the first three layers up, in training: to sample with it, use train=True, as
    the source does.
    """

    width: int = 64
    colors: int = 3
    pixels: str = "tanh"
    norm: str = "batch"
    weights: layers.Weights = layers.Weights()
    axis: str | None = None

    @nn.compact
    def __call__(self, gray, *, train):
        n = levels(gray.shape[1])
        widths = _channels(self.width, n)
        x, skips = gray, []
        for i, features in enumerate(widths):
            normed = self.norm == "batch" and 0 < i < n - 1
            x = layers.Conv(features, 4, use_bias=not normed, weights=self.weights)(x, train)
            x = dcgan.leaky_relu(layers.norm(self, train)(x) if normed else x)
            skips.append(x)
        for i, (features, skip) in enumerate(zip(widths[-2::-1], skips[-2::-1], strict=True)):
            normed = self.norm == "batch"
            x = layers.ConvT(
                features, skip.shape[1:3], 4, use_bias=not normed, weights=self.weights
            )(x, train)
            x = layers.norm(self, train)(x) if normed else x
            x = layers.dropout(self, x, 0.5, train) if i < 3 else x
            x = jnp.concatenate([nn.relu(x), skip], -1)
        x = layers.ConvT(self.colors, gray.shape[1:3], 4, weights=self.weights)(x, train)
        return squash(x, self.pixels)


class PatchDisc(nn.Module):
    """Images [B, S, S, C] and gray images cond [B, S, S, 1] -> DiscOut with a logit of every patch.

    Its logit is [B, P], a row per image of P = (S / 2^n_down)^2 overlapping patches, not [B]:
    losses are elementwise and their means run over everything, so over patches too. n_down: convolutions that halve the side;
    one more of stride 1 follows, then the logits. A patch is 9 * 2^n_down - 2 px wide: 16, 34, 70.
    """

    width: int = 64
    n_down: int = 2
    norm: str = "batch"
    weights: layers.Weights = layers.Weights()
    axis: str | None = None

    @nn.compact
    def __call__(self, x, cond, *, train):
        x = jnp.concatenate([cond, x], -1)
        for i, features in enumerate(_channels(self.width, self.n_down + 1)):
            normed = self.norm == "batch" and i > 0
            x = layers.Conv(
                features, 4, 2 if i < self.n_down else 1, use_bias=not normed, weights=self.weights
            )(x, train)
            x = dcgan.leaky_relu(layers.norm(self, train)(x) if normed else x)
        logits = layers.Conv(1, 4, 1, weights=self.weights)(x, train)
        return DiscOutput(layers.flatten(logits), layers.flatten(x))


class _Unet(Family):
    """Generator and discriminator; both read the gray image."""

    def check(self, shape):
        """Refuses sides that do not halve down to one pixel. Raises InputError."""
        levels(shape.size)

    def gen(self, hp, shape, weights):
        """The generator, from gray images."""
        return UNet(hp.width, shape.colors, hp.pixels, hp.gen_norm, weights)

    def disc(self, hp, shape, weights, n_classes=0):
        """The discriminator; it has no class head."""
        return PatchDisc(hp.width, hp.n_down, hp.disc_norm, weights)


FAMILY = _Unet()
