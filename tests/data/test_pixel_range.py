"""Images whose values do not fill their range are told from those that do."""

import numpy as np
import pytest

from gan_jax.data import pixel_range
from tests.data import making


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x, ""),
        (lambda x: (x > 127).astype(np.uint8), "nearly black"),
        (lambda x: x // 16, "nearly black"),
        (lambda x: 255 - x // 16, "nearly white"),
        (lambda x: 100 + x // 16, "hardly any contrast"),
        (lambda x: x // 4, ""),
        (lambda x: np.where(x > 250, x, 0), ""),  # stars on a dark sky
    ],
)
def test_ranges(change, words):
    images = change(making.pixels(300, 8, 8, 3)).astype(np.uint8)
    images[0, 0, 0, 0] = 255 - images[0, 0, 0, 0]  # a hot pixel changes nothing
    remark = pixel_range.remark(pixel_range.histogram(images))
    assert words in remark and bool(words) == bool(remark)


def test_the_built_in_galaxies_fill_their_range():
    images = making.load("galaxies:300", 16).images
    assert pixel_range.remark(pixel_range.histogram(images)) == ""


def test_few_images_are_all_counted():
    images = making.pixels(3, 8, 8, 1)
    counts = pixel_range.histogram(images)
    assert np.array_equal(counts, np.bincount(images.ravel(), minlength=256))
    assert pixel_range.remark(np.zeros(256, int)) == ""
