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


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
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


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp"])
def test_headers_say_the_sides_after_the_turn(tmp_path, name):
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = making.write_image(tmp_path / name, making.pixels(8, 24), exif=exif)
        header = image_decoding.read_header(path)
        assert (header.width, header.height) == ((8, 24) if orientation >= 5 else (24, 8))


def write_tiff(path, array, photometric=None, sample_format=1, bits=0):
    """An uncompressed TIFF file in one strip, of numbers of any kind [H, W] or [H, W, C]."""
    data, channels = array.tobytes(), 1 if array.ndim == 2 else array.shape[2]
    bits = bits or 8 * array.itemsize
    if photometric is None:
        photometric = 1 if channels < 3 else 2
    offset = 8 + len(data)
    entries = [
        (256, 4, 1, struct.pack("<I", array.shape[1])),
        (257, 4, 1, struct.pack("<I", array.shape[0])),
        (258, 3, channels, struct.pack("<HH", bits, bits if channels > 1 else 0)),
        (259, 3, 1, struct.pack("<I", 1)),
        (262, 3, 1, struct.pack("<I", photometric)),
        (273, 4, 1, struct.pack("<I", 8)),
        (277, 3, 1, struct.pack("<I", channels)),
        (278, 4, 1, struct.pack("<I", array.shape[0])),
        (279, 4, 1, struct.pack("<I", len(data))),
        (339, 3, channels, struct.pack("<HH", sample_format, sample_format)),
    ]
    end = offset + 2 + 12 * len(entries) + 4
    tail = struct.pack("<H", bits) * channels + struct.pack("<H", sample_format) * channels
    if channels > 2:
        entries = [
            (tag, kind, n, struct.pack("<I", end + (2 * channels if tag == 339 else 0)))
            if tag in (258, 339)
            else (tag, kind, n, value)
            for tag, kind, n, value in entries
        ]
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHI", tag, kind, n) + v for tag, kind, n, v in entries)
    path.write_bytes(b"II*\0" + struct.pack("<I", offset) + data + directory + bytes(4) + tail)
    return path


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 8, 3), (8, 8, 4)])
def test_tiff_files_are_read(tmp_path, shape, compression):
    array, n_channels = making.pixels(*shape), min(shape[2], 3)
    array[..., 3:] = 255
    path = making.write_image(tmp_path / "a.tif", array, compression=compression)
    header = image_decoding.read_header(path)
    assert header.channels == n_channels and ";" not in header.mode
    assert np.array_equal(decoded(path), array[..., :n_channels])


def test_tiff_of_more_bits_is_scaled(tmp_path):
    """16 bits, 12 bits (two values in three bytes), white at 0, and colour."""
    deep = np.random.default_rng(0).integers(0, 65536, (8, 8), np.uint16)
    path = write_tiff(tmp_path / "a.tif", deep)
    assert image_decoding.read_header(path).mode == "I;16"
    assert np.abs(decoded(path)[..., 0] - deep / 257).max() <= 0.5
    inverted = decoded(write_tiff(tmp_path / "a.tif", deep, photometric=0))
    assert np.abs(inverted[..., 0] - (65535 - deep) / 257).max() <= 0.5
    even, odd = (deep[:, i::2].astype(int) >> 4 for i in (0, 1))
    packed = np.stack([even >> 4, (even & 15) << 4 | odd >> 8, odd & 255], 2).astype(np.uint8)
    path = write_tiff(tmp_path / "a.tif", packed.reshape(8, 12), bits=12)
    # The strip is of 8 values a row, not of 12 bytes.
    path.write_bytes(path.read_bytes().replace(struct.pack("<HHII", 256, 4, 1, 12), WIDTH_8))
    assert np.abs(decoded(path)[..., 0] - (deep >> 4) / 4095 * 255).max() <= 0.5
    color = np.random.default_rng(1).integers(0, 65536, (8, 8, 3), np.uint16)
    path = write_tiff(tmp_path / "a.tif", color)
    assert image_decoding.read_header(path).mode == "RGB;16"
    assert np.abs(decoded(path) - color / 257).max() <= 1


WIDTH_8 = struct.pack("<HHII", 256, 4, 1, 8)


@pytest.mark.parametrize(
    ("dtype", "sample_format", "words"),
    [
        (np.float32, 3, "fractions of 32 bits"),
        (np.uint32, 1, "whole numbers of 32 bits"),
        (np.int16, 2, "negative values of 16 bits"),
        (np.int8, 2, "negative values of 8 bits"),
    ],
)
def test_tiff_of_an_unknown_range_is_refused(tmp_path, dtype, sample_format, words):
    path = write_tiff(tmp_path / "a.tif", np.ones((8, 8), dtype), sample_format=sample_format)
    for read in (image_decoding.read_header, decoded):
        with pytest.raises(image_decoding.BadFile, match=words) as caught:
            read(path)
        assert caught.value.fault == "unknown range"


def test_tiff_of_several_pages_is_refused(tmp_path):
    making.write_animation(tmp_path / "a.tif", 8, 8, 3)
    with pytest.raises(image_decoding.BadFile, match="several pages"):
        image_decoding.read_header(tmp_path / "a.tif")


def test_gray_and_colour_are_converted(tmp_path):
    """As Pillow converts 8 bits, and 16 bits of gray to colour, too."""
    color, deep = making.pixels(8, 8, 3), np.full((8, 8), 257 * 77, np.uint16)
    path = making.write_image(tmp_path / "color.png", color)
    gray = image_decoding.decode_image(path, 8, 0, "gray")
    assert np.array_equal(gray[..., 0], np.asarray(Image.fromarray(color).convert("L")))
    assert np.array_equal(image_decoding.decode_image(path, 8, 0, "rgb"), color)
    path = making.write_image(tmp_path / "deep.png", deep)
    rgb = image_decoding.decode_image(path, 8, 0, "rgb")
    assert rgb.shape == (8, 8, 3) and (rgb == 77).all()
