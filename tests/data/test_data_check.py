"""Findings of --check_data in folders whose contents are known."""

import os
import re
import shutil

import numpy as np
import pytest

from gan_jax import errors
from gan_jax.data import data_check, datasets
from tests.data import making


def fact(report, label, n=0):
    """The n-th fact of that name, its continuation lines joined."""
    pattern = rf"^  {label} +(.*(?:\n {{16}}.*)*)"
    return " ".join(re.findall(pattern, report, re.MULTILINE)[n].split())


def opened(spec, found, split="train"):
    return data_check.open_inspected(spec, {split: found}, split)


@pytest.fixture
def folder(tmp_path):
    """Classes with every fault once, two in the third; a test split that shares an image."""
    train = tmp_path / "set" / "train"
    for i in range(4):
        making.write_image(train / "cat" / f"{i}.png", making.pixels(20, 24 + i, 3, seed=i))
        making.write_image(train / "dog" / f"{i}.png", making.pixels(30, 20, 3, seed=10 + i))
    shutil.copy(train / "cat" / "0.png", train / "cat" / "again.png")
    shutil.copy(train / "dog" / "1.png", train / "cat" / "dog.png")
    making.write_image(train / "cat" / "gray.png", making.pixels(20, 20))
    making.write_image(train / "dog" / "small.png", making.pixels(9, 30, 3))
    (train / "fox").mkdir()
    (train / "fox" / "empty.png").write_bytes(b"")
    (train / "fox" / "cut.png").write_bytes((train / "cat" / "2.png").read_bytes()[:-100])
    making.write_animation(train / "dog" / "moving.png", 20, 20, 3)
    test = tmp_path / "set" / "test"
    making.write_image(test / "dog" / "new.png", making.pixels(20, 20, 3, seed=99))
    shutil.copy(train / "dog" / "3.png", test / "dog" / "known.png")
    return tmp_path / "set"


def test_everything_bad_is_found_in_one_pass(folder):
    report, train, _ = making.inspect(f"folder:{folder}")
    assert fact(report, "images") == "15"
    assert fact(report, "kinds") == "12 colour, 1 gray"
    assert fact(report, "sizes").startswith("smallest 30x9, median 26x20, largest 20x30 pixels")
    assert fact(report, "classes") == (
        "cat 7, dog 6 (2 bad), fox 2 (2 bad); classes without a good image: fox"
    )
    assert fact(report, "bad files") == "4"
    for line in (
        "    too small (a side below 16): 1\n      dog/small.png: 30x9 pixels\n",
        "    not an image: 1\n      fox/empty.png: empty",
        "    damaged: 1\n      fox/cut.png: image file is truncated",
        "    animated: 1\n      dog/moving.png: 2 frames\n",
        "    gray among colour: 1\n      cat/gray.png\n",
    ):
        assert line in report, (line, report)
    assert fact(report, "usable").startswith("none")
    assert max(map(len, report.splitlines())) <= 100 or len(str(folder)) > 80
    bad = ["dog/moving.png", "dog/small.png", "fox/cut.png", "fox/empty.png"]
    assert sorted(train.names[i] for i in train.bad) == bad


def test_duplicates_within_and_between_splits(folder):
    report, _, _ = making.inspect(f"folder:{folder}")
    assert fact(report, "duplicates") == (
        "2, such as cat/again.png of cat/0.png; in several classes: 1, such as cat/dog.png"
    )
    assert fact(report, "duplicates", 1) == "0"
    assert fact(report, "also in train") == (
        "1, such as dog/known.png as dog/3.png; they flatter scores"
    )


@pytest.mark.parametrize("skip_bad", [False, True])
def test_the_verdict_is_that_of_training(folder, skip_bad):
    """Each time what is wrong first is repaired, until training accepts the folder."""
    spec, options = f"folder:{folder}", datasets.DataOptions(16, skip_bad_images=skip_bad)
    faults = [
        "train/dog/moving.png",
        "train/fox/empty.png",
        "train/dog/small.png",
        "train/cat/gray.png",
        "train/fox/cut.png",
    ]
    seen = []
    for fault in [*faults, None]:
        refusal = data_check.inspect_split(spec, options).refusal
        try:
            loaded = datasets.load(spec, options)
            assert refusal is None
        except errors.InputError as error:
            assert str(refusal) == str(error)
            seen.append(next(name for name in faults if name.rpartition("/")[2] in str(error)))
        if fault:
            (folder / fault).unlink()
            making.write_image(folder / fault, making.pixels(20, 20, 3, seed=len(fault)))
    assert seen == (faults[3:4] * 4 if skip_bad else faults)
    assert loaded.images.shape == (15, 16, 16, 3)


