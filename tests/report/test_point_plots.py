"""Pictures of points: bright where points are, rings where modes are; and films of them."""

import numpy as np
import pytest
from PIL import Image

from gan_jax import cache, images
from gan_jax.data import datasets, toys
from gan_jax.report import point_plots

LIT = 60  # a level above that of the background and of thin grey


@pytest.fixture(scope="module")
def load():
    return lambda name: datasets.load(f"toys:{name}", datasets.DataOptions(64))


def pixel(x, y, toy):
    """(row, column) of a position in a toy's units."""
    column, up = ((c / toy.scale / point_plots._EXTENT + 1) / 2 * point_plots.SIDE for c in (x, y))
    return int(point_plots.SIDE - up), int(column)


@pytest.mark.parametrize("name", toys.TABLE)
def test_every_toy_has_a_picture(name, load):
    data = load(name)
    shown = point_plots.draw_density(data.images[:2000], data.images[2000:9000], data.name)
    assert shown.shape == (360, 360, 3) and shown.dtype == np.uint8
    assert 0.01 < (shown.max(2) > LIT).mean() < 0.4


def test_light_is_where_the_points_are_and_missed_modes_are_grey(load):
    data, toy = load("plus"), toys.TABLE["plus"]
    found = data.labels == toy.classes.index("(0,3)")
    shown = point_plots.draw_density(data.images[found], data.images[:5000], data.name).astype(int)
    saturation = shown.max(2) - shown.min(2)
    assert shown[pixel(0, 3, toy)].min() > 150  # the lightest end of the map
    row, column = pixel(-2, 0, toy)
    assert (
        saturation[row - 8 : row + 9, column - 8 : column + 9].max()
        <= 4
        < LIT
        < shown[row, column].max() + 20
    )
    coloured = np.argwhere(saturation > 40)
    assert len(coloured) and np.hypot(*(coloured - pixel(0, 3, toy)).T).max() < 20
    assert shown[pixel(2, 2, toy)].max() < 10


def test_rings_have_the_radius_within_which_points_count(load):
    data, toy = load("sine"), toys.TABLE["sine"]
    far = np.full((100, 1, 1, 2), 0.95, np.float32)
    shown = point_plots.draw_density(far, data.images[:5000], data.name).astype(int)
    row, column = pixel(2, 0, toy)
    radius = 0.1 * np.sqrt(2) / toy.scale / point_plots._EXTENT / 2 * point_plots.SIDE
    levels = shown[row, column : column + 16, 0]
    assert abs(4 + levels[4:].argmax() - radius) <= 1.5 and levels[15] < 10


def test_a_curve_in_one_dimension_stands_where_its_points_are(load):
    data = load("gaussian1d")
    shown = point_plots.draw_density(
        data.images[:5000] - 0.9, data.images[5000:10000], data.name
    ).astype(int)
    orange = np.argwhere(shown[..., 0] - shown[..., 2] > 60)
    grey = np.argwhere((np.ptp(shown, axis=2) < 6) & (shown.min(2) > 60))
    middle = [((x / point_plots._EXTENT) + 1) / 2 * point_plots.SIDE for x in (4 / 9 - 0.9, 4 / 9)]
    high = [
        part[part[:, 0] < 200, 1].mean() for part in (orange, grey)
    ]  # above the line along the bottom
    np.testing.assert_allclose(high, middle, atol=3)
    assert grey[:, 0].min() == pytest.approx(0.4 * point_plots.SIDE, abs=3)


def test_brightness_compares_between_pictures(load):
    """Equal shares of points in a mode look alike, for any number of points and wherever others
    lie.
    """
    data, toy = load("gaussians8"), toys.TABLE["gaussians8"]
    some = data.images[:800]
    half = np.concatenate(
        [some, np.full((800, 1, 1, 2), 5.0, np.float32)]
    )  # half of them outside the picture
    shown = [
        point_plots.draw_density(x, data.images[:5000], data.name)
        for x in (some, half, some.repeat(2, 0))
    ]
    whole, dim, twice = np.array(shown, int)
    np.testing.assert_array_equal(whole, twice)
    at = pixel(*toy.centers[1], toy)
    assert dim[at].sum() < whole[at].sum() - 50


def test_points_that_are_not_finite_are_left_out(load):
    data = load("plus")
    broken = np.full((50, 1, 1, 2), np.nan, np.float32)
    with np.errstate(all="raise"):
        shown = point_plots.draw_density(broken, data.images[:2000], data.name)
    assert (np.ptp(shown.astype(int), axis=2) <= 4).all()


def test_film(tmp_path, load):
    data, paths = load("gaussians25"), []
    for i in range(4):
        paths.append(tmp_path / f"{i}.png")
        images.save_png(
            paths[-1],
            point_plots.draw_density(data.images[: 400 * i + 5], data.images[:3000], data.name),
        )
    point_plots.animate(paths, tmp_path / "film.webp", ms=50)
    assert not list(tmp_path.glob(f"{cache.SCRATCH}*"))
    with Image.open(tmp_path / "film.webp") as film:
        assert (film.n_frames, film.size, film.info["loop"]) == (4, (360, 360), 0)
        durations = []
        for i, path in enumerate(paths):
            film.seek(i)
            frame = np.asarray(film.convert("RGB"), int)
            durations.append(film.info["duration"])
            assert np.abs(frame - np.asarray(Image.open(path), int)).mean() < 3
    assert durations == [50, 50, 50, 2000]


def test_a_long_film_is_thinned_to_its_first_and_last_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(point_plots, "_MAX_FRAMES", 3)
    paths = [tmp_path / f"{i}.png" for i in range(7)]
    for i, path in enumerate(paths):
        images.save_png(path, np.full((16, 16, 3), 40 * i, np.uint8))
    point_plots.animate(paths, tmp_path / "film.webp")
    with Image.open(tmp_path / "film.webp") as film:
        levels = [
            film.seek(i) or np.asarray(film.convert("RGB")).mean() for i in range(film.n_frames)
        ]
    np.testing.assert_allclose(levels, [0, 120, 240], atol=3)
