"""Differentiable augmentation of what D sees, real and fake alike, so that few images do not suffice to be learnt by heart.

Every operation is random per image and has a gradient in the pixels, so that G learns through it. What an operation uncovers
is mid-grey (0 in [-1, 1], as in the released code), also where the background is black: D can see that an image was moved, and
does not accept generated images that are off the centre by themselves.

Source: Zhao et al. 2020, "Differentiable augmentation for data-efficient GAN training", and its released code; flip and
rotation are added, for images without an up and a down.
"""

import functools

import jax
import jax.numpy as jnp

from gan_jax import errors
from gan_jax.core import parallel

SHIFT = 0.125  # of the side: the largest translation, in either direction
CUT = 0.5  # of the side: the side of the square cut out

_GREY = {"tanh": 0.0, "sigmoid": 0.5, "linear": 0.0}  # the middle of the range
_HALF = {"tanh": 1.0, "sigmoid": 0.5, "linear": 1.0}  # half its width


def _uniform(ctx, key, x, low, high):
    """One number per image, shaped to broadcast over x [B, H, W, C]."""
    sampler = functools.partial(jax.random.uniform, minval=low, maxval=high)
    return parallel.random_rows(ctx, sampler, key, (len(x), 1, 1, 1))


def _integers(ctx, key, x, low, high):
    """Two integers in [low, high] per image: int32 [B, 2]."""
    return parallel.random_rows(
        ctx, lambda key, shape: jax.random.randint(key, shape, low, high + 1), key, (len(x), 2)
    )


def _coins(ctx, key, x):
    """Two fair coins per image, each shaped to broadcast over x: bool [2, B, 1, 1, 1]."""
    return _integers(ctx, key, x, 0, 1).astype(bool).T.reshape(2, len(x), 1, 1, 1)


def color(ctx, key, x, pixels):
    """Brightness + U(-1/4, 1/4) of the range, saturation times U(0, 2), contrast times U(1/2, 3/2), in this order."""
    keys = jax.random.split(key, 3)
    x = x + _HALF[pixels] * _uniform(ctx, keys[0], x, -0.5, 0.5)
    if x.shape[-1] > 1:
        gray = x.mean(-1, keepdims=True)
        x = gray + (x - gray) * _uniform(ctx, keys[1], x, 0.0, 2.0)
    mean = x.mean((1, 2, 3), keepdims=True)
    return mean + (x - mean) * _uniform(ctx, keys[2], x, 0.5, 1.5)


def translation(ctx, key, x, pixels):
    """Moved by whole pixels, up to an eighth of the side in each direction."""
    most = int(SHIFT * x.shape[1] + 0.5)
    offsets = _integers(ctx, key, x, 0, 2 * most)
    for axis in (1, 2):
        x = _window(x, offsets[:, axis - 1], most, axis, _GREY[pixels])
    return x


def _window(x, offset, most, axis, fill):
    """x as seen through a window of its size, moved by offset - most along an axis; offset int32 [B] in [0, 2 most].

    Bit by bit of the offset: slices and selections, whose gradients are slices too (those of gathers are slow).
    """
    bits = (2 * most).bit_length()
    room = [(0, 0)] * x.ndim
    room[axis] = (most, 2**bits - 1 - most)
    x = jnp.pad(x, room, constant_values=fill)
    for bit in reversed(range(bits)):
        step, length = 2**bit, x.shape[axis] - 2**bit
        far, near = (
            jax.lax.slice_in_dim(x, start, start + length, axis=axis) for start in (step, 0)
        )
        x = jnp.where((offset // step % 2 == 1).reshape(-1, 1, 1, 1), far, near)
    return x


def cutout(ctx, key, x, pixels):
    """A square of half the side goes grey; its centre may lie anywhere, so that it may run over the edge."""
    side = x.shape[1]
    size = int(CUT * side + 0.5)
    first = _integers(ctx, key, x, 0, side - size % 2) - size // 2
    within = [
        (first[:, [i]] <= jnp.arange(side)) & (jnp.arange(side) < first[:, [i]] + size)
        for i in (0, 1)
    ]
    cut = within[0][:, :, None, None] & within[1][:, None, :, None]
    return jnp.where(cut, _GREY[pixels], x)


def flip(ctx, key, x, pixels):
    """Mirrored left to right, and top to bottom, each with probability 1/2."""
    up, left = _coins(ctx, key, x)
    x = jnp.where(up, x[:, ::-1], x)
    return jnp.where(left, x[:, :, ::-1], x)


def rotation(ctx, key, x, pixels):
    """Turned by 0, 90, 180 or 270 degrees: the angles that lose nothing on a square grid."""
    half, quarter = _coins(ctx, key, x)
    x = jnp.where(half, x[:, ::-1, ::-1], x)
    return jnp.where(quarter, x.swapaxes(1, 2)[:, ::-1], x)


TABLE = {
    "color": color,
    "translation": translation,
    "cutout": cutout,
    "flip": flip,
    "rotation": rotation,
}


def check(names):
    """Refuses what `augment` does not know. names: of operations, separated by commas; "" for none.

    Raises:
      InputError
    """
    for name in _split(names):
        if name not in TABLE:
            raise errors.InputError(
                f"--augment={names}: {name!r} is not known; use any of {', '.join(TABLE)}, separated by commas, or nothing."
            )


def augment(ctx, key, x, names, pixels):
    """Images changed at random, each by its own draws, which do not depend on the number of devices.

    Args:
      ctx: Env, of which only the device axis is read.
      key: of all draws; real and fake images need keys of their own.
      x: float [B, S, S, C], images in the range of `pixels`; color may leave the range.
      names: of the operations in TABLE, in their order, separated by commas; "" for none.
      pixels: "tanh" [-1, 1], "sigmoid" [0, 1], or "linear" for points, which count as [-1, 1].

    Returns:
      float [B, S, S, C].

    Raises:
      InputError: an unknown name.
    """
    check(names)
    for i, name in enumerate(_split(names)):
        x = TABLE[name](ctx, jax.random.fold_in(key, i), x, pixels)
    return x


def _split(names):
    return names.split(",") if names else []
