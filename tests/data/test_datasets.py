"""What all data sources have in common: specs and digests."""

import re
import shlex

import numpy as np
import pytest

from gan_jax import errors
from gan_jax.data import datasets, pixel_format
from gan_jax.data.types import OpenedArrays
from tests.data import making, test_idx


def test_bad_specs_are_refused(tmp_path):
    making.refused("cifar", "folder:DIR", "idx:DIR", "npz:FILE", "galaxies", spec="cifar:x")
    making.refused("folder:DIR", "after the name", spec="folder")
    making.refused("npz:FILE", spec="npz:")
    making.refused("--labels=x", "leave it empty", "none", "celeba", spec="galaxies", labels="x")
    making.refused("--size=7", "8 to 1024", spec="galaxies", size=7)
    making.refused("--size=1025", spec="galaxies", size=1025)
    making.refused("--crop=-1", spec="galaxies", crop=-1)
    making.refused("split 'val'", "train or test", spec="galaxies", split="val")
    making.refused("is not a folder", spec=f"folder:{tmp_path / 'absent'}")
    making.refused("is not a folder", spec=f"idx:{tmp_path / 'absent'}")
    making.refused("no such file", spec=f"npz:{tmp_path / 'absent.npz'}")


def test_a_path_without_its_source_is_told_what_to_type(tmp_path, monkeypatch):
    """What the message suggests opens the data, also of paths with blanks and of a file."""
    making.write_image(tmp_path / "my pics" / "a.png", making.pixels(16, 16))
    np.savez(tmp_path / "a.npz", images=making.pixels(3, 16, 16))
    test_idx.write_mnist(tmp_path / "digits", making.pixels(3, 16, 16), [0, 1, 2])
    monkeypatch.chdir(tmp_path)
    for path, n in ((f"{tmp_path}/my pics", 1), ("my pics", 1), ("a.npz", 3), ("digits", 3)):
        with pytest.raises(errors.InputError, match="names no known source") as caught:
            making.load(path)
        (suggested,) = shlex.split(re.search("use (.+?); otherwise", str(caught.value))[1])
        assert len(making.load(suggested.removeprefix("--data=")).images) == n


def test_no_classes_are_an_answer_of_every_source(tmp_path):
    making.write_image(tmp_path / "set" / "cat" / "a.png", making.pixels(16, 16))
    making.write_image(tmp_path / "set" / "dog" / "a.png", making.pixels(16, 16, seed=1))
    making.write_image(tmp_path / "set" / "b.png", making.pixels(16, 16, seed=2))
    np.savez(tmp_path / "a.npz", images=making.pixels(3, 16, 16), labels=[0, 1, 2])
    folder = f"folder:{tmp_path}/set"
    making.refused("b.png", "--labels=none", spec=folder)
    for spec in (folder, f"npz:{tmp_path}/a.npz", "galaxies:3", f"shard:1/1/0:{folder}"):
        loaded = making.load(spec, labels="none")
        assert loaded.labels is None and loaded.classes == () and len(loaded.images) == 3


@pytest.mark.parametrize("deep", ["images", "test_images"])
def test_splits_of_pictures_and_of_values_are_refused(tmp_path, deep):
    arrays = {"images": making.pixels(3, 16, 16), "test_images": making.pixels(3, 16, 16, seed=1)}
    arrays[deep] = arrays[deep] / 7.0
    np.savez(tmp_path / "a.npz", **arrays)
    train = making.load(f"npz:{tmp_path}/a.npz")
    with pytest.raises(errors.InputError, match="pictures of 8 bits.*save both alike") as caught:
        datasets.load_heldout(train, datasets.DataOptions(16))
    assert "training images are" in str(caught.value) and "float32" in str(caught.value)


def test_a_gray_channel_has_none_of_the_names_of_bands(tmp_path):
    array = np.random.default_rng(0).normal(size=(3, 16, 16, 3)).astype(np.float32)
    form = pixel_format.PixelFormat("float32", bands=("g", "r", "i"))

    def load(color):
        opened = OpenedArrays(array, None, (), format=form)
        options = datasets.DataOptions(16, colors=color)
        return datasets.as_dataset(opened, "npz:a", options, "train").format

    assert load("auto").bands == ("g", "r", "i") and load("gray").bands == ()
