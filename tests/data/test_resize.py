"""Crop and resize against arithmetic."""

import numpy as np
from PIL import Image

from gan_jax.data import resize
from tests.data import making


def test_fit_takes_the_centre_square():
    image = np.zeros((4, 8), np.uint8)
    image[:, 2:6] = 100
    image[1:3, 3:5] = 200
    assert np.array_equal(resize.crop_and_resize(Image.fromarray(image), 4), image[:, 2:6])
    assert np.array_equal(
        resize.crop_and_resize(Image.fromarray(image), 2, crop=2), np.full((2, 2), 200)
    )


def test_fit_averages_when_it_reduces():
    """A pattern finer than the new pixels becomes its mean, which needs a low-pass filter."""
    checkers = np.indices((64, 64)).sum(0) % 2 * 255
    reduced = np.asarray(resize.crop_and_resize(Image.fromarray(checkers.astype(np.uint8)), 8))
    assert np.abs(reduced[1:-1, 1:-1].astype(int) - 127).max() <= 2


def test_fit_all_agrees_with_fit_and_keeps_what_fits():
    images = making.pixels(3, 20, 20, 3)
    assert resize.crop_and_resize_all(images, 20, 0, "x") is images
    expected = [
        np.asarray(resize.crop_and_resize(Image.fromarray(image), 12, 16)) for image in images
    ]
    assert np.array_equal(resize.crop_and_resize_all(images, 12, 16, "x"), expected)
    assert resize.crop_and_resize_all(making.pixels(2, 10, 10, 5), 16, 0, "x").shape == (
        2,
        16,
        16,
        5,
    )
