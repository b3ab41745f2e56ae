"""Images written into one .npy file as they come."""

import pathlib
from collections.abc import Iterable

import numpy as np


def write_images(path: pathlib.Path, images: Iterable[np.ndarray], dtype: str = "uint8") -> None:
    """Write images, as they come, into one .npy file.

    Through the file and not through a memory map: a full disk is then an error, where a map would
    kill the process.

    Args:
      path: the .npy file, of shape [N, H, W, C]; empty if there are no images.
      images: [H, W, C] of that type, all of one shape.
      dtype: "uint8", "uint16" or "float32".
    """
    n = 0
    with open(path, "wb") as f:
        for image in images:
            if not n:
                _write_header(f, (0, *image.shape), dtype)
            f.write(image.tobytes())
            n += 1
        if n:
            f.seek(0)
            _write_header(f, (n, *image.shape), dtype)


def _write_header(f, shape, dtype):
    """Write the header of a .npy file.

    numpy pads it, so that the first axis can be rewritten in place.
    """
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(f, header)
