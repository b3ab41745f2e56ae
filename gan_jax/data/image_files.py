"""Lists of image files: how folders are searched, and in which order. No file is opened here."""

import collections
import os
import pathlib
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from gan_jax.data import formats
from gan_jax.errors import InputError, printable

_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
EXTENSIONS = tuple(dict.fromkeys((*_PICTURES, *formats.ENDINGS)))
_SYSTEM_FILES = ("thumbs.db", "desktop.ini")  # which Windows leaves in folders
_SYSTEM_FOLDERS = ("__MACOSX",)  # which macOS adds to zip files
_N_NAMED_TYPES = 8


class ImageFileList(NamedTuple):
    """The image files of one split, in order, before any is opened."""

    top: pathlib.Path  # folder that every path lies in
    paths: list[pathlib.Path]  # [N]
    labels: np.ndarray | None = None  # int32 [N], -1 where unknown; None without classes
    classes: tuple[str, ...] = ()  # class names, in label order
    crop: int = 0  # default side of the centre crop in source pixels; 0 for the largest square
    notes: tuple[str, ...] = ()  # lines about the data that the user should see
    values: np.ndarray | None = None  # of each file, see types.Dataset
    quantities: tuple[str, ...] = ()
    # Whether labels and values are of the images within the only file, not of files.
    within: bool = False

    def labels_of(self, rows: np.ndarray, numbers: np.ndarray | None = None) -> dict[str, Any]:
        """Return the labels, classes, values and quantities of images.

        Args:
          rows: the file of each, int [n].
          numbers: the number of each within its file, int [n]; None if each is the only one.
        """
        if self.within:
            rows = np.zeros_like(rows) if numbers is None else numbers

        def take(array):
            return None if array is None else array[rows]

        return {
            "labels": take(self.labels),
            "classes": self.classes,
            "values": take(self.values),
            "quantities": self.quantities,
        }


class FolderContent(NamedTuple):
    """What lies anywhere below a folder. Hidden files and those of the system do not count."""

    images: list[pathlib.Path]  # in natural order of their paths
    others: collections.Counter[str]  # {type, such as ".gif": number of files that are not read}


def not_read(others: Mapping[str, int]) -> list[str]:
    """Return a note on files that are not read, in a list; [] if there are none."""
    text = describe_others(others)
    return [f"Not read: {text} (images are {', '.join(EXTENSIONS)})."] if text else []


def readable_folder(arg: str, source: str) -> pathlib.Path:
    """Return the folder of --data=SOURCE:ARG as an absolute path.

    Raises:
      InputError: it is not a folder that can be read.
    """
    folder = pathlib.Path(os.path.realpath(arg))
    if folder.is_file():
        way = "if it is an archive, unpack it and give the folder with the images"
        if folder.suffix == ".npz":
            way = f"use {shlex.quote(f'--data=npz:{arg}')}"
        raise InputError(f"--data={source}:{arg} is a file, not a folder; {way}.")
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        raise InputError(
            f"--data={source}:{arg} is not a folder that can be read; give the one with the images."
        )
    return folder


def find_images(folder: str | os.PathLike) -> list[pathlib.Path]:
    """List the image files anywhere below a folder, see `search`."""
    return search(folder).images


def search(folder: str | os.PathLike) -> FolderContent:
    """List the image files anywhere below a folder, and count the other files by type.

    Links are followed; hidden files and folders are left out.

    Raises:
      InputError: a folder cannot be read.
    """

    def refuse(error):
        raise InputError(
            f"{printable(error.filename)} cannot be read ({error.strerror}); check its permissions."
        )

    paths, others, visited = [], collections.Counter(), set()
    for parent, subfolders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(parent)
        if real in visited:  # a link led back to it
            subfolders.clear()
            continue
        visited.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        paths += [pathlib.Path(parent, name) for name in names if is_image(name)]
        others += count_others(names)
    return FolderContent(sorted(paths, key=lambda path: natural_sort_key(path.as_posix())), others)


def list_folder(folder: str | os.PathLike) -> tuple[list[pathlib.Path], list[str]]:
    """List what lies directly in a folder, in natural order.

    Returns:
      (its folders, without hidden ones and those of the system; names of its files).
    """
    folders, files = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            # No call of the file system for an ordinary file, of which there may be a million.
            is_link = entry.is_symlink()
            if os.path.isdir(entry.path) if is_link else entry.is_dir():
                folders.append(pathlib.Path(entry.path))
            else:
                files.append(entry.name)
    shown = [f for f in folders if not f.name.startswith(".") and f.name not in _SYSTEM_FOLDERS]
    return sorted(shown, key=lambda f: natural_sort_key(f.name)), sorted(
        files, key=natural_sort_key
    )


def count_others(names: Iterable[str]) -> collections.Counter[str]:
    """Count the names of files that are no images by type, see FolderContent."""
    visible = [name for name in names if not is_image(name) and not name.startswith(".")]
    return collections.Counter(
        os.path.splitext(name)[1].lower() for name in visible if name.lower() not in _SYSTEM_FILES
    )


def describe_others(others: Mapping[str, int]) -> str:
    """Say how many files of which types there are, such as "3 .gif, 1 .txt"; "" for none."""
    ordered = sorted(others.items(), key=lambda item: (-item[1], item[0]))
    listed = [
        f"{n:,} {printable(kind) or 'without an ending'}" for kind, n in ordered[:_N_NAMED_TYPES]
    ]
    n_more = sum(n for _, n in ordered[_N_NAMED_TYPES:])
    return ", ".join([*listed, *([f"{n_more:,} of other types"] if n_more else [])])


def index_images(
    folder: pathlib.Path,
    key_of: Callable[[pathlib.Path], str],
    taken: Mapping[str, pathlib.Path] | None = None,
) -> tuple[dict[str, pathlib.Path], list[str]]:
    """Index the image files below a folder, in natural order.

    Args:
      folder: where to search.
      key_of: function of a path.
      taken: {key: path} of other images, whose keys may not occur again.

    Returns:
      ({key_of(path): path}, notes on files that are not read).

    Raises:
      InputError: there are no images, or two have one key.
    """
    path_of, taken, content = {}, taken or {}, search(folder)
    for path in content.images:
        key = key_of(path)
        other = path_of.get(key) or taken.get(key)
        if other:
            raise InputError(
                f"{printable(other)} and {printable(path)} are both image {printable(key)}; "
                "remove one of them."
            )
        path_of[key] = path
    if not path_of:
        raise InputError(f"{printable(folder)} has no images; unzip {folder.name}.zip there.")
    return path_of, not_read(content.others)


def is_image(name: str) -> bool:
    """Return whether a file's name is that of an image."""
    return not name.startswith(".") and name.lower().endswith(EXTENSIONS)


def natural_sort_key(text: str) -> tuple[list[str | int], str]:
    """Return a key that sorts 9.png before 10.png, and 01.png before 1.png."""
    parts = re.split(r"([0-9]+)", text)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], text
