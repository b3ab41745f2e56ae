"""What a file of scientific images says of itself before its pixels are read."""

import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gan_jax.data.image_decoding import BadFile
from gan_jax.errors import printable

MAX_BANDS = 64
_N_NAMED = 4  # parts that are not read


class Contents(NamedTuple):
    """The images of one file, all of one shape."""

    n: int  # images
    height: int  # in pixels
    width: int
    channels: int
    dtype: np.dtype  # of the raw numbers, in the machine's order of bytes
    scale: float = 1.0  # value in the file's units = zero + scale * raw number
    zero: float = 0.0
    unit: str = ""
    bands: tuple[str, ...] = ()
    blank: int | None = None  # raw number that stands for no value
    full: float | None = None  # raw number from which on a pixel is saturated, if the file says so
    window: tuple[float, float] | None = None  # (low, high) that it is to be shown with, in units
    header: tuple[
        tuple[str, Any], ...
    ] = ()  # (key, value) of a FITS header, of those that are kept
    pixel_scale: tuple[float, float] | None = None  # height and width of a pixel in arcsec
    block: int = 0  # images that are read at a time, by read(path, rows); 0: all, by read(path)
    note: str = ""  # a line on what was chosen of the file
    by_lines: bool = False  # whether read(path, rows, lines) reads some lines of pixels alone


def refuse(path: pathlib.Path, fault: str, detail: str, advice: str) -> BadFile:
    """Return the BadFile of a file that is well, but of no use here."""
    return BadFile(f"{printable(path)} {detail}; {advice}.", fault, detail)


def not_read(names: Sequence[str]) -> str:
    """Say which parts of a file are not its images."""
    named = ", ".join(map(printable, names[:_N_NAMED]))
    more = f" and {len(names) - _N_NAMED} more" if len(names) > _N_NAMED else ""
    return f"not read: {named}{more}."


def check_shape(path: pathlib.Path, shape: tuple[int, ...], order: str) -> None:
    """Refuse empty images, and more than MAX_BANDS bands. order: names of the axes, such as NHWC.

    Raises:
      BadFile
    """
    listed = ", ".join(map(str, shape))
    if not all(shape):
        raise refuse(path, "empty", f"has the shape [{listed}]", "remove it")
    if shape[order.index("C")] > MAX_BANDS:
        raise refuse(
            path,
            "too many bands",
            f"has {shape[order.index('C')]} bands (shape [{listed}])",
            f"{MAX_BANDS} are the most; save stacks of images as files of their own",
        )
