"""Arrays saved with numpy: `--data=npz:FILE`."""

import pathlib
import shlex
import zipfile
import zlib

import numpy as np

from gan_jax.data import pixel_format, resize, titles
from gan_jax.data.labels import NO_LABELS, numeric_class_names
from gan_jax.data.types import DataOptions, OpenedArrays
from gan_jax.errors import InputError, printable

# Names of arrays, by split, the first that a file has. Keras's files have those with x and y.
_IMAGES = {"train": ("images", "x", "x_train", "train_images"), "test": ("test_images", "x_test")}
_LABELS = {
    "train": ("labels", "y", "y_train", "train_labels", "label", "targets"),
    "test": ("test_labels", "y_test"),
}
_CLASSES = "classes"
# np.savez(FILE, images, labels) makes these.
_UNNAMED_IMAGES, _UNNAMED_LABELS = "arr_0", "arr_1"
_CHANNELS = (1, 3)


def load(arg: str, options: DataOptions, split: str = "train") -> OpenedArrays | None:
    """Open an .npz file made by `np.savez` or `np.savez_compressed`, or a .npy file of images.

    Its keys:
      images (or x, x_train, or the only array with 3 or 4 axes): integers or floats [N, H, W] or
        [N, H, W, C]; uint8 are pictures, and what others are kept as is said by
        pixel_format.as_stored.
      labels (or y, y_train; of np.savez(FILE, images, labels) the second array): integers [N], -1
        where unknown; optional.
      classes: class names as strings; optional.
      test_images, test_labels (or x_test, y_test): the test split; optional.

    Images of another side than `size` are resized. Other arrays are named in a note.

    Args:
      arg: the file.
      options, split: see datasets.load.

    Returns:
      OpenedArrays with images [N, H, W, C] and integers [N] or None; None if there are no test
      images.

    Raises:
      InputError: the file is unreadable or holds pickled objects, or an array is not what its key
        promises.
    """
    path = pathlib.Path(arg)
    with _open(path) as arrays:
        if split == "test" and not _first_key(arrays, _IMAGES["test"]):
            return None
        keys = _find_keys(arrays, path)
        images_key, labels_key = keys[split]
        name = "data" if titles.is_array(arg) else path
        images = check_images(_array(arrays, images_key, path), f"{images_key} of {path}")
        notes = _notes(arrays, keys, split, options)
        if options.labels == NO_LABELS:
            labels, classes = None, ()
        else:
            labels, classes = _labels(arrays, path, labels_key, keys["train"][1])
    images, form, more = pixel_format.store(images, name)
    images = resize.crop_and_resize_all(images, options.hw, options.crop, name)
    return OpenedArrays(images, labels, classes, (*notes, *more), form)


def _open(path):
    if path.is_dir():
        raise InputError(
            f"--data=npz:{path} is a folder; use {shlex.quote(f'--data=folder:{path}')}."
        )
    try:
        arrays = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"--data=npz:{path}: there is no such file.") from error
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} is not a readable .npz file; use np.savez(FILE, images=...)."
        ) from error
    if isinstance(arrays, np.ndarray):
        return _Bare({_IMAGES["train"][0]: arrays})
    return arrays


class _Bare(dict):
    """The array of a .npy file, as the only one of an .npz file."""

    files = _IMAGES["train"][:1]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass


def _array(arrays, key, path):
    """Return one array; refuse objects, which would run code from the file."""
    try:
        return arrays[key]
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        reason = "holds pickled objects" if "allow_pickle" in str(error) else "is damaged"
        raise InputError(
            f"{key} of {path} {reason}; save plain arrays, np.savez(FILE, ...)."
        ) from error


def _first_key(arrays, keys):
    """Return the first of some keys that the file has, or None."""
    return next((key for key in keys if key in arrays), None)


