"""Formats of scientific images, found by what a file holds and not by its name.

What Pillow reads with 8 bits is not here; see image_decoding.
"""

import gzip
import importlib
import importlib.util
import pathlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from gan_jax.data.formats.contents import Contents
from gan_jax.data.image_decoding import BadFile
from gan_jax.errors import InputError, install_command, printable

HEAD = 2880  # bytes that a format is known by


class Format(NamedTuple):
    """One format. To add one, write a module and an entry of TABLE."""

    title: str  # in words
    endings: tuple[str, ...]  # of files that are looked into; lower case
    is_head: Callable[[bytes], bool]  # whether a file begins so
    # Its module has describe(path) -> Contents, and read(path) -> [n, H, W, C], raw numbers of
    # Contents.dtype; with Contents.block also read(path, rows), of a slice of the images, and with
    # Contents.by_lines read(path, rows, lines), of a slice of their lines. All may raise any error
    # where a file is damaged.
    module: str
    library: str = ""  # that the module imports; "" without one
    extra: str = ""  # of gan_jax, which installs it


TABLE = {
    "fits": Format(
        "FITS",
        (".fits", ".fit", ".fts", ".fz", ".fits.gz"),
        lambda head: head.startswith(b"SIMPLE  ="),
        "gan_jax.data.formats.fits",
        "astropy",
        "astro",
    ),
    "dicom": Format(
        "DICOM",
        (".dcm", ".dicom", ".ima"),
        lambda head: head[128:132] == b"DICM",
        "gan_jax.data.formats.dicom",
        "pydicom",
        "medical",
    ),
    "tiff": Format(
        "TIFF",
        (".tif", ".tiff"),
        lambda head: head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
        "gan_jax.data.formats.tiff",
        "tifffile",
        "micro",
    ),
    "hdf5": Format(
        "HDF5",
        (".h5", ".hdf5"),
        lambda head: head.startswith(b"\x89HDF\r\n\x1a\n"),
        "gan_jax.data.formats.hdf5",
        "h5py",
        "hdf5",
    ),
    "npy": Format(
        "npy", (".npy",), lambda head: head.startswith(b"\x93NUMPY"), "gan_jax.data.formats.npy"
    ),
    "png": Format(
        "PNG",
        (".png",),
        lambda head: head.startswith(b"\x89PNG\r\n\x1a\n") and head[24:25] == b"\x10",
        "gan_jax.data.formats.png",
    ),
}
ENDINGS = tuple(dict.fromkeys(ending for one in TABLE.values() for ending in one.endings))


def may_be(paths: Iterable[pathlib.Path], *keys: str) -> bool:
    """Return whether the name of any file is that of one of some formats of TABLE."""
    endings = tuple(ending for key in keys for ending in TABLE[key].endings)
    return any(path.name.lower().endswith(endings) for path in paths)


def find(path: pathlib.Path) -> str:
    """Return the key of a file's format in TABLE; "" for an ordinary picture, or what is no image.

    A TIFF file is an ordinary picture if it has one page of 8 bits, gray, RGB or with a palette.
    """
    try:
        head = _head(path)
    except OSError:
        return ""  # image_decoding says so
    key = next((key for key, one in TABLE.items() if one.is_head(head)), "")
    if key == "tiff":
        from gan_jax.data.formats import tiff_header

        return "" if tiff_header.is_ordinary(path) else key
    return key


def _head(path):
    with open(path, "rb") as file:
        head = file.read(HEAD)
    if head[:2] == b"\x1f\x8b" and path.name.lower().endswith(".gz"):
        with gzip.open(path) as file:
            head = file.read(HEAD)
    return head


def describe(path: pathlib.Path, key: str) -> Contents:
    """Return the Contents of a file.

    Raises:
      BadFile: it is damaged, or holds no image.
      InputError: the extra for its format is missing.
    """
    return _call(path, key, "describe")


def read(
    path: pathlib.Path, key: str, rows: slice | None = None, lines: slice | None = None
) -> np.ndarray:
    """Read the images of a file, or some of them: raw numbers [n, H, W, C].

    Args:
      path, key: the file and its format.
      rows: slice of its images, where its Contents have a block; None for all.
      lines: slice of their lines of pixels, where its Contents are by_lines; None for all.

    Raises:
      BadFile, InputError: see `describe`.
    """
    if lines is not None:
        return _call(path, key, "read", slice(None) if rows is None else rows, lines)
    return _call(path, key, "read") if rows is None else _call(path, key, "read", rows)


def require(key: str, what: str) -> None:
    """Refuse a format whose library is missing. what: what needs it.

    Raises:
      InputError
    """
    one = TABLE[key]
    if one.library and importlib.util.find_spec(one.library) is None:
        raise InputError(
            f"{what} is {one.title}, which needs {one.library}; install the extra {one.extra}: "
            f"{install_command(one.extra)}"
        )


def _call(path, key, name, *args):
    one = TABLE[key]
    require(key, printable(path))
    try:
        return getattr(importlib.import_module(one.module), name)(path, *args)
    except BadFile:
        raise
    except Exception as error:  # of libraries, on damaged files: of any kind
        detail = " ".join(f"{error}".split()).rstrip(".") or type(error).__name__
        raise BadFile(
            f"{printable(path)} cannot be read as {one.title} ({printable(detail[:200])}); repair "
            "or remove the file.",
            "damaged",
            printable(detail[:200]),
        ) from error
