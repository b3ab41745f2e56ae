"""Image files that cannot be used: refused by name, or skipped if asked."""

import os

import numpy as np
import pytest
from PIL import Image

from gan_jax import errors
from gan_jax.data import image_decoding
from tests.data import making


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
    first = making.load(spec, 16, skip_bad_images=True)
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
