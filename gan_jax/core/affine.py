"""Affine maps of images, one per image, and resampling by them, which is linear in the pixels.

A map leads from places of the new image to places of the old one, in pixels from the centre, x to
the right and y down. `then` composes maps in the order in which the image is changed.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# Weights of the six samples around a place halfway between two: Lagrange's polynomial of degree 5.
_HALFWAY = np.array([3, -25, 150, 150, -25, 3]) / 256
# Pixels of background around an image: the filter above, for which the outermost two are lost at
# one side and three at the other, then reaches places where there is background alone.
_PAD = 6

Number = jax.Array | float


class Affine(NamedTuple):
    """Maps (x, y) -> (xx x + xy y + x0, yx x + yy y + y0), one per image; each field is [B]."""

    xx: jax.Array
    xy: jax.Array
    yx: jax.Array
    yy: jax.Array
    x0: jax.Array
    y0: jax.Array

    def then(
        self,
        xx: Number = 1.0,
        xy: Number = 0.0,
        yx: Number = 0.0,
        yy: Number = 1.0,
        x0: Number = 0.0,
        y0: Number = 0.0,
    ) -> "Affine":
        """Change the images further, by maps with these numbers or arrays [B]."""
        return Affine(
            self.xx * xx + self.xy * yx,
            self.xx * xy + self.xy * yy,
            self.yx * xx + self.yy * yx,
            self.yx * xy + self.yy * yy,
            self.xx * x0 + self.xy * y0 + self.x0,
            self.yx * x0 + self.yy * y0 + self.y0,
        )


def identity(n: int, dtype=jnp.float32) -> Affine:
    """Make maps of n images that change nothing."""
    zero, one = jnp.zeros(n, dtype), jnp.ones(n, dtype)
    return Affine(one, zero, zero, one, zero, zero)


def background(x: jax.Array) -> jax.Array:
    """Compute the mean colour at the edge of each image [B, H, W, C]: [B, 1, 1, C]."""
    edges = (x[:, 0, :-1], x[:, :-1, -1], x[:, -1, 1:], x[:, 1:, 0])
    return jnp.concatenate(edges, 1).mean(1)[:, None, None]


def resample(x: jax.Array, maps: Affine) -> jax.Array:
    """Change images by affine maps.

    The image is upsampled twofold by a sharp filter and read between four neighbours there. Flips,
    quarter turns of squares and shifts by whole pixels are exact. An image that shrinks is not
    smoothed.

    Around the image lies its own mean colour at the edge. A frame of another colour shows D where
    an image was, and the reflection of Karras et al. 2020 shows the object of a dark, empty image a
    second time.

    Args:
      x: images float [B, H, W, C].
      maps: Affine of B maps.

    Returns:
      Float [B, H, W, C].
    """
    n, height, width, colors = x.shape
    inside = jnp.pad(jnp.ones((height, width, 1), bool), ((_PAD, _PAD), (_PAD, _PAD), (0, 0)))
    padded = jnp.pad(x, ((0, 0), (_PAD, _PAD), (_PAD, _PAD), (0, 0)))
    up_rows, up_columns = (
        jnp.asarray(_upsampling(side + 2 * _PAD), x.dtype) for side in (height, width)
    )
    fine = jnp.where(inside, padded, background(x))
    fine = jnp.einsum("ij,bjkc->bikc", up_rows, fine, precision="highest")  # slices are slower
    fine = jnp.einsum("ij,bkjc->bkic", up_columns, fine, precision="highest")
    fine_height, fine_width = fine.shape[1:3]
    place_y, place_x = (jnp.arange(side) - (side - 1) / 2 for side in (height, width))

    def to_fine(s, side, end):
        return jnp.clip(2 * (s + (side - 1) / 2 + _PAD - 2), 1, end - 2)

    xx, xy, yx, yy, x0, y0 = (a.astype(x.dtype).reshape(-1, 1, 1) for a in maps)
    column = to_fine(xx * place_x + xy * place_y[:, None] + x0, width, fine_width)
    row = to_fine(yx * place_x + yy * place_y[:, None] + y0, height, fine_height)
    left, top = jnp.floor(column), jnp.floor(row)
    from_left, from_top = (column - left)[..., None], (row - top)[..., None]
    first = jnp.arange(n)[:, None, None] * fine_height + top.astype(int)
    first = first * fine_width + left.astype(int)

    def read(offset):
        pixels = fine.reshape(-1, colors)
        return pixels.at[first + offset].get(mode="promise_in_bounds")

    above = (1 - from_left) * read(0) + from_left * read(1)
    below = (1 - from_left) * read(fine_width) + from_left * read(fine_width + 1)
    return (1 - from_top) * above + from_top * below


def _upsampling(n):
    """Make the matrix [2 (n - 5), n] of upsampling: row 2 i is pixel i + 2, row 2 i + 1 follows."""
    matrix = np.zeros((2 * (n - 5), n))
    for i in range(n - 5):
        matrix[2 * i, i + 2] = 1
        matrix[2 * i + 1, i : i + 6] = _HALFWAY
    return matrix
