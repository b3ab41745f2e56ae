"""Data sets prepared with tensorflow-datasets (tfds): `--data=tfds:NAME`.

Most of them need TensorFlow to be prepared; once they lie on disk as array_record, tfds reads them without it. Importing
tfds takes seconds, so only what needs it waits for it.
"""

import functools
import io
import json
import operator
import os
import pathlib
import re
import zipfile
from typing import NamedTuple

import numpy as np

from gan_jax import cache, errors
from gan_jax.data import celeba, datasets, image_files, resize

_FORMAT = "array_record"  # tfds' only format that is read without TensorFlow and completely
_HELDOUT = ("test", "validation")
_OWN = {
    "celeb_a": (celeba.CROP, ",".join(celeba.DEFAULT))
}  # crop and labels where the user names none
_VERSION = 1  # part of the cache key: raise it when reading changes


def load(arg, view, split="train", data_dir=None):
    """Opens a data set that tfds has prepared; nothing is downloaded or prepared here.

    The images are the feature "image", or the only feature that is an Image or a uint8 Tensor [H, W, C]. Image features
    are decoded as files are (see `image_files.load`), with the channels that the feature declares: 1 is gray, all else
    colour. Images of a declared size are resized to `size`, also from less (28 to 32 pixels); where every image has its
    own size, none is enlarged. The crop is the largest centre square.

    view.labels names an integer feature, or booleans separated by commas (see `celeba.combine`), also booleans in a
    dictionary such as celeb_a's "attributes". "" takes "label", or the only ClassLabel, or no labels. Integers without
    class names are numbered, up to the largest of the train split. -1 stands for a value that a record lacks. celeb_a has
    the crop and labels of `celeba:DIR` where none are given.

    Args:
      arg: "SET", "SET/CONFIG", "SET:VERSION" or "SET/CONFIG:VERSION"; the newest version if none is given.
      view, split: as in `datasets.load`. The test split is the set's "test", or "validation" where there is none. With
        view.skip_bad, images that cannot be decoded or are too small are left out and named on stderr.
      data_dir: folder of prepared sets; None for tfds' own, TFDS_DATA_DIR or ~/tensorflow_datasets.

    Returns:
      (images uint8 memmap [N, size, size, C], read-only; labels integers [N] or None; class names), in the order in which
      the set is stored; None if there is no such split. Converted once: later calls with the same prepared files and
      settings read the cache.

    Raises:
      InputError: the set is not prepared, or not as array_record, or has no usable images or labels of that name.
    """
    root = (
        pathlib.Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")
        .expanduser()
        .absolute()
    )
    found = _opened(_prepared(arg, root), arg, root)
    part = _part(found, split)
    if part is None:
        return None
    crop, wanted = _OWN.get(found.builder.name, (0, ""))
    view = image_files.in_effect(crop, view)
    image, chosen = _image_key(found), _chosen(found, view.labels or wanted)
    _check_crop(found, image, view)
    images, numbers = _converted(found, part, image, view)
    if chosen is None:
        return images, None, ()
    if isinstance(chosen, tuple):
        labels, classes = celeba.combine(chosen, {name: numbers[name] == 1 for name in chosen})
        return (
            images,
            np.where(np.any([numbers[name] < 0 for name in chosen], axis=0), -1, labels),
            classes,
        )
    classes = _class_names(found, chosen)
    if classes is None:  # the test split is numbered by the training labels
        train = (
            numbers if part == "train" else _converted(found, _part(found, "train"), image, view)[1]
        )
        classes = datasets.numbered_classes(train[chosen], f"{chosen} of {found.name}")
    return images, numbers[chosen], classes


class _Set(NamedTuple):
    """A prepared data set.

    name: what errors call it. folder: its Path. tfds: the package. builder: tfds' reader. integers, booleans:
    {name: path in a record} of the features that are one number; the path of a boolean in a dictionary has two keys.
    """

    name: str
    folder: pathlib.Path
    tfds: object
    builder: object
    integers: dict
    booleans: dict

    def feature(self, path):
        """The feature at a path of one or two keys."""
        return functools.reduce(operator.getitem, path, self.builder.info.features)


