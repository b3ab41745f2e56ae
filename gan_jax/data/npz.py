"""Arrays saved with numpy: `--data=npz:FILE`."""

import pathlib
import zipfile
import zlib

import numpy as np

from gan_jax.data import resize
from gan_jax.data.labels import numeric_class_names
from gan_jax.data.types import Arrays, DataOptions
from gan_jax.errors import InputError


def load(arg: str, options: DataOptions, split: str = "train") -> Arrays | None:
    """Open an .npz file made by `np.savez` or `np.savez_compressed`.

    Its keys:
      images (or x, or the only array with 3 or 4 axes): uint8 [N, H, W] or [N, H, W, C].
      labels (or y): integers [N], -1 where unknown; optional.
      classes: class names as strings; optional.
      test_images, test_labels: the test split; optional.

    Images of another side than `size` are resized.

    Args:
      arg: the file.
      options, split: see datasets.load.

    Returns:
      (images uint8 [N, size, size, C], labels integers [N] or None, class names); None if there are
      no test images.

    Raises:
      InputError: the file is unreadable or holds pickled objects, or an array is not what its key
        promises.
    """
    path = pathlib.Path(arg)
    with _open(path) as arrays:
        if split == "test" and "test_images" not in arrays:
            return None
        key = _images_key(arrays, path) if split == "train" else "test_images"
        images = check_images(_array(arrays, key, path), f"{key} of {path}")
        train_labels = _first_array(arrays, ("labels", "y"), path)
        classes = _classes(arrays, train_labels, path)
        labels = train_labels
        if split == "test":
            labels = _first_array(arrays, ("test_labels",), path)
    if (labels is None) != (train_labels is None):
        raise InputError(
            f"{path} has labels for one split only; save labels and test_labels, or neither."
        )
    images = resize.crop_and_resize_all(images, options.size, options.crop, path)
    return images, labels, classes


def _open(path):
    try:
        arrays = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"--data=npz:{path}: there is no such file.") from error
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} is not a readable .npz file; use np.savez(FILE, images=...)."
        ) from error
    if isinstance(arrays, np.ndarray):
        raise InputError(f"{path} is a bare .npy array; save it with np.savez(FILE, images=...).")
    return arrays


def _array(arrays, key, path):
    """Return one array; refuse objects, which would run code from the file."""
    try:
        return arrays[key]
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        reason = "holds pickled objects" if "allow_pickle" in str(error) else "is damaged"
        raise InputError(
            f"{key} of {path} {reason}; save plain arrays, np.savez(FILE, ...)."
        ) from error


def _first_array(arrays, keys, path):
    """Return the array of the first key that the file has, or None."""
    return next((_array(arrays, key, path) for key in keys if key in arrays), None)


def _images_key(arrays, path):
    for key in ("images", "x"):
        if key in arrays:
            return key
    train_keys = [key for key in arrays.files if not key.startswith("test_")]
    image_keys = [key for key in train_keys if _array(arrays, key, path).ndim in (3, 4)]
    if len(image_keys) != 1:
        keys = ", ".join(arrays.files) or "nothing"
        raise InputError(
            f'{path} holds {keys}; call the array of images "images", uint8 [N, H, W, C].'
        )
    return image_keys[0]


def check_images(images: np.ndarray, name: str) -> np.ndarray:
    """Return images as uint8 [N, H, W, C].

    Args:
      images: an array of any type.
      name: what a message calls it.

    Raises:
      InputError: it is not uint8, or has neither 3 nor 4 axes.
    """
    if images.dtype.kind == "f":
        raise InputError(
            f"{name} is {images.dtype}; images must be uint8 in 0 to 255: for pixels in [0, 1] "
            "give (255 * images).round().astype(np.uint8)."
        )
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise InputError(
            f"{name} is {images.dtype} {list(images.shape)}; "
            "images must be uint8 [N, H, W] or [N, H, W, C]."
        )
    return images[..., None] if images.ndim == 3 else images


def _classes(arrays, labels, path):
    """Return class names: the file's, or numbers; () without labels."""
    names = _first_array(arrays, ("classes",), path)
    if labels is None:
        if names is not None:
            raise InputError(
                f"{path} has classes but no labels; add labels, integers [N], or drop classes."
            )
        return ()
    if names is None:
        if labels.dtype.kind not in "iu":
            raise InputError(
                f"labels of {path} are {labels.dtype}; they must be integers, one per image."
            )
        return numeric_class_names(labels, path)
    if names.ndim != 1 or names.dtype.kind != "U":
        raise InputError(
            f"classes of {path} is {names.dtype} {list(names.shape)}; it must be a list of names, "
            'np.savez(FILE, classes=["cat", "dog"], ...).'
        )
    return tuple(str(name) for name in names)