def test_it_shows_what_training_gets(folder):
    (folder / "train" / "cat" / "gray.png").unlink()
    report, train, _ = making.inspect(f"folder:{folder}", skip_bad_images=True)
    loaded = making.load(f"folder:{folder}", skip_bad_images=True)
    promised = opened(f"folder:{folder}", train)
    assert promised.images.shape == loaded.images.shape == (10, 16, 16, 3)
    assert np.array_equal(promised.labels, loaded.labels) and promised.classes == loaded.classes
    assert promised.digest == loaded.digest
    counts = np.bincount(loaded.images.ravel(), minlength=256)
    assert np.array_equal(train.pixels.histogram, counts)
    np.testing.assert_allclose(train.pixels.mean, loaded.images.mean((0, 1, 2)))
    np.testing.assert_allclose(train.pixels.std, loaded.images.std((0, 1, 2)))
    mean = " ".join(f"{x:.1f}" for x in loaded.images.mean((0, 1, 2)))
    assert fact(report, "pixels").startswith(f"mean {mean}")
    assert fact(report, "usable") == (
        "10 of 16x16 pixels, colour, from the largest centre square; "
        "only with --skip_bad_images, which skips 4"
    )
    cropped, _, _ = making.inspect(f"folder:{folder}", crop=18)
    assert "the 18x18 pixels in the centre" in fact(cropped, "usable")


def test_a_cached_folder_is_looked_at_again(tmp_path):
    """A file whose damage changes neither its size nor its time: training reads the cache."""
    path = making.write_image(tmp_path / "set" / "a.png", making.pixels(16, 16, 3))
    making.write_image(tmp_path / "set" / "b.png", making.pixels(16, 16, 3, seed=1))
    making.load(f"folder:{tmp_path / 'set'}", 16)
    stat, data = path.stat(), path.read_bytes()
    path.write_bytes(data[:200] + bytes(len(data) - 200))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert len(making.load(f"folder:{tmp_path / 'set'}", 16).images) == 2
    report, train, test = making.inspect(f"folder:{tmp_path / 'set'}")
    assert list(train.bad) == [0] and "a.png" in str(train.refusal) and "      a.png: " in report
    assert test is None and report.endswith("test: none")


def test_many_bad_files_are_counted_and_the_first_named(tmp_path):
    making.write_image(tmp_path / "set" / "good.png", making.pixels(16, 16))
    for i in range(25):
        (tmp_path / "set" / f"{i}.png").write_bytes(b"nothing")
    report, train, _ = making.inspect(f"folder:{tmp_path / 'set'}", skip_bad_images=True)
    assert "    not an image: 25\n" in report
    assert "      19.png: " in report and "      20.png: " not in report
    assert "      and 5 more" in report
    assert train.refusal is None


def test_skipped_files_may_be_of_another_kind(tmp_path):
    making.write_image(tmp_path / "set" / "colour.png", making.pixels(16, 16, 3))
    making.write_image(tmp_path / "set" / "small.png", making.pixels(8, 8))
    report, train, _ = making.inspect(f"folder:{tmp_path / 'set'}", skip_bad_images=True)
    assert train.refusal is None and "among" not in report
    assert fact(report, "usable").startswith("1 of 16x16 pixels, colour")


def test_nothing_good_is_described_too(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a\nb.png").write_bytes(b"nothing")
    report, train, _ = making.inspect(f"folder:{tmp_path / 'set'}")
    assert "      'a\\nb.png': " in report
    refusal = str(train.refusal)
    assert refusal.startswith("None of the 1 images can be used") and "\n" not in refusal


def test_arrays_are_described_as_far_as_they_can_be(tmp_path):
    images = making.pixels(5, 16, 16, 4)
    images[3] = images[1]
    labels, path = np.array([0, 1, -1, 0, 1]), tmp_path / "a.npz"
    test = {"test_images": images[:2], "test_labels": labels[:2]}
    np.savez(path, images=images, labels=labels, classes=["cat", "dog"], **test)
    report, train, _ = making.inspect(f"npz:{path}")
    assert fact(report, "classes") == "cat 2, dog 2; images without a class: 1"
    assert fact(report, "duplicates") == (
        "1, such as image 3 of image 1; in several classes: 1, such as image 1"
    )
    assert fact(report, "usable") == "5 of 16x16 pixels, 4 channels"
    assert fact(report, "also in train").startswith("2, such as image 0 as image 0")
    np.testing.assert_allclose(train.pixels.std, images.std((0, 1, 2)))
    assert "bad files" not in report and "sizes" not in report


def test_splits_that_cannot_be_scored_together(tmp_path):
    making.write_image(tmp_path / "set" / "train" / "a.png", making.pixels(16, 16, 3))
    making.write_image(tmp_path / "set" / "test" / "a.png", making.pixels(16, 16))
    spec = f"folder:{tmp_path / 'set'}"
    _, train, test = making.inspect(spec)
    with pytest.raises(errors.InputError, match="move it away") as expected:
        datasets.load_heldout(making.load(spec, 16), datasets.DataOptions(16))
    promised = opened(spec, train)
    with pytest.raises(errors.InputError) as caught:
        datasets.open_heldout(promised, lambda split: opened(spec, test, split))
    assert str(caught.value) == str(expected.value)
    for test in (train, None):
        datasets.open_heldout(promised, lambda split, test=test: opened(spec, test, split))
    for test in (train._replace(refusal=expected.value), expected.value):
        with pytest.raises(errors.InputError):
            opened(spec, test, "test")
