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
    part = fit(height, width, hw, crop)
    if part != (height, width):
        left, upper = (width - part.width) // 2, (height - part.height) // 2
        image = image.crop((left, upper, left + part.width, upper + part.height))
    kernel = Image.Resampling.BILINEAR if image.mode == "F" else Image.Resampling.LANCZOS
    return image if part == hw else image.resize(hw[::-1], kernel)


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
    return resize_channels(images, hw, crop)


def resize_channels(images: np.ndarray, size: int | Size, crop: int) -> np.ndarray:
    """Crop and resize images [N, H, W, C] of any type, each channel by itself.

    Args:
      images, size: see `crop_and_resize_all`; whole numbers are rounded to whole numbers.
      crop: see `crop_and_resize`.
    """
    dtype, hw = images.dtype, Size.of(size)
    resized = np.empty((len(images), *hw, images.shape[3]), dtype)
    for i in range(len(images)):
        for c in range(images.shape[3]):
            channel = np.ascontiguousarray(images[i, :, :, c])
            if dtype != np.uint8:
                channel = channel.astype(np.float32)
            channel = np.asarray(crop_and_resize(Image.fromarray(channel), hw, crop))
            if dtype == np.uint16:
                channel = np.rint(channel).clip(0, 65535)
            resized[i, :, :, c] = channel
    return resized
