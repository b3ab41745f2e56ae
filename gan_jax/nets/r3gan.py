"""Nets of R3GAN for sides of 4, 5, 6 or 7 times a power of two: residual blocks without norms.

Two blocks per side, from 4 to 7 px to that of the image. A block is

    x + c3(lrelu(b2 + g(lrelu(b1 + c1(x)))))

c1 and c3 are 1 x 1 convolutions, from C to 2 C channels and back; g is a 3 x 3 convolution of
groups of 16 channels; lrelu has slope 0.2. Convolutions have no other bias. Sides change by the
kernel [1, 3, 3, 1], channels by a 1 x 1 convolution.

Blocks at the side of the image have `width` channels, and channels double at every halving of a
side above 32 px. The paper's nets are --width=768 at 32 px, 384 at 64 px and 96 at 256 px, all with
--z_dim=64.

A block's last convolution begins at 0. Its others have the standard deviation gain / sqrt(inputs),
gain = sqrt(2 / 1.04) L^(-1/4), L the blocks of the net (Fix-up, Zhang et al. 2019). All else has
gain 1. So --init, --gen_norm and --disc_norm have no effect here.

A class enters G as an embedding of z_dim numbers beside the noise; D's logit is the product of a
linear map of its features and an embedding, if --cond_gen and --cond_disc are "own".

Source: Huang et al. 2024, "The GAN is dead; long live the GAN!", section 4.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.nets.depth import one_layer
from gan_jax.nets.family import Discriminator, Encoder, Family, Generator, Net, generator_fields
from gan_jax.nets.layers import Conv, Dense, WeightOptions
from gan_jax.nets.outputs import DiscOutput, from_unbounded
from gan_jax.nets.resnet import first_sides
from gan_jax.settings import Size

BLOCKS = 2  # per side
EXPANSION = 2  # channels inside a block, in multiples of those outside
GROUP = 16  # channels of a group, at most
SLOPE = 0.2  # of the activation below 0
WIDEST_SIDE = 32  # px of the shorter side, from which on channels stay


def stages(hw: Size, width: int) -> list[tuple[Size, int]]:
    """List (sides, channels) from the image inward: 64 px, width 8 -> (64, 8), (32, 16), (16, 16).

    Raises:
      InputError: see resnet.first_sides.
    """
    out = [(hw, width)]
    for _ in range(first_sides(hw)[1]):
        (h, w), channels = out[-1]
        out.append((Size(h // 2, w // 2), channels * (2 if min(h, w) > WIDEST_SIDE else 1)))
    return out


def _normal(gain: float) -> WeightOptions:
    """Return the initialiser N(0, gain^2 / inputs)."""
    return WeightOptions(nn.initializers.variance_scaling(gain**2, "fan_in", "normal"))


def _linear(x, features, gain=1.0, use_bias=False, name=None):
    """Apply a linear map to the last axis of x [..., C], at first N(0, gain^2 / C)."""
    weights = WeightOptions(nn.initializers.zeros) if gain == 0 else _normal(gain)
    dense = Dense(features, use_bias=use_bias, weights=weights, name=name)
    return dense(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:-1], features)


@one_layer
def _block(x, gain):
    """Apply a residual block to x [N, H, W, C]; gain: of its first two convolutions."""
    channels, inside = x.shape[-1], EXPANSION * x.shape[-1]
    size = max(n for n in range(1, GROUP + 1) if inside % n == 0)
    y = nn.leaky_relu(_linear(x, inside, gain, use_bias=True), SLOPE)
    y = Conv(inside, 3, 1, groups=inside // size, weights=_normal(gain))(y)
    return x + _linear(nn.leaky_relu(y, SLOPE), channels, gain=0)


def _blocks(x, n_stages):
    """Apply the blocks of one side, in a net with blocks of `n_stages` sides."""
    gain = math.sqrt(2 / (1 + SLOPE**2)) * (BLOCKS * n_stages) ** -0.25
    for _ in range(BLOCKS):
        x = _block(x, gain)
    return x


def _shifted(x, axis, by):
    """Shift x by one pixel along an axis: out[i] = x[i - by], 0 at the border that is left."""
    n, slice_of = x.shape[axis], jax.lax.slice_in_dim
    rest = slice_of(x, 0, n - 1, axis=axis) if by > 0 else slice_of(x, 1, n, axis=axis)
    border = jnp.zeros_like(slice_of(x, 0, 1, axis=axis))  # a pad could not be exported to ONNX
    return jnp.concatenate([border, rest] if by > 0 else [rest, border], axis)


def upsample(x: jax.Array) -> jax.Array:
    """Double both sides by the kernel [1, 3, 3, 1] / 4: [N, H, W, C] -> [N, 2 H, 2 W, C].

    Zeros lie outside the image. Away from them a constant stays.
    """
    for axis in (1, 2):
        even = 0.25 * _shifted(x, axis, 1) + 0.75 * x
        odd = 0.75 * x + 0.25 * _shifted(x, axis, -1)
        shape = [size * (1 + (i == axis)) for i, size in enumerate(x.shape)]
        x = jnp.stack([even, odd], axis + 1).reshape(shape)
    return x


def downsample(x: jax.Array) -> jax.Array:
    """Halve both sides by the kernel [1, 3, 3, 1] / 8: [N, 2 H, 2 W, C] -> [N, H, W, C].

    It is the transpose of `upsample`, divided by 4.
    """
    for axis in (1, 2):
        shape = (*x.shape[:axis], x.shape[axis] // 2, 2, *x.shape[axis + 1 :])
        even, odd = jnp.moveaxis(x.reshape(shape), axis + 1, 0)
        outer = _shifted(odd, axis, 1) + _shifted(even, axis, -1)
        x = 0.375 * (even + odd) + 0.125 * outer
    return x


class Gen(Generator):
    """Generator: a learnt image of the first side times a linear map of z; no last activation."""

    width: int

    @nn.compact
    def __call__(self, z, cond=None, *, train):
        (hw, channels), *rest = stages(self.hw, self.width)[::-1]
        if cond is not None:
            z = jnp.concatenate([z, _linear(cond, z.shape[-1], name="embed")], -1)
        basis = self.param("basis", nn.initializers.normal(1.0), (*hw, channels))
        x = basis.astype(z.dtype) * _linear(z, channels)[:, None, None]
        x = _blocks(x, 1 + len(rest))
        for _, channels in rest:
            x = upsample(_linear(x, channels) if channels != x.shape[-1] else x)
            x = _blocks(x, 1 + len(rest))
        return from_unbounded(_linear(x, self.colors), self.pixels)


class _Trunk(Net, kw_only=True):
    """What D and E share: a sum over space at the end, with weights of its own for each channel."""

    hw: Size
    width: int

    def trunk(self, x):
        """Compute the features [B, C] of images."""
        steps = stages(self.hw, self.width)
        for i, (_, channels) in enumerate(steps):
            x = downsample(x) if i else x
            x = _linear(x, channels) if channels != x.shape[-1] or not i else x
            x = _blocks(x, len(steps))
        hw = steps[-1][0]
        sd = nn.initializers.normal(1 / math.sqrt(math.prod(hw)))  # 1 / sqrt(inputs)
        kernel = self.param("kernel", sd, (*hw, x.shape[-1]))
        return (x * kernel.astype(x.dtype)).sum((1, 2))


class Disc(_Trunk, Discriminator):
    """Discriminator. Its logit is linear in the features, which have no activation."""

    @nn.compact
    def __call__(self, x, cond=None, *, train):
        features = self.trunk(x)
        if cond is None:
            return self.heads(features, train, weights=_normal(1.0), use_bias=False)
        n = features.shape[-1]
        embedding = _linear(cond, n, 1 / math.sqrt(n), name="embed")
        return DiscOutput((_linear(features, n) * embedding).sum(-1), features)


class Enc(_Trunk, Encoder):
    """Encoder: the discriminator's blocks and a linear map."""

    @nn.compact
    def __call__(self, x, *, train):
        return _linear(self.trunk(x), self.z_dim)


class _R3gan(Family):
    """R3GAN's nets."""

    takes_condition = True
    has_batch_norm = supports_spectral = is_bounded = False

    def check(self, spec):
        first_sides(spec.hw)

    def gen(self, hp, spec, weights):
        return Gen(**generator_fields(hp, spec), width=hp.width)

    def disc(self, hp, spec, weights, n_classes=0):
        return Disc(hw=spec.hw, width=hp.width, n_classes=n_classes)

    def enc(self, hp, spec, weights):
        return Enc(hw=spec.hw, width=hp.width, z_dim=hp.z_dim)


FAMILY = _R3gan()
