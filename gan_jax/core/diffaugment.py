"""Differentiable augmentation of all images that D sees, against overfitting to few images.

Every operation is random per image and has a gradient in the pixels, so that G learns through it.
Empty areas become mid-grey (0 in [-1, 1], as in the released code), also where the background is
black: so D can see that an image was moved, and rejects generated images that are off the centre by
themselves.

Every operation is a function (ctx, key, x, pixels) -> x with images x float [B, S, S, C]; see
`augment`. A new one is one function and one entry of OPERATIONS.

Source: Zhao et al. 2020, "Differentiable augmentation for data-efficient GAN training", and its
released code; flip and rotation are added, for images without an up and a down.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from gan_jax import errors
from gan_jax.core import parallel
from gan_jax.core.method import StepContext

SHIFT = 0.125  # largest translation in either direction, as a fraction of the side
CUT = 0.5  # side of the square that cutout removes, as a fraction of the side

_GREY = {"tanh": 0.0, "sigmoid": 0.5, "linear": 0.0}  # the middle of the range
_HALF = {"tanh": 1.0, "sigmoid": 0.5, "linear": 1.0}  # half its width


def _uniform(ctx, key, x, low, high):
    """Draw one number per image, shaped to broadcast over x [B, H, W, C]."""
    sampler = functools.partial(jax.random.uniform, minval=low, maxval=high)
    return parallel.random_rows(ctx, sampler, key, (len(x), 1, 1, 1))


def _integers(ctx, key, x, low, high):
    """Draw two integers in [low, high] per image: int32 [B, 2]."""

    def sampler(key, shape):
        return jax.random.randint(key, shape, low, high + 1)

    return parallel.random_rows(ctx, sampler, key, (len(x), 2))


def _coins(ctx, key, x):
    """Draw two fair coins per image, each shaped to broadcast over x: bool [2, B, 1, 1, 1]."""
    return _integers(ctx, key, x, 0, 1).astype(bool).T.reshape(2, len(x), 1, 1, 1)


def color(ctx: StepContext, key: jax.Array, x: jax.Array, pixels: str) -> jax.Array:
    """Change brightness, saturation and contrast, in this order.

    Brightness + U(-1/4, 1/4) of the range, saturation times U(0, 2), contrast times U(1/2, 3/2).
    """
    keys = jax.random.split(key, 3)
    x = x + _HALF[pixels] * _uniform(ctx, keys[0], x, -0.5, 0.5)
    if x.shape[-1] > 1:
        gray = x.mean(-1, keepdims=True)
        x = gray + (x - gray) * _uniform(ctx, keys[1], x, 0.0, 2.0)
    mean = x.mean((1, 2, 3), keepdims=True)
    return mean + (x - mean) * _uniform(ctx, keys[2], x, 0.5, 1.5)


def translation(ctx: StepContext, key: jax.Array, x: jax.Array, pixels: str) -> jax.Array:
    """Move images by whole pixels, up to an eighth of the side in each direction."""
    most = int(SHIFT * x.shape[1] + 0.5)
    offsets = _integers(ctx, key, x, 0, 2 * most)
    for axis in (1, 2):
        x = _window(x, offsets[:, axis - 1], most, axis, _GREY[pixels])
    return x


def _window(x, offset, most, axis, fill):
    """Move a window of the size of x by offset - most along an axis.

    It works bit by bit of the offset, with slices and selections: their gradients are slices too,
    and those of gathers are slow.

    Args:
      x: images [B, S, S, C].
      offset: int32 [B] in [0, 2 most].
      most: largest move.
      axis: 1 or 2.
      fill: value outside x.
    """
    bits = (2 * most).bit_length()
    pads = [(0, 0)] * x.ndim
    pads[axis] = (most, 2**bits - 1 - most)
    x = jnp.pad(x, pads, constant_values=fill)
    for bit in reversed(range(bits)):
        step, length = 2**bit, x.shape[axis] - 2**bit
        far, near = (
            jax.lax.slice_in_dim(x, start, start + length, axis=axis) for start in (step, 0)
        )
        x = jnp.where((offset // step % 2 == 1).reshape(-1, 1, 1, 1), far, near)
    return x


def cutout(ctx: StepContext, key: jax.Array, x: jax.Array, pixels: str) -> jax.Array:
    """Make a square of half the side grey; its centre may be any pixel, also one at the edge."""
    side = x.shape[1]
    size = int(CUT * side + 0.5)
    first = _integers(ctx, key, x, 0, side - size % 2) - size // 2
    within = [
        (first[:, [i]] <= jnp.arange(side)) & (jnp.arange(side) < first[:, [i]] + size)
        for i in (0, 1)
    ]
    cut = within[0][:, :, None, None] & within[1][:, None, :, None]
    return jnp.where(cut, _GREY[pixels], x)


def flip(ctx: StepContext, key: jax.Array, x: jax.Array, pixels: str) -> jax.Array:
    """Mirror images left to right, and top to bottom, each with probability 1/2."""
    up, left = _coins(ctx, key, x)
    x = jnp.where(up, x[:, ::-1], x)
    return jnp.where(left, x[:, :, ::-1], x)


def rotation(ctx: StepContext, key: jax.Array, x: jax.Array, pixels: str) -> jax.Array:
    """Rotate images by 0, 90, 180 or 270 degrees, which lose nothing on a square grid."""
    half, quarter = _coins(ctx, key, x)
    x = jnp.where(half, x[:, ::-1, ::-1], x)
    return jnp.where(quarter, x.swapaxes(1, 2)[:, ::-1], x)


OPERATIONS: dict[str, Callable] = {
    "color": color,
    "translation": translation,
    "cutout": cutout,
    "flip": flip,
    "rotation": rotation,
}


def parse(names: str) -> list[str]:
    """Split names of OPERATIONS, separated by commas; "" for none.

    Raises:
      InputError: an unknown name.
    """
    out = names.split(",") if names else []
    for name in out:
        if name not in OPERATIONS:
            raise errors.InputError(
                f"--augment={names}: {name!r} is not known; use any of {', '.join(OPERATIONS)}, "
                "separated by commas, or leave it empty."
            )
    return out


def augment(ctx: StepContext, key: jax.Array, x: jax.Array, names: str, pixels: str) -> jax.Array:
    """Change every image at random, by random numbers of its own.

    They do not depend on the number of devices.

    Args:
      ctx: StepContext, of which only the device axis is read.
      key: random key; real and generated images need different ones.
      x: images float [B, S, S, C] in the range of `pixels`; color may leave the range.
      names: operations in their order, see `parse`.
      pixels: "tanh" [-1, 1], "sigmoid" [0, 1], or "linear" for points, which count as [-1, 1].

    Returns:
      Float [B, S, S, C].

    Raises:
      InputError: an unknown name.
    """
    for i, name in enumerate(parse(names)):
        x = OPERATIONS[name](ctx, jax.random.fold_in(key, i), x, pixels)
    return x
