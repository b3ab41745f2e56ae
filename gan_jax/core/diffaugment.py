"""Differentiable augmentation of all images that D sees, against overfitting to few images.

Every operation is random per image and has a gradient in the pixels, so that G learns through it.
Empty areas become mid-grey (0 in [-1, 1], as in the released code), also where the background is
black: so D can see that an image was moved, and rejects generated images that are off the centre by
themselves. Those of core.ada fill them with the background.

Every operation is a function (ctx, key, x, pixels, p) -> x with images x float [B, H, W, C] and
the probability p of changing an image; see `augment`. A new one is one function and one entry of
OPERATIONS.

Source: Zhao et al. 2020, "Differentiable augmentation for data-efficient GAN training", and its
released code; flip and rotation are added, for images without an up and a down.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gan_jax import errors
from gan_jax.core import ada, parallel
from gan_jax.core.keys import KeyStream, fold
from gan_jax.core.method import StepContext
from gan_jax.ops import cpu

SHIFT = 0.125  # largest translation in either direction, as a fraction of the side
CUT = 0.5  # sides of what cutout removes, as fractions of the sides

_GREY = {"tanh": 0.0, "sigmoid": 0.5, "linear": 0.0}  # the middle of the range
_HALF = {"tanh": 1.0, "sigmoid": 0.5, "linear": 1.0}  # half its width


def _uniform(ctx, key, x, low, high):
    """Draw one number per image, shaped to broadcast over x [B, H, W, C]."""
    sampler = functools.partial(jax.random.uniform, minval=low, maxval=high)
    return parallel.random_rows(ctx, sampler, key, (len(x), 1, 1, 1))


def _integers(ctx, key, x, low, high):
    """Draw two integers in [low, high] per image: int32 [B, 2].

    Args:
      ctx, key, x: see `augment`.
      low: int.
      high: int, or a pair of them.
    """
    end = jnp.asarray(high) + 1

    def sampler(key, shape):
        return jax.random.randint(key, shape, low, end)

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
    most = [int(SHIFT * side + 0.5) for side in x.shape[1:3]]
    offsets = _integers(ctx, key, x, 0, [2 * m for m in most])
    for i in (0, 1):
        x = _window(x, offsets[:, i], most[i], 1 + i, _GREY[pixels])
    return x


def _window(x, offset, most, axis, fill):
    """Move a window of the size of x by offset - most along an axis.

    It works bit by bit of the offset, with slices and selections: their gradients are slices too,
    and those of gathers are slow.

    Args:
      x: images [B, H, W, C].
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
    """Make a rectangle of half the sides grey; its centre may be any pixel, also at the edge."""
    sides = x.shape[1:3]
    sizes = [int(CUT * side + 0.5) for side in sides]
    last = [side - size % 2 for side, size in zip(sides, sizes, strict=True)]
    centre = _integers(ctx, key, x, 0, last)

    def is_cut(i):
        place, first = jnp.arange(sides[i]), centre[:, [i]] - sizes[i] // 2
        return (first <= place) & (place < first + sizes[i])

    within = [is_cut(i) for i in (0, 1)]
    cut = within[0][:, :, None, None] & within[1][:, None, :, None]
    return jnp.where(cut, _GREY[pixels], x)


def flip(ctx: StepContext, key: jax.Array, x: jax.Array, pixels: str) -> jax.Array:
    """Mirror images left to right, and top to bottom, each with probability 1/2."""
    up, left = _coins(ctx, key, x)
    x = jnp.where(up, x[:, ::-1], x)
    return jnp.where(left, x[:, :, ::-1], x)


def rotation(ctx: StepContext, key: jax.Array, x: jax.Array, pixels: str) -> jax.Array:
    """Rotate square images by 0, 90, 180 or 270 degrees, which lose nothing."""
    half, quarter = _coins(ctx, key, x)
    x = jnp.where(half, x[:, ::-1, ::-1], x)
    return jnp.where(quarter, x.swapaxes(1, 2)[:, ::-1], x)


