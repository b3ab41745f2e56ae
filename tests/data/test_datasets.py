"""What all data sources have in common: specs and digests."""

import re
import shlex

import numpy as np
import pytest

from gan_jax import errors
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
