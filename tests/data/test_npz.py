"""Arrays saved with numpy."""

import numpy as np
import pytest

from gan_jax.data import array_files, datasets
from tests.data import making


def write_npz(path, **arrays):
    np.savez(path, **arrays)
    return f"npz:{path}"


def test_npz(tmp_path):
    images, test_images = making.pixels(3, 16, 16, 4), making.pixels(2, 16, 16, 4, seed=1)
    spec = write_npz(
        tmp_path / "a.npz",
        images=images,
        labels=np.array([1, -1, 0]),
        classes=["cat", "dog"],
        test_images=test_images,
        test_labels=np.array([1, 1], np.uint8),
    )
    train, test = making.load_both(spec)
    assert np.array_equal(train.images, images) and np.array_equal(test.images, test_images)
    assert train.labels.dtype == np.int32
    assert train.labels.tolist() == [1, -1, 0] and test.labels.tolist() == [1, 1]
    assert train.classes == test.classes == ("cat", "dog")
    assert making.load(spec, 24).images.shape == (3, 24, 24, 4)


@pytest.mark.parametrize("keys", [("x", "y"), ("pictures", "labels")])
def test_npz_other_keys(tmp_path, keys):
    arrays = dict(zip(keys, (making.pixels(3, 16, 16), np.array([0, 2, 1])), strict=True))
    spec = write_npz(tmp_path / "a.npz", **arrays)
    loaded = making.load(spec, 16)
    assert loaded.images.shape == (3, 16, 16, 1)
    assert loaded.labels.tolist() == [0, 2, 1] and loaded.classes == ("0", "1", "2")
    assert making.load(spec, 16, split="test") is None


def test_the_second_array_without_a_name_is_the_labels(tmp_path, capsys):
    path, images = tmp_path / "a.npz", making.pixels(3, 16, 16)
    np.savez(path, images, np.array([0, 2, 1]))
    loaded = making.load(f"npz:{path}")
    assert loaded.labels.tolist() == [0, 2, 1] and loaded.classes == ("0", "1", "2")
    np.savez(path, images, np.array([0.5, 0.2, 0.1]))
    assert making.load(f"npz:{path}").labels is None
    assert "Not read: arr_1." in capsys.readouterr().out


def test_the_names_of_keras_are_read(tmp_path):
    images, labels = making.pixels(5, 16, 16), np.array([0, 2, 1, 0, 1])
    spec = write_npz(
        tmp_path / "a.npz",
        x_train=images[:3],
        y_train=labels[:3],
        x_test=images[3:],
        y_test=labels[3:],
    )
    train, test = making.load_both(spec)
    assert train.labels.tolist() == [0, 2, 1] and test.labels.tolist() == [0, 1]
    assert np.array_equal(test.images[..., 0], images[3:])


def test_arrays_that_are_not_read_are_named(tmp_path, capsys):
    arrays = {"images": making.pixels(3, 16, 16), "digit": np.arange(3), "mask": np.zeros(3)}
    spec = write_npz(tmp_path / "a.npz", **arrays)
    report, _, _ = making.inspect(spec)
    assert "Not read: digit, mask. Class labels must be called labels." in report
    making.load(spec)
    assert "Not read: digit, mask." in capsys.readouterr().out
    making.load(write_npz(tmp_path / "a.npz", images=arrays["images"], labels=np.arange(3)))
    assert capsys.readouterr().out == ""


def test_labels_that_cannot_be_read_may_be_left_out(tmp_path):
    images = making.pixels(3, 16, 16)
    spec = write_npz(tmp_path / "a.npz", images=images, targets=np.array([0.5, 0.2, 0.1]))
    making.refused("float64", "--labels=none", spec=spec)
    loaded = making.load(spec, labels="none")
    assert loaded.labels is None and loaded.classes == ()


def test_test_images_may_have_no_labels(tmp_path, capsys):
    images, labels = making.pixels(3, 16, 16), np.array([0, 1, 0])
    spec = write_npz(tmp_path / "a.npz", images=images, labels=labels, test_images=images)
    train = making.load(spec)
    test = datasets.load_heldout(train, datasets.DataOptions(16))
    assert train.labels is not None and test.labels is None
    assert "test images have no labels" in capsys.readouterr().out


def test_npz_without_labels(tmp_path):
    loaded = making.load(write_npz(tmp_path / "a.npz", images=making.pixels(3, 16, 16)), 16)
    assert loaded.labels is None and loaded.classes == ()


def test_bad_npz_is_refused(tmp_path):
    path, good, two = tmp_path / "a.npz", making.pixels(3, 16, 16), np.array([0, 1, 0])
    cases = [
        ({"images": good > 9}, "bool", "integers or floats [N, H, W]"),
        ({"images": np.full((3, 16, 16), np.nan)}, "Image 0", "no defined value"),
        ({"images": good[0]}, "[16, 16]"),
        ({"images": making.pixels(3, 12, 16, 3)}, "height 12", "width 16"),
        ({"images": making.pixels(3, 3, 16, 16)}, "channels first", "(0, 2, 3, 1)"),
        ({"images": making.pixels(0, 16, 16)}, "no images"),
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
        making.refused(*words, spec=write_npz(path, **arrays))
    spec = write_npz(path, images=good, test_labels=two, test_images=good)
    making.refused("test split alone", spec=spec, split="test")
    path.write_bytes(path.read_bytes()[:300])
    making.refused(path, "np.savez", spec=spec)
    path.write_bytes(b"")
    making.refused(path, "np.savez", spec=spec)
    with path.open("wb") as f:
        np.save(f, good)
    assert np.array_equal(making.load(spec).images[..., 0], good)
    with path.open("wb") as f:
        np.save(f, np.array([{}], object), allow_pickle=True)
    making.refused(path, "np.savez", spec=spec)


def test_damaged_npz_member_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, images=np.zeros((3, 16, 16), np.uint8))
    data = bytearray(path.read_bytes())
    data[60:70] = b"\xff" * 10
    path.write_bytes(data)
    making.refused("images of", "damaged", spec=f"npz:{path}")


@pytest.mark.parametrize(
    "labels, numbers, classes",
    [
        (["ring", None, float("nan"), "bar"], [1, -1, -1, 0], ("bar", "ring")),
        (
            np.array(["ring", None, np.float32("nan"), "nan"], object),
            [1, -1, -1, 0],
            ("nan", "ring"),
        ),
        (np.array([2, None, 0, 10], object), [2, -1, 0, 10], tuple(map(str, range(11)))),
        (np.array(["b", "a", "b", "c"]), [1, 0, 1, 2], ("a", "b", "c")),
        (np.array([None] * 4, object), [-1] * 4, ()),
    ],
)
def test_labels_of_objects_that_are_passed(labels, numbers, classes):
    data = making.load(array_files.save(making.pixels(4, 16, 16), labels))
    assert data.labels.tolist() == numbers and data.classes == classes
    named = array_files.save(
        making.pixels(4, 16, 16), ["a", "b", "a", "b"], making.pixels(4, 16, 16), [None] * 4
    )
    assert making.load(named, split="test").labels.tolist() == [-1] * 4
