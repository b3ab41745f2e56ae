"""Files of every kind, made for the tests of the sources."""

import numpy as np
import pytest
from PIL import Image

from gan_jax import errors
from gan_jax.data import datasets


def load(spec, size, crop=0, split="train", **view):
    return datasets.load(spec, datasets.DataOptions(size, crop, **view), split)


def refused(*words, spec, size=16, crop=0, split="train", **view):
    """Asserts that loading fails with one line that has all the words, each in its own right."""
    with pytest.raises(errors.InputError) as caught:
        load(spec, size, crop, split, **view)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message, message


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def write_image(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path
