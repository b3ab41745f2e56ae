"""Arrays that were passed from Python, kept as npz files in the cache, so that a run finds them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gan_jax import cache
from gan_jax.data import npz, titles
from gan_jax.data.digests import content_digest
from gan_jax.errors import InputError

title = titles.title


def save(
    images: Any,
    labels: Any = None,
    test_images: Any = None,
    test_labels: Any = None,
    classes: Sequence[str] | None = None,
) -> str:
    """Save arrays once, in the cache, and return the --data spec that opens them.

    Equal arrays give the same file.

    Args:
      images: integers or floats [N, H, W] or [N, H, W, C], whatever numpy can convert; uint8 are
        pictures.
      labels: integers [N], -1 where unknown; or class names, strings [N], None or NaN where
        unknown; or None.
      test_images, test_labels: the same of held-out images, or None.
      classes: names of the classes in the order of the integers; None for numbers.

    Returns:
      "npz:FILE".

    Raises:
      InputError: an array has another type or length.
    """
    arrays = {"images": npz.check_images(np.asarray(images), "data")}
    named = {"labels": labels, "test_labels": test_labels}
    if test_images is not None:
        arrays["test_images"] = npz.check_images(np.asarray(test_images), "test")
    elif test_labels is not None:
        raise InputError("test labels without test images; pass test=(images, labels).")
    named = {key: _labels(value) for key, value in named.items() if value is not None}
    if any(value.dtype.kind == "O" for value in named.values()):
        if classes is None:
            names = (name for value in named.values() for name in value if not _is_unknown(name))
            classes = sorted(set(map(str, names)))
        named = {key: _indices(value, classes) for key, value in named.items()}
    arrays |= named
    if classes is not None:
        arrays["classes"] = np.array([str(name) for name in classes])
    for key, n in (("labels", "images"), ("test_labels", "test_images")):
        if key in arrays and arrays[key].shape != arrays[n].shape[:1]:
            raise InputError(
                f"{key} has the shape {list(arrays[key].shape)}; give one label for each of the "
                f"{len(arrays[n])} images."
            )
    digests = [
        content_digest(np.ascontiguousarray(value), None, (key, str(value.dtype)))
        for key, value in sorted(arrays.items())
        if key != "classes"
    ]

    def build(folder):
        np.savez(folder / "data.npz", allow_pickle=False, **arrays)

    settings = {"digests": digests, "classes": [str(name) for name in arrays.get("classes", ())]}
    return f"npz:{cache.entry('arrays', settings, build) / 'data.npz'}"


def _labels(values):
    """Return labels as an array: of objects if any is a name, otherwise of numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "UO":
        return array
    array = np.asarray(values, object)  # without it, NaN among names is the name "nan"
    known = [value for value in array if not _is_unknown(value)]
    if any(isinstance(x, bool) or not isinstance(x, (int, np.integer)) for x in known):
        return array
    return np.array([-1 if _is_unknown(value) else value for value in array], np.int64)


def _is_unknown(value):
    """Return whether a label is None, NaN, the number -1, or missing as pandas has it."""
    return not isinstance(value, str) and str(value) in ("None", "nan", "<NA>", "-1")


def _indices(names, classes):
    """Turn class names into indices of `classes`, -1 where unknown."""
    index = {str(name): i for i, name in enumerate(classes)}
    unknown = sorted({str(name) for name in names if not _is_unknown(name)} - set(index))
    if unknown:
        raise InputError(
            f"labels holds {unknown[0]!r}, which is none of classes={list(classes)}; "
            "add it, or leave classes out."
        )
    return np.array([-1 if _is_unknown(x) else index[str(x)] for x in names], np.int32)
