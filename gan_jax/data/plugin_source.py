"""Data from a function that is not gan_jax's: `--data=python:MODULE:NAME[:ARG]`.

What the function gives is checked, and its images are resized.
"""

from collections.abc import Callable

import numpy as np

from gan_jax.data import npz, pixel_format, resize
from gan_jax.data.image_files import ImageFileList
from gan_jax.data.types import DataOptions, OpenedArrays
from gan_jax.errors import InputError


def load(
    name: str, function: Callable, arg: str, options: DataOptions, split: str = "train"
) -> ImageFileList | OpenedArrays | None:
    """Open one split by a function.

    Args:
      name: of the plug-in.
      function: (arg, options, split) -> ImageFileList; or (images, labels, classes):
        integers or floats [N, H, W] or [N, H, W, C] of any side, or points float32 [N, 1, 1, D] in
        [-1, 1]; integers [N] or None; class names. None where there is no such split.
      arg: what follows the name and a colon in --data.
      options, split: see datasets.load.

    Raises:
      InputError: the function fails, or gives something else.
    """
    try:
        opened = function(arg, options, split)
    except InputError:
        raise
    except Exception as error:  # whatever the function does
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            f"--data={name} fails on split {split!r} ({text}); --debug shows where."
        ) from error
    if opened is None or isinstance(opened, ImageFileList):
        return opened
    if not isinstance(opened, tuple) or len(opened) != 3:
        raise InputError(
            f"--data={name} gives {type(opened).__name__}; it must give a tuple of images, labels "
            "or None, and class names."
        )
    images, labels, classes = opened
    images, classes = np.asanyarray(images), tuple(map(str, classes))
    if images.dtype == np.float32 and images.ndim == 4 and images.shape[1:3] == (1, 1):
        if not (np.abs(images) <= 1).all():
            raise InputError(
                f"--data={name} gives points outside of [-1, 1]; divide them by the largest."
            )
        return OpenedArrays(images, labels, classes)
    images = npz.check_images(images, f"what --data={name} gives")
    images, form, notes = pixel_format.store(images, f"--data={name}")
    images = resize.crop_and_resize_all(images, options.hw, options.crop, f"--data={name}")
    return OpenedArrays(images, labels, classes, notes, form)
