"""Arrays saved with numpy: `--data=npz:FILE`."""

import pathlib
import zipfile
import zlib

import numpy as np

from gan_jax import errors
from gan_jax.data import datasets, resize


def load(arg, view, split="train"):
    """Opens an .npz file made by `np.savez` or `np.savez_compressed`.

    Keys: "images" (or "x", or the only array with 3 or 4 axes) uint8 [N, H, W] or [N, H, W, C]; optional "labels" (or
    "y") integers [N], -1 where unknown; optional "classes", the class names as strings; optional "test_images" and
    "test_labels" for the test split. Images of another side than `size` are resized.

    Args:
      arg: the file.
      view, split: as in `datasets.load`.

    Returns:
      (images uint8 [N, size, size, C], labels integers [N] or None, class names); None if there are no test images.

    Raises:
      InputError: the file is unreadable or holds pickled objects, or an array is not what its key promises.
    """
    path = pathlib.Path(arg)
    with _open(path) as arrays:
        if split == "test" and "test_images" not in arrays:
            return None
        key = _images_key(arrays, path) if split == "train" else "test_images"
        images = _checked_images(_array(arrays, key, path), f"{key} of {path}")
        train_labels = _first(arrays, ("labels", "y"), path)
        classes = _classes(arrays, train_labels, path)
        labels = train_labels if split == "train" else _first(arrays, ("test_labels",), path)
    if (labels is None) != (train_labels is None):
        raise errors.InputError(
            f"{path} has labels for one split only; save labels and test_labels, or neither."
        )
    return resize.fit_all(images, view.size, view.crop, path), labels, classes


def _open(path):
    try:
        opened = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise errors.InputError(f"--data=npz:{path}: there is no such file.") from error
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise errors.InputError(
            f"{path} is not a readable .npz file; use np.savez(FILE, images=...)."
        ) from error
    if isinstance(opened, np.ndarray):
        raise errors.InputError(
            f"{path} is a bare .npy array; save it with np.savez(FILE, images=...)."
        )
    return opened


def _array(arrays, key, path):
    """One array of the file; objects are refused, since reading them would run code from the file."""
    try:
        return arrays[key]
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        reason = "holds pickled objects" if "allow_pickle" in str(error) else "is damaged"
        raise errors.InputError(
            f"{key} of {path} {reason}; save plain arrays, np.savez(FILE, ...)."
        ) from error


def _first(arrays, keys, path):
    return next((_array(arrays, key, path) for key in keys if key in arrays), None)


def _images_key(arrays, path):
    for key in ("images", "x"):
        if key in arrays:
            return key
    found = [
        k
        for k in arrays.files
        if not k.startswith("test_") and _array(arrays, k, path).ndim in (3, 4)
    ]
    if len(found) != 1:
        keys = ", ".join(arrays.files) or "nothing"
        raise errors.InputError(
            f'{path} holds {keys}; call the array of images "images", uint8 [N, H, W, C].'
        )
    return found[0]


def _checked_images(images, name):
    if images.dtype.kind == "f":
        raise errors.InputError(
            f"{name} is {images.dtype}; images must be uint8 in 0 to 255: for pixels in [0, 1] save "
            "(255 * images).round().astype(np.uint8)."
        )
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise errors.InputError(
            f"{name} is {images.dtype} {list(images.shape)}; images must be uint8 [N, H, W] or [N, H, W, C]."
        )
    return images[..., None] if images.ndim == 3 else images


def _classes(arrays, labels, path):
    """Class names from the file, or numbers from the training labels; () without labels."""
    names = _first(arrays, ("classes",), path)
    if labels is None:
        if names is not None:
            raise errors.InputError(
                f"{path} has classes but no labels; add labels, integers [N], or drop classes."
            )
        return ()
    if names is None:
        if labels.dtype.kind not in "iu":
            raise errors.InputError(
                f"labels of {path} are {labels.dtype}; they must be integers, one per image."
            )
        return datasets.numbered_classes(labels, path)
    if names.ndim != 1 or names.dtype.kind != "U":
        raise errors.InputError(
            f"classes of {path} is {names.dtype} {list(names.shape)}; it must be a list of names, "
            'np.savez(FILE, classes=["cat", "dog"], ...).'
        )
    return tuple(str(name) for name in names)
