"""Photometry by closed forms, by brute force, and in a record of scores."""

import numpy as np
import pytest
from scipy import ndimage

from gan_jax import errors, metrics
from gan_jax.data import galaxies5
from gan_jax.data.pixel_format import PixelFormat
from gan_jax.data.types import Dataset
from gan_jax.metrics import evaluate, metric, objects, photometry, scoring
from tests.metrics.helpers import linear_extractor, make_dataset

SIDE = 64
BANDS = np.array([0.5, 1.0, 2.0])  # light in each band
END = len(photometry.COLUMNS) + photometry.N_RINGS


def gaussians(flux, axis_ratio=0.5, width=5.0, side=SIDE):
    """Gaussian profiles of known light and axis ratio in three bands, float64 [n, H, W, 3]."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    u, v = 0.8 * x + 0.6 * y, 0.8 * y - 0.6 * x
    light = np.exp(-0.5 * (u**2 + (v / axis_ratio) ** 2) / width**2)
    light /= 2 * np.pi * width**2 * axis_ratio
    return np.asarray(flux)[:, None, None, None] * light[..., None] * BANDS


def white(n=50, sigma=2.0, seed=0, channels=1):
    return np.random.default_rng(seed).normal(0, sigma, (n, SIDE, SIDE, channels))


def column(rows, name):
    return rows[:, :, photometry.COLUMNS.index(name)]


def compare(real, fake):
    views = [{"photometry": photometry.measure_images(x.astype(np.float32))} for x in (real, fake)]
    return photometry.compare_sets(*views)


def test_a_gaussian_has_its_light_and_shape():
    flux = np.array([100.0, 1000.0])
    for axis_ratio in (0.4, 1.0):
        images = gaussians(flux, axis_ratio).astype(np.float32)
        rows = photometry.measure_images(images + 7)  # on a sky of 7
        expected = flux[:, None] * BANDS
        np.testing.assert_allclose(column(rows, "total"), expected, rtol=2e-3)
        np.testing.assert_allclose(column(rows, "light"), expected, rtol=2e-3)
        np.testing.assert_allclose(column(rows, "ellipticity"), 1 - axis_ratio, atol=0.01)
    radii = np.sqrt(2 * np.log([1 / 0.8, 1 / 0.2]))  # of 20 % and 80 % of a round Gaussian
    expected = 5 * np.log10(radii[1] / radii[0])
    np.testing.assert_allclose(column(rows, "concentration"), expected, atol=0.02)


def test_light_and_shape_with_noise():
    """Bright galaxies in the stated noise: right on average."""
    flux = np.full(40, 3000.0)
    rows = photometry.measure_images((gaussians(flux) + white(40, 1.0, channels=3)).astype("f4"))
    error = np.sqrt(SIDE**2 * (1 + SIDE**2 * np.pi / 2 / 960))  # of pixels, and of the sky's median
    chi = (column(rows, "total") - flux[:, None] * BANDS) / error
    assert np.abs(chi.mean(0)).max() < 4 / np.sqrt(40) and 0.7 < chi.std() < 1.3
    assert np.abs(column(rows, "ellipticity")[:, 2].mean() - 0.5) < 0.03
    np.testing.assert_allclose(column(rows, "noise").mean(0), 1, atol=0.02)


def test_white_noise_has_its_deviation_power_and_no_correlation():
    rows = photometry.measure_images(white().astype(np.float32))
    assert column(rows, "noise").mean() == pytest.approx(2, rel=0.01)
    assert abs(column(rows, "correlation").mean()) < 0.01
    np.testing.assert_allclose(rows[:, 0, END:].mean(0), 4, rtol=0.06)


def test_blurred_noise_has_its_correlation():
    """Means of 2 x 2 pixels of white noise: half the deviation, and a correlation of a half."""
    blurred = ndimage.uniform_filter(white(), (0, 2, 2, 0), mode="wrap").astype(np.float32)
    rows = photometry.measure_images(blurred)
    assert column(rows, "noise").mean() == pytest.approx(1, rel=0.02)
    assert column(rows, "correlation").mean() == pytest.approx(0.5, abs=0.02)
    scores = compare(white(seed=1), blurred)
    assert scores["phot_noise"] == pytest.approx(0.5, abs=0.02)
    assert scores["phot_correlation"] == pytest.approx(0.5, abs=0.02)


def test_the_frame_keeps_objects_out_of_the_noise():
    """A star on the edge counts as an outlier."""
    images = white(20)
    images[:, :3, 10:13] += 300
    rows = photometry.measure_images(images.astype(np.float32))
    assert column(rows, "noise").mean() == pytest.approx(2, rel=0.04)
    assert abs(column(rows, "correlation").mean()) < 0.02


def test_correlation_by_brute_force():
    plane = ndimage.uniform_filter(white(1, seed=3)[0, :16, :16, 0], 3)
    sky = [(y, x) for y in range(16) for x in range(16) if min(y, x, 15 - y, 15 - x) < 1]
    value = {at: plane[at] for at in sky}
    median = np.median(list(value.values()))
    limit = 3 * 1.4826 * np.median([abs(v - median) for v in value.values()])
    kept = {at: v - median for at, v in value.items() if abs(v - median) <= limit}
    pairs = [(kept[y, x], kept[b]) for y, x in kept for b in ((y + 1, x), (y, x + 1)) if b in kept]
    expected = sum(a * b for a, b in pairs) / sum((a * a + b * b) / 2 for a, b in pairs)
    assert objects.noise_correlation(plane[None])[0] == pytest.approx(expected)


def test_rings_and_power_by_brute_force():
    images = (gaussians([500.0]) + white(1, 0.5, channels=3)).astype(np.float32)[:, 8:, :, 1:2]
    row = photometry.measure_images(images)[0, 0]
    light = objects.without_sky(images[..., 0].astype(np.float64))[0]
    mask, centre = photometry._find_object([light[None]], [objects.noise(light[None])])
    assert mask.any() and not mask.all()
    rings = [[] for _ in range(photometry.N_RINGS)]
    powers = [[] for _ in range(photometry.N_BINS)]
    spectrum = np.abs(np.fft.fft2(light)) ** 2 / light.size
    height, width = light.shape
    for y in range(height):
        for x in range(width):
            ring = int(np.hypot(y - centre[0, 0], x - centre[0, 1]) / (height / 2) * len(rings))
            if ring < len(rings):
                rings[ring].append(light[y, x])
            frequency = np.hypot(min(y, height - y) / height, min(x, width - x) / width)
            if frequency > 0:
                number = min(int(frequency / np.sqrt(0.5) * len(powers)), len(powers) - 1)
                powers[number].append(spectrum[y, x])
    np.testing.assert_allclose(
        row[len(photometry.COLUMNS) : END], [np.mean(ring) for ring in rings], atol=1e-9
    )
    np.testing.assert_allclose(row[END:], [np.mean(power) for power in powers])


def test_images_of_another_magnitude_and_colour():
    """Without noise magnitudes and colours move by what they should, in standard deviations."""
    rng = np.random.default_rng(0)
    magnitudes = rng.normal(-8, 0.7, 30)
    images = gaussians(10 ** (-0.4 * magnitudes)) * 10 ** (0.2 * rng.normal(0, 0.3, (30, 1, 1, 3)))
    images = images + white(30, 1e-4, channels=3)
    same = compare(images, images)
    assert same == pytest.approx(
        dict.fromkeys(same, 0)
        | {"phot_flux": 1, "phot_noise": 1, "phot_correlation": same["phot_correlation"]}
    )
    assert abs(same["phot_correlation"]) < 0.05
    total = -2.5 * np.log10(images.sum((1, 2)))
    half_magnitude = 10 ** (-0.4 * 0.5)
    fainter = compare(images, images * half_magnitude)
    assert fainter["phot_magnitude"] == pytest.approx((0.5 / total.std(0)).mean(), rel=0.01)
    assert fainter["phot_colour"] < 1e-3 and fainter["phot_shape"] < 1e-3
    for name in ("phot_flux", "phot_noise"):
        assert fainter[name] == pytest.approx(half_magnitude, rel=1e-4)
    assert fainter["phot_power"] == pytest.approx(2 * 0.4 * 0.5, rel=1e-3)
    redder = compare(images, images * np.array([1, 1, 10 ** (0.4 * 0.5)]))
    colours = total[:, :-1] - total[:, 1:]
    assert redder["phot_colour"] == pytest.approx(0.5 / colours[:, 1].std() / 2, rel=0.02)
    flatter = compare(images, gaussians(10 ** (-0.4 * magnitudes), 0.3) + white(30, 1e-4, 0, 3))
    assert flatter["phot_shape"] > 3 * same["phot_shape"] + 0.3


def test_the_profile_is_in_units_of_the_noise():
    images = gaussians(np.full(60, 2000.0)) + white(60, 3.0, channels=3)
    brighter = images + gaussians(np.full(60, 500.0))
    views = [photometry.measure_images(x.astype(np.float32)) for x in (images, brighter)]
    rings = [x[:, :, len(photometry.COLUMNS) : END].mean(0) for x in views]
    expected = np.abs(rings[1] - rings[0]) / np.median(column(views[0], "noise"), 0)[:, None]
    assert compare(images, brighter)["phot_profile"] == pytest.approx(expected.mean())
    assert expected[1, 0] == pytest.approx(500 / (2 * np.pi * 25 * 0.5) / 3, rel=0.3)


def test_scores_tell_damaged_galaxies_from_others():
    """Other galaxies are near; blurred, redder, noisier and fainter ones are far where they are."""
    real, others = (galaxies5.render(seed, np.arange(80), 32)[0] for seed in (1, 2))
    floor = compare(real, others)
    assert floor["phot_flux"] == pytest.approx(1, abs=0.25)
    assert floor["phot_noise"] == pytest.approx(1, abs=0.03)
    blurred = compare(real, ndimage.gaussian_filter(others, (0, 0.7, 0.7, 0)))
    assert blurred["phot_power"] > 5 * floor["phot_power"] and blurred["phot_correlation"] > 0.3
    redder = compare(real, others * np.array([0.7, 0.85, 1, 1.15, 1.3], np.float32))
    assert redder["phot_colour"] > 3 * floor["phot_colour"]
    noisier = compare(real, others + galaxies5.sky_noise(32) * white(80, 1, 5, 5)[:, :32, :32])
    assert noisier["phot_noise"] == pytest.approx(2**0.5, rel=0.05)
    fainter = compare(real, others * 0.5)
    assert fainter["phot_magnitude"] > 3 * floor["phot_magnitude"]


@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 14, 2), (32, 32, 5)])
def test_any_images_have_finite_scores(shape):
    rng = np.random.default_rng(0)
    height, width, _ = shape
    checkerboard = np.indices((height, width)).sum(0)[None, :, :, None] % 2
    kinds = [
        np.zeros((3, *shape)),
        np.full((3, *shape), -4.0),
        np.broadcast_to(checkerboard, (3, *shape)),
        rng.normal(0, 1e6, (3, *shape)),
        -np.abs(rng.normal(0, 1, (3, *shape))),
        rng.lognormal(0, 3, (3, *shape)),
        np.pad(
            np.full((3, 1, 1, shape[2]), 1e30), ((0, 0), (4, height - 5), (4, width - 5), (0, 0))
        ),
    ]
    rows = [photometry.measure_images(kind.astype(np.float32)) for kind in kinds]
    assert all(np.isfinite(of_kind).all() for of_kind in rows)
    for a in rows:
        for b in rows:
            scores = photometry.compare_sets({"photometry": a}, {"photometry": b})
            assert np.isfinite(list(scores.values())).all()
            for key, value in scores.items():
                least, most = photometry.METRIC.scores[key].limits()
                assert least - 1e-9 <= value <= most + 1e-9


def test_an_image_does_not_depend_on_its_block(monkeypatch):
    images = (gaussians(np.arange(1.0, 8) * 300) + white(7, channels=3)).astype(np.float32)
    whole = photometry.measure_images(images)
    monkeypatch.setattr(metric, "_BLOCK_VALUES", 2 * images[0].size)
    np.testing.assert_allclose(photometry.measure_images(images), whole, atol=1e-9)
    assert photometry.measure_images(images[:0]).shape == (0, *whole.shape[1:])


def test_it_is_for_data_with_more_than_8_bits():
    images = np.zeros((1, 32, 32, 3), np.uint8)
    for dtype, applies in (("float32", True), ("uint16", True), ("uint8", False)):
        dataset = make_dataset(images)._replace(format=PixelFormat(dtype))
        assert photometry.METRIC.applies_to(dataset) == applies
    assert not photometry.METRIC.applies_to(make_dataset(images))


def float_dataset(seed, n, name="floats"):
    """Images of floats and what is shown of them: twice the stored number is in nJy, plus 1."""
    rng = np.random.default_rng(seed)
    light = gaussians(rng.lognormal(6, 0.5, n), side=16, width=2) + rng.normal(0, 1, (n, 16, 16, 3))
    form = PixelFormat("float32", 2.0, 1.0, "nJy", low=(-5.0,) * 3, high=(60.0,) * 3)
    stored = light.astype(np.float32)
    shown = ((stored + 5) / 65 * 255).clip(0, 255).astype(np.uint8)
    return Dataset(shown, None, (), name, f"{name}-{seed}", stored, form)


def test_a_record_has_photometry_of_values_in_units():
    """Of the reference, held-out images and samples, each in the data's own units."""
    real, heldout, sampled = float_dataset(0, 60), float_dataset(1, 40), float_dataset(2, 30)
    extractor = linear_extractor((16, 16, 3), 4, "linear")
    evaluator = scoring.make_evaluator(extractor, real, "photometry", strict=True, values=True)
    assert evaluator.reads_values

    def sample(seed, n):
        rows = np.random.default_rng(seed).permutation(30)[:n]
        return sampled.images[rows], scoring.values_of(sampled, rows)

    samplers = {"model": sample, "untrained": sample}
    record = evaluate.evaluate(evaluator, real, heldout, samplers, 30, 2, 0)
    rows = record["rows"]
    assert list(rows) == ["real", "model", "untrained", "collapsed"]
    direct = compare(2 * real.stored + 1, 2 * sampled.stored + 1)
    for key, value in direct.items():
        assert rows["model"][key] == pytest.approx(value, rel=1e-4, abs=1e-6), key
        assert np.isfinite([rows[name][key] for name in rows]).all()
        assert f"{key}_se" in rows["model"] and f"{key}_se" in rows["real"]
    assert abs(rows["real"]["phot_flux"] - 1) < 0.4
    assert rows["collapsed"]["phot_magnitude"] > rows["real"]["phot_magnitude"]


def test_without_values_it_is_left_out_or_refused():
    real = float_dataset(0, 30)
    extractor = linear_extractor((16, 16, 3), 4, "linear")
    assert "photometry" not in scoring.make_evaluator(extractor, real).metrics
    assert "photometry" in scoring.make_evaluator(extractor, real, values=True).metrics
    with pytest.raises(errors.InputError, match="--scores=photometry: photometry is of images"):
        scoring.make_evaluator(extractor, real, "photometry", strict=True)
    assert metrics.metric_of("phot_noise") == "photometry"
