"""Image files of every mode, decoded to uint8."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from gan_jax.data import image_decoding
from tests.data import making


def decoded(path, size=8, crop=0):
    array = image_decoding.decode_image(path, size, crop)
    assert array.dtype == np.uint8 and array.shape[:2] == (size, size)
    return array


def test_modes_are_converted(tmp_path):
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:4] = (200, 100, 50, 255)
    rgba[4:] = (200, 100, 50, 51)  # a fifth of the light
    image = decoded(making.write_image(tmp_path / "rgba.png", rgba))
    assert image[[0, 7], 0].tolist() == [[200, 100, 50], [40, 20, 10]]
    gray_alpha = np.full((8, 8, 2), (100, 51), np.uint8)
    assert decoded(making.write_image(tmp_path / "la.png", gray_alpha)).tolist() == [[[20]] * 8] * 8
    wide = np.full((8, 8), 257 * 77, np.uint16)
    wide[0, 0] = 65535
    image = decoded(making.write_image(tmp_path / "gray16.png", wide))
    assert image[0, :2].tolist() == [[255], [77]]
    palette = Image.fromarray(np.full((8, 8, 3), (10, 20, 30), np.uint8)).quantize(4)
    palette.save(tmp_path / "palette.png")
    assert decoded(tmp_path / "palette.png")[0, 0].tolist() == [10, 20, 30]
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg", quality=95)
    red = decoded(tmp_path / "cmyk.jpg")[4, 4].astype(int)
    assert red[0] > 200 and max(red[1:]) < 60
    Image.new("1", (8, 8), 1).save(tmp_path / "bits.png")
    assert decoded(tmp_path / "bits.png").tolist() == [[[255]] * 8] * 8
    making.write_image(tmp_path / "lossless.webp", making.pixels(8, 8, 3), lossless=True)
    assert np.array_equal(decoded(tmp_path / "lossless.webp"), making.pixels(8, 8, 3))


def write_deep_png(path, array):
    """A PNG file of 16 bits per channel, which Pillow cannot write."""
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[array.shape[2]]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in array)
    height, width, _ = array.shape
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines)),
        (b"IEND", b""),
    ):
        content += struct.pack(">I", len(data)) + kind + data
        content += struct.pack(">I", zlib.crc32(kind + data))
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("n_channels", "kept"), [(1, 1), (2, 1), (3, 3), (4, 3)])
def test_16_bits_per_channel(tmp_path, n_channels, kept):
    """Every channel within one of the 256 levels, gray with alpha still gray."""
    deep = np.random.default_rng(0).integers(0, 65536, (8, 8, n_channels))
    if n_channels in (2, 4):
        deep[..., -1] = 65535
    path = write_deep_png(tmp_path / "a.png", deep)
    header = image_decoding.read_header(path)
    assert header.channels == kept and "16" in header.mode
    image = decoded(path)
    assert image.shape == (8, 8, kept)
    assert np.abs(image - deep[..., :kept] / 257).max() <= 1


def test_palette_with_transparency(tmp_path):
    indices = np.zeros((8, 8), np.uint8)
    indices[4:] = 1
    image = Image.fromarray(indices, "L")
    image.putpalette([10, 20, 30, 200, 100, 50])
    # A fifth of the second colour's light.
    image.save(tmp_path / "a.png", transparency=bytes([255, 51]))
    assert decoded(tmp_path / "a.png")[[0, 7], 0].tolist() == [[10, 20, 30], [40, 20, 10]]
    image.save(tmp_path / "b.png", transparency=0)
    assert decoded(tmp_path / "b.png")[[0, 7], 0].tolist() == [[0, 0, 0], [200, 100, 50]]


def test_cmyk_is_read_as_adobe_writes_it(tmp_path):
    """Photoshop's CMYK files are inverted and say "Adobe": no ink is white, much ink is dark."""
    for ink, low, high in (((0, 0, 0, 0), 250, 255), ((0, 0, 0, 230), 0, 40)):
        Image.new("CMYK", (8, 8), ink).save(tmp_path / "a.jpg", quality=95)
        assert b"Adobe" in (tmp_path / "a.jpg").read_bytes()
        image = decoded(tmp_path / "a.jpg")
        assert low <= image.min() and image.max() <= high


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_exif_orientation_is_applied(tmp_path, name):
    """All eight orientations of the file give the upright picture."""
    upright = np.kron(np.array([[0, 100], [180, 255]], np.uint8), np.ones((8, 8), np.uint8))
    as_stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: upright.T[::-1],
        7: upright.T[::-1, ::-1],
        8: upright.T[:, ::-1],
    }
    for orientation, stored in as_stored.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = making.write_image(
            tmp_path / name, np.ascontiguousarray(stored), exif=exif, quality=100
        )
        assert np.abs(decoded(path, 16)[..., 0].astype(int) - upright).max() <= 2, orientation
