"""Helpers of the tests of data: image files, and data sets that load or are refused."""

import io

import numpy as np
import pytest
from PIL import Image

from gan_jax import errors
from gan_jax.data import data_check, data_report, datasets


def load(spec, size=16, crop=0, split="train", **options):
    return datasets.load(spec, datasets.DataOptions(size, crop, **options), split)


def load_both(spec, size=16, **options):
    """(train, test or None)."""
    return tuple(load(spec, size, split=split, **options) for split in ("train", "test"))


def refused(*words, spec, size=16, crop=0, split="train", **options):
    """Assert that loading fails with one line that has all the words."""
    with pytest.raises(errors.InputError) as caught:
        load(spec, size, crop, split, **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message, message


def assert_refused_without_images(source, root, images):
    """Assert that `source` is refused without its folder, the folder `images` in it, or images.

    Leaves an empty folder of images.
    """
    spec = f"{source}:{root}"
    refused("is not a folder", spec=spec)
    root.mkdir()
    refused(f"no folder {images}", "folder:DIR", spec=spec)
    (root / images).mkdir()
    refused("has no images", spec=spec)


def inspect(spec, size=16, **options):
    """(report, InspectedSplit of train, that of test or None)."""
    options = datasets.DataOptions(size, **options)
    train, test = (data_check.inspect_split(spec, options, split) for split in ("train", "test"))
    return data_report.format_report(spec, train, test), train, test


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def as_picture(array):
    """Pillow's image of uint8 [H, W], [H, W, 1] or [H, W, 3]."""
    return Image.fromarray(array[..., 0] if array.shape[2:] == (1,) else array)


def encoded(array, kind="PNG", **options):
    """The bytes of an image file."""
    file = io.BytesIO()
    as_picture(array).save(file, kind, **options)
    return file.getvalue()


def write_image(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    as_picture(array).save(path, **options)
    return path


def write_animation(path, *shape):
    """Two frames of pixels of seeds 0 and 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first, second = (Image.fromarray(pixels(*shape, seed=seed)) for seed in (0, 1))
    first.save(path, save_all=True, append_images=[second])
