"""Image files of every kind, good and bad, and the cache of what was decoded."""

import fcntl
import os
import shutil
import struct
import subprocess
import sys
import termios
import zlib

import numpy as np
import pytest
from PIL import Image

from gan_jax import errors
from gan_jax.data import image_files
from tests.data import making


def decoded(path, size=8, crop=0):
    array = image_files.decode(path, size, crop)
    assert array.dtype == np.uint8 and array.shape[:2] == (size, size)
    return array


def test_modes_are_converted(tmp_path):
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:4] = (200, 100, 50, 255)
    rgba[4:] = (200, 100, 50, 51)  # a fifth of the light
    assert decoded(making.write_image(tmp_path / "rgba.png", rgba))[[0, 7], 0].tolist() == [
        [200, 100, 50],
        [40, 20, 10],
    ]
    gray_alpha = np.full((8, 8, 2), (100, 51), np.uint8)
    assert decoded(making.write_image(tmp_path / "la.png", gray_alpha)).tolist() == [[[20]] * 8] * 8
    wide = np.full((8, 8), 257 * 77, np.uint16)
    wide[0, 0] = 65535
    assert decoded(making.write_image(tmp_path / "gray16.png", wide))[0, :2].tolist() == [
        [255],
        [77],
    ]
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
    """A PNG file of 16 bits per channel, gray or colour, with or without alpha, which Pillow cannot write."""
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[array.shape[2]]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in array)
    chunks = (
        (
            b"IHDR",
            struct.pack(">IIBBBBB", array.shape[1], array.shape[0], 16, colour_type, 0, 0, 0),
        ),
        (b"IDAT", zlib.compress(lines)),
        (b"IEND", b""),
    )
    body = b"".join(
        struct.pack(">I", len(b)) + t + b + struct.pack(">I", zlib.crc32(t + b)) for t, b in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


@pytest.mark.parametrize(("n_channels", "kept"), [(1, 1), (2, 1), (3, 3), (4, 3)])
def test_16_bits_per_channel(tmp_path, n_channels, kept):
    """Every channel within one of the 256 levels, gray with alpha still gray."""
    deep = np.random.default_rng(0).integers(0, 65536, (8, 8, n_channels))
    if n_channels in (2, 4):
        deep[..., -1] = 65535
    path = write_deep_png(tmp_path / "a.png", deep)
    assert image_files.header(path).channels == kept and "16" in image_files.header(path).mode
    found = decoded(path)
    assert found.shape == (8, 8, kept)
    assert np.abs(found - deep[..., :kept] / 257).max() <= 1


def test_palette_with_transparency(tmp_path):
    indices = np.zeros((8, 8), np.uint8)
    indices[4:] = 1
    image = Image.fromarray(indices, "L")
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.save(
        tmp_path / "a.png", transparency=bytes([255, 51])
    )  # a fifth of the second colour's light
    assert decoded(tmp_path / "a.png")[[0, 7], 0].tolist() == [[10, 20, 30], [40, 20, 10]]
    image.save(tmp_path / "b.png", transparency=0)
    assert decoded(tmp_path / "b.png")[[0, 7], 0].tolist() == [[0, 0, 0], [200, 100, 50]]


def test_cmyk_is_read_as_adobe_writes_it(tmp_path):
    """Photoshop's CMYK files are inverted and say "Adobe"; no ink is white, much black ink is dark."""
    for ink, low, high in (((0, 0, 0, 0), 250, 255), ((0, 0, 0, 230), 0, 40)):
        Image.new("CMYK", (8, 8), ink).save(tmp_path / "a.jpg", quality=95)
        assert b"Adobe" in (tmp_path / "a.jpg").read_bytes()
        assert (
            low <= decoded(tmp_path / "a.jpg").min() and decoded(tmp_path / "a.jpg").max() <= high
        )


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_exif_orientation_is_applied(tmp_path, name):
    """All eight: what EXIF says the first row and the first column of the file are, in the upright picture."""
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


def test_bad_images_are_named(tmp_path):
    good = making.pixels(16, 16, 3)

    def folder_with(name, make):
        root = tmp_path / name
        making.write_image(root / "a_good.png", good)
        make(root)
        return f"folder:{root}"

    spec = folder_with(
        "truncated",
        lambda root: (root / "b.png").write_bytes((root / "a_good.png").read_bytes()[:200]),
    )
    making.refused("b.png", "cannot be decoded", spec=spec)
    spec = folder_with("nonsense", lambda root: (root / "b.jpg").write_bytes(b"not a picture"))
    making.refused("b.jpg", "cannot be decoded", spec=spec)
    spec = folder_with("empty", lambda root: (root / "b.webp").write_bytes(b""))
    making.refused("b.webp", "cannot be decoded", spec=spec)
    spec = folder_with("link", lambda root: (root / "b.png").symlink_to(root / "gone.png"))
    making.refused("b.png", "cannot be read", spec=spec)
    frames = [Image.fromarray(making.pixels(16, 16, 3, seed=i)) for i in range(2)]
    spec = folder_with("loop", lambda root: (root / "b.png").symlink_to("b.png"))
    making.refused("b.png", "symbolic links", spec=spec)
    spec = folder_with("gif", lambda root: Image.new("P", (16, 16)).save(root / "b.png", "GIF"))
    making.refused("b.png", "no PNG, JPEG, WEBP or BMP inside", spec=spec)
    spec = folder_with("lines", lambda root: (root / "b\nc.png").write_bytes(b"not a picture"))
    making.refused("b\\nc.png", spec=spec)
    spec = folder_with(
        "bytes", lambda root: (root / os.fsdecode(b"\xff.png")).write_bytes(b"not a picture")
    )
    making.refused("\\udcff.png", spec=spec)
    spec = folder_with(
        "moving",
        lambda root: frames[0].save(root / "b.webp", save_all=True, append_images=frames[1:]),
    )
    making.refused("b.webp", "animated (2 frames)", spec=spec)
    spec = folder_with(
        "moving_png",
        lambda root: frames[0].save(root / "b.png", save_all=True, append_images=frames[1:]),
    )
    making.refused("b.png", "animated (2 frames)", spec=spec)
    spec = folder_with("mixed", lambda root: making.write_image(root / "b.png", good[..., 0]))
    making.refused("b.png is gray", "a_good.png is in colour", spec=spec)
    spec = folder_with("both", lambda root: making.write_image(root / "class" / "b.png", good))
    making.refused("a_good.png", "class/", spec=spec)
    assert not list((tmp_path / "cache" / "images").iterdir())  # nothing half made


def test_names_and_folders_may_be_unusual(tmp_path):
    for name in ("a b", "ä", "銀河", "line\nbreak", "wrong extension"):
        making.write_image(
            tmp_path / "a set" / "in" / f"{name}.png", making.pixels(16, 16), format="JPEG"
        )
    (tmp_path / "a set" / "in" / "again").symlink_to("..")
    assert len(making.load(f"folder:{tmp_path / 'a set'}", 16).images) == 5
    (tmp_path / "loop").symlink_to("loop")
    making.refused("is not a folder", spec=f"folder:{tmp_path / 'loop'}")


def test_huge_images_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    making.write_image(tmp_path / "set" / "a.png", making.pixels(16, 16))
    making.write_image(tmp_path / "set" / "b.png", making.pixels(64, 64))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    making.refused("b.png", "4096 pixels", "exceeds limit", spec=f"folder:{tmp_path / 'set'}")


def test_small_images_are_not_enlarged(tmp_path):
    for name, shape in (
        ("a", (40, 50, 3)),
        ("b", (30, 24, 3)),
        ("c", (20, 24, 3)),
        ("d", (40, 40, 3)),
    ):
        making.write_image(tmp_path / "set" / f"{name}.png", making.pixels(*shape))
    spec = f"folder:{tmp_path / 'set'}"
    making.refused("c.png", "24x20", "--size=20 or less", "2 of 4", spec=spec, size=32)
    making.refused("c.png", "24x20", "--crop=20 or less", spec=spec, size=16, crop=21)
    making.refused("cropped to 16 pixels", "--size=20", spec=spec, size=20, crop=16)
    assert making.load(spec, 20).images.shape == (4, 20, 20, 3)


def folder_with_bad_files(root):
    """Three classes, the second without a good file: a truncated JPEG, one that is none, a small and an animated file."""
    good = [
        making.write_image(root / "cat" / f"{i}.jpg", making.pixels(20, 20, 3, seed=i))
        for i in range(7)
    ]
    good[2].write_bytes(good[2].read_bytes()[:-300])
    good[4].write_bytes(b"\xff\xd8 nothing")
    making.write_image(root / "cat" / "5.jpg", making.pixels(12, 20, 3))
    frames = [Image.fromarray(making.pixels(20, 20, 3, seed=i)) for i in range(2)]
    making.write_image(root / "emu" / "0.png", making.pixels(16, 16, 3))
    (root / "dog").mkdir()
    frames[0].save(root / "dog" / "0.webp", save_all=True, append_images=frames[1:])
    return f"folder:{root}"


def test_bad_files_are_skipped_if_asked(tmp_path, capsys):
    """They are counted and named, from the cache as well; their labels go with them; a class may lose all its images."""
    spec = folder_with_bad_files(tmp_path / "set")
    making.refused("4.jpg", "--skip_bad_images", spec=spec)
    first = making.load(spec, 16, skip_bad=True)
    said = capsys.readouterr().err
    assert (
        said.splitlines()[0] == "4 of 9 images skipped:"
        and "No image is left in class dog." in said
    )
    for name in (
        "2.jpg cannot be decoded",
        "4.jpg cannot be decoded",
        "5.jpg is 20x12 pixels",
        "0.webp is animated",
    ):
        assert said.count(name) == 1, said
    assert first.classes == ("cat", "dog", "emu") and first.labels.tolist() == [0, 0, 0, 0, 2]
    expected = [image_files.decode(tmp_path / "set" / "cat" / f"{i}.jpg", 16) for i in (0, 1, 3, 6)]
    assert np.array_equal(first.images[:4], expected)
    again = making.load(spec, 16, skip_bad=True)
    assert again.digest == first.digest and capsys.readouterr().err == said


def test_repaired_files_are_no_longer_skipped(tmp_path, capsys):
    spec = folder_with_bad_files(tmp_path / "set")
    before = making.load(spec, 16, skip_bad=True)
    making.write_image(tmp_path / "set" / "cat" / "2.jpg", making.pixels(20, 20, 3, seed=2))
    capsys.readouterr()
    after = making.load(spec, 16, skip_bad=True)
    assert len(after.images) == len(before.images) + 1 and after.digest != before.digest
    assert "2.jpg" not in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_that_may_not_be_read(tmp_path):
    making.write_image(tmp_path / "set" / "a.png", making.pixels(16, 16))
    path = making.write_image(tmp_path / "set" / "b.png", making.pixels(16, 16))
    path.chmod(0)
    making.refused("b.png", "Permission denied", spec=f"folder:{tmp_path / 'set'}")
    assert len(making.load(f"folder:{tmp_path / 'set'}", 16, skip_bad=True).images) == 1
    path.chmod(0o600)  # changes neither size nor time
    assert len(making.load(f"folder:{tmp_path / 'set'}", 16, skip_bad=True).images) == 2


def test_nothing_but_bad_files(tmp_path):
    for i in range(3):
        path = making.write_image(tmp_path / "set" / f"{i}.jpg", making.pixels(20, 20, 3))
        path.write_bytes(path.read_bytes()[: [0, 200, -300][i]])
    with pytest.raises(
        errors.InputError, match="None of the 3 images can be used; the first: .*0.jpg"
    ):
        making.load(f"folder:{tmp_path / 'set'}", 16, skip_bad=True)
    assert not list((tmp_path / "cache" / "images").iterdir())


def test_settings_have_entries_of_their_own(tmp_path):
    making.write_image(tmp_path / "set" / "a.png", making.pixels(20, 20))
    spec = f"folder:{tmp_path / 'set'}"
    for i, view in enumerate(
        ({"size": 8}, {"size": 16}, {"size": 8, "crop": 12}, {"size": 8, "skip_bad": True})
    ):
        making.load(spec, **view)
        making.load(spec, **view)
        assert len(list((tmp_path / "cache" / "images").iterdir())) == i + 1


LOADING = """
import sys
from gan_jax.data import datasets, image_files
image_files._BLOCK = 16
print("starts", flush=True)
print(datasets.load(sys.argv[1], datasets.DataOptions(32)).digest)
"""


def loading(spec, env):
    """Another process that loads a folder and prints its digest; it has started when this returns."""
    process = subprocess.Popen(
        [sys.executable, "-c", LOADING, spec], env=env, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "starts\n"
    return process


@pytest.fixture
def many(tmp_path):
    """A folder that takes about a second to decode."""
    first = making.write_image(tmp_path / "set" / "0.jpg", making.pixels(400, 400, 3))
    for i in range(1, 300):
        shutil.copy(first, tmp_path / "set" / f"{i}.jpg")
    return f"folder:{tmp_path / 'set'}"


def test_two_processes_make_one_entry(tmp_path, child_env, many):
    processes = [loading(many, child_env) for _ in range(2)]
    digests = {process.communicate(timeout=120)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0] and len(digests) == 1
    assert len(list((tmp_path / "cache" / "images").iterdir())) == 1
    assert digests == {making.load(many, 32).digest}


def test_a_kill_leaves_no_entry(tmp_path, child_env, many):
    process = loading(many, child_env)
    written = []
    while not written and process.poll() is None:
        written = [
            p for p in tmp_path.glob("cache/images/.tmp-*/images.npy") if p.stat().st_size > 10_000
        ]
    process.kill()
    process.wait()
    (left,) = (tmp_path / "cache" / "images").iterdir()
    assert left.name.startswith(".tmp-"), "the process was killed too late"
    assert making.load(many, 32).images.shape == (300, 32, 32, 3)


def test_the_first_axis_can_be_rewritten_in_the_header(tmp_path):
    """numpy reserves the room; without it the pixels' beginning would be overwritten."""
    ends = []
    for n in (0, 7, 61_578, 10**12):
        with open(tmp_path / "a", "wb") as f:
            image_files._write_header(f, (n, 1024, 1024, 3))
            ends.append(f.tell())
    assert len(set(ends)) == 1


def test_decoded_images_are_cached(tmp_path, monkeypatch):
    root = tmp_path / "set"
    path = making.write_image(root / "a.png", making.pixels(16, 16, 3))
    first = making.load(f"folder:{root}", 16)

    def forbidden(*_):
        raise AssertionError("decoded although cached")

    with monkeypatch.context() as patch:
        patch.setattr(image_files, "decode", forbidden)
        assert making.load(f"folder:{root}", 16).digest == first.digest
    making.write_image(path, making.pixels(16, 16, 3, seed=1))
    os.utime(path, ns=(1, 1))  # a changed file, even within the clock's resolution
    assert making.load(f"folder:{root}", 16).digest != first.digest
    entries = list((tmp_path / "cache" / "images").iterdir())
    for entry in entries:
        (entry / "images.npy").unlink()
    making.refused("is damaged", "delete", spec=f"folder:{root}")


def test_interrupt_leaves_no_entry(tmp_path, monkeypatch):
    making.write_image(tmp_path / "set" / "a.png", making.pixels(16, 16))

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(image_files, "decode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        making.load(f"folder:{tmp_path / 'set'}", 16)
    assert not list((tmp_path / "cache" / "images").iterdir())


def test_unwritable_cache_is_refused(tmp_path, monkeypatch):
    making.write_image(tmp_path / "set" / "a.png", making.pixels(16, 16))
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "file"))
    making.refused("GAN_JAX_CACHE", "cannot be written", spec=f"folder:{tmp_path / 'set'}")


def test_progress_is_shown_when_it_takes_long(tmp_path, monkeypatch, capsys):
    for i in range(4):
        making.write_image(tmp_path / "set" / f"{i}.png", making.pixels(8, 8))
    clock = iter(range(0, 1000, 3))
    monkeypatch.setattr(image_files, "_BLOCK", 2)
    monkeypatch.setattr(image_files.time, "monotonic", lambda: next(clock))
    making.load(f"folder:{tmp_path / 'set'}", 8)
    said = capsys.readouterr().err
    assert "2 of 4 images decoded, 3 s left" in said
    assert "4 images decoded in 9 s, 0 per second" in said


def test_progress_is_a_bar_on_a_terminal(monkeypatch):
    reader, writer = os.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    monkeypatch.setattr(image_files, "_QUIET", 0)
    with os.fdopen(writer, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        assert list(image_files.over(abs, range(-4, 0), "images counted")) == [4, 3, 2, 1]
        shown = os.read(reader, 4096).decode()
    os.close(reader)
    assert shown.startswith("\rimages counted:   0%") and "of 4" not in shown
