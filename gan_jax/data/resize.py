"""Centre crop and resize, the same for every source."""

import numpy as np
from PIL import Image

from gan_jax import errors


def fit(image, size, crop=0):
    """The centre square of a Pillow image, resized with antialiased Lanczos; unchanged where it already fits.

    Args:
      image: Pillow image with 8 bits per channel, at least `crop` pixels wide and high.
      size: side of the result in pixels.
      crop: side of the centre square in source pixels; 0 for the largest.
    """
    width, height = image.size
    side = crop or min(width, height)
    if (side, side) != (width, height):
        left, upper = (width - side) // 2, (height - side) // 2
        image = image.crop((left, upper, left + side, upper + side))
    return image if side == size else image.resize((size, size), Image.Resampling.LANCZOS)


def fit_all(images, size, crop, name):
    """`fit` for an array; channels are resized independently of each other, enlarging is allowed (28 to 32 pixels).

    Args:
      images: uint8 [N, H, W, C].
      size, crop: as in `fit`.
      name: what the error calls the images, usually the file.

    Returns:
      uint8 [N, size, size, C]; `images` itself, bit for bit, where nothing has to be done.

    Raises:
      InputError: the crop is larger than the images, or they are not square and no crop is given.
    """
    n, height, width, channels = images.shape
    if crop > min(height, width):
        raise errors.InputError(
            f"{name} has images of {height}x{width} pixels, smaller than --crop={crop}; "
            f"use --crop={min(height, width)} or less."
        )
    if height != width and not crop:
        raise errors.InputError(
            f"{name} has images of height {height} and width {width} (axes N, H, W, C); images must be square, "
            f"or --crop must name the side of a centre square, {min(height, width)} pixels or less."
        )
    if (height, width) == (size, size) and crop in (0, size):
        return images
    fitted = np.empty((n, size, size, channels), np.uint8)
    for i in range(n):
        for c in range(channels):
            fitted[i, :, :, c] = fit(
                Image.fromarray(np.ascontiguousarray(images[i, :, :, c])), size, crop
            )
    return fitted
