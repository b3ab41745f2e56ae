"""Every source on files made here; the real MNIST files where GAN_JAX_DATA names them."""

import gzip
import hashlib
import os
import pathlib
import struct

import numpy as np
import pytest
from PIL import Image

from gan_jax import errors
from gan_jax.data import pictures, resize, source


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "cache"))


def load(spec, size, crop=0, split="train", **view):
    return source.load(spec, source.View(size, crop, **view), split)


def refused(*words, spec, size=16, crop=0, split="train"):
    """Asserts that loading fails with one line that has all the words, each in its own right."""
    with pytest.raises(errors.InputError) as caught:
        load(spec, size, crop, split)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message, message


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def write_image(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def write_idx(path, array, magic=None, cut=0):
    magic = 0x800 + array.ndim if magic is None else magic
    data = struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.tobytes()
    data = data[: len(data) - cut]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def write_mnist(folder_path, images, labels, prefix="train", suffix=""):
    write_idx(folder_path / f"{prefix}-images-idx3-ubyte{suffix}", images)
    write_idx(folder_path / f"{prefix}-labels-idx1-ubyte{suffix}", np.asarray(labels, np.uint8))


# --- resize and crop ---


def test_fit_takes_the_centre_square():
    image = np.zeros((4, 8), np.uint8)
    image[:, 2:6] = 100
    image[1:3, 3:5] = 200
    assert np.array_equal(resize.fit(Image.fromarray(image), 4), image[:, 2:6])
    assert np.array_equal(resize.fit(Image.fromarray(image), 2, crop=2), np.full((2, 2), 200))


def test_fit_averages_when_it_reduces():
    """A pattern finer than the new pixels becomes its mean; without a low-pass filter it would stay black or white."""
    checkers = np.indices((64, 64)).sum(0) % 2 * 255
    reduced = np.asarray(resize.fit(Image.fromarray(checkers.astype(np.uint8)), 8))
    assert np.abs(reduced[1:-1, 1:-1].astype(int) - 127).max() <= 2


def test_fit_all_agrees_with_fit_and_keeps_what_fits():
    images = pixels(3, 20, 20, 3)
    assert resize.fit_all(images, 20, 0, "x") is images
    expected = [np.asarray(resize.fit(Image.fromarray(image), 12, 16)) for image in images]
    assert np.array_equal(resize.fit_all(images, 12, 16, "x"), expected)
    assert resize.fit_all(pixels(2, 10, 10, 5), 16, 0, "x").shape == (2, 16, 16, 5)


# --- specs, checks, fingerprint ---


def test_bad_specs_are_refused(tmp_path):
    refused("cifar", "folder:DIR", "idx:DIR", "npz:FILE", "galaxies", spec="cifar:x")
    refused("folder:DIR", "after the name", spec="folder")
    refused("npz:FILE", spec="npz:")
    refused("--size=7", "8 to 1024", spec="galaxies", size=7)
    refused("--size=1025", spec="galaxies", size=1025)
    refused("--crop=-1", spec="galaxies", crop=-1)
    refused("split 'val'", "train or test", spec="galaxies", split="val")
    refused("is not a folder", spec=f"folder:{tmp_path / 'absent'}")
    refused("is not a folder", spec=f"idx:{tmp_path / 'absent'}")
    refused("no such file", spec=f"npz:{tmp_path / 'absent.npz'}")


def test_fingerprint_follows_the_content_only(tmp_path):
    images, labels = pixels(5, 8, 8, 3), np.array([0, 1, 1, -1, 0], np.int32)
    first = source.fingerprint(images, labels, ("a", "b"))
    assert len(first) == 32 and set(first) <= set("0123456789abcdef")
    changed = images.copy()
    changed[4, 7, 7, 2] ^= 1
    others = [
        source.fingerprint(changed, labels, ("a", "b")),
        source.fingerprint(images, labels[::-1], ("a", "b")),
        source.fingerprint(images, labels, ("a", "c")),
        source.fingerprint(images, None, ()),
        source.fingerprint(images.reshape(5, 4, 16, 3), labels, ("a", "b")),
    ]
    assert len({first, *others}) == 6
    np.save(tmp_path / "images.npy", images)
    assert source.fingerprint(np.load(tmp_path / "images.npy", mmap_mode="r"), labels, ("a", "b")) == first


def test_fingerprint_sees_every_piece(monkeypatch):
    monkeypatch.setattr(source, "_CHUNK_BYTES", 3 * 64)
    images = pixels(10, 8, 8, 1)
    digests = {source.fingerprint(images, None, ())}
    for i in range(10):
        changed = images.copy()
        changed[i, 0, 0, 0] ^= 1
        digests.add(source.fingerprint(changed, None, ()))
    assert len(digests) == 11


# --- folder ---


def test_class_folders(tmp_path):
    root = tmp_path / "set"
    arrays = {}
    for name, n in (("spiral", 2), ("cigar", 1), ("class10", 1), ("class9", 1)):
        for i in range(n):
            arrays[f"{name}/deep/{i}"] = pixels(16, 16, 3, seed=len(arrays))
            write_image(root / name / "deep" / f"{i}.PNG", arrays[f"{name}/deep/{i}"])
    write_image(root / "spiral" / ".hidden.png", pixels(16, 16, 3))
    write_image(root / ".thumbnails" / "0.png", pixels(16, 16, 3))
    (root / "notes").mkdir()
    (root / "notes" / "readme.txt").write_text("no images here")
    loaded = load(f"folder:{root}", 16)
    assert loaded.classes == ("cigar", "class9", "class10", "spiral")
    assert loaded.labels.dtype == np.int32 and loaded.labels.tolist() == [0, 1, 2, 3, 3]
    order = ["cigar/deep/0", "class9/deep/0", "class10/deep/0", "spiral/deep/0", "spiral/deep/1"]
    assert np.array_equal(loaded.images, [arrays[name] for name in order])
    assert isinstance(loaded.images, np.memmap) and not loaded.images.flags.writeable
    assert loaded.name == f"folder:{root}"
    assert load(f"folder:{root}", 16, split="test") is None


def test_flat_folder_in_natural_order(tmp_path):
    arrays = [pixels(20, 16, seed=i) for i in range(3)]
    for name, array in zip(("2.bmp", "9.png", "10.png"), arrays, strict=True):
        write_image(tmp_path / "set" / name, array)
    loaded = load(f"folder:{tmp_path / 'set'}", 16)
    assert loaded.labels is None and loaded.classes == ()
    assert loaded.images.shape == (3, 16, 16, 1)
    assert np.array_equal(loaded.images[..., 0], [array[2:18] for array in arrays])


def test_one_subfolder_is_not_a_class(tmp_path):
    write_image(tmp_path / "set" / "images" / "a.png", pixels(16, 16, 3))
    loaded = load(f"folder:{tmp_path / 'set'}", 16)
    assert loaded.labels is None and loaded.classes == () and len(loaded.images) == 1


def test_train_and_test_folders(tmp_path):
    root = tmp_path / "set"
    for name in ("train/cat/1", "train/dog/1", "train/emu/1", "test/emu/1", "test/cat/1", "val/cat/1"):
        write_image(root / f"{name}.png", pixels(16, 16, 3, seed=len(name)))
    train, test = (load(f"folder:{root}", 16, split=split) for split in ("train", "test"))
    assert train.classes == test.classes == ("cat", "dog", "emu")
    assert train.labels.tolist() == [0, 1, 2] and test.labels.tolist() == [0, 2]
    write_image(root / "test" / "fox" / "1.png", pixels(16, 16, 3))
    refused("fox", "cat, dog, emu", spec=f"folder:{root}", split="test")
    write_image(root / "bus" / "1.png", pixels(16, 16, 3))
    refused("train/", "bus/", spec=f"folder:{root}")


def test_train_folder_without_test(tmp_path):
    write_image(tmp_path / "set" / "train" / "a.png", pixels(16, 16))
    assert load(f"folder:{tmp_path / 'set'}", 16, split="test") is None
    assert len(load(f"folder:{tmp_path / 'set'}", 16).images) == 1


def decoded(path, size=8, crop=0):
    array = pictures.decode(path, size, crop)
    assert array.dtype == np.uint8 and array.shape[:2] == (size, size)
    return array


def test_modes_are_converted(tmp_path):
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:4] = (200, 100, 50, 255)
    rgba[4:] = (200, 100, 50, 51)  # a fifth of the light
    assert decoded(write_image(tmp_path / "rgba.png", rgba))[[0, 7], 0].tolist() == [[200, 100, 50], [40, 20, 10]]
    gray_alpha = np.full((8, 8, 2), (100, 51), np.uint8)
    assert decoded(write_image(tmp_path / "la.png", gray_alpha)).tolist() == [[[20]] * 8] * 8
    wide = np.full((8, 8), 257 * 77, np.uint16)
    wide[0, 0] = 65535
    assert decoded(write_image(tmp_path / "gray16.png", wide))[0, :2].tolist() == [[255], [77]]
    palette = Image.fromarray(np.full((8, 8, 3), (10, 20, 30), np.uint8)).quantize(4)
    palette.save(tmp_path / "palette.png")
    assert decoded(tmp_path / "palette.png")[0, 0].tolist() == [10, 20, 30]
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg", quality=95)
    red = decoded(tmp_path / "cmyk.jpg")[4, 4].astype(int)
    assert red[0] > 200 and max(red[1:]) < 60
    Image.new("1", (8, 8), 1).save(tmp_path / "bits.png")
    assert decoded(tmp_path / "bits.png").tolist() == [[[255]] * 8] * 8
    write_image(tmp_path / "lossless.webp", pixels(8, 8, 3), lossless=True)
    assert np.array_equal(decoded(tmp_path / "lossless.webp"), pixels(8, 8, 3))


