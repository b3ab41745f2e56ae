"""Crop and resize against arithmetic."""

import numpy as np
import pytest
from PIL import Image

from gan_jax.data import resize
from gan_jax.errors import InputError
from gan_jax.settings import Size
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


@pytest.mark.parametrize(
    ("height", "width", "size", "crop", "part"),
    [
        (100, 300, 32, 0, (100, 100)),
        (100, 300, 32, 64, (64, 64)),
        (100, 300, (24, 40), 0, (100, 167)),
        (300, 100, (24, 40), 0, (60, 100)),
        (300, 200, (40, 24), 0, (300, 180)),
        (300, 200, (24, 40), 108, (65, 108)),
        (24, 40, (24, 40), 0, (24, 40)),
    ],
)
def test_the_largest_rectangle_of_a_shape(height, width, size, crop, part):
    assert resize.fit(height, width, Size.of(size), crop) == part


def test_images_of_two_sides_are_cut_and_resized():
    images = making.pixels(2, 30, 90, 2)
    assert resize.crop_and_resize_all(images, Size(30, 90), 0, "x") is images
    cut = resize.crop_and_resize_all(images, Size(30, 40), 0, "x")
    assert np.array_equal(cut, images[:, :, 25:65])
    turned = resize.crop_and_resize_all(images.swapaxes(1, 2), Size(40, 20), 0, "x")
    same = resize.crop_and_resize_all(images, Size(20, 40), 0, "x")
    assert np.abs(turned.swapaxes(1, 2).astype(int) - same).mean() < 1  # one axis is first
    with pytest.raises(InputError, match="must be square; use --crop=30 or .*--size=30x90"):
        resize.crop_and_resize_all(images, 30, 0, "x")
