"""Crops, patches and resizing, the same for every data source."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from gan_jax.errors import InputError
from gan_jax.settings import Size


def fit(height: int, width: int, hw: Size, crop: int = 0) -> Size:
    """Return the size in source pixels of what is cut out of the centre of an image.

    It is the largest rectangle of the shape of `hw`: the largest square if that is one.

    Args:
      height, width: of the image.
      hw: size of the result of resizing.
      crop: side of the centre square from which it is cut; 0 for the whole image.
    """
    height, width = (crop or side for side in (height, width))
    if height * hw.width < width * hw.height:
        return Size(height, _rounded(height * hw.width, hw.height))
    return Size(_rounded(width * hw.height, hw.width), width)


def _rounded(a, b):
    """Return a / b, rounded to the nearest integer."""
    return (2 * a + b) // (2 * b)


class Box(NamedTuple):
    """A rectangle of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int


def boxes(height: int, width: int, hw: Size, crop: int = 0, patches: int = 0) -> list[Box]:
    """Return what is cut out of an image: its centre, see `fit`, or a grid of patches.

    Patches cover the whole image, or the whole crop. They lie evenly, and each begins half a side
    or less after the one before.

    Args:
      height, width, hw, crop: see `fit`.
      patches: side of the squares from which patches of the shape of `hw` are cut; 0 for none.
    """
    if not patches:
        part = fit(height, width, hw, crop)
        return [Box((height - part.height) // 2, (width - part.width) // 2, *part)]
    part, region = fit(patches, patches, hw), Size(crop or height, crop or width)
    tops, lefts = (
        [(side - inner) // 2 + start for start in _starts(inner, step)]
        for side, inner, step in zip((height, width), region, part, strict=True)
    )
    return [Box(top, left, *part) for top in tops for left in lefts]


def _starts(length, side):
    """Return where patches begin along an axis; nowhere if it is too short for one."""
    if length < side:
        return []
    n = 1 + -(-(length - side) // max(1, side // 2))
    return [i * (length - side) // max(1, n - 1) for i in range(n)]


def crop_and_resize(image: Image.Image, size: int | Size, crop: int = 0) -> Image.Image:
    """Cut out the centre of an image and resize it, with antialiased Lanczos; see `fit`.

    Floats (mode F) are resized by an antialiased triangle, which makes no rings around stars and
    keeps the mean.

    Args:
      image: Pillow image with 8 bits per channel, or of mode F, at least `crop` pixels wide and
        high.
      size: of the result.
      crop: side of the centre square in source pixels; 0 for the whole image.

    Returns:
      Pillow image of the same mode; `image` itself where nothing has to be done.
    """
    (width, height), hw = image.size, Size.of(size)
    (box,) = boxes(height, width, hw, crop)
    return cut_and_resize(image, box, hw)


def cut_and_resize(image: Image.Image, box: Box, hw: Size) -> Image.Image:
    """Cut a box out of an image and resize it, see `crop_and_resize`."""
    top, left, height, width = box
    if (height, width) != image.size[::-1]:
        image = image.crop((left, top, left + width, top + height))
    kernel = Image.Resampling.BILINEAR if image.mode == "F" else Image.Resampling.LANCZOS
    return image if (height, width) == hw else image.resize(hw[::-1], kernel)


def crop_and_resize_all(
    images: np.ndarray, size: int | Size, crop: int, name: object
) -> np.ndarray:
    """Crop and resize an array of images, each channel by itself.

    Images may be enlarged, as from 28 to 32 pixels.

    Args:
      images: uint8, uint16 or float32 [N, H, W, C].
      size: of the result.
      crop: side of the centre square in source pixels; 0 for none.
      name: what errors call the images, usually the file.

    Returns:
      [N, H, W, C] of the same type; `images` itself, bit for bit, where nothing has to be done.

    Raises:
      InputError: the crop is larger than the images, or there is none and the result would be
        square, but the images are not.
    """
    (height, width), hw = images.shape[1:3], Size.of(size)
    if crop > min(height, width):
        raise InputError(
            f"{name} has images of {height}x{width} pixels, smaller than --crop={crop}; "
            f"use --crop={min(height, width)} or less."
        )
    if height != width and hw.is_square and not crop:
        raise InputError(
            f"{name} has images of height {height} and width {width} (axes N, H, W, C); images "
            f"must be square; use --crop={min(height, width)} or less, a centre square, or both "
            f"sides, such as --size={Size(height, width)}."
        )
    if (height, width) == fit(height, width, hw, crop) == hw:
        return images
    return resize_parts(images, hw, boxes(height, width, hw, crop))


def resize_parts(images: np.ndarray, hw: Size, parts: Sequence[Box]) -> np.ndarray:
    """Cut parts out of images [N, H, W, C] of any type, and resize them, each channel by itself.

    Args:
      images: see `crop_and_resize_all`; whole numbers are rounded to whole numbers.
      hw: size of the result.
      parts: what is cut out of each image.

    Returns:
      the parts of each image, one image after another [N * parts, H, W, C].
    """
    dtype = images.dtype
    resized = np.empty((len(images) * len(parts), *hw, images.shape[3]), dtype)
    for i, (image, box) in enumerate((image, box) for image in images for box in parts):
        cut = image[box.top : box.top + box.height, box.left : box.left + box.width]
        for c in range(images.shape[3]):
            channel = np.ascontiguousarray(cut[:, :, c])
            if dtype != np.uint8:
                channel = channel.astype(np.float32)
            whole = Box(0, 0, box.height, box.width)
            channel = np.asarray(cut_and_resize(Image.fromarray(channel), whole, hw))
            if dtype == np.uint16:
                channel = np.rint(channel).clip(0, 65535)
            resized[i, :, :, c] = channel
    return resized
