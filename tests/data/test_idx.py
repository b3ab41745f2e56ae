"""Files in the format of MNIST, made here; the real ones where GAN_JAX_DATA names them."""

import gzip
import hashlib
import os
import pathlib
import struct

import numpy as np
import pytest

from tests.data import making


def write_idx(path, array, magic=None, cut=0):
    magic = 0x800 + array.ndim if magic is None else magic
    data = struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.tobytes()
    data = data[: len(data) - cut]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def write_mnist(folder_path, images, labels, prefix="train", suffix=""):
    write_idx(folder_path / f"{prefix}-images-idx3-ubyte{suffix}", images)
    write_idx(folder_path / f"{prefix}-labels-idx1-ubyte{suffix}", np.asarray(labels, np.uint8))


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_is_read_bit_for_bit(tmp_path, suffix):
    images, test_images = making.pixels(6, 28, 28), making.pixels(2, 28, 28, seed=1)
    write_mnist(tmp_path, images, [0, 2, 1, 0, 1, 2], suffix=suffix)
    assert making.load(f"idx:{tmp_path}", 28, split="test") is None
    write_mnist(tmp_path, test_images, [1, 0], "t10k", suffix)
    train, test = making.load_both(f"idx:{tmp_path}", 28)
    assert np.array_equal(train.images[..., 0], images)
    assert np.array_equal(test.images[..., 0], test_images)
    assert train.labels.dtype == np.int32 and train.labels.tolist() == [0, 2, 1, 0, 1, 2]
    assert train.classes == test.classes == ("0", "1", "2")
    assert making.load(f"idx:{tmp_path}", 32).images.shape == (6, 32, 32, 1)
    assert making.load(f"idx:{tmp_path}", 8, crop=20).images.shape == (6, 8, 8, 1)


def test_idx_in_colour(tmp_path):
    write_mnist(tmp_path, making.pixels(3, 16, 16, 3), [0, 1, 0])
    assert np.array_equal(making.load(f"idx:{tmp_path}", 16).images, making.pixels(3, 16, 16, 3))


def test_bad_idx_is_refused(tmp_path):
    spec, images = f"idx:{tmp_path}", tmp_path / "train-images-idx3-ubyte"
    making.refused("train-images-idx3-ubyte", "no file", spec=spec)
    write_idx(images, making.pixels(4, 16, 16))
    making.refused("train-labels-idx1-ubyte", "no file", spec=spec)
    write_mnist(tmp_path, making.pixels(4, 16, 16), [0, 1, 0])
    making.refused("4 images", "3 labels", spec=spec)
    write_mnist(tmp_path, making.pixels(4, 16, 16), [0, 1, 0, 1])
    write_idx(images, making.pixels(4, 16, 16), magic=0x801)
    making.refused(images, "0x00000801", "0x00000803", spec=spec)
    write_idx(images, making.pixels(4, 16, 16), cut=10)
    making.refused(images, "1014 bytes", "1024", spec=spec)
    images.write_bytes(struct.pack(">II", 0x803, 4))
    making.refused(images, "8 bytes", "needs 16", spec=spec)
    images.write_bytes(b"ab")
    making.refused(images, "no magic number", spec=spec)
    write_idx(images, making.pixels(4, 16, 12))
    making.refused(images, "height 16", "width 12", "--crop", spec=spec)
    assert making.load(spec, 8, crop=12).images.shape == (4, 8, 8, 1)
    making.refused("--crop=13", "--crop=12 or less", spec=spec, size=8, crop=13)
    images.unlink()
    zipped = images.with_suffix(".gz")
    write_idx(zipped, making.pixels(4, 16, 16))
    zipped.write_bytes(zipped.read_bytes()[:-20])
    making.refused(zipped, "truncated", spec=spec)
    zipped.write_bytes(b"not gzip")
    making.refused(zipped, "damaged", spec=spec)
    zipped.unlink()
    write_mnist(tmp_path, making.pixels(0, 16, 16), [])
    making.refused("no images", spec=spec)
    write_mnist(tmp_path, making.pixels(1, 16, 16), [0])
    write_mnist(tmp_path, making.pixels(1, 16, 16), [3], "t10k")
    making.refused("from 3 to 3", "1 classes", spec=spec, split="test")


def _real(name):
    root = os.environ.get("GAN_JAX_DATA")
    if not root or not (pathlib.Path(root) / name).is_dir():
        pytest.skip(f"needs the real data: set GAN_JAX_DATA to a folder that holds {name}/")
    return pathlib.Path(root) / name


@pytest.mark.parametrize(
    ("name", "md5"),
    [
        ("mnist", "6bbc9ace898e44ae57da46a324031adb"),
        ("fashion_mnist", "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
    ],
)
def test_real_mnist(name, md5):
    train, test = making.load_both(f"idx:{_real(name)}", 28)
    assert train.images.shape == (60_000, 28, 28, 1) and test.images.shape == (10_000, 28, 28, 1)
    header = struct.pack(">4I", 0x803, 60_000, 28, 28)
    assert hashlib.md5(header + train.images.tobytes()).hexdigest() == md5  # of the unzipped file
    assert train.classes == test.classes == tuple("0123456789")
    if name == "mnist":
        assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
