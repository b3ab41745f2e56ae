"""Data sets prepared with tensorflow-datasets (tfds): `--data=tfds:NAME`.

Most of them need TensorFlow to be prepared. Once they lie on disk as array_record, tfds reads them
without it.
"""

import os
import pathlib

import numpy as np

from gan_jax.data import celeba_attributes, resize, tfds_cache
from gan_jax.data.image_checks import resolve_crop
from gan_jax.data.labels import numeric_class_names
from gan_jax.data.tfds_prepared import PreparedSet, open_prepared
from gan_jax.data.types import Arrays, DataOptions
from gan_jax.errors import InputError

_HELDOUT = ("test", "validation")
# {set: (crop, labels)} where the user names none.
_DEFAULTS = {"celeb_a": (celeba_attributes.CROP, ",".join(celeba_attributes.DEFAULT))}


def load(
    arg: str, options: DataOptions, split: str = "train", data_dir: str | os.PathLike | None = None
) -> Arrays | None:
    """Open a data set that tfds has prepared; nothing is downloaded or prepared here.

    The images are the feature "image", or the only feature that is an Image or a uint8 Tensor
    [H, W, C]. Image features are decoded as files are (see image_decoding.decode_image), with the
    channels that the feature declares: 1 is gray, all else colour. Images of a declared size are
    resized to `size`, also from less (28 to 32 pixels); where every image has its own size, none is
    enlarged. The crop is the largest centre square.

    The labels are an integer feature, or booleans separated by commas (see
    celeba_attributes.combine_attributes), also booleans in a dictionary such as celeb_a's
    "attributes". Integers without class names are numbered, up to the largest of the train split.
    -1 stands for a value that a record lacks. celeb_a has the default crop and labels of
    celeba:DIR.

    Args:
      arg: "SET", "SET/CONFIG", "SET:VERSION" or "SET/CONFIG:VERSION"; without VERSION, the newest.
      options: see datasets.load. labels: names as above; "" for "label", or the only ClassLabel, or
        no labels. skip_bad_images: leave out images that cannot be decoded or are too small, and
        name them on stderr.
      split: see datasets.load. The test split is the set's "test", or "validation" where there is
        none.
      data_dir: folder of prepared sets; None for tfds' own, TFDS_DATA_DIR or ~/tensorflow_datasets.

    Returns:
      (images uint8 memmap [N, H, W, C], read-only; labels integers [N] or None; class names),
      in the order in which the set is stored; None if there is no such split. Converted once: later
      calls with the same prepared files and options read the cache.

    Raises:
      InputError: the set is not prepared, or not as array_record, or has no usable images or labels
        of that name.
    """
    root = pathlib.Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")
    prepared = open_prepared(arg, root.expanduser().absolute())
    own_split = _own_split(prepared, split)
    if own_split is None:
        return None
    crop, default_labels = _DEFAULTS.get(prepared.builder.name, (0, ""))
    options = resolve_crop(crop, options)
    image_key = _image_key(prepared)
    chosen = _choose_labels(prepared, options.labels or default_labels)
    _check_crop(prepared, image_key, options)
    images, numbers = tfds_cache.load_split(prepared, own_split, image_key, options)
    if chosen is None:
        return images, None, ()
    if isinstance(chosen, tuple):
        return images, *_combine(chosen, numbers)
    classes = _class_names(prepared, chosen)
    if classes is None:  # the test split is numbered by the training labels
        train = numbers
        if own_split != "train":
            _own_split(prepared, "train")  # refuses a set without one
            _, train = tfds_cache.load_split(prepared, "train", image_key, options)
        classes = numeric_class_names(train[chosen], f"{chosen} of {prepared.name}")
    return images, numbers[chosen], classes


def _own_split(prepared: PreparedSet, split: str) -> str | None:
    """Return the set's own name of a split; None if it has no test split."""
    splits = [name for name, info in prepared.builder.info.splits.items() if info.num_examples]
    if split == "test":
        return next((name for name in _HELDOUT if name in splits), None)
    if split not in splits:
        raise InputError(
            f"--data=tfds:{prepared.name} has no split called train (has: "
            f"{', '.join(splits) or 'none'}); prepare it with one, or give another set."
        )
    return split


def _image_key(prepared):
    """Return the name of the feature that holds the images."""
    features, kinds = prepared.builder.info.features, prepared.tfds.features

    def may_hold_images(feature):
        if isinstance(feature, kinds.LabeledImage):
            return False
        return isinstance(feature, (kinds.Image, kinds.Tensor)) and len(feature.shape) == 3

    dtypes = {
        key: np.dtype(feature.np_dtype)
        for key, feature in sorted(features.items())
        if may_hold_images(feature)
    }
    dtypes = {"image": dtypes["image"]} if "image" in dtypes else dtypes
    usable = [
        key
        for key, dtype in dtypes.items()
        if dtype == np.uint8 or (dtype == np.uint16 and prepared.is_encoded(key))
    ]
    if len(usable) == 1:
        return usable[0]
    if usable:
        raise InputError(
            f"--data=tfds:{prepared.name} has several features that could be the images: "
            f'{", ".join(usable)}; prepare the set with one of them, or call that one "image".'
        )
    if dtypes:
        listed = ", ".join(f"{key} {dtype}" for key, dtype in dtypes.items())
        raise InputError(
            f"--data=tfds:{prepared.name} has images that are not 8-bit ({listed}); images must be "
            "uint8 in 0 to 255: prepare the set with such a feature."
        )
    raise InputError(
        f"--data=tfds:{prepared.name} has no image feature (has: "
        f"{', '.join(sorted(features.keys()))}); it must have an Image or a uint8 Tensor [H, W, C]."
    )


def _choose_labels(prepared, labels) -> str | tuple[str, ...] | None:
    """Return the name of an integer feature, names of boolean ones, or None."""
    if not labels:
        class_labels = [name for name in prepared.integers if prepared.is_class_label(name)]
        if "label" in prepared.integers:
            return "label"
        return class_labels[0] if len(class_labels) == 1 else None
    if labels in prepared.integers:
        return labels
    names = tuple(name.strip() for name in labels.split(",") if name.strip()) or (labels,)
    unknown = [name for name in names if name not in prepared.booleans]
    if unknown:
        known = ", ".join([*prepared.integers, *prepared.booleans]) or "none"
        raise InputError(
            f"--labels={labels}: {unknown[0]!r} is no label of --data=tfds:{prepared.name} (has: "
            f"{known}); name one integer, or booleans separated by commas."
        )
    return celeba_attributes.check_attributes(names, names)  # before minutes of decoding


def _combine(names, numbers):
    """Return (labels, classes) of boolean features; -1 where one of them is missing."""
    table = {name: numbers[name] == 1 for name in names}
    labels, classes = celeba_attributes.combine_attributes(names, table)
    is_missing = np.any([numbers[name] < 0 for name in names], axis=0)
    return np.where(is_missing, -1, labels), classes


def _class_names(prepared, name):
    """Return the class names of an integer feature; None if it has none."""
    feature = prepared.feature(prepared.integers[name])
    named = prepared.is_class_label(name) and feature.num_classes
    return tuple(feature.names) if named else None


def _check_crop(prepared, image_key, options):
    """Refuse a crop that does not fit a declared size, before anything is decoded."""
    shape = prepared.feature((image_key,)).shape
    if not prepared.is_encoded(image_key) and None not in shape:
        none = np.zeros((0, *shape), np.uint8)
        name = f"--data=tfds:{prepared.name}"
        resize.crop_and_resize_all(none, options.hw, options.crop, name)
