"""Nets that colour a gray image: pix2pix's U-Net and patch discriminator.

Source: Isola et al. 2017, section 6.1. S4 gives no layers.
"""

import flax.linen as nn
import jax.numpy as jnp

from gan_jax.nets import dcgan, layers
from gan_jax.nets.family import Family, Net
from gan_jax.nets.outputs import DiscOutput, squash
from gan_jax.settings import Size


def levels(hw: Size) -> int:
    """Count the halvings, rounded up, from an image to one pixel of its shorter side."""
    return (min(hw) - 1).bit_length()


def _channels(width, n):
    """List the channels of n convolutions: 1, 2, 4, then 8 times `width`."""
    return [width * min(2**i, 8) for i in range(n)]


class UNet(Net):
    """Gray images [B, H, W, 1] -> images [B, H, W, colors].

    It halves the image until its shorter side is one pixel, and doubles it again; every step up
    also reads the step down of the same sides. No norm on the first layer, the one-pixel layer and
    the last.

    The only noise is dropout of 0.5 on the first three layers up, in training. Sampling with noise
    needs train=True, as in the source.
    """

    width: int = 64  # channels of the first convolution
    colors: int = 3
    pixels: str = "tanh"  # range of the images, see outputs.squash
    norm: str = "batch"  # "batch" or "none"

    @nn.compact
    def __call__(self, gray, *, train):
        n = levels(Size(*gray.shape[1:3]))
        widths = _channels(self.width, n)
        x, skips = gray, []
        for i, features in enumerate(widths):
            normed = self.norm == "batch" and 0 < i < n - 1
            x = layers.Conv(features, 4, use_bias=not normed, weights=self.weights)(x, train)
            x = dcgan.leaky_relu(layers.batch_norm(self, train)(x) if normed else x)
            skips.append(x)
        normed = self.norm == "batch"
        for i, (features, skip) in enumerate(zip(widths[-2::-1], skips[-2::-1], strict=True)):
            options = {"use_bias": not normed, "weights": self.weights}
            x = layers.ConvT(features, skip.shape[1:3], 4, **options)(x, train)
            x = layers.batch_norm(self, train)(x) if normed else x
            x = layers.dropout(self, x, 0.5, train) if i < 3 else x
            x = jnp.concatenate([nn.relu(x), skip], -1)
        x = layers.ConvT(self.colors, gray.shape[1:3], 4, weights=self.weights)(x, train)
        return squash(x, self.pixels)


class PatchDisc(Net):
    """Images [B, H, W, C], gray images [B, H, W, 1] -> DiscOutput with a logit for every patch.

    Its logit is [B, P], not [B]: P = H W / 4^n_down overlapping patches of 9 * 2^n_down - 2 px
    (16, 34, 70). Losses are elementwise, and their means run over patches too.
    """

    width: int = 64  # channels of the first convolution
    n_down: int = 2  # convolutions that halve the side; one of stride 1 follows, then the logits
    norm: str = "batch"  # "batch" or "none"

    @nn.compact
    def __call__(self, x, cond, *, train):
        x = jnp.concatenate([cond, x], -1)
        for i, features in enumerate(_channels(self.width, self.n_down + 1)):
            normed, stride = self.norm == "batch" and i > 0, 2 if i < self.n_down else 1
            options = {"use_bias": not normed, "weights": self.weights}
            x = layers.Conv(features, 4, stride, **options)(x, train)
            x = dcgan.leaky_relu(layers.batch_norm(self, train)(x) if normed else x)
        logits = layers.Conv(1, 4, 1, weights=self.weights)(x, train)
        return DiscOutput(layers.flatten(logits), layers.flatten(x))


class _Unet(Family):
    """Generator and discriminator; both read the gray image, and D has no class head."""

    def gen(self, hp, spec, weights):
        return UNet(hp.width, spec.colors, hp.pixels, hp.gen_norm, weights=weights)

    def disc(self, hp, spec, weights, n_classes=0):
        return PatchDisc(hp.width, hp.n_down, hp.disc_norm, weights=weights)


FAMILY = _Unet()