def test_exif_orientation_is_applied(tmp_path):
    array = np.zeros((8, 8), np.uint8)
    array[:, 4:] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned 90 degrees clockwise: right becomes bottom
    path = write_image(tmp_path / "turned.png", array, exif=exif)
    assert np.array_equal(decoded(path)[..., 0], array.T)


def test_bad_images_are_named(tmp_path):
    good = pixels(16, 16, 3)

    def folder_with(name, make):
        root = tmp_path / name
        write_image(root / "a_good.png", good)
        make(root)
        return f"folder:{root}"

    spec = folder_with("truncated", lambda root: (root / "b.png").write_bytes((root / "a_good.png").read_bytes()[:200]))
    refused("b.png", "cannot be decoded", spec=spec)
    spec = folder_with("nonsense", lambda root: (root / "b.jpg").write_bytes(b"not a picture"))
    refused("b.jpg", "cannot be decoded", spec=spec)
    spec = folder_with("empty", lambda root: (root / "b.webp").write_bytes(b""))
    refused("b.webp", "cannot be decoded", spec=spec)
    spec = folder_with("link", lambda root: (root / "b.png").symlink_to(root / "gone.png"))
    refused("b.png", "cannot be read", spec=spec)
    frames = [Image.fromarray(pixels(16, 16, 3, seed=i)) for i in range(2)]
    spec = folder_with("moving", lambda root: frames[0].save(root / "b.webp", save_all=True, append_images=frames[1:]))
    refused("b.webp", "animated (2 frames)", spec=spec)
    spec = folder_with("mixed", lambda root: write_image(root / "b.png", good[..., 0]))
    refused("b.png is gray", "a_good.png is in colour", spec=spec)
    spec = folder_with("both", lambda root: write_image(root / "class" / "b.png", good))
    refused("a_good.png", "class/", spec=spec)
    assert not list((tmp_path / "cache" / "images").iterdir())  # nothing half made


