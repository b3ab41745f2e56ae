"""Directions of images: known answers, symmetries, brute force, a set that lies one way."""

import numpy as np
import pytest
from scipy import stats

from gan_jax.data import galaxies
from gan_jax.metrics import directions
from tests.metrics.helpers import ORIENTATIONS, turn


def compare(real, fake):
    views = ({"directions": directions.measure_images(x)} for x in (real, fake))
    return directions.compare_sets(*views)["directions"]


@pytest.fixture(scope="module")
def sky():
    """800 galaxies, each turned and mirrored at random: all directions are equally likely."""
    images, _ = galaxies.render(3, np.arange(800), 32)
    rng = np.random.default_rng(0)
    some = [turn(image[None], *ORIENTATIONS[rng.integers(8)]) for image in images]
    return np.concatenate(some)


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 120])
def test_stripes(degrees):
    """Of long waves, whose central differences are their slopes."""
    angle = np.radians(degrees)
    y, x = np.mgrid[:64, :64]
    wave = np.sin(0.1 * (np.cos(angle) * x + np.sin(angle) * y))[None, :, :, None]
    measured = directions.measure_images(wave)
    np.testing.assert_allclose(measured[0], [np.cos(2 * angle), np.sin(2 * angle)], atol=5e-3)


def test_an_even_image_and_a_round_one_have_none():
    y, x = np.mgrid[:33, :33] - 16
    spot = np.exp(-(x**2 + y**2) / 40)[None, :, :, None] * np.ones(3)
    np.testing.assert_allclose(directions.measure_images(spot), 0, atol=1e-12)
    assert (directions.measure_images(np.full((2, 8, 8, 1), 7, np.uint8)) == 0).all()


def test_against_loops():
    images = np.random.default_rng(1).integers(0, 256, (5, 6, 9, 3), dtype=np.uint8)
    for image, measured in zip(images, directions.measure_images(images), strict=True):
        light = image.astype(float).mean(2)
        xx = yy = xy = 0
        for i in range(1, 5):
            for j in range(1, 8):
                gx, gy = light[i, j + 1] - light[i, j - 1], light[i + 1, j] - light[i - 1, j]
                xx, yy, xy = xx + gx * gx, yy + gy * gy, xy + gx * gy
        np.testing.assert_allclose(measured, [(xx - yy) / (xx + yy), 2 * xy / (xx + yy)])


def test_turns_and_mirrors(sky):
    measured = directions.measure_images(sky)
    np.testing.assert_allclose(
        directions.measure_images(turn(sky, 1, False)), -measured, atol=1e-12
    )
    mirrored = directions.measure_images(turn(sky, 0, True))
    np.testing.assert_allclose(mirrored, measured * [1, -1], atol=1e-12)


def test_the_distance_is_that_of_scipy(sky):
    a, b = (directions.measure_images(x) for x in (sky[:300], sky[300:500]))
    expected = np.mean([stats.wasserstein_distance(a[:, i], b[:, i]) for i in (0, 1)])
    assert compare(sky[:300], sky[300:500]) == pytest.approx(expected)
    assert compare(sky[:300], sky[:300]) == 0


def test_galaxies_that_lie_one_way_are_far_from_those_that_lie_in_all(sky):
    """Each of them may be a real one."""
    half = sky[400:]
    floor = compare(sky[:400], half)
    turned = np.stack([turn(half, *orientation) for orientation in ORIENTATIONS])
    first = np.stack([directions.measure_images(images)[:, 0] for images in turned])
    one_way = turned[first.argmax(0), np.arange(len(half))]
    assert compare(sky[:400], one_way) > 2 * floor
