"""Pixels and points: between the stored form and the range a net works in, and from arrays to pictures."""

import io

import numpy as np
from PIL import Image

from gan_jax import cache, errors

GAP = 1  # pixels between the tiles of a grid, before scaling
GREY = 128  # of gaps and empty tiles: visible beside black and white images

_RANGES = {"tanh": (127.5, 1.0), "sigmoid": (255.0, 0.0)}  # uint8 = (x + shift) * scale
_POINT_RANGES = {
    "tanh": (1.0, 0.0),
    "sigmoid": (2.0, 0.5),
    "linear": (1.0, 0.0),
}  # point = (x - shift) * scale


def _range(pixels, ranges=_RANGES):
    if pixels not in ranges:
        what = "is for points only" if pixels in _POINT_RANGES else "is unknown"
        raise errors.InputError(f"pixels={pixels} {what}; use one of {', '.join(ranges)}.")
    return ranges[pixels]


def to_net(x, pixels):
    """Stored images or points in the range of a net; works on numpy arrays and inside jit.

    Args:
      x: images uint8 [...], or points float32 [...] in [-1, 1].
      pixels: "tanh" ([-1, 1]) or "sigmoid" ([0, 1]); for points also "linear", which leaves them as they are.

    Returns:
      float32 [...], an array of the same library.

    Raises:
      InputError: pixels is unknown, or "linear" for images.
    """
    if x.dtype == np.uint8:
        return to_float(x, pixels)
    scale, shift = _range(pixels, _POINT_RANGES)
    return x / scale + shift


def from_net(x, pixels, points):
    """The inverse of `to_net`: what a generator gives, in the form that data are stored in.

    Args:
      x: float [...], numpy or jax.
      pixels: as in `to_net`.
      points: whether x are points, not images.

    Returns:
      Images uint8 [...]; or points float32 [...], in [-1, 1] except where a "linear" generator left it: nothing is clipped,
      for a stray point must stay one. An array of the same library.

    Raises:
      InputError: as `to_net`.
    """
    if not points:
        return to_uint8(x, pixels)
    scale, shift = _range(pixels, _POINT_RANGES)
    return (x.astype("float32") - shift) * scale


def to_float(images, pixels):
    """uint8 images in the range of a net; works on numpy arrays and inside jit.

    Args:
      images: uint8 [...].
      pixels: "tanh" ([-1, 1]) or "sigmoid" ([0, 1]).

    Returns:
      float32 [...], an array of the same library.

    Raises:
      InputError: unknown pixels.
    """
    scale, shift = _range(pixels)
    return images.astype("float32") / scale - shift


def to_uint8(x, pixels):
    """The inverse of `to_float`: rounds to the nearest grey level and clips what lies outside the range.

    Args:
      x: float [...], numpy or jax.
      pixels: "tanh" ([-1, 1]) or "sigmoid" ([0, 1]).

    Returns:
      uint8 [...], an array of the same library.

    Raises:
      InputError: unknown pixels.
    """
    scale, shift = _range(pixels)
    return ((x.astype("float32") + shift) * scale).round().clip(0, 255).astype("uint8")


def grid(images, columns, scale=1):
    """Images side by side, row by row, with a gap of `GAP` pixels.

    Args:
      images: uint8 [N, H, W, C], N >= 1. Of C = 2 the first channel is shown, of C > 3 the first three.
      columns: tiles per row; fewer if there are fewer images.
      scale: every pixel becomes scale x scale pixels (nearest neighbour).

    Returns:
      uint8 [rows * (H + GAP) - GAP, columns * (W + GAP) - GAP, 1 or 3], times scale.
    """
    images = np.asarray(images)
    images = images[..., : 3 if images.shape[-1] >= 3 else 1]
    n, height, width, channels = images.shape
    columns = min(columns, n)
    rows = -(-n // columns)
    tiles = np.full((rows * columns, height + GAP, width + GAP, channels), GREY, np.uint8)
    tiles[:n, :height, :width] = images
    tiles = tiles.reshape(rows, columns, height + GAP, width + GAP, channels).swapaxes(1, 2)
    picture = tiles.reshape(rows * (height + GAP), columns * (width + GAP), channels)[:-GAP, :-GAP]
    return picture.repeat(scale, 0).repeat(scale, 1)


def encode_png(image):
    """A PNG file as bytes, of a uint8 image [H, W], [H, W, 1] or [H, W, 3]."""
    image = np.asarray(image)
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2:] == (1,) else image).save(
        buffer, "PNG", optimize=True
    )
    return buffer.getvalue()


def save_png(path, image):
    """Writes a uint8 image [H, W], [H, W, 1] or [H, W, 3] as PNG; a reader never sees half a file."""
    cache.write_atomic(path, encode_png(image))