def _prepared(arg, root):
    """The folder of the newest prepared version that NAME stands for. Looks at folder names only, so tfds can wait."""
    name, *rest = re.split("[/:]", arg)
    sets = _all_prepared(root)
    found = [s for s in sets if s[0] == name and all(part in s[1:3] for part in rest)]
    if not found:
        have = ", ".join(dict.fromkeys(_spec(*s) for s in sets)) or "none"
        raise errors.InputError(
            f"--data=tfds:{arg} is not prepared in {root} (there: {have}); set TFDS_DATA_DIR, or prepare it: "
            f"{_preparation(arg, root)}"
        )
    configs = sorted({s[1] for s in found})
    if len(configs) > 1:
        raise errors.InputError(
            f"--data=tfds:{arg} is prepared in {root} with the configs {', '.join(configs)}; "
            f"name one, such as --data=tfds:{_spec(*found[-1])}."
        )
    return max(found, key=lambda s: [int(number) for number in s[2].split(".")])[3]


def _all_prepared(root):
    """(set, config or "", version, folder) of every prepared data set below a tfds folder, in alphabetic order."""
    found = []
    for path in sorted([*root.glob("*/*/features.json"), *root.glob("*/*/*/features.json")]):
        *names, version = path.parent.relative_to(root).parts
        if re.fullmatch(r"\d+\.\d+\.\d+", version):
            found.append((names[0], "/".join(names[1:]), version, path.parent))
    return found


def _preparation(arg, root):
    """The command that prepares a data set. (tfds' own, `tfds build`, needs apache-beam as well.)"""
    code = (
        f"tfds.builder('{arg}', data_dir='{root}', file_format='{_FORMAT}').download_and_prepare()"
    )
    return (
        f"""pip install 'gan-jax[tf]' && python -c "import tensorflow_datasets as tfds; {code}\""""
    )


def _spec(name, config, version, _folder):
    return f"{name}/{config}:{version}" if config else f"{name}:{version}"


def _opened(folder, arg, root):
    """The _Set in a folder; refused if tfds is missing or cannot read it one record at a time."""
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise errors.InputError(
            f"--data=tfds:{arg} needs tensorflow-datasets, which cannot be imported ({error}); "
            "pip install tensorflow-datasets importlib_resources."
        ) from error
    try:
        builder = tfds.builder_from_directory(folder)
        formats = {found.value for found in builder.info.available_file_formats()}
    except Exception as error:  # tfds lets through what JSON, protobuf and its features raise
        reason = " ".join(str(error).split())
        raise errors.InputError(
            f"{folder} cannot be opened by tfds ({reason}); prepare the data set again."
        ) from error
    if _FORMAT not in formats:
        raise errors.InputError(
            f"{folder} is prepared as {', '.join(sorted(formats))}, not as {_FORMAT}, and cannot be read without TensorFlow; "
            f"delete that folder and prepare it again: {_preparation(arg, root)}"
        )
    return _Set(arg, folder, tfds, builder, *_numbers(tfds, builder.info.features))


def _numbers(tfds, features):
    """({name: path} of integer features, {name: path} of boolean ones, those in dictionaries included)."""
    integers, booleans = {}, {}
    paths = {
        (key,): feature for key, feature in sorted(features.items())
    }  # features.json keeps no order
    for key, feature in sorted(features.items()):
        if isinstance(feature, tfds.features.FeaturesDict):
            paths |= {(key, inner): value for inner, value in sorted(feature.items())}
    for path, feature in paths.items():
        if isinstance(feature, tfds.features.Tensor) and feature.shape == ():
            dtype = np.dtype(feature.np_dtype)
            if dtype.kind == "b" and path[-1] not in integers:
                booleans.setdefault(path[-1], path)
            elif dtype.kind in "iu" and dtype != np.uint64 and len(path) == 1:
                integers[path[-1]] = path
    return integers, booleans


def _part(found, split):
    """What the set itself calls a split; None if it has no test split."""
    parts = {name: info for name, info in found.builder.info.splits.items() if info.num_examples}
    if split == "test":
        return next((part for part in _HELDOUT if part in parts), None)
    if split not in parts:
        raise errors.InputError(
            f"--data=tfds:{found.name} has no split called train (has: {', '.join(parts) or 'none'}); "
            "prepare it with one, or give another set."
        )
    return split


