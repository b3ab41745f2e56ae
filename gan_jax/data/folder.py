"""Image files in folders: `--data=folder:DIR`."""

import os
import pathlib
import re
from typing import NamedTuple

import numpy as np

from gan_jax.data import folder_layout, stylegan_labels, tar_shards
from gan_jax.data.image_files import (
    EXTENSIONS,
    ImageFileList,
    count_others,
    describe_others,
    is_image,
    list_folder,
    natural_sort_key,
    not_read,
    readable_folder,
    search,
)
from gan_jax.data.labels import NO_LABELS, numeric_class_names
from gan_jax.data.types import DataOptions
from gan_jax.errors import InputError, counted, printable

_UNKNOWN = ""  # class of an image without one


class _Content(NamedTuple):
    """The images of one split, before its classes are those of the train split."""

    paths: list[pathlib.Path]
    class_of: list[str] | None  # of each image, _UNKNOWN without one; None without classes
    classes: tuple[str, ...]
    notes: list[str]
    top: pathlib.Path | None = None  # that the paths lie in; None for the folder of the split


def load(arg: str, options: DataOptions, split: str = "train") -> ImageFileList | None:
    """List a folder of image files, see image_files.EXTENSIONS, searched recursively.

    Two or more subfolders are the classes, in natural order of their names; otherwise the images
    have no labels. A dataset.json by StyleGAN's tools has the labels instead. Folders named train
    and test, or alike, are the splits, each with the classes in it; the classes are those of the
    train split. Without them everything is the train split. A folder that holds .tar files has
    their images, see tar_shards. Hidden files are left out; files of other types are counted in a
    note.

    Args:
      arg: the folder, or one file of images.
      options: see datasets.load. labels: NO_LABELS for no classes. skip_bad_images: leave out class
        folders without images.
      split: see datasets.load.

    Returns:
      ImageFileList; None if there is no such split.

    Raises:
      InputError: there are no images, a class has none, or the folder structure is ambiguous.
    """
    path = pathlib.Path(os.path.realpath(arg))
    if path.is_file() and is_image(path.name):
        return ImageFileList(path.parent, [path]) if split == "train" else None
    root = readable_folder(arg, "folder")
    layout = folder_layout.find_layout(root)
    top = layout.train if split == "train" else layout.test
    if top is None:
        return None
    content = _read(top, options, split)
    if split == "train":
        notes = [*layout.notes, *content.notes]
        labels = _labels(content, content.classes, top)
        top = content.top or top
        return ImageFileList(top, content.paths, labels, content.classes, notes=tuple(notes))
    classes = _read(layout.train, options, "train").classes
    labels, notes = _labels(content, classes, top), content.notes
    if classes and labels is None:
        notes = [*notes, "The test images have no class folders, and no labels."]
    notes = tuple(f"{printable(top.name)}/: {note}" for note in notes)
    return ImageFileList(content.top or top, content.paths, labels, classes, notes=notes)


def _read(top, options, split):
    """Read the folder of one split."""
    if archives := tar_shards.find(top):
        return _by_archives(top, archives, options)
    if options.labels == NO_LABELS:
        paths, others = search(top)
        if not paths:
            raise _no_images(top, others)
        return _Content(paths, None, (), not_read(others))
    labels = stylegan_labels.read(top)
    return _by_folder(top, options, split) if labels is None else _by_list(top, options, labels)


def _by_archives(top, archives, options):
    """Read a split whose images lie in .tar files."""
    loose = search(top).images
    if loose:
        raise InputError(
            f"{printable(top)} holds {printable(archives[0].name)} and images, the first "
            f"{printable(loose[0].relative_to(top))}; put each kind into a folder of its own."
        )
    found = tar_shards.unpack(archives)
    if not found.paths:
        raise _no_images(top, found.others)
    notes = [f"{counted(len(found.paths), 'image')} in {counted(len(archives), 'tar file')}."]
    notes += not_read(found.others)
    kinds = sorted({*found.class_of} - {_UNKNOWN}, key=natural_sort_key)
    if options.labels == NO_LABELS or not kinds:
        return _Content(found.paths, None, (), notes, found.folder)
    if n_unknown := found.class_of.count(_UNKNOWN):
        notes.append(f"{counted(n_unknown, 'image')} without a label: no .cls file beside it.")
    if len(kinds) > 1 and all(re.fullmatch(r"0|[1-9]\d*", kind) for kind in kinds):
        numbers = np.array([int(kind or -1) for kind in found.class_of])
        kinds = numeric_class_names(numbers, archives[0])
    classes = tuple(kinds) if len(kinds) > 1 else ()
    return _Content(found.paths, found.class_of, classes, notes, found.folder)


