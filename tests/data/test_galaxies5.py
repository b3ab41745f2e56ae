"""Galaxies in five bands: their light, colours, shapes and noise are those of the stated truth."""

import numpy as np
import pytest

from gan_jax import cache
from gan_jax.data import datasets, galaxies, galaxies5, galaxy_painters
from gan_jax.data.types import DataOptions
from gan_jax.errors import InputError
from gan_jax.metrics import light_measures
from gan_jax.settings import Size

N = 200
ELLIPTICITY, MAGNITUDE, COLOUR = range(3)


@pytest.fixture(scope="module")
def rendered():
    return galaxies5.render(3, np.arange(N), 64)


@pytest.fixture(scope="module")
def sky():
    return galaxies5.paint(3, np.arange(N), 64)


def magnitudes(light):
    """Of images [N, H, W, 5], by band: [N, 5]."""
    return 31.4 - 2.5 * np.log10(light.sum((1, 2), dtype=np.float64))


def test_a_galaxy_does_not_depend_on_its_batch(rendered):
    images, truth = rendered
    assert images.shape == (N, 64, 64, 5) and images.dtype == np.float32
    indices = np.array([17, 3, 199, 3])
    again, again_truth = galaxies5.render(3, indices, 64)
    np.testing.assert_allclose(again, images[indices], atol=1e-3)
    np.testing.assert_allclose(again_truth, truth[indices], atol=1e-5)
    other, _ = galaxies5.render(4, np.arange(4), 64)
    assert not np.any([np.allclose(a, b) for a, b in zip(images, other, strict=False)])


def test_smaller_pixels_share_the_light(rendered):
    """A pixel of 32 is the sum of four of 64, noise included."""
    images, truth = galaxies5.render(3, np.arange(20), 32)
    parts = rendered[0][:20].reshape(20, 32, 2, 32, 2, 5)
    np.testing.assert_allclose(images, parts.sum((2, 4)), atol=2e-3)
    np.testing.assert_allclose(truth, rendered[1][:20], atol=1e-5)


def test_larger_images_show_the_same_galaxies(sky):
    """Above 64 pixels clumps in spiral arms are others; smooth galaxies stay."""
    large = galaxies5.paint(3, np.arange(30), 96)
    smooth = large.labels < 4
    small = sky.light[:30].reshape(30, 32, 2, 32, 2, 5).sum((2, 4))
    summed = large.light.reshape(30, 32, 3, 32, 3, 5).sum((2, 4))
    difference = np.abs(summed - small).sum((1, 2)) / small.sum((1, 2))
    assert difference[smooth].max() < 0.06
    np.testing.assert_allclose(large.truth[:, :2], sky.truth[:30, :2], atol=1e-5)
    np.testing.assert_allclose(large.truth[smooth], sky.truth[:30][smooth], atol=0.01)


def test_a_rectangle_is_the_middle_of_a_square(rendered):
    images, truth = galaxies5.render(3, np.arange(5), Size(40, 64))
    np.testing.assert_allclose(images, rendered[0][:5, 12:52], atol=1e-3)
    np.testing.assert_allclose(truth, rendered[1][:5], atol=1e-5)


def test_the_light_of_a_galaxy_is_its_magnitude_and_colour(sky):
    """Without noise and neighbours, to the precision of float32."""
    in_bands = magnitudes(sky.light)
    np.testing.assert_allclose(in_bands[:, 1], sky.truth[:, MAGNITUDE], atol=1e-4)
    np.testing.assert_allclose(in_bands[:, 0] - in_bands[:, 1], sky.truth[:, COLOUR], atol=1e-4)


def test_the_light_of_an_image_is_its_magnitude_within_the_noise(rendered, sky):
    """Sums of pixels deviate by the stated noise: a chi^2 of one per image."""
    images, truth = rendered
    flux = 10 ** (0.4 * (31.4 - truth[:, MAGNITUDE].astype(np.float64)))
    near = sky.neighbours[..., 1].sum((1, 2), dtype=np.float64)
    summed = images[..., 1].sum((1, 2), dtype=np.float64)
    variance = 64**2 * galaxies5.sky_noise(64)[1] ** 2 + galaxies5._PHOTON * (flux + near)
    chi = (summed - near - flux) / np.sqrt(variance)
    assert abs(chi.mean()) < 4 / np.sqrt(N) and 0.85 < chi.std() < 1.15
    alone = near < 0.01 * flux
    bright = alone & (truth[:, MAGNITUDE] < 21.5)
    assert bright.sum() > 20
    measured = magnitudes(images[bright])
    np.testing.assert_allclose(measured[:, 1], truth[bright, MAGNITUDE], atol=0.1)
    colour = measured[:, 0] - measured[:, 1]
    np.testing.assert_allclose(colour, truth[bright, COLOUR], atol=0.15)
    assert np.corrcoef(colour, truth[bright, COLOUR])[0, 1] > 0.9