def test_small_images_are_not_enlarged(tmp_path):
    for name, shape in (("a", (40, 50, 3)), ("b", (30, 24, 3)), ("c", (20, 24, 3)), ("d", (40, 40, 3))):
        write_image(tmp_path / "set" / f"{name}.png", pixels(*shape))
    spec = f"folder:{tmp_path / 'set'}"
    refused("c.png", "24x20", "--size=20 or less", "2 of 4", spec=spec, size=32)
    refused("c.png", "24x20", "--crop=20 or less", spec=spec, size=16, crop=21)
    refused("cropped to 16 pixels", "--size=20", spec=spec, size=20, crop=16)
    assert load(spec, 20).images.shape == (4, 20, 20, 3)


def test_folder_without_images(tmp_path):
    (tmp_path / "set" / "class").mkdir(parents=True)
    (tmp_path / "set" / "class" / "a.tif").write_bytes(b"")
    refused("no images", ".webp", spec=f"folder:{tmp_path / 'set'}")


def test_decoded_images_are_cached(tmp_path, monkeypatch):
    root = tmp_path / "set"
    path = write_image(root / "a.png", pixels(16, 16, 3))
    first = load(f"folder:{root}", 16)

    def forbidden(*_):
        raise AssertionError("decoded although cached")

    with monkeypatch.context() as patch:
        patch.setattr(pictures, "decode", forbidden)
        assert load(f"folder:{root}", 16).digest == first.digest
    write_image(path, pixels(16, 16, 3, seed=1))
    os.utime(path, ns=(1, 1))  # a changed file, even within the clock's resolution
    assert load(f"folder:{root}", 16).digest != first.digest
    entries = list((tmp_path / "cache" / "images").iterdir())
    for entry in entries:
        (entry / "images.npy").unlink()
    refused("is damaged", "delete", spec=f"folder:{root}")


