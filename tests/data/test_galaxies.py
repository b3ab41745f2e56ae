"""The embedded galaxies: independent of their batch, with the right classes and shapes."""

import numpy as np
import pytest

from gan_jax import cache
from gan_jax.data import galaxies
from gan_jax.data.types import DataOptions
from gan_jax.errors import InputError

N = 400


@pytest.fixture(scope="module")
def rendered():
    return galaxies.render(3, np.arange(N), 64)


def _axis_ratio(image):
    """Minor over major axis of the second moments of the central light."""
    light = image.astype(np.float64).mean(2)
    light = np.clip(light - 25, 0, None)
    y, x = np.mgrid[: len(light), : len(light)] - (len(light) - 1) / 2
    light = light * (np.hypot(x, y) < len(light) * 0.47) / light.sum()
    x, y = x - (x * light).sum(), y - (y * light).sum()
    moments = [
        [(light * x * x).sum(), (light * x * y).sum()],
        [(light * x * y).sum(), (light * y * y).sum()],
    ]
    low, high = np.linalg.eigvalsh(moments)
    return np.sqrt(low / high)


def test_a_galaxy_does_not_depend_on_its_batch(rendered):
    images, labels = rendered
    indices = np.array([17, 3, 399, 3])
    again, again_labels = galaxies.render(3, indices, 64)
    np.testing.assert_array_equal(again, images[indices])
    np.testing.assert_array_equal(again_labels, labels[indices])


def test_seeds_and_indices_differ(rendered):
    images, labels = rendered
    other, other_labels = galaxies.render(4, np.arange(N), 64)
    assert (labels != other_labels).any()
    assert not np.any([np.array_equal(a, b) for a, b in zip(images, other, strict=True)])
    assert len(np.unique(images.reshape(N, -1), axis=0)) == N


@pytest.mark.parametrize("size", [8, 28, 32, 64, 128])
def test_shape_and_range(size):
    images, labels = galaxies.render(0, np.arange(20), size)
    assert images.shape == (20, size, size, 3) and images.dtype == np.uint8
    assert labels.shape == (20,) and labels.dtype == np.int32
    assert images.max() > 100 and images.std() > 15


def test_a_galaxy_is_the_same_at_every_size(rendered):
    small, labels = galaxies.render(3, np.arange(40), 32)
    large, large_labels = rendered[0][:40].astype(float), rendered[1][:40]
    averaged = large.reshape(40, 32, 2, 32, 2, 3).mean((2, 4))
    np.testing.assert_array_equal(labels, large_labels)
    assert np.abs(averaged - small).max() <= 1


def test_class_frequencies():
    labels = galaxies.labels(1, np.arange(20_000))
    share = np.bincount(labels, minlength=5) / len(labels)
    np.testing.assert_allclose(share, galaxies.FREQUENCIES, atol=4 * np.sqrt(0.25 / len(labels)))


def test_sky_is_dark_and_noisy(rendered):
    images, _ = rendered
    corners = np.concatenate([images[:, :5, :5], images[:, -5:, -5:]])
    assert np.median(corners) < 10
    assert 1 < np.median(corners.astype(float).std((1, 2))) < 10
    centre = images[:, 30:34, 30:34].mean((1, 2, 3))
    assert np.percentile(centre, 5) > 60 and np.percentile(centre, 50) < 220


def test_elongation_orders_the_classes(rendered):
    images, labels = rendered
    ratio = np.array([_axis_ratio(image) for image in images])
    typical = [np.median(ratio[labels == label]) for label in range(5)]
    by_name = dict(zip(galaxies.CLASSES, typical, strict=True))
    assert by_name["round"] > 0.88
    assert 0.5 < by_name["in-between"] < 0.82
    assert by_name["cigar"] < 0.5 and by_name["edge-on"] < 0.4
    assert by_name["edge-on"] < by_name["in-between"] < by_name["round"]


def test_spirals_are_bluer_than_spheroids(rendered):
    images, labels = rendered
    light = images.astype(float).mean((1, 2))
    blue = light[:, 2] / light[:, 0]
    assert np.median(blue[labels == 4]) > np.median(blue[labels == 0]) + 0.05


def test_load_renders_once(monkeypatch):
    images, labels, classes = galaxies.load("30", DataOptions(16))
    assert images.shape == (30, 16, 16, 3) and classes == galaxies.CLASSES
    assert isinstance(images, np.memmap) and not images.flags.writeable
    expected, expected_labels = galaxies.render(galaxies.SEEDS["train"], np.arange(30), 16)
    np.testing.assert_array_equal(images, expected)
    np.testing.assert_array_equal(labels, expected_labels)
    monkeypatch.setattr(galaxies, "render", None)  # a second rendering would fail
    np.testing.assert_array_equal(galaxies.load("30", DataOptions(16))[0], expected)
    assert [path.name for path in cache.root().iterdir()] == ["galaxies"]


def test_test_split_holds_other_galaxies():
    train, _, _ = galaxies.load("600", DataOptions(8))
    test, labels, _ = galaxies.load("600", DataOptions(8), split="test")
    assert len(test) == len(labels) == 600
    assert not set(map(bytes, train)) & set(map(bytes, test))


@pytest.mark.parametrize("arg", ["0", "-3", "many", "2.5", "1e3", " 5"])
def test_number_of_images_is_checked(arg):
    with pytest.raises(InputError, match="not a number of images"):
        galaxies.load(arg, DataOptions(32))


def test_crop_is_refused():
    with pytest.raises(InputError, match="--crop=207"):
        galaxies.load("", DataOptions(32, crop=207))
