"""Centre crop and resize, the same for every data source."""

import numpy as np
from PIL import Image

from gan_jax.errors import InputError


def crop_and_resize(image: Image.Image, size: int, crop: int = 0) -> Image.Image:
    """Crop the centre square of an image and resize it, with antialiased Lanczos.

    Args:
      image: Pillow image with 8 bits per channel, at least `crop` pixels wide and high.
      size: side of the result in pixels.
      crop: side of the centre square in source pixels; 0 for the largest.

    Returns:
      Pillow image of the same mode; `image` itself where nothing has to be done.
    """
    width, height = image.size
    side = crop or min(width, height)
    if (side, side) != (width, height):
        left, upper = (width - side) // 2, (height - side) // 2
        image = image.crop((left, upper, left + side, upper + side))
    return image if side == size else image.resize((size, size), Image.Resampling.LANCZOS)


def crop_and_resize_all(images: np.ndarray, size: int, crop: int, name: object) -> np.ndarray:
    """Crop and resize an array of images, each channel by itself.

    Images may be enlarged, as from 28 to 32 pixels.

    Args:
      images: uint8 [N, H, W, C].
      size: side of the result in pixels.
      crop: side of the centre square in source pixels; 0 if the images are square.
      name: what errors call the images, usually the file.

    Returns:
      uint8 [N, size, size, C]; `images` itself, bit for bit, where nothing has to be done.

    Raises:
      InputError: the crop is larger than the images, or there is none and they are not square.
    """
    n, height, width, channels = images.shape
    if crop > min(height, width):
        raise InputError(
            f"{name} has images of {height}x{width} pixels, smaller than --crop={crop}; "
            f"use --crop={min(height, width)} or less."
        )
    if height != width and not crop:
        raise InputError(
            f"{name} has images of height {height} and width {width} (axes N, H, W, C); images "
            f"must be square; use --crop={min(height, width)} or less, a centre square."
        )
    if (height, width) == (size, size) and crop in (0, size):
        return images
    resized = np.empty((n, size, size, channels), np.uint8)
    for i in range(n):
        for c in range(channels):
            channel = Image.fromarray(np.ascontiguousarray(images[i, :, :, c]))
            resized[i, :, :, c] = np.asarray(crop_and_resize(channel, size, crop))
    return resized