def _sometimes(change: Callable) -> Callable:
    """Make an operation that leaves images as they are with probability 1 - p.

    Args:
      change: function (ctx, key, x, pixels) -> x that changes every image.
    """

    @functools.wraps(change)
    def operation(ctx, key, x, pixels, p):
        changed = change(ctx, key, x, pixels)
        if _is_one(p):
            return changed
        coin_key = fold(key, KeyStream.AUGMENTED)
        return jnp.where(_uniform(ctx, coin_key, x, 0.0, 1.0) < p, changed, x)

    return operation


def _is_one(p):
    """Whether a probability is known to be 1 before anything runs."""
    return isinstance(p, (int, float)) and p == 1


OPERATIONS: dict[str, Callable] = {
    "color": _sometimes(color),
    "translation": _sometimes(translation),
    "cutout": _sometimes(cutout),
    "flip": _sometimes(flip),
    "rotation": _sometimes(rotation),
    "ada_geometry": ada.geometry,
    "ada_color": ada.color,
}
# Names that stand for several operations.
GROUPS: dict[str, tuple[str, ...]] = {"ada": ("ada_geometry", "ada_color")}
NAMES = (*OPERATIONS, *GROUPS)
ALWAYS = "always"


class Step(NamedTuple):
    """One operation of a chain."""

    name: str  # key of OPERATIONS
    share: float | None = 1.0  # its probability as a fraction of p; None: probability 1, always


def parse(names: str) -> list[Step]:
    """Read a chain of operations, such as "flip:always,ada_geometry,ada_color:0.5".

    Args:
      names: NAME, NAME:SHARE or NAME:always, separated by commas; "" for none. A NAME is one of
        NAMES, a SHARE lies in (0, 1].

    Raises:
      InputError: an unknown name, or a share out of range.
    """
    steps = []
    for text in names.split(",") if names else []:
        name, colon, share = text.partition(":")
        if name not in NAMES:
            raise errors.InputError(
                f"--augment={names}: {name!r} is not known; use any of {', '.join(NAMES)}, "
                "separated by commas, or leave it empty."
            )
        steps += [Step(part, _share(names, colon, share)) for part in GROUPS.get(name, (name,))]
    return steps


def operations(names: str) -> set[str]:
    """Return the names of the operations of a chain, see `parse`."""
    return {step.name for step in parse(names)}


def _share(names, colon, text):
    if not colon:
        return 1.0
    if text == ALWAYS:
        return None
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise errors.InputError(
            f"--augment={names}: {text!r} is no share of the probability; use a number above 0 and "
            f"up to 1, such as --augment=color:0.5, or {ALWAYS}, such as --augment=flip:{ALWAYS}."
        )
    return share


def augment(
    ctx: StepContext,
    key: jax.Array,
    x: jax.Array,
    names: str,
    pixels: str,
    p: jax.Array | float = 1.0,
) -> jax.Array:
    """Change images at random, each by random numbers of its own.

    They do not depend on the number of devices, and with a growing p an image that was changed
    stays changed.

    Args:
      ctx: StepContext, of which only the device axis is read.
      key: random key; real and generated images need different ones.
      x: images float [B, H, W, C] in the range of `pixels`; color may leave the range.
      names: operations in their order, see `parse`.
      pixels: "tanh" [-1, 1], "sigmoid" [0, 1], or "linear" for points, which count as [-1, 1].
      p: probability with which an operation changes an image, [] or a number in [0, 1].

    Returns:
      Float [B, H, W, C].

    Raises:
      InputError: see `parse`.
    """
    for i, step in enumerate(parse(names)):
        if step.share is None:
            p_step = 1.0
        else:
            p_step = p if step.share == 1 else step.share * p
        x = OPERATIONS[step.name](ctx, jax.random.fold_in(key, i), x, pixels, p_step)
        # XLA:CPU would compute it again for either side of the next choice, and so would the
        # gradient: a step of `rare` on five channels took 1.7 times as long.
        x = cpu.materialize(x)
    return x