def test_interrupt_leaves_no_entry(tmp_path, monkeypatch):
    write_image(tmp_path / "set" / "a.png", pixels(16, 16))

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(pictures, "decode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load(f"folder:{tmp_path / 'set'}", 16)
    assert not list((tmp_path / "cache" / "images").iterdir())


def test_unwritable_cache_is_refused(tmp_path, monkeypatch):
    write_image(tmp_path / "set" / "a.png", pixels(16, 16))
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "file"))
    refused("GAN_JAX_CACHE", "cannot be written", spec=f"folder:{tmp_path / 'set'}")


def test_progress_is_shown_when_it_takes_long(tmp_path, monkeypatch, capsys):
    for i in range(4):
        write_image(tmp_path / "set" / f"{i}.png", pixels(8, 8))
    clock = iter(range(0, 1000, 3))
    monkeypatch.setattr(pictures, "_BLOCK", 2)
    monkeypatch.setattr(pictures.time, "monotonic", lambda: next(clock))
    load(f"folder:{tmp_path / 'set'}", 8)
    assert "2 of 4 images decoded, 3 s left" in capsys.readouterr().err


# --- idx ---


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_is_read_bit_for_bit(tmp_path, suffix):
    images, test_images = pixels(6, 28, 28), pixels(2, 28, 28, seed=1)
    write_mnist(tmp_path, images, [0, 2, 1, 0, 1, 2], suffix=suffix)
    assert load(f"idx:{tmp_path}", 28, split="test") is None
    write_mnist(tmp_path, test_images, [1, 0], "t10k", suffix)
    train, test = (load(f"idx:{tmp_path}", 28, split=split) for split in ("train", "test"))
    assert np.array_equal(train.images[..., 0], images) and np.array_equal(test.images[..., 0], test_images)
    assert train.labels.dtype == np.int32 and train.labels.tolist() == [0, 2, 1, 0, 1, 2]
    assert train.classes == test.classes == ("0", "1", "2")
    assert load(f"idx:{tmp_path}", 32).images.shape == (6, 32, 32, 1)
    assert load(f"idx:{tmp_path}", 8, crop=20).images.shape == (6, 8, 8, 1)