def _image_key(found):
    """The name of the feature that holds the images."""
    features, kinds = found.builder.info.features, found.tfds.features
    shown = {
        key: np.dtype(feature.np_dtype)
        for key, feature in sorted(features.items())
        if (
            isinstance(feature, kinds.Image)
            and not isinstance(feature, kinds.LabeledImage)
            and len(feature.shape) == 3
        )
        or (isinstance(feature, kinds.Tensor) and len(feature.shape) == 3)
    }
    shown = {"image": shown["image"]} if "image" in shown else shown
    usable = [
        key
        for key, dtype in shown.items()
        if dtype == np.uint8 or (dtype == np.uint16 and _is_encoded(found, key))
    ]
    if len(usable) == 1:
        return usable[0]
    if usable:
        raise errors.InputError(
            f"--data=tfds:{found.name} has several features that could be the images: {', '.join(usable)}; "
            'prepare the set with one of them, or call that one "image".'
        )
    if shown:
        which = ", ".join(f"{key} {dtype}" for key, dtype in shown.items())
        raise errors.InputError(
            f"--data=tfds:{found.name} has images that are not 8-bit ({which}); images must be uint8 in 0 to 255: "
            "prepare the set with such a feature."
        )
    raise errors.InputError(
        f"--data=tfds:{found.name} has no image feature (has: {', '.join(sorted(features.keys()))}); "
        "it must have an Image or a uint8 Tensor [H, W, C]."
    )


def _is_encoded(found, key):
    return isinstance(found.feature((key,)), found.tfds.features.Image)


def _chosen(found, wanted):
    """What view.labels means: the name of an integer feature, a tuple of booleans' names, or None for no labels."""
    if not wanted:
        named = [name for name, path in found.integers.items() if _is_class_label(found, path)]
        return "label" if "label" in found.integers else named[0] if len(named) == 1 else None
    if wanted in found.integers:
        return wanted
    names = tuple(name.strip() for name in wanted.split(",") if name.strip()) or (wanted,)
    strangers = [name for name in names if name not in found.booleans]
    if strangers:
        have = ", ".join([*found.integers, *found.booleans]) or "none"
        raise errors.InputError(
            f"--labels={wanted}: {strangers[0]!r} is no label of --data=tfds:{found.name} (has: {have}); "
            "name one integer, or booleans separated by commas."
        )
    celeba.combine(
        names, dict.fromkeys(names, np.zeros(0, bool))
    )  # refuses too many, before minutes of decoding
    return names


def _is_class_label(found, path):
    return isinstance(found.feature(path), found.tfds.features.ClassLabel)


def _class_names(found, name):
    """The class names of an integer feature; None if it has none."""
    feature = found.feature(found.integers[name])
    return tuple(feature.names) if _is_class_label(found, (name,)) and feature.num_classes else None


def _check_crop(found, image, view):
    """Refuses what can be refused before any image is decoded."""
    shape = found.feature((image,)).shape
    if not _is_encoded(found, image) and None not in shape:
        resize.fit_all(
            np.zeros((0, *shape), np.uint8), view.size, view.crop, f"--data=tfds:{found.name}"
        )


def _converted(found, part, image, view):
    """(images, {name: integers [N], -1 where missing}) of one of the set's splits, from the cache.

    All integers and booleans are kept, whatever --labels says, so that another choice costs no second pass.
    """
    settings = {
        "path": str(found.folder),
        "files": cache.digest(_stamps(found)),
        "image": image,
        "size": view.size,
        "crop": view.crop,
        "part": part,
        "skip_bad": view.skip_bad,
        "version": _VERSION,
    }
    entry = cache.entry("tfds", settings, lambda folder: _convert(found, part, image, view, folder))
    try:
        images = np.load(entry / "images.npy", mmap_mode="r")
        with np.load(entry / "numbers.npz") as arrays:
            numbers = dict(arrays)
        skipped = json.loads((entry / "skipped.json").read_text())
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise errors.InputError(
            f"The cache entry {entry} is damaged; delete that folder and start again."
        ) from error
    if skipped:
        image_files.say_skipped(len(skipped) + len(images), skipped)
    return images, numbers


