"""HDF5 files, by h5py: one array of images, which is read a few images at a time.

It is the array named images, image, data or x, in any group, or the largest that can be images. An
axis of fewer than 8 numbers can be no side, so the axes are
  of four: [N, H, W, C], or [N, C, H, W] where the second is shorter than the last;
  of three: [H, W, C] where the last has fewer than 8 numbers, otherwise [N, H, W];
  of two: [H, W].

Labels are read by data.tables. No other file is read: neither what a file links to nor what its
arrays keep elsewhere.
"""

import math
import pathlib

import h5py
import numpy as np

from gan_jax.data.formats.contents import Contents, check_shape, not_read, refuse
from gan_jax.errors import printable
from gan_jax.settings import MIN_SIDE

_NAMES = ("images", "image", "data", "x")
_BLOCK_BYTES = 2**22  # of images that are read at a time


def describe(path: pathlib.Path) -> Contents:
    """Return the Contents of a file."""
    with _open(path) as file:
        (array, *others) = _find(path, file)
        axes = _axes(array.shape)
        sizes = dict(zip(axes, array.shape, strict=True))
        shape = tuple(sizes.get(axis, 1) for axis in "NHWC")
        check_shape(path, shape, "NHWC")
        note = ""
        if others:
            note = (
                f"Images are {printable(array.name)} {list(array.shape)}; "
                f"{not_read([other.name for other in others])}"
            )
        unit = array.attrs.get("units", "")
        return Contents(
            *shape,
            array.dtype.newbyteorder("="),
            unit=unit.strip() if isinstance(unit, str) else "",
            block=_block(array) if "N" in axes else 0,
            note=note,
            by_lines=True,
        )


def read(path: pathlib.Path, rows: slice = slice(None), lines: slice = slice(None)) -> np.ndarray:
    """Read some lines of some images of a file: [n, H, W, C]."""
    with _open(path) as file:
        array = _find(path, file)[0]
        axes = _axes(array.shape)
        chosen = {"N": rows, "H": lines}
        values = array[tuple(chosen.get(axis, slice(None)) for axis in axes)]
        values = values if "N" in axes else values[None]
    values = values if "C" in axes else values[..., None]
    values = values.transpose(0, 2, 3, 1) if axes == "NCHW" else values
    return np.ascontiguousarray(values, values.dtype.newbyteorder("="))


def _open(path):
    # Nothing is written, and some file systems have no locks.
    return h5py.File(path, "r", locking=False)


def _find(path, file):
    """Return the array of images, and then the others that could be images."""
    arrays, elsewhere = [], []

    def visit(_, array):
        if isinstance(array, h5py.Dataset) and _can_be_images(array):
            (elsewhere if array.is_virtual or array.external else arrays).append(array)

    file.visititems(visit)
    if not arrays and elsewhere:
        raise refuse(
            path,
            "no image",
            f"keeps {printable(elsewhere[0].name)} in other files",
            "copy the numbers into the file itself",
        )
    if not arrays:
        raise refuse(
            path,
            "no image",
            "has no array that can be images",
            "they are integers or floats [N, H, W, C], [N, C, H, W], [N, H, W], [H, W, C] or [H, W]"
            f", of {MIN_SIDE} pixels or more",
        )
    return sorted(arrays, key=lambda array: (_priority(array), -array.size, array.name))


def _priority(array):
    name = array.name.rpartition("/")[2].lower()
    return _NAMES.index(name) if name in _NAMES else len(_NAMES)


def _can_be_images(array):
    if array.shape is None or not 2 <= array.ndim <= 4 or array.dtype.kind not in "iuf":
        return False
    sides = dict(zip(_axes(array.shape), array.shape, strict=True))
    return min(sides["H"], sides["W"]) >= MIN_SIDE


def _axes(shape):
    """Name the axes of an array of images."""
    if len(shape) == 4:
        return "NCHW" if shape[1] < shape[3] else "NHWC"
    if len(shape) == 3:
        return "HWC" if shape[2] < MIN_SIDE else "NHW"
    return "HW"


def _block(array):
    """Return how many images are read at a time: whole chunks, each of which is decoded at once."""
    n = max(1, _BLOCK_BYTES // max(1, math.prod(array.shape[1:]) * array.dtype.itemsize))
    chunk = array.chunks[0] if array.chunks else 1
    return -(-n // chunk) * chunk
