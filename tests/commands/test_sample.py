"""Places and forms of `sample`: what is written, replaced and refused."""

import json

import numpy as np
import pytest

from gan_jax.commands import kinds, sample
from gan_jax.core.conditioning import ByIndex
from gan_jax.data import datasets
from gan_jax.data.types import DataOptions
from gan_jax.errors import InputError
from gan_jax.rundir import run_folder


def indices(names, text):
    return kinds.parse(ByIndex("class", names), text).tolist()


def test_numbers_that_are_names_are_names():
    """Otherwise --kind=0 and --kind=1 would both be the first class."""
    assert indices(("1", "2", "3"), "1,3") == [0, 2]
    with pytest.raises(InputError, match="'0' is none of this run's; use 1, 2, 3"):
        indices(("1", "2", "3"), "0")
    assert indices(("round", "flat"), "0,flat") == [0, 1]


def test_names_may_hold_commas():
    names = ("smooth, round", "smooth", "disk")
    assert indices(names, "smooth, round") == [0]
    assert indices(names, "disk, smooth, round,smooth") == [2, 0, 1]
    assert indices(names, "disk,1") == [2, 1]
    with pytest.raises(InputError, match="'round' is none"):
        indices(names, "disk,round")


def save(out, n, form="folder", seed=0, **arrays):
    sample.check_place(out, form)
    images = np.full((n, 8, 8, 1), seed, np.uint8)
    sample.save({"images": images, **arrays}, form, 2, out, {"seed": seed})


def test_a_folder_of_samples_is_replaced_as_a_whole(tmp_path):
    save(tmp_path / "s", 5)
    save(tmp_path / "s", 2, seed=7)
    names = sorted(path.name for path in (tmp_path / "s").glob("*.png"))
    assert names == ["000000.png", "000001.png"]
    assert datasets.load(f"folder:{tmp_path / 's'}", DataOptions(8)).images.max() == 7
    assert json.loads((tmp_path / "s" / sample.OWN_FOLDER).read_text()) == {"seed": 7, "n": 2}


def test_a_folder_of_others_is_kept(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "000000.png").write_bytes(b"mine")
    with pytest.raises(InputError, match="name a folder that is new or empty"):
        save(tmp_path / "mine", 2)
    assert (tmp_path / "mine" / "000000.png").read_bytes() == b"mine"


@pytest.mark.parametrize("name, form", [("x.png", "npz"), ("x.npz", "grid"), ("x.jpg", "kinds")])
def test_a_file_of_another_type_is_refused(name, form, tmp_path):
    with pytest.raises(InputError, match=f"--form={form} writes a"):
        save(tmp_path / name, 2, form)
    assert not list(tmp_path.iterdir())


def test_labels_of_samples_mean_the_same_when_read_back(tmp_path):
    """Though the samples lack the first class."""
    labels, classes = np.array([2, 1]), np.array(["bar", "ring", "spiral"])
    save(tmp_path / "x.npz", 2, "npz", labels=labels, classes=classes)
    data = datasets.load(f"npz:{tmp_path / 'x.npz'}", DataOptions(8))
    assert [data.classes[i] for i in data.labels] == ["spiral", "ring"]


def test_every_form_has_a_place_of_its_own_which_restart_discards(tmp_path):
    places = run_folder.SAMPLED
    assert set(places) == {"grid", "kinds", "paths", "folder", "npz", "fits", "tiff"}
    assert len(set(places.values())) == len(places)
    (tmp_path / "notes.txt").write_text("mine")
    for form, name in places.items():
        save(tmp_path / name, 1, form)
    for name in (run_folder.EXPORTED, run_folder.PUBLISHED):
        (tmp_path / name).mkdir()
    run_folder.discard(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
