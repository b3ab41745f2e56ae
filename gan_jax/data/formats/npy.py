"""Arrays in .npy files: [H, W], [H, W, C], [C, H, W] with few channels, or [N, H, W, C]."""

import pathlib

import numpy as np

from gan_jax.data.formats.contents import Contents, check_shape, refuse

_FEW = 16  # channels that a first axis is taken for
_BLOCK_BYTES = 2**22  # of images that are read at a time


def describe(path: pathlib.Path) -> Contents:
    """Return the Contents of a file."""
    array = _open(path)
    block = max(1, _BLOCK_BYTES // array[0].nbytes)
    return Contents(*array.shape, array.dtype.newbyteorder("="), block=block, by_lines=True)


def read(path: pathlib.Path, rows: slice = slice(None), lines: slice = slice(None)) -> np.ndarray:
    """Read some lines of some images of a file: [n, H, W, C]."""
    array = _open(path)[rows, lines]
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))


def _open(path):
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype.kind not in "iuf" or not 2 <= array.ndim <= 4:
        raise refuse(
            path,
            "no image",
            f"holds {array.dtype} {list(array.shape)}",
            "an image is an array of integers or floats [H, W], [H, W, C] or [N, H, W, C]",
        )
    if array.ndim == 2:
        array = array[None, ..., None]
    elif array.ndim == 3:
        if array.shape[0] <= _FEW and array.shape[0] < array.shape[2]:
            array = array.transpose(1, 2, 0)
        array = array[None]
    check_shape(path, array.shape, "NHWC")
    return array
