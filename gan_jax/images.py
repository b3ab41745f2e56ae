"""Pixels and points in the range of a net and as they are stored; grids and PNG files of images."""

import io
import os
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from PIL import Image

from gan_jax import cache, errors

if TYPE_CHECKING:
    import jax  # processes without JAX use this module too

GAP = 1  # pixels between the tiles of a grid, before scaling
GREY = 128  # of gaps and empty tiles: visible beside black and white images

# {range: (scale, shift)}
_IMAGE_RANGES = {"tanh": (127.5, 1.0), "sigmoid": (255.0, 0.0)}  # uint8 = (x + shift) * scale
_POINT_RANGES = {  # point = (x - shift) * scale
    "tanh": (1.0, 0.0),
    "sigmoid": (2.0, 0.5),
    "linear": (1.0, 0.0),
}

Array = TypeVar("Array", np.ndarray, "jax.Array")  # JAX inside and outside of jit


def _scale_and_shift(pixels, ranges):
    if pixels not in ranges:
        what = "is for points only" if pixels in _POINT_RANGES else "is unknown"
        raise errors.InputError(f"pixels={pixels} {what}; use one of {', '.join(ranges)}.")
    return ranges[pixels]


def to_net(x: Array, pixels: str) -> Array:
    """Bring stored images or points to the range of a net.

    Args:
      x: images uint8 [...], or points float32 [...] in [-1, 1].
      pixels: "tanh" ([-1, 1]) or "sigmoid" ([0, 1]); for points also "linear", which leaves them as
        they are.

    Returns:
      float32 [...].

    Raises:
      InputError: pixels is unknown, or "linear" for images.
    """
    if x.dtype == np.uint8:
        return to_float(x, pixels)
    scale, shift = _scale_and_shift(pixels, _POINT_RANGES)
    return x / scale + shift


def from_net(x: Array, pixels: str, points: bool) -> Array:
    """Bring the output of a generator to the form in which data are stored.

    Args:
      x: float [...].
      pixels: see `to_net`.
      points: whether x are points, not images.

    Returns:
      Images uint8 [...]; or points float32 [...], in [-1, 1] except where a "linear" generator left
      it. Points are not clipped, for a stray point must stay one.

    Raises:
      InputError: see `to_net`.
    """
    if not points:
        return to_uint8(x, pixels)
    scale, shift = _scale_and_shift(pixels, _POINT_RANGES)
    return (x.astype("float32") - shift) * scale


def unit_range(pixels: str) -> tuple[float, float]:
    """Return (scale, shift) of images: value in the range of a net = scale * [0, 1] - shift."""
    scale, shift = _scale_and_shift(pixels, _IMAGE_RANGES)
    return 255 / scale, shift


def to_float(images: Array, pixels: str) -> Array:
    """Bring images to the range of a net.

    Args:
      images: uint8 [...].
      pixels: "tanh" ([-1, 1]) or "sigmoid" ([0, 1]).

    Returns:
      float32 [...].

    Raises:
      InputError: pixels is unknown.
    """
    scale, shift = _scale_and_shift(pixels, _IMAGE_RANGES)
    return images.astype("float32") / scale - shift


def to_uint8(x: Array, pixels: str) -> Array:
    """Invert `to_float`: round to the nearest grey level, and clip values outside the range.

    Args:
      x: float [...].
      pixels: see `to_float`.

    Returns:
      uint8 [...].

    Raises:
      InputError: see `to_float`.
    """
    scale, shift = _scale_and_shift(pixels, _IMAGE_RANGES)
    return ((x.astype("float32") + shift) * scale).round().clip(0, 255).astype("uint8")


def take_rows(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return images[rows]; a memmap is read in the order of the file."""
    return np.asarray(images[np.sort(rows)])[np.argsort(np.argsort(rows))]


def parse_bands(text: str, n_channels: int) -> tuple[int, ...]:
    """Read --show: the channels that pictures show.

    Args:
      text: three numbers of channels from 0 on, for red, green and blue, such as "2,1,0"; or one,
        such as "3", for gray. "" for the default: the first three, of two channels the first.
      n_channels: channels of the images.

    Raises:
      InputError
    """
    if not text:
        return (0, 1, 2) if n_channels >= 3 else (0,)
    words = [word.strip() for word in text.split(",")]
    bands = tuple(int(word) for word in words if word.isascii() and word.isdigit())
    if len(bands) != len(words) or len(bands) not in (1, 3) or max(bands) >= n_channels:
        raise errors.InputError(
            f"--show={text} names none of the channels 0 to {n_channels - 1} of these images, one "
            f"or three of them; use --show={n_channels - 1}, or leave it out."
        )
    return bands


def shown(images: np.ndarray, show: str = "") -> np.ndarray:
    """Take the channels that pictures show: [..., C] -> [..., 1 or 3]; see `parse_bands`."""
    images = np.asarray(images)
    bands = parse_bands(show, images.shape[-1])
    return images if bands == tuple(range(images.shape[-1])) else images[..., bands]


def grid(images: np.ndarray, columns: int, scale: int = 1, show: str = "") -> np.ndarray:
    """Tile images row by row, with a gap of `GAP` pixels.

    Args:
      images: uint8 [N, H, W, C], N >= 1.
      columns: tiles per row; fewer if there are fewer images.
      scale: every pixel becomes scale x scale pixels (nearest neighbour).
      show: the channels that are shown, see `parse_bands`.

    Returns:
      uint8 [rows * (H + GAP) - GAP, columns * (W + GAP) - GAP, 1 or 3], times scale.
    """
    images = shown(images, show)
    n, height, width, channels = images.shape
    columns = min(columns, n)
    rows = -(-n // columns)
    tiles = np.full((rows * columns, height + GAP, width + GAP, channels), GREY, np.uint8)
    tiles[:n, :height, :width] = images
    tiles = tiles.reshape(rows, columns, height + GAP, width + GAP, channels).swapaxes(1, 2)
    picture = tiles.reshape(rows * (height + GAP), columns * (width + GAP), channels)[:-GAP, :-GAP]
    return picture.repeat(scale, 0).repeat(scale, 1)


def encode_png(image: np.ndarray) -> bytes:
    """Encode a uint8 image [H, W], [H, W, 1] or [H, W, 3] as PNG."""
    image = np.asarray(image)
    picture = Image.fromarray(image[..., 0] if image.shape[2:] == (1,) else image)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")  # optimize=True takes 2 to 8 times as long for 1 to 3 % fewer bytes
    return buffer.getvalue()


def save_png(path: str | os.PathLike, image: np.ndarray) -> None:
    """Save a uint8 image [H, W], [H, W, 1] or [H, W, 3] as PNG; a reader never sees half a file."""
    cache.write_atomic(path, encode_png(image))