def _find_keys(arrays, path):
    """Return {split: (key of its images, key of its labels)}, None where there are none."""
    keys = {
        split: (_first_key(arrays, _IMAGES[split]), _first_key(arrays, _LABELS[split]))
        for split in _IMAGES
    }
    images, labels = keys["train"]
    images = images or _only_images(arrays, path)
    if not labels and images == _UNNAMED_IMAGES and _UNNAMED_LABELS in arrays:
        second = _array(arrays, _UNNAMED_LABELS, path)
        labels = _UNNAMED_LABELS if second.ndim == 1 and second.dtype.kind in "iuU" else None
    return keys | {"train": (images, labels)}


def _only_images(arrays, path):
    """Return the key of the only array that can be images."""
    train_keys = [key for key in arrays.files if not key.startswith("test_")]
    image_keys = [key for key in train_keys if _array(arrays, key, path).ndim in (3, 4)]
    if len(image_keys) != 1:
        keys = ", ".join(arrays.files) or "nothing"
        raise InputError(f'{path} holds {keys}; call the array of images "images", [N, H, W, C].')
    return image_keys[0]


def _notes(arrays, keys, split, options):
    """Return lines on arrays that are not read, or on test images without labels."""
    if split == "test":
        is_unlabelled = keys["train"][1] and not keys["test"][1] and options.labels != NO_LABELS
        return ("The test images have no labels.",) if is_unlabelled else ()
    known = {_CLASSES, *keys["train"], *keys["test"]}
    unread = ", ".join(printable(key) for key in arrays.files if key not in known)
    return (f"Not read: {unread}. Class labels must be called labels.",) if unread else ()


def _labels(arrays, path, key, train_key):
    """Return (labels of a split or None, class names).

    Args:
      arrays: the opened file.
      path: the file.
      key, train_key: of the labels of the split and of the train split, or None.
    """
    if key and not train_key:
        raise InputError(
            f"{path} has labels for the test split alone; save labels too, or drop test_labels."
        )
    train_labels = _array(arrays, train_key, path) if train_key else None
    classes = _classes(arrays, train_labels, path)
    if key == train_key:
        return train_labels, classes
    return _array(arrays, key, path) if key else None, classes


def check_images(images: np.ndarray, name: str) -> np.ndarray:
    """Return images as [N, H, W, C], of the type that they have.

    Args:
      images: an array of any type.
      name: what a message calls it.

    Raises:
      InputError: it is neither of integers nor of floats, has neither 3 nor 4 axes, or has its
        channels first.
    """
    if images.dtype.kind not in "iuf" or images.ndim not in (3, 4):
        raise InputError(
            f"{name} is {images.dtype} {list(images.shape)}; "
            "images must be integers or floats [N, H, W] or [N, H, W, C]."
        )
    if images.ndim == 4 and images.shape[1] in _CHANNELS and images.shape[3] not in _CHANNELS:
        raise InputError(
            f"{name} has the shape {list(images.shape)}, with its channels first; images must be "
            "[N, H, W, C]: give np.transpose(images, (0, 2, 3, 1))."
        )
    return images[..., None] if images.ndim == 3 else images


def _classes(arrays, labels, path):
    """Return class names: the file's, or numbers; () without labels."""
    names = _array(arrays, _CLASSES, path) if _CLASSES in arrays else None
    if labels is None:
        if names is not None:
            raise InputError(
                f"{path} has classes but no labels; add labels, integers [N], or drop classes."
            )
        return ()
    if names is None:
        if labels.dtype.kind not in "iu":
            raise InputError(
                f"labels of {path} are {labels.dtype}; they must be integers, one per image; "
                "use --labels=none for the images alone."
            )
        return numeric_class_names(labels, path)
    if names.ndim != 1 or names.dtype.kind != "U":
        raise InputError(
            f"classes of {path} is {names.dtype} {list(names.shape)}; it must be a list of names, "
            'np.savez(FILE, classes=["cat", "dog"], ...).'
        )
    return tuple(str(name) for name in names)
