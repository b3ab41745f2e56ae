"""Image files that cannot be used: refused by name, or skipped if asked."""

import os

import numpy as np
import pytest
from PIL import Image

from gan_jax import errors
from gan_jax.data import image_decoding
from tests.data import making


def write_bytes(content):
    return lambda path: path.write_bytes(content)


GOOD = making.pixels(16, 16, 3)


@pytest.mark.parametrize(
    ("name", "write", "words"),
    [
        ("b.png", write_bytes(making.encoded(GOOD)[:200]), ["b.png", "cannot be decoded"]),
        ("b.jpg", write_bytes(b"not a picture"), ["b.jpg", "cannot be decoded"]),
        ("b.webp", write_bytes(b""), ["b.webp", "cannot be decoded"]),
        ("b.png", lambda path: path.symlink_to("gone.png"), ["b.png", "cannot be read"]),
        ("b.png", lambda path: path.symlink_to("b.png"), ["b.png", "symbolic links"]),
        (
            "b.png",
            write_bytes(making.encoded(GOOD, "GIF")),
            ["b.png", "no PNG, JPEG, WEBP, BMP or TIFF that"],
        ),
        ("b\nc.png", write_bytes(b"not a picture"), ["b\\nc.png"]),
        (os.fsdecode(b"\xff.png"), write_bytes(b"not a picture"), ["\\udcff.png"]),
        (
            "b.webp",
            lambda path: making.write_animation(path, 16, 16, 3),
            ["b.webp", "animated (2 frames)"],
        ),
        (
            "b.png",
            lambda path: making.write_animation(path, 16, 16, 3),
            ["b.png", "animated (2 frames)"],
        ),
        (
            "b.png",
            lambda path: making.write_image(path, GOOD[..., 0]),
            ["b.png is gray", "a_good.png is in colour", "--colors=gray"],
        ),
        ("class/b.png", lambda path: making.write_image(path, GOOD), ["a_good.png", "class/"]),
    ],
)
def test_bad_images_are_named(tmp_path, name, write, words):
    root = tmp_path / "set"
    making.write_image(root / "a_good.png", GOOD)
    write(root / name)
    making.refused(*words, spec=f"folder:{root}")
    assert not list((tmp_path / "cache").glob("images/*"))  # nothing half made


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
    """Classes with a truncated, an empty and a small JPEG; an animation; a good file."""
    cat = root / "cat"
    for i in range(7):
        making.write_image(cat / f"{i}.jpg", making.pixels(20, 20, 3, seed=i))
    (cat / "2.jpg").write_bytes((cat / "2.jpg").read_bytes()[:-300])
    (cat / "4.jpg").write_bytes(b"\xff\xd8 nothing")
    making.write_image(cat / "5.jpg", making.pixels(12, 20, 3))
    making.write_image(root / "emu" / "0.png", making.pixels(16, 16, 3))
    making.write_animation(root / "dog" / "0.webp", 20, 20, 3)
    return f"folder:{root}"


def test_bad_files_are_skipped_if_asked(tmp_path, capsys):
    """They are named, also from the cache; their labels go too; a class may lose all its images."""
    spec = folder_with_bad_files(tmp_path / "set")
    making.refused("4.jpg", "--skip_bad_images", spec=spec)
    first = making.load(spec, 16, skip_bad_images=True)
    said = capsys.readouterr().err
    assert said.startswith("4 of 9 images skipped:\n")
    assert "No image is left in class dog." in said
    for name in (
        "2.jpg cannot be decoded",
        "4.jpg cannot be decoded",
        "5.jpg is 20x12 pixels",
        "0.webp is animated",
    ):
        assert said.count(name) == 1, said
    assert first.classes == ("cat", "dog", "emu") and first.labels.tolist() == [0, 0, 0, 0, 2]
    expected = [
        image_decoding.decode_image(tmp_path / "set" / "cat" / f"{i}.jpg", 16) for i in (0, 1, 3, 6)
    ]
    assert np.array_equal(first.images[:4], expected)
    again = making.load(spec, 16, skip_bad_images=True)
    assert again.digest == first.digest and capsys.readouterr().err == said


def test_repaired_files_are_no_longer_skipped(tmp_path, capsys):
    spec = folder_with_bad_files(tmp_path / "set")
    before = making.load(spec, 16, skip_bad_images=True)
    making.write_image(tmp_path / "set" / "cat" / "2.jpg", making.pixels(20, 20, 3, seed=2))
    capsys.readouterr()
    after = making.load(spec, 16, skip_bad_images=True)
    assert len(after.images) == len(before.images) + 1 and after.digest != before.digest
    assert "2.jpg" not in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_that_may_not_be_read(tmp_path):
    making.write_image(tmp_path / "set" / "a.png", making.pixels(16, 16))
    path = making.write_image(tmp_path / "set" / "b.png", making.pixels(16, 16))
    path.chmod(0)
    making.refused("b.png", "Permission denied", spec=f"folder:{tmp_path / 'set'}")
    assert len(making.load(f"folder:{tmp_path / 'set'}", 16, skip_bad_images=True).images) == 1
    path.chmod(0o600)  # changes neither size nor time
    assert len(making.load(f"folder:{tmp_path / 'set'}", 16, skip_bad_images=True).images) == 2


def test_nothing_but_bad_files(tmp_path):
    for i in range(3):
        path = making.write_image(tmp_path / "set" / f"{i}.jpg", making.pixels(20, 20, 3))
        path.write_bytes(path.read_bytes()[: [0, 200, -300][i]])
    with pytest.raises(
        errors.InputError, match="None of the 3 images can be used; the first: .*0.jpg"
    ):
        making.load(f"folder:{tmp_path / 'set'}", 16, skip_bad_images=True)
    assert not list((tmp_path / "cache" / "images").iterdir())