def _by_folder(top, options, split):
    """Read a split whose class folders are the classes."""
    folders, names = list_folder(top)
    contents = {folder.name: search(folder) for folder in folders}
    filled = {name: content.images for name, content in contents.items() if content.images}
    loose = list(filter(is_image, names))
    others = sum((content.others for content in contents.values()), count_others(names))
    if loose and filled:
        raise InputError(
            f"{printable(top)} holds images directly ({printable(loose[0])}) and in folders "
            f"({printable(next(iter(filled)))}/); put every image into a class folder, or all into "
            "one folder, or use --labels=none, which reads all without classes."
        )
    if not loose and not filled:
        raise _no_images(top, others)
    notes = not_read(others)
    if loose:
        return _Content([top / name for name in loose], None, (), notes)
    empty = {name: content.others for name, content in contents.items() if not content.images}
    if empty and split == "train":
        notes = [_without_empty(top, filled, empty, options), *notes]
    notes += folder_layout.class_notes(top, [top / name for name in filled])
    paths = [path for class_paths in filled.values() for path in class_paths]
    class_of = [name for name, class_paths in filled.items() for _ in class_paths]
    return _Content(paths, class_of, tuple(filled) if len(filled) > 1 else (), notes)


def _without_empty(top, filled, empty, options):
    """Return a note on class folders without images; refuse them unless they are to be skipped."""
    listed = ", ".join(
        f"{printable(name)}/ ({describe_others(others) or 'empty'})"
        for name, others in list(empty.items())[:5]
    )
    more = f" and {len(empty) - 5:,} more" if len(empty) > 5 else ""
    text = f"{printable(top)} has folders without an image that can be read: {listed}{more}"
    if options.skip_bad_images:
        return f"{text}; they are left out and are no classes."
    alone = ""
    if len(filled) == 1:
        alone = f", or name the folder with the images, {printable(top / next(iter(filled)))}"
    raise InputError(
        f"{text}; add images, remove the folders, leave them out with --skip_bad_images{alone}."
    )


def _by_list(top, options, labels):
    """Read a split whose labels are those of a dataset.json."""
    paths, others = search(top)
    if not paths:
        raise _no_images(top, others)
    others -= {".json": 1}
    notes = [*([labels.note] if labels.note else []), *not_read(others)]
    if labels.label_of is None:
        return _Content(paths, None, (), notes)
    names = [path.relative_to(top).as_posix() for path in paths]
    missing = sorted(labels.label_of.keys() - set(names), key=natural_sort_key)
    if missing:
        text = (
            f"{stylegan_labels.NAME} lists {counted(len(missing), 'image')} that {printable(top)} "
            f"does not have, the first {printable(missing[0])}"
        )
        if not options.skip_bad_images:
            raise InputError(f"{text}; add them, or leave them out with --skip_bad_images.")
        notes.append(f"{text}; they are left out.")
    numbers = np.array([labels.label_of.get(name, -1) for name in names])
    if n_unknown := int((numbers < 0).sum()):
        unlisted = counted(n_unknown, "image")
        notes.append(f"{unlisted} without a label: not in {stylegan_labels.NAME}.")
    classes = numeric_class_names(numbers, top / stylegan_labels.NAME)
    if len(classes) < 2:
        return _Content(paths, None, (), notes)
    return _Content(paths, [_UNKNOWN if n < 0 else str(n) for n in numbers], classes, notes)


def _labels(content, classes, top):
    """Return int32 labels of all images; None without classes.

    Args:
      content: _Content.
      classes: of the train split.
      top: folder of the split.
    """
    if not classes or content.class_of is None:
        return None
    number = {name: i for i, name in enumerate(classes)} | {_UNKNOWN: -1}
    unknown = next((name for name in content.class_of if name not in number), None)
    if unknown is not None:
        raise InputError(
            f"{printable(top)} has {printable(unknown)}, not among the classes of train: "
            f"{printable(', '.join(classes))}; remove it, or add such images to train."
        )
    return np.array([number[name] for name in content.class_of], np.int32)


def _no_images(top, others):
    found = describe_others(others)
    convert = ", and convert pictures of other types" if found else ""
    return InputError(
        f"{printable(top)} has no images{f' ({found})' if found else ''}; put "
        f"{', '.join(EXTENSIONS)} files or class folders there{convert}."
    )
