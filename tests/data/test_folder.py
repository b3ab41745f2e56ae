"""Folders of pictures: splits, classes, order."""

import numpy as np

from tests.data import making


def test_class_folders(tmp_path):
    root = tmp_path / "set"
    arrays = {}
    for name, n in (("spiral", 2), ("cigar", 1), ("class10", 1), ("class9", 1)):
        for i in range(n):
            arrays[f"{name}/deep/{i}"] = making.pixels(16, 16, 3, seed=len(arrays))
            making.write_image(root / name / "deep" / f"{i}.PNG", arrays[f"{name}/deep/{i}"])
    making.write_image(root / "spiral" / ".hidden.png", making.pixels(16, 16, 3))
    making.write_image(root / ".thumbnails" / "0.png", making.pixels(16, 16, 3))
    (root / "notes").mkdir()
    (root / "notes" / "readme.txt").write_text("no images here")
    loaded = making.load(f"folder:{root}", 16)
    assert loaded.classes == ("cigar", "class9", "class10", "spiral")
    assert loaded.labels.dtype == np.int32 and loaded.labels.tolist() == [0, 1, 2, 3, 3]
    order = ["cigar/deep/0", "class9/deep/0", "class10/deep/0", "spiral/deep/0", "spiral/deep/1"]
    assert np.array_equal(loaded.images, [arrays[name] for name in order])
    assert isinstance(loaded.images, np.memmap) and not loaded.images.flags.writeable
    assert loaded.name == f"folder:{root}"
    assert making.load(f"folder:{root}", 16, split="test") is None


def test_flat_folder_in_natural_order(tmp_path):
    arrays = [making.pixels(20, 16, seed=i) for i in range(3)]
    for name, array in zip(("2.bmp", "9.png", "10.png"), arrays, strict=True):
        making.write_image(tmp_path / "set" / name, array)
    loaded = making.load(f"folder:{tmp_path / 'set'}", 16)
    assert loaded.labels is None and loaded.classes == ()
    assert loaded.images.shape == (3, 16, 16, 1)
    assert np.array_equal(loaded.images[..., 0], [array[2:18] for array in arrays])


def test_one_subfolder_is_not_a_class(tmp_path):
    making.write_image(tmp_path / "set" / "images" / "a.png", making.pixels(16, 16, 3))
    loaded = making.load(f"folder:{tmp_path / 'set'}", 16)
    assert loaded.labels is None and loaded.classes == () and len(loaded.images) == 1


def test_train_and_test_folders(tmp_path):
    root = tmp_path / "set"
    for name in ("train/cat", "train/dog", "train/emu", "test/emu", "test/cat", "val/cat"):
        making.write_image(root / name / "1.png", making.pixels(16, 16, 3, seed=len(name)))
    train, test = making.load_both(f"folder:{root}")
    assert train.classes == test.classes == ("cat", "dog", "emu")
    assert train.labels.tolist() == [0, 1, 2] and test.labels.tolist() == [0, 2]
    making.write_image(root / "test" / "fox" / "1.png", making.pixels(16, 16, 3))
    making.refused("fox", "cat, dog, emu", spec=f"folder:{root}", split="test")
    making.write_image(root / "bus" / "1.png", making.pixels(16, 16, 3))
    making.refused("train/", "bus/", spec=f"folder:{root}")


def test_train_folder_without_test(tmp_path):
    making.write_image(tmp_path / "set" / "train" / "a.png", making.pixels(16, 16))
    assert making.load(f"folder:{tmp_path / 'set'}", 16, split="test") is None
    assert len(making.load(f"folder:{tmp_path / 'set'}", 16).images) == 1


def test_folder_without_images(tmp_path):
    (tmp_path / "set" / "class").mkdir(parents=True)
    (tmp_path / "set" / "class" / "a.tif").write_bytes(b"")
    making.refused("no images", ".webp", spec=f"folder:{tmp_path / 'set'}")