def test_idx_in_colour(tmp_path):
    write_mnist(tmp_path, pixels(3, 16, 16, 3), [0, 1, 0])
    assert np.array_equal(load(f"idx:{tmp_path}", 16).images, pixels(3, 16, 16, 3))


def test_bad_idx_is_refused(tmp_path):
    spec, images = f"idx:{tmp_path}", tmp_path / "train-images-idx3-ubyte"
    refused("train-images-idx3-ubyte", "no file", spec=spec)
    write_idx(images, pixels(4, 16, 16))
    refused("train-labels-idx1-ubyte", "no file", spec=spec)
    write_mnist(tmp_path, pixels(4, 16, 16), [0, 1, 0])
    refused("4 images", "3 labels", spec=spec)
    write_mnist(tmp_path, pixels(4, 16, 16), [0, 1, 0, 1])
    write_idx(images, pixels(4, 16, 16), magic=0x801)
    refused(images, "0x00000801", "0x00000803", spec=spec)
    write_idx(images, pixels(4, 16, 16), cut=10)
    refused(images, "1014 bytes", "1024", spec=spec)
    images.write_bytes(struct.pack(">II", 0x803, 4))
    refused(images, "8 bytes", "needs 16", spec=spec)
    images.write_bytes(b"ab")
    refused(images, "no magic number", spec=spec)
    write_idx(images, pixels(4, 16, 12))
    refused(images, "height 16", "width 12", "--crop", spec=spec)
    assert load(spec, 8, crop=12).images.shape == (4, 8, 8, 1)
    refused("--crop=13", "--crop=12 or less", spec=spec, size=8, crop=13)
    images.unlink()
    zipped = images.with_suffix(".gz")
    write_idx(zipped, pixels(4, 16, 16))
    zipped.write_bytes(zipped.read_bytes()[:-20])
    refused(zipped, "truncated", spec=spec)
    zipped.write_bytes(b"not gzip")
    refused(zipped, "damaged", spec=spec)
    zipped.unlink()
    write_mnist(tmp_path, pixels(0, 16, 16), [])
    refused("no images", spec=spec)
    write_mnist(tmp_path, pixels(1, 16, 16), [0])
    write_mnist(tmp_path, pixels(1, 16, 16), [3], "t10k")
    refused("from 3 to 3", "1 classes", spec=spec, split="test")


def _real(name):
    root = os.environ.get("GAN_JAX_DATA")
    if not root or not (pathlib.Path(root) / name).is_dir():
        pytest.skip(f"needs the real data: set GAN_JAX_DATA to a folder that holds {name}/")
    return pathlib.Path(root) / name


@pytest.mark.parametrize(
    ("name", "md5"), [("mnist", "6bbc9ace898e44ae57da46a324031adb"), ("fashion_mnist", "f4a8712d7a061bf5bd6d2ca38dc4d50a")]
)
def test_real_mnist(name, md5):
    train, test = (load(f"idx:{_real(name)}", 28, split=split) for split in ("train", "test"))
    assert train.images.shape == (60_000, 28, 28, 1) and test.images.shape == (10_000, 28, 28, 1)
    header = struct.pack(">4I", 0x803, 60_000, 28, 28)
    assert hashlib.md5(header + train.images.tobytes()).hexdigest() == md5  # of the unzipped file
    assert train.classes == test.classes == tuple("0123456789")
    if name == "mnist":
        assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]


# --- npz ---


def write_npz(path, **arrays):
    np.savez(path, **arrays)
    return f"npz:{path}"


