"""Folders of pictures: splits, classes, order, and what is said of all that is not read."""

import json

import numpy as np
import pytest

from gan_jax.data import datasets, folder_layout
from tests.data import making


def fill(root, *names, n=1):
    """Write n different images into each of some folders, or an image where a name ends so."""
    for i, name in enumerate(names):
        for j in range(n):
            path = root / name if name.endswith(".png") else root / name / f"{j}.png"
            making.write_image(path, making.pixels(16, 16, 3, seed=100 * i + j))
    return f"folder:{root}"


def test_class_folders(tmp_path):
    root = tmp_path / "set"
    arrays = {}
    for name, n in (("spiral", 2), ("cigar", 1), ("class10", 1), ("class9", 1)):
        for i in range(n):
            arrays[f"{name}/deep/{i}"] = making.pixels(16, 16, 3, seed=len(arrays))
            making.write_image(root / name / "deep" / f"{i}.PNG", arrays[f"{name}/deep/{i}"])
    making.write_image(root / "spiral" / ".hidden.png", making.pixels(16, 16, 3))
    making.write_image(root / ".thumbnails" / "0.png", making.pixels(16, 16, 3))
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
    (tmp_path / "set" / "class" / "a.gif").write_bytes(b"")
    making.refused("no images (1 .gif)", ".tif", "convert", spec=f"folder:{tmp_path / 'set'}")


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("Train", "train"),
        ("TRAINING", "train"),
        ("training_set", "train"),
        ("Test Images", "test"),
        ("testing", "test"),
        ("Valid", "validation"),
        ("val_data", "validation"),
        ("dev", "validation"),
        ("trains", ""),
        ("dataset", ""),
        ("trainA", ""),
        ("invalid", ""),
    ],
)
def test_names_of_splits(name, split):
    assert folder_layout.split_of(name) == split


@pytest.mark.parametrize(
    ("train", "test", "unread"),
    [
        ("Train", "Test", []),
        ("training", "validation", []),
        ("train", "val", []),
        ("train", "Testing", ["valid"]),
        ("Training Set", "TEST", ["eval", "dev"]),
    ],
)
def test_splits_whatever_people_call_them(train, test, unread, tmp_path, capsys):
    names = [f"{train}/cat", f"{train}/dog", f"{test}/dog", *(f"{name}/cat" for name in unread)]
    spec = fill(tmp_path / "set", *names)
    loaded, heldout = making.load_both(spec)
    assert loaded.classes == heldout.classes == ("cat", "dog")
    assert loaded.labels.tolist() == [0, 1] and heldout.labels.tolist() == [1]
    said = capsys.readouterr().out
    assert f"The train split is {train}/, the test split {test}/." in said
    assert all(f"{name}/" in said for name in unread)


@pytest.mark.parametrize("names", [("Training", "Cycling"), ("test", "val"), ("trainA", "trainB")])
def test_folders_that_only_look_like_splits_are_classes_and_said(names, tmp_path, capsys):
    loaded = making.load(fill(tmp_path / "set", *names))
    assert loaded.classes == tuple(sorted(names)) and loaded.labels.tolist() == [0, 1]
    assert "are taken as classes" in capsys.readouterr().out


def test_splits_within_classes_are_said(tmp_path, capsys):
    loaded = making.load(fill(tmp_path / "set", "cat/train", "cat/test", "dog/train"))
    assert loaded.classes == ("cat", "dog") and len(loaded.images) == 3
    assert "cat/test" in capsys.readouterr().out


def test_a_folder_too_many_is_said_with_the_way_out(tmp_path, capsys):
    for inner in (("cat", "dog"), ("train", "test")):
        root = tmp_path / inner[0]
        spec = fill(root, *(f"set/set/{name}" for name in inner))
        assert making.load(spec).labels is None
        said = capsys.readouterr().out
        assert f"name that folder: {root}/set/set." in said
    assert making.load(f"folder:{root}/set/set", split="test") is not None
    making.load(fill(tmp_path / "flat", "images/deep"))
    assert capsys.readouterr().out == ""


def test_a_flat_test_split_has_no_labels(tmp_path, capsys):
    train, test = making.load_both(fill(tmp_path / "set", "train/cat", "train/dog", "test/0.png"))
    assert train.labels is not None and test.labels is None
    datasets.check_heldout(train, test)
    assert "test/: The test images have no class folders" in capsys.readouterr().out


def test_an_unknown_class_in_the_test_split_names_a_way_out(tmp_path):
    spec = fill(tmp_path / "set", "train/cat", "train/dog", "test/fox")
    making.refused("fox", "cat, dog", "remove it", spec=spec, split="test")
    assert len(making.load(spec, labels="none", split="test").images) == 1


