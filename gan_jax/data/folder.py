"""Image files in folders: `--data=folder:DIR`."""

import pathlib

import numpy as np

from gan_jax.data.image_files import (
    EXTENSIONS,
    ImageFileList,
    find_images,
    is_image,
    natural_sort_key,
    readable_folder,
)
from gan_jax.data.types import DataOptions
from gan_jax.errors import InputError

# Folders that may lie beside train/ without being classes.
_OTHER_SPLITS = ("test", "val", "valid", "validation")


def load(arg: str, options: DataOptions, split: str = "train") -> ImageFileList | None:
    """List a folder of .png, .jpg, .jpeg, .webp and .bmp files, searched recursively.

    Two or more subfolders with images are the classes, in natural order of their names; otherwise
    the images have no labels. If DIR/train exists, DIR/train and DIR/test are the splits and the
    classes are those of DIR/train; without it everything is the train split. Hidden files are left
    out.

    Args:
      arg: the folder.
      options, split: see datasets.load.

    Returns:
      ImageFileList; None if there is no such split.

    Raises:
      InputError: there are no images, or the folder structure is ambiguous.
    """
    root = readable_folder(arg, "folder")
    top = _split_folder(root, split)
    if top is None:
        return None
    paths_of = _paths_by_class(top)
    train_paths_of = paths_of if split == "train" else _paths_by_class(root / "train")
    classes = tuple(train_paths_of) if len(train_paths_of) > 1 else ()
    paths = [path for class_paths in paths_of.values() for path in class_paths]
    return ImageFileList(top, paths, _labels(paths_of, classes, top), classes)


def _split_folder(root, split) -> pathlib.Path | None:
    """Return the folder of a split, or None; refuse class folders beside DIR/train."""
    if not (root / "train").is_dir():
        return root if split == "train" else None
    for other in _subfolders(root):
        if other.name not in ("train", *_OTHER_SPLITS) and find_images(other):
            raise InputError(
                f"{root} holds train/, which would be the train split, and {other.name}/ with "
                "images too; move all class folders into train/, or rename train/ if it is a class."
            )
    return root / split if (root / split).is_dir() else None


def _paths_by_class(top):
    """Return {class folder's name: image paths} in natural order.

    Without class folders: {"": paths}.
    """
    paths_of = {folder.name: find_images(folder) for folder in _subfolders(top)}
    paths_of = {name: paths for name, paths in paths_of.items() if paths}
    loose = [path for path in top.iterdir() if is_image(path.name) and not path.is_dir()]
    if loose and paths_of:
        raise InputError(
            f"{top} holds images directly ({min(loose).name}) and in folders "
            f"({next(iter(paths_of))}/); put every image into a class folder, "
            "or all into one folder."
        )
    if not loose and not paths_of:
        raise InputError(
            f"{top} has no images; put {', '.join(EXTENSIONS)} files or class folders there."
        )
    return paths_of or {"": sorted(loose, key=lambda path: natural_sort_key(path.name))}


def _subfolders(folder):
    folders = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(folders, key=lambda path: natural_sort_key(path.name))


def _labels(paths_of, classes, top):
    """Return int32 labels of all paths, class after class; None without classes."""
    if not classes:
        return None
    unknown = [name or "images outside class folders" for name in paths_of if name not in classes]
    if unknown:
        raise InputError(
            f"{top} has {unknown[0]}, not among the classes of train: {', '.join(classes)}."
        )
    counts = [len(paths) for paths in paths_of.values()]
    return np.repeat(np.array([classes.index(name) for name in paths_of], np.int32), counts)
