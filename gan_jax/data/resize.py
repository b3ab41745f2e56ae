"""Centre crop and resize, the same for every data source."""

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


def crop_and_resize(image: Image.Image, size: int | Size, crop: int = 0) -> Image.Image:
    """Cut out the centre of an image and resize it, with antialiased Lanczos; see `fit`.

    Args:
      image: Pillow image with 8 bits per channel, at least `crop` pixels wide and high.
      size: of the result.
      crop: side of the centre square in source pixels; 0 for the whole image.

    Returns:
      Pillow image of the same mode; `image` itself where nothing has to be done.
    """
    (width, height), hw = image.size, Size.of(size)
    part = fit(height, width, hw, crop)
    if part != (height, width):
        left, upper = (width - part.width) // 2, (height - part.height) // 2
        image = image.crop((left, upper, left + part.width, upper + part.height))
    return image if part == hw else image.resize(hw[::-1], Image.Resampling.LANCZOS)


def crop_and_resize_all(
    images: np.ndarray, size: int | Size, crop: int, name: object
) -> np.ndarray:
    """Crop and resize an array of images, each channel by itself.

    Images may be enlarged, as from 28 to 32 pixels.

    Args:
      images: uint8 [N, H, W, C].
      size: of the result.
      crop: side of the centre square in source pixels; 0 for none.
      name: what errors call the images, usually the file.

    Returns:
      uint8 [N, H, W, C]; `images` itself, bit for bit, where nothing has to be done.

    Raises:
      InputError: the crop is larger than the images, or there is none and the result would be
        square, but the images are not.
    """
    (n, height, width, channels), hw = images.shape, Size.of(size)
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
    resized = np.empty((n, *hw, channels), np.uint8)
    for i in range(n):
        for c in range(channels):
            channel = Image.fromarray(np.ascontiguousarray(images[i, :, :, c]))
            resized[i, :, :, c] = np.asarray(crop_and_resize(channel, hw, crop))
    return resized
