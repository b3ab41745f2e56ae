"""Ranges of pixels, grids of images and PNG files."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gan_jax import errors, images


@pytest.mark.parametrize("pixels, low, high", [("tanh", -1.0, 1.0), ("sigmoid", 0.0, 1.0)])
def test_range_and_round_trip_of_every_grey_level(pixels, low, high):
    levels = np.arange(256, dtype=np.uint8)
    host = images.to_float(levels, pixels)
    device = jax.jit(lambda x: images.to_float(x, pixels))(jnp.asarray(levels))
    assert host.dtype == np.float32 and device.dtype == jnp.float32
    assert (host[0], host[-1]) == (low, high)
    np.testing.assert_allclose(device, host, atol=2e-7)
    np.testing.assert_array_equal(images.to_uint8(host, pixels), levels)
    back = jax.jit(lambda x: images.to_uint8(x, pixels))(device)
    assert back.dtype == jnp.uint8
    np.testing.assert_array_equal(back, levels)


def test_to_uint8_clips_and_rounds():
    np.testing.assert_array_equal(
        images.to_uint8(np.array([-3.0, 7.0, 1.4 / 255]), "sigmoid"), [0, 255, 1]
    )


def test_unknown_range_is_refused():
    with pytest.raises(errors.InputError, match="pixels=relu.*tanh, sigmoid"):
        images.to_float(np.zeros(1, np.uint8), "relu")


def test_grid_places_tiles_row_by_row():
    tiles = np.stack([np.full((2, 3, 1), i, np.uint8) for i in range(5)])
    picture = images.grid(tiles, columns=3)
    assert picture.shape == (5, 11, 1) and picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[0, :, 0], [0, 0, 0, 128, 1, 1, 1, 128, 2, 2, 2])
    np.testing.assert_array_equal(picture[4, :, 0], [3, 3, 3, 128, 4, 4, 4, 128, 128, 128, 128])
    assert (picture[2] == 128).all()


def test_grid_scale_repeats_pixels_and_few_images_take_few_columns():
    tiles = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), np.uint8)
    large = images.grid(tiles, columns=8, scale=3)
    assert large.shape == (12, 27, 3)
    np.testing.assert_array_equal(large[::3, ::3], images.grid(tiles, columns=8))


@pytest.mark.parametrize("channels, shown", [(1, 1), (2, 1), (3, 3), (5, 3)])
def test_any_channel_count_is_shown(tmp_path, channels, shown):
    tiles = np.random.default_rng(0).integers(0, 256, (1, 4, 4, channels), np.uint8)
    picture = images.grid(tiles, columns=1)
    np.testing.assert_array_equal(picture, tiles[0, :, :, :shown])
    images.save_png(tmp_path / "a.png", picture)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / "a.png")).reshape(picture.shape), picture
    )


def test_channels_are_chosen():
    five = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5), np.uint8)
    for show, bands in [("4", [4]), ("2,1,0", [2, 1, 0]), (" 3, 3,1", [3, 3, 1]), ("", [0, 1, 2])]:
        assert np.array_equal(images.shown(five, show), five[..., bands])
        assert np.array_equal(images.grid(five, 1, show=show)[:3], five[0][..., bands])
    for show in ("5", "0,1", "a", "-1", "1,,2", "0,1,2,3"):
        with pytest.raises(errors.InputError, match="none of the channels 0 to 4 .*use --show=4"):
            images.parse_bands(show, 5)


def test_png_takes_a_plain_matrix():
    matrix = np.arange(12, dtype=np.uint8).reshape(3, 4)
    np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(images.encode_png(matrix)))), matrix
    )
