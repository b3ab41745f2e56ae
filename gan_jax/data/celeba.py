"""CelebA, aligned and cropped, as its authors or Kaggle distribute it: `--data=celeba:DIR`."""

import difflib

import numpy as np

from gan_jax import errors
from gan_jax.data import image_files, label_tables

CROP = 108  # source pixels of 178x218: the usual one, the face without most of the background
DEFAULT = ("Male", "Smiling")
MAX_ATTRIBUTES = 6  # 64 classes
_IMAGES, _ATTRIBUTES, _PARTITION = "img_align_celeba", "list_attr_celeba", "list_eval_partition"
_SPLITS = {"0": "train", "1": "valid", "2": "test"}
_KEY = "image_id"


def load(arg, view, split="train"):
    """Lists the images of img_align_celeba, classes from list_attr_celeba, splits from list_eval_partition.

    The two lists are .txt (the authors') or .csv (Kaggle's). Without list_eval_partition all images are train; with it,
    those of its validation part are not used. A folder prepared by tfds (DIR/celeb_a) is read as well.

    Args:
      arg: the folder.
      view, split: as in `datasets.load`. view.labels: the attributes that make the classes, see `combine`, with commas:
        "Eyeglasses" or "Male,Smiling" (the default). With view.skip_bad, listed images that are missing and images
        without a split are left out.

    Returns:
      image_files.ImageFileList with a crop of 108 and labels -1 for images that list_attr_celeba does not name; None if there is no
      test split. For a folder prepared by tfds, what tfds.load gives.

    Raises:
      InputError: a folder or list is missing or damaged, images are missing, or an attribute is unknown.
    """
    root = image_files.readable(arg, "celeba")
    if not (root / _IMAGES).is_dir() and (root / "celeb_a").is_dir():
        from gan_jax.data import tfds  # which imports this module

        return tfds.load("celeb_a", view, split, data_dir=root)
    images = _images(root)
    names, labels, classes = _read_labels(_attributes_path(root), view.labels)
    lost = sorted(set(names) - set(images))
    left_out = _refuse_or_note(lost, f"listed in {_ATTRIBUTES} are not in {_IMAGES}", view)
    part_of = _read_partition(root)
    if part_of is not None:
        stray = [name for name in images if name not in part_of]
        left_out += _refuse_or_note(stray, f"are not in {_PARTITION}", view)
        images = {name: path for name, path in images.items() if part_of.get(name) == split}
    elif split == "test":
        return None
    if not images and split == "train":
        raise errors.InputError(
            f"{_PARTITION} puts no image of {image_files.shown(root)} into the train split (0); add some."
        )
    label_of = dict(zip(names, labels.tolist(), strict=True))
    found = np.array([label_of.get(name, -1) for name in images], np.int32)
    notes = (*left_out, *_notes(found, part_of)) if split == "train" else ()
    return (
        image_files.ImageFileList(root, list(images.values()), found, classes, CROP, notes)
        if images
        else None
    )


def combine(wanted, table):
    """Classes that are the combinations of yes/no attributes.

    Args:
      wanted: names of attributes, at most 6; blank ones are left out, and none at all means Male and Smiling.
      table: {attribute: bool [N]}, at least those wanted.

    Returns:
      (labels int32 [N], the first attribute being the highest of the binary digits; names of the 2**n classes, such as
      "not-Male Smiling").

    Raises:
      InputError: an attribute is unknown or named twice, or there are more than 6.
    """
    names = _chosen(wanted, list(table))
    labels = sum(
        table[name].astype(np.int32) << (len(names) - 1 - i) for i, name in enumerate(names)
    )
    classes = [""]
    for name in names:
        classes = [f"{before} {sign}{name}".strip() for before in classes for sign in ("not-", "")]
    return labels, tuple(classes)