def test_magnitudes_and_colours_are_those_of_galaxies():
    truth = galaxies5.paint(0, np.arange(600), 8).truth.astype(np.float64)
    magnitude, colour = truth[:, MAGNITUDE], truth[:, COLOUR]
    assert abs(magnitude.mean() - 21.6) < 0.12 and 0.57 < magnitude.std() < 0.73
    assert colour.min() > 0.2 and colour.max() < 0.9 and colour.std() > 0.08
    oldest, youngest = galaxies5._ratios(np.array([[0.0, 1.0]], np.float32))[0].T
    g_r = [-2.5 * np.log10(ratios[0] / ratios[1]) for ratios in (oldest, youngest)]
    np.testing.assert_allclose(g_r, [0.8, 0.3], atol=1e-5)


def test_noise_of_the_sky_is_the_stated_one():
    """In corners that no galaxy and no neighbour reaches; white, and around 0."""
    for size in (32, 64):
        indices = np.arange(250)
        sky = galaxies5.paint(1, indices, size)
        corner = np.index_exp[:, : size // 8, : size // 8]
        noise = galaxies5.render(1, indices, size)[0] - sky.light - sky.neighbours
        light = (sky.light + sky.neighbours)[corner].max((1, 2, 3))
        empty = noise[corner][light < 0.3 * galaxies5.sky_noise(size)[0]]
        count = empty[..., 0].size
        assert count > 1000
        deviation = empty.std((0, 1, 2), dtype=np.float64) / galaxies5.sky_noise(size)
        np.testing.assert_allclose(deviation, 1, atol=4 / np.sqrt(2 * count))
        scaled = empty / galaxies5.sky_noise(size)
        assert np.abs(scaled.mean((0, 1, 2))).max() < 4 / np.sqrt(count)
        for a, b in ((scaled[:, 1:], scaled[:, :-1]), (scaled[:, :, 1:], scaled[:, :, :-1])):
            assert abs((a * b).mean()) < 4 / np.sqrt(a.size)
        assert abs((scaled[..., 1:] * scaled[..., :-1]).mean()) < 4 / np.sqrt(scaled.size)


def test_bright_light_has_the_noise_of_its_photons(rendered, sky):
    light = (sky.light + sky.neighbours)[..., 1]
    noise = (rendered[0] - sky.light - sky.neighbours)[..., 1]
    bright = light > 100
    expected = np.sqrt(galaxies5._PHOTON * light[bright] + galaxies5.sky_noise(64)[1] ** 2)
    assert bright.sum() > 1000
    assert (noise[bright] / expected).std() == pytest.approx(1, abs=0.06)


def test_faint_galaxies_are_noisy_and_bright_ones_are_not(sky):
    """Signal over noise of the mean pixel within the brightest twentieth of the image."""
    light = sky.light[..., 1].reshape(N, -1)
    core = np.sort(light, 1)[:, -(64**2 // 20) :].mean(1) / galaxies5.sky_noise(64)[1]
    magnitude = sky.truth[:, MAGNITUDE]
    assert 1 < np.median(core[magnitude > 22.4]) < 5
    assert np.median(core[magnitude < 20.8]) > 15


def test_ellipticity_is_that_of_the_moments_of_the_light(sky):
    """Without noise and neighbours; seeing, and bulges and arms of disks, change it a little."""
    light = sky.light[..., 1].astype(np.float64)
    mask = light > 0.02 * light.max((1, 2), keepdims=True)
    measured = light_measures.ellipticity(light, mask)
    truth = sky.truth[:, ELLIPTICITY]
    spheroid = sky.labels < 3
    assert np.abs(measured - truth)[spheroid].max() < 0.13
    assert np.abs(np.mean((measured - truth)[spheroid])) < 0.03
    assert np.corrcoef(measured[spheroid], truth[spheroid])[0, 1] > 0.99
    assert np.corrcoef(measured, truth)[0, 1] > 0.93
    assert truth[sky.labels == 0].max() <= 0.13 and truth[sky.labels == 3].min() > 0.8


def test_the_point_spread_goes_with_the_wavelength():
    """A point becomes a Gaussian of the image's seeing, wider in g than in y."""
    rng = galaxy_painters.Random(3, np.arange(20, dtype=np.uint64))
    point = np.zeros((20, 5, 65, 65), np.float32)
    point[:, :, 32, 32] = 1
    blurred = galaxies5._blur(rng, point).astype(np.float64)
    axis = (np.arange(65) - 32) * 2 / 65
    width = np.sqrt(np.einsum("nbhw,h->nb", blurred, axis**2))
    seeing = rng.uniform("seeing", *galaxy_painters.SEEING)[:, :, 0]
    wavelengths = np.array([482, 622, 770, 890, 971])  # nm
    np.testing.assert_allclose(width, seeing * (wavelengths / 622) ** -0.2, rtol=0.02)
    np.testing.assert_allclose(blurred.sum((2, 3)), 1, atol=1e-5)


def test_load_renders_once(monkeypatch):
    opened = galaxies5.load("30", DataOptions(16))
    assert isinstance(opened.images, np.memmap) and not opened.images.flags.writeable
    expected, truth = galaxies5.render(galaxies.SEEDS["train"], np.arange(30), 16)
    np.testing.assert_allclose(opened.images, expected, atol=1e-2)
    assert opened.format.unit == "nJy" and opened.format.bands == ("g", "r", "i", "z", "y")
    assert opened.values is None and opened.quantities == ()
    np.testing.assert_array_equal(
        opened.labels, galaxies.labels(galaxies.SEEDS["train"], np.arange(30))
    )
    assert [path.name for path in cache.root().iterdir()] == ["galaxies5"]
    monkeypatch.setattr(galaxies5, "render", None)  # a second rendering would fail
    told = galaxies5.load("30", DataOptions(16, labels="colour, ellipticity"))
    assert told.quantities == ("colour", "ellipticity") and told.values.dtype == np.float32
    np.testing.assert_allclose(told.values, truth[:, [COLOUR, ELLIPTICITY]], atol=1e-5)
    assert told.classes == galaxies.CLASSES and told.labels is not None


def test_test_split_holds_other_galaxies():
    train, test = (galaxies5.load("100", DataOptions(8), x).images for x in ("train", "test"))
    assert len(train) == len(test) == 100
    assert not set(map(bytes, train)) & set(map(bytes, test))


@pytest.mark.parametrize("labels", ["redshift", "colour,colour", "colour,", "Colour"])
def test_other_quantities_are_refused(labels):
    with pytest.raises(InputError, match="has the quantities ellipticity, magnitude, colour; name"):
        galaxies5.load("10", DataOptions(8, labels=labels))


def test_number_and_crop_are_checked():
    with pytest.raises(InputError, match="galaxies5:x: x is not a number of images; use galaxies5"):
        galaxies5.load("x", DataOptions(8))
    with pytest.raises(InputError, match="--crop=50 does nothing for galaxies5"):
        galaxies5.load("", DataOptions(8, crop=50))


def test_they_open_as_data_sets_with_a_stretch():
    options = DataOptions(16, labels="ellipticity,colour", stretch="asinh:softening=0.01")
    train = datasets.load("galaxies5:60", options)
    test = datasets.load_heldout(train, options)
    for split in (train, test):
        assert split.images.dtype == np.uint8 and split.images.shape == (60, 16, 16, 5)
        assert split.stored.dtype == np.float32 and len(split.values) == 60
        assert split.quantities == ("ellipticity", "colour") and split.format == train.format
    assert train.format.stretch == options.stretch and len(train.format.low) == 5
    assert 20 < train.images[..., 1].mean() < 200
    assert train.digest != datasets.load("galaxies5:60", options._replace(labels="")).digest
    bare = datasets.load("galaxies5:60", options._replace(labels="none"))
    assert bare.labels is None and bare.values is None