def _stamps(found):
    """[name, size, time of change] of every prepared file: what tells that a set has been prepared again."""
    try:
        stats = [(path.name, path.stat()) for path in sorted(found.folder.iterdir())]
    except OSError as error:
        raise errors.InputError(
            f"{error.filename} cannot be read ({error.strerror}); check its permissions."
        ) from error
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _convert(found, part, image, view, folder):
    """Writes images.npy, numbers.npz and skipped.json (reasons) into a cache entry."""
    read, n = _reader(found, part, image, view)
    numbers = {name: np.zeros(n, np.int64) for name in found.integers} | {
        name: np.zeros(n, np.int8) for name in found.booleans
    }
    good, skipped = np.zeros(n, bool), []

    def images():
        for row, (pixels, record) in enumerate(image_files.over(read, range(n), "images decoded")):
            if isinstance(pixels, errors.InputError):
                if not view.skip_bad:
                    raise errors.InputError(
                        f"{pixels} --skip_bad_images leaves such images out."
                    ) from pixels
                skipped.append(str(pixels))
                continue
            good[row] = True
            for name, path in [*found.integers.items(), *found.booleans.items()]:
                value = functools.reduce(operator.getitem, path, record)
                numbers[name][row] = (
                    -1 if value is None else value
                )  # tfds' optional features may be missing
            yield pixels

    image_files.save(folder / "images.npy", images())
    if not good.any():
        raise errors.InputError(f"None of the {n} images is good; the first: {skipped[0]}")
    np.savez(folder / "numbers.npz", **{name: values[good] for name, values in numbers.items()})
    (folder / "skipped.json").write_text(json.dumps(skipped))


def _reader(found, part, image, view):
    """(function(row) that gives (pixels or InputError, record), number of rows) of one of the set's splits.

    Only the features that are used are parsed, and image files are handed over as they are.
    """
    tfds = found.tfds
    tree = {image: found.feature((image,))}
    for path in [*found.integers.values(), *found.booleans.values()]:
        branch = tree if len(path) == 1 else tree.setdefault(path[0], {})
        branch[path[-1]] = found.feature(path)
    parser = tfds.features.FeaturesDict(tree)
    encoded, shape = _is_encoded(found, image), found.feature((image,)).shape
    decoders = {image: tfds.decode.SkipDecoding()} if encoded else None
    fit = _fit_encoded if encoded else _fit_array
    raw = tfds.decode.DeserializeMethod.RAW_BYTES
    records = found.builder.as_data_source(part, deserialize_method=raw, file_format=_FORMAT)

    def read(row):
        name = f"Image {row} of {found.name} ({part})"
        try:
            content = records[row]
            if (
                not content
            ):  # array_record is silent about a file that is cut at a multiple of 64 KiB
                raise ValueError("its record is empty, the file is cut short")
            record = parser.deserialize_example_np(content, decoders=decoders)
        except Exception as error:  # array_record, protobuf and tfds have their own kinds
            raise errors.InputError(
                f"{name} cannot be read ({' '.join(str(error).split())}); prepare the data set again."
            ) from error
        return image_files.attempt(fit, record.pop(image), shape, view, name), record

    return read, len(records)


class _Encoded(io.BytesIO):
    """An image file in memory that goes by a name, for the errors of `pictures`."""

    def __init__(self, content, name):
        super().__init__(content)
        self.label = name

    def __repr__(self):
        return self.label


def _fit_encoded(content, declared, view, name):
    """uint8 [size, size, C] from the bytes of an image file."""
    file = _Encoded(content, name)
    header = image_files.header(file)
    _check_side(header.height, header.width, declared, view, name)
    pixels = image_files.decode(file, view.size, view.crop)
    if declared[2] == 1:
        if header.channels == 3:
            raise errors.InputError(
                f"{name} is in colour, but its feature declares one channel; prepare the data set again."
            )
        return pixels
    return pixels if header.channels == 3 else np.repeat(pixels, 3, axis=2)


def _fit_array(pixels, declared, view, name):
    """uint8 [size, size, C] from an array [H, W, C]."""
    _check_side(*pixels.shape[:2], declared, view, name)
    return resize.fit_all(pixels[None], view.size, view.crop, name)[0]


def _check_side(height, width, declared, view, name):
    """Refuses what would have to be enlarged, unless all images are declared to be of one size."""
    flag, needed = (
        ("crop", view.crop) if view.crop else ("size", view.size if None in declared[:2] else 0)
    )
    if min(height, width) < needed:
        raise errors.InputError(
            f"{name} is {width}x{height} pixels, too small for {flag} {needed}; use --{flag}={min(height, width)} or less."
        )
