"""CelebA, aligned and cropped, as its authors or Kaggle distribute it: `--data=celeba:DIR`."""

import numpy as np

from gan_jax.data import tables, tfds
from gan_jax.data.celeba_attributes import CROP, check_attributes, combine_attributes
from gan_jax.data.image_files import ImageFileList, index_images, natural_sort_key, readable_folder
from gan_jax.data.types import Arrays, DataOptions
from gan_jax.errors import InputError, printable

_IMAGES, _ATTRIBUTES, _PARTITION = "img_align_celeba", "list_attr_celeba", "list_eval_partition"
_SPLITS = {"0": "train", "1": "valid", "2": "test"}
_KEY = "image_id"


def load(arg: str, options: DataOptions, split: str = "train") -> ImageFileList | Arrays | None:
    """List the images of img_align_celeba, with classes from list_attr_celeba.

    The splits come from list_eval_partition. Without it all images are train; with it, those of its
    validation part are not used. Both lists are .txt (the authors') or .csv (Kaggle's). A folder
    prepared by tfds (DIR/celeb_a) is read as well.

    Args:
      arg: the folder.
      options: see datasets.load. labels: the attributes that make the classes, with commas:
        "Eyeglasses" or "Male,Smiling" (the default), see celeba_attributes.combine_attributes.
        skip_bad_images: leave out listed images that are missing and images without a split.
      split: see datasets.load.

    Returns:
      ImageFileList with a crop of 108, and with labels -1 for images that list_attr_celeba does not
      name; None if there is no test split. For a folder prepared by tfds, see tfds.load.

    Raises:
      InputError: a folder or list is missing or damaged, images are missing, or an attribute is
        unknown.
    """
    root = readable_folder(arg, "celeba")
    if not (root / _IMAGES).is_dir() and (root / "celeb_a").is_dir():
        return tfds.load("celeb_a", options, split, data_dir=root)
    path_of, unread = _index(root)
    names, labels, classes = _read_labels(_attributes_path(root), options.labels)
    missing = sorted(set(names) - set(path_of))
    notes = _left_out(missing, f"listed in {_ATTRIBUTES} are not in {_IMAGES}", options)
    split_of = _read_partition(root)
    if split_of is not None:
        unlisted = [name for name in path_of if name not in split_of]
        notes += _left_out(unlisted, f"are not in {_PARTITION}", options)
        path_of = {name: path for name, path in path_of.items() if split_of.get(name) == split}
    elif split == "test":
        return None
    if not path_of and split == "train":
        raise InputError(
            f"{_PARTITION} puts no image of {printable(root)} into the train split (0); add some."
        )
    if not path_of:
        return None
    label_of = dict(zip(names, labels.tolist(), strict=True))
    labels = np.array([label_of.get(name, -1) for name in path_of], np.int32)
    notes += [*_notes(labels, split_of is not None), *unread]
    return ImageFileList(
        root,
        list(path_of.values()),
        labels,
        classes,
        CROP,
        tuple(notes) if split == "train" else (),
    )


def _index(root):
    """Return ({file name: path} in natural order, notes)."""
    folder = root / _IMAGES
    if not folder.is_dir():
        raise InputError(
            f"{printable(root)} has no folder {_IMAGES} (nor one celeb_a prepared by tfds); "
            f"celeba:DIR needs it and {_ATTRIBUTES}.txt or .csv there "
            "(for images without attributes, folder:DIR)."
        )
    return index_images(folder, lambda path: path.name)


def _find_list(root, stem):
    """Return the .txt or .csv file of a list, or None."""
    paths = (root / f"{stem}{end}" for end in (".txt", ".csv"))
    return next((path for path in paths if path.is_file()), None)


def _attributes_path(root):
    path = _find_list(root, _ATTRIBUTES)
    if path is None:
        raise InputError(
            f"{printable(root)} has no {_ATTRIBUTES}.txt or .csv, which makes the classes; "
            "put it there, or use --data=folder:DIR for the images alone."
        )
    return path


def _read_labels(path, wanted):
    """Read (file names [N], labels int32 [N], classes) from list_attr_celeba."""
    rows, n_promised = tables.read_lines(path), None
    if path.suffix == ".txt":
        first = tables.next_fields(path, rows)
        if len(first) != 1 or not first[0].isdecimal():
            start = printable(" ".join(first[:3]))
            raise InputError(
                f"{printable(path)} starts with {start}; "
                "its first line must be the number of images."
            )
        n_promised = int(first[0])
    header = ([] if n_promised is None else [_KEY]) + tables.next_fields(path, rows)
    attributes = check_attributes(wanted.split(","), [name for name in header if name != _KEY])
    table = tables.read_columns(path, header, rows, _KEY, attributes)
    if n_promised not in (None, len(table)):
        raise InputError(
            f"{printable(path)} promises {n_promised:,} images and lists {len(table):,}; "
            "it is truncated, fetch it again."
        )
    for name, (line, texts) in table.items():
        for attribute, text in zip(attributes, texts, strict=True):
            if text not in ("-1", "1"):
                raise tables.field_error(path, line, f"{attribute} of {name}", text, "-1 or 1")
    values = np.array([texts for _, texts in table.values()]) == "1"
    return list(table), *combine_attributes(
        attributes, dict(zip(attributes, values.T, strict=True))
    )


def _read_partition(root):
    """Return {file name: "train", "valid" or "test"}, or None without the list."""
    path = _find_list(root, _PARTITION)
    if path is None:
        return None
    rows, header = tables.read_lines(path), [_KEY, "partition"]
    if path.suffix == ".csv":
        header = tables.next_fields(path, rows)
    table = tables.read_columns(path, header, rows, _KEY, ("partition",))
    for name, (line, (text,)) in table.items():
        if text not in _SPLITS:
            raise tables.field_error(
                path, line, f"the part of {name}", text, "0 (train), 1 (validation) or 2 (test)"
            )
    return {name: _SPLITS[text] for name, (_, (text,)) in table.items()}


def _left_out(names, what, options):
    """Return notes on images that are left out; without skip_bad_images, refuse them."""
    if not names:
        return []
    first = printable(min(names, key=natural_sort_key))
    text = f"{len(names):,} images {what}, the first {first}"
    if not options.skip_bad_images:
        raise InputError(
            f"{text}; fetch the files again, or leave these out with --skip_bad_images."
        )
    return [f"{text}; they are left out."]


def _notes(labels, has_partition):
    notes = []
    if not has_partition:
        notes.append(f"There is no {_PARTITION}: all images are the train split.")
    n_unknown = int((labels < 0).sum())
    if n_unknown:
        notes.append(f"{n_unknown:,} images are not in {_ATTRIBUTES} and have no label.")
    return notes