def test_other_files_are_counted_by_type(tmp_path, capsys):
    spec = fill(tmp_path / "set", "cat", "dog")
    for name in ("cat/a.GIF", "cat/b.gif", "dog/deep/c.txt", "LICENSE", ".DS_Store", "Thumbs.db"):
        (tmp_path / "set" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "set" / name).write_bytes(b"nothing")
    report, train, _ = making.inspect(spec)
    assert train.notes[0].startswith("Not read: 2 .gif, 1 without an ending, 1 .txt (images are")
    assert "Not read: 2 .gif" in report
    making.load(spec)
    assert train.notes[0] in capsys.readouterr().out
    flat = fill(tmp_path / "flat", "0.png")
    (tmp_path / "flat" / "captions").mkdir()
    (tmp_path / "flat" / "captions" / "0.txt").write_text("a cat")
    making.load(flat)
    assert "Not read: 1 .txt" in capsys.readouterr().out


def test_images_beside_the_splits_are_said(tmp_path, capsys):
    spec = fill(tmp_path / "set", "train", "test", "9.png", "10.png")
    (tmp_path / "set" / "labels").mkdir()
    for name in ("readme.md", "labels/0.txt", "labels/1.txt"):
        (tmp_path / "set" / name).write_text("")
    making.load(spec)
    said = capsys.readouterr().out
    assert "Not read beside train/: 2 images, the first 9.png.\n" in said
    assert "Not read beside train/: 2 .txt, 1 .md.\n" in said


@pytest.mark.parametrize(("files", "words"), [((), "empty"), (("a.gif", "b.gif"), "2 .gif")])
def test_a_class_without_images_is_refused(files, words, tmp_path, capsys):
    """Or left out if asked, as earlier versions did, with the same digest."""
    spec = fill(tmp_path / "set", "cat", "dog")
    before = making.load(spec).digest
    for name in ("fox", "__MACOSX"):
        (tmp_path / "set" / name).mkdir()
    for name in files:
        (tmp_path / "set" / "fox" / name).write_bytes(b"nothing")
    making.refused(f"fox/ ({words})", "--skip_bad_images", spec=spec)
    capsys.readouterr()
    assert making.load(spec, skip_bad_images=True).digest == before
    assert f"fox/ ({words}); they are left out" in capsys.readouterr().out


def test_a_lone_class_beside_an_empty_one_is_named(tmp_path):
    spec = fill(tmp_path / "set", "images")
    (tmp_path / "set" / "annotations").mkdir()
    making.refused("annotations/ (empty)", f"{tmp_path}/set/images", spec=spec)
    assert len(making.load(f"{spec}/images").images) == 1


def test_a_test_split_may_lack_a_class(tmp_path):
    spec = fill(tmp_path / "set", "train/cat", "train/dog", "test/cat")
    (tmp_path / "set" / "test" / "dog").mkdir()
    assert making.load(spec, split="test").labels.tolist() == [0]


def write_list(root, labels):
    (root / "dataset.json").write_text(json.dumps({"labels": labels}))


def test_labels_of_stylegan_s_tools(tmp_path, capsys):
    """Chunks are no classes; an image that is not listed has no label."""
    spec = fill(tmp_path / "set", "00000", "00001", n=2)
    write_list(tmp_path / "set", [["00000/0.png", 2], ["00001/1.png", 0], ["00001/0.png", 1]])
    loaded = making.load(spec)
    assert loaded.classes == ("0", "1", "2") and loaded.labels.tolist() == [2, -1, 1, 0]
    assert "1 image without a label: not in dataset.json" in capsys.readouterr().out
    write_list(tmp_path / "set", None)
    assert making.load(spec).labels is None
    assert "dataset.json has no labels" in capsys.readouterr().out
    write_list(tmp_path / "set", [["00000/0.png", [0.1, 0.9]]])
    assert making.load(spec).labels is None
    assert "vectors" in capsys.readouterr().out


def test_bad_labels_of_stylegan_are_refused(tmp_path):
    spec = fill(tmp_path / "set", "00000", "00001")
    for labels, words in (
        ([["00000/0.png", "cat"]], ["cat", "whole numbers"]),
        ([["00000/0.png", -1]], ["-1"]),
        ([3], ["StyleGAN's form", "--labels=none"]),
        ([["00000/9.png", 1]], ["00000/9.png", "--skip_bad_images"]),
    ):
        write_list(tmp_path / "set", labels)
        making.refused(*words, spec=spec)
        assert making.load(spec, labels="none").labels is None
    assert len(making.load(spec, skip_bad_images=True).images) == 2
    (tmp_path / "set" / "dataset.json").write_text("{")
    making.refused("dataset.json", "cannot be read", spec=spec)


def test_numbered_chunks_without_labels_are_said(tmp_path, capsys):
    spec = fill(tmp_path / "set", "00000", "01000")
    assert making.load(spec).classes == ("00000", "01000")
    assert "--labels=none" in capsys.readouterr().out
    making.load(spec, labels="none")
    making.load(fill(tmp_path / "digits", "0", "1"))
    assert capsys.readouterr().out == ""