def test_npz(tmp_path):
    images, test_images = pixels(3, 16, 16, 4), pixels(2, 16, 16, 4, seed=1)
    spec = write_npz(
        tmp_path / "a.npz",
        images=images,
        labels=np.array([1, -1, 0]),
        classes=["cat", "dog"],
        test_images=test_images,
        test_labels=np.array([1, 1], np.uint8),
    )
    train, test = (load(spec, 16, split=split) for split in ("train", "test"))
    assert np.array_equal(train.images, images) and np.array_equal(test.images, test_images)
    assert train.labels.dtype == np.int32 and train.labels.tolist() == [1, -1, 0] and test.labels.tolist() == [1, 1]
    assert train.classes == test.classes == ("cat", "dog")
    assert load(spec, 24).images.shape == (3, 24, 24, 4)


@pytest.mark.parametrize("keys", [("x", "y"), ("pictures", "labels")])
def test_npz_other_keys(tmp_path, keys):
    spec = write_npz(tmp_path / "a.npz", **{keys[0]: pixels(3, 16, 16), keys[1]: np.array([0, 2, 1])})
    loaded = load(spec, 16)
    assert loaded.images.shape == (3, 16, 16, 1)
    assert loaded.labels.tolist() == [0, 2, 1] and loaded.classes == ("0", "1", "2")
    assert load(spec, 16, split="test") is None


def test_npz_without_labels(tmp_path):
    loaded = load(write_npz(tmp_path / "a.npz", images=pixels(3, 16, 16)), 16)
    assert loaded.labels is None and loaded.classes == ()


def test_bad_npz_is_refused(tmp_path):
    path, good, two = tmp_path / "a.npz", pixels(3, 16, 16), np.array([0, 1, 0])
    cases = [
        ({"images": good / np.float32(255)}, "float32", "astype(np.uint8)"),
        ({"images": good.astype(np.int64)}, "int64", "uint8 [N, H, W]"),
        ({"images": good[0]}, "[16, 16]"),
        ({"images": pixels(3, 3, 16, 16)}, "height 3", "width 16"),
        ({"images": pixels(0, 16, 16)}, "no images"),
        ({"images": good, "labels": two[:2]}, "3 images", "2 labels"),
        ({"images": good, "labels": two - 2}, "-2"),
        ({"images": good, "labels": two * 10**12}, "1000000000000", "class numbers"),
        ({"images": good, "labels": two * 2**32, "classes": ["a", "b"]}, "4294967296", "0 to 1"),
        ({"images": good, "labels": two, "classes": ["a"]}, "from 0 to 1", "1 classes"),
        ({"images": good, "labels": two, "classes": [1, 2]}, "classes", "names"),
        ({"images": good, "labels": two / 2}, "labels", "integers"),
        ({"images": good, "labels": two[:, None]}, "[3, 1]"),
        ({"images": good, "classes": ["a"]}, "classes but no labels"),
        ({"images": good, "labels": np.array([None, 1, 2])}, "labels", "pickled"),
        ({"a": good, "b": good}, "a, b", "images"),
        ({"a": two}, "images"),
    ]
    for arrays, *words in cases:
        refused(*words, spec=write_npz(path, **arrays))
    spec = write_npz(path, images=good, labels=two, test_images=good)
    refused("one split only", spec=spec, split="test")
    path.write_bytes(path.read_bytes()[:300])
    refused(path, "np.savez", spec=spec)
    path.write_bytes(b"")
    refused(path, "np.savez", spec=spec)
    with path.open("wb") as f:
        np.save(f, good)
    refused(".npy", spec=spec)
    with path.open("wb") as f:
        np.save(f, np.array([{}], object), allow_pickle=True)
    refused(path, "np.savez", spec=spec)


def test_damaged_npz_member_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, images=np.zeros((3, 16, 16), np.uint8))
    data = bytearray(path.read_bytes())
    data[60:70] = b"\xff" * 10
    path.write_bytes(data)
    refused("images of", "damaged", spec=f"npz:{path}")
