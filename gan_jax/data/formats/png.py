"""PNG files of 16 bits per channel. The format has no floats."""

import pathlib
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from gan_jax.data.formats.contents import Contents


def describe(path: pathlib.Path) -> Contents:
    """Return the Contents of a file: gray, or RGB with transparent pixels over black."""
    with Image.open(path, formats=["PNG"]) as image:
        (width, height), mode = image.size, _raw_mode(image)
        if image.getexif().get(0x0112, 1) >= 5:  # orientations that exchange the sides
            width, height = height, width
        return Contents(1, height, width, 1 if mode in _GRAY else 3, np.dtype("uint16"))


def read(path: pathlib.Path) -> np.ndarray:
    """Read the image of a file: uint16 [1, H, W, 1 or 3].

    Gray with transparency has 8 bits in Pillow, which are multiplied by 257.
    """
    with Image.open(path, formats=["PNG"]) as image:
        mode, clear = _raw_mode(image), image.info.get("transparency")
        if mode == "I;16B":
            values = _oriented(image)[..., None]
            if clear is not None:
                values = np.where(values == clear, 0, values)
            return values[None]
        high = _oriented(image).astype(np.uint16)
    if mode == "LA;16B":
        values = 257 * high[..., [0, -1]]
    else:
        # Pillow keeps the first byte of a number; told that bytes are in the other order, the last.
        with Image.open(path, formats=["PNG"]) as image:
            image.tile = [tile._replace(args=_swapped(tile.args)) for tile in image.tile]
            values = high * 256 + _oriented(image)
    if values.shape[-1] in (2, 4):  # over black
        opaque = values[..., -1:] / np.float64(65535)
        values = np.rint(values[..., :-1] * opaque).astype(np.uint16)
    elif clear is not None:
        values = np.where((values == np.array(clear)).all(-1, keepdims=True), 0, values)
    return values[None].astype(np.uint16)


_GRAY = ("I;16B", "LA;16B")


def _raw_mode(image):
    return image.tile[0].args


def _swapped(mode: str) -> str:
    return mode.replace("16B", "16L")


def _oriented(image) -> Any:
    return np.asarray(ImageOps.exif_transpose(image))
