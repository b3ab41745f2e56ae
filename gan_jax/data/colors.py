"""Conversion between gray and colour: `--colors`, the same for every data source."""

import numpy as np

from gan_jax.errors import InputError

AUTO, RGB, GRAY = "auto", "rgb", "gray"
CHOICES = (AUTO, RGB, GRAY)
CHANNELS = {RGB: 3, GRAY: 1}
# Weights of ITU-R BT.601 in units of 2^-16, as Pillow has them.
_LUMA = np.array([19595, 38470, 7471], np.uint32)
_BLOCK = 1024  # images at a time


def convert(images: np.ndarray, colors: str, spec: str) -> np.ndarray:
    """Return images of the channels that --colors asks for.

    Args:
      images: uint8, uint16 or float32 [N, H, W, C], or points float32 [N, 1, 1, D].
      colors: one of CHOICES.
      spec: --data, for the errors.

    Returns:
      [N, H, W, 3] of the same type for RGB, [N, H, W, 1] for GRAY; `images` itself where nothing
      has to be done.

    Raises:
      InputError: the images are points, or neither gray nor of three channels.
    """
    n_channels = images.shape[3]
    if colors == AUTO:
        return images
    if images.shape[1:3] == (1, 1):
        raise InputError(
            f"--colors={colors} means nothing to points, which --data={spec} has; leave it out."
        )
    if n_channels == CHANNELS[colors]:
        return images
    if n_channels not in CHANNELS.values():
        raise InputError(
            f"--colors={colors} converts images of 1 or 3 channels, and --data={spec} has "
            f"{n_channels}; leave it out."
        )
    if colors == RGB:
        return np.repeat(images, 3, axis=3)
    gray = np.empty((*images.shape[:3], 1), images.dtype)
    for start in range(0, len(images), _BLOCK):
        block = np.asarray(images[start : start + _BLOCK])
        if block.dtype != np.uint8:
            light = block @ (_LUMA / 2**16)
            whole = block.dtype.kind == "u"
            gray[start : start + _BLOCK, ..., 0] = np.rint(light) if whole else light
            continue
        gray[start : start + _BLOCK, ..., 0] = (block @ _LUMA + 2**15) >> 16
    return gray
