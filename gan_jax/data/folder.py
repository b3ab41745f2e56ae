"""Pictures in folders: `--data=folder:DIR`."""

import numpy as np

from gan_jax import errors
from gan_jax.data import image_files

_OTHER_SPLITS = (
    "test",
    "val",
    "valid",
    "validation",
)  # folders that may lie beside train without being classes


def load(arg, view, split="train"):
    """Lists a folder of .png, .jpg, .jpeg, .webp and .bmp files, searched recursively; hidden files are left out.

    Two or more subfolders with images are the classes, in natural order of their names; otherwise the images have no
    labels. If DIR/train exists, DIR/train and DIR/test are the splits and the classes are those of DIR/train; without
    it everything is the train split.

    Args:
      arg: the folder.
      view, split: as in `datasets.load`.

    Returns:
      image_files.ImageFileList; None if there is no such split.

    Raises:
      InputError: no images, or a folder structure with two readings.
    """
    root = image_files.readable(arg, "folder")
    top = _split_folder(root, split)
    if top is None:
        return None
    groups = _groups(top)
    train = groups if split == "train" else _groups(root / "train")
    classes = tuple(train) if len(train) > 1 else ()
    paths = [path for group in groups.values() for path in group]
    return image_files.ImageFileList(top, paths, _labels(groups, classes, top), classes)


def _split_folder(root, split):
    """The folder of the split, or None. Refuses DIR/train beside what looks like other classes."""
    if not (root / "train").is_dir():
        return root if split == "train" else None
    for other in _subfolders(root):
        if other.name not in ("train", *_OTHER_SPLITS) and image_files.below(other):
            raise errors.InputError(
                f"{root} holds train/, which would be the train split, and {other.name}/ with images too; "
                "move all class folders into train/, or rename train/ if it is a class."
            )
    return root / split if (root / split).is_dir() else None


def _groups(top):
    """{class folder's name: its image paths} in natural order; {"": paths} for images without class folders."""
    groups = {folder.name: image_files.below(folder) for folder in _subfolders(top)}
    groups = {name: paths for name, paths in groups.items() if paths}
    loose = [
        path for path in top.iterdir() if image_files.is_image(path.name) and not path.is_dir()
    ]
    if loose and groups:
        raise errors.InputError(
            f"{top} holds images directly ({min(loose).name}) and in folders ({next(iter(groups))}/); "
            "put every image into a class folder, or all into one folder."
        )
    if not loose and not groups:
        raise errors.InputError(
            f"{top} has no images; put {', '.join(image_files.EXTENSIONS)} files or class folders there."
        )
    return groups or {"": sorted(loose, key=lambda path: image_files.natural(path.name))}


def _subfolders(folder):
    found = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(found, key=lambda path: image_files.natural(path.name))


def _labels(groups, classes, top):
    if not classes:
        return None
    strangers = [name or "images outside class folders" for name in groups if name not in classes]
    if strangers:
        raise errors.InputError(
            f"{top} has {strangers[0]}, not among the classes of train: {', '.join(classes)}."
        )
    return np.concatenate(
        [np.full(len(paths), classes.index(name), np.int32) for name, paths in groups.items()]
    )