def _chosen(wanted, known):
    """The wanted attributes as a tuple, each one known, or the default."""
    names = tuple(name.strip() for name in wanted if name.strip()) or DEFAULT
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name.lower(), [k.lower() for k in known], 3)
            near = [k for k in known if k.lower() in near] or known
            raise errors.InputError(
                f"--labels: CelebA has no attribute {name}; use one of {', '.join(near)}."
            )
    if len(names) > MAX_ATTRIBUTES or len(set(names)) < len(names):
        raise errors.InputError(
            f"--labels={','.join(names)}: name different attributes, {MAX_ATTRIBUTES} at most ({2**MAX_ATTRIBUTES} classes)."
        )
    return names


def _images(root):
    """{file name: path} in natural order."""
    folder = root / _IMAGES
    if not folder.is_dir():
        raise errors.InputError(
            f"{image_files.shown(root)} has no folder {_IMAGES} (nor one celeb_a prepared by tfds); celeba:DIR needs it and "
            f"{_ATTRIBUTES}.txt or .csv there (for images without attributes, folder:DIR)."
        )
    return image_files.index(folder, lambda path: path.name)


def _table(root, stem):
    """The .txt or .csv file of a list, or None."""
    return next(
        (path for end in (".txt", ".csv") if (path := root / f"{stem}{end}").is_file()), None
    )


def _attributes_path(root):
    path = _table(root, _ATTRIBUTES)
    if path is None:
        raise errors.InputError(
            f"{image_files.shown(root)} has no {_ATTRIBUTES}.txt or .csv, which makes the classes; put it there, or use "
            "--data=folder:DIR for the images alone."
        )
    return path


def _read_labels(path, wanted):
    """(file names [N], labels int32 [N], classes) from list_attr_celeba."""
    rows, n_promised = label_tables.lines(path), None
    if path.suffix == ".txt":
        first = label_tables.first_line(path, rows)
        if len(first) != 1 or not first[0].isdecimal():
            start = image_files.shown(" ".join(first[:3]))
            raise errors.InputError(
                f"{image_files.shown(path)} starts with {start}; its first line must be the number of images."
            )
        n_promised = int(first[0])
    header = ([] if n_promised is None else [_KEY]) + label_tables.first_line(path, rows)
    chosen = _chosen(wanted.split(","), [name for name in header if name != _KEY])
    found = label_tables.columns(path, header, rows, _KEY, chosen)
    if n_promised not in (None, len(found)):
        raise errors.InputError(
            f"{image_files.shown(path)} promises {n_promised:,} images and lists {len(found):,}; it is truncated, fetch it again."
        )
    for name, (line, texts) in found.items():
        for attribute, text in zip(chosen, texts, strict=True):
            if text not in ("-1", "1"):
                raise label_tables.bad_field(path, line, f"{attribute} of {name}", text, "-1 or 1")
    values = np.array([texts for _, texts in found.values()]) == "1"
    return list(found), *combine(chosen, dict(zip(chosen, values.T, strict=True)))


def _read_partition(root):
    """{file name: "train", "valid" or "test"}, or None without list_eval_partition."""
    path = _table(root, _PARTITION)
    if path is None:
        return None
    rows, header = label_tables.lines(path), [_KEY, "partition"]
    if path.suffix == ".csv":
        header = label_tables.first_line(path, rows)
    found = label_tables.columns(path, header, rows, _KEY, ("partition",))
    for name, (line, (text,)) in found.items():
        if text not in _SPLITS:
            raise label_tables.bad_field(
                path, line, f"the part of {name}", text, "0 (train), 1 (validation) or 2 (test)"
            )
    return {name: _SPLITS[text] for name, (_, (text,)) in found.items()}


def _refuse_or_note(names, what, view):
    """[a line about images left out], [] if there are none; refused without view.skip_bad."""
    if not names:
        return []
    text = f"{len(names):,} images {what}, the first {image_files.shown(min(names, key=image_files.natural))}"
    if not view.skip_bad:
        raise errors.InputError(
            f"{text}; fetch the files again, or leave these out with --skip_bad_images."
        )
    return [f"{text}; they are left out."]


def _notes(labels, part_of):
    notes = (
        []
        if part_of is not None
        else [f"There is no {_PARTITION}: all images are the train split."]
    )
    n_unknown = int((labels < 0).sum())
    return notes + (
        [f"{n_unknown:,} images are not in {_ATTRIBUTES} and have no label."] if n_unknown else []
    )
