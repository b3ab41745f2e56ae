"""A class made thin: the others whole, its images drawn by the seed, the test split untouched."""

import numpy as np
import pytest

from gan_jax.data import datasets, thinned
from gan_jax.errors import InputError
from tests.data import making


@pytest.fixture
def file(tmp_path):
    labels = np.arange(60) % 3
    test = {"test_images": making.pixels(9, 16, 16, seed=1), "test_labels": np.arange(9) % 3}
    np.savez(tmp_path / "a.npz", images=making.pixels(60, 16, 16), labels=labels, **test)
    return f"npz:{tmp_path / 'a.npz'}"


def test_rows_are_all_others_and_so_many_of_the_class():
    labels = np.array([0, 1, 1, -1, 2, 1, 1, 0])
    rows = thinned.thinned_rows(labels, 1, 2, 5)
    assert np.bincount(labels[rows] + 1).tolist() == [1, 2, 2, 1]
    assert (np.diff(rows) > 0).all()
    assert set(thinned.thinned_rows(labels, 1, 1, 5)) < set(rows), "fewer are a part of more"
    chosen = [thinned.thinned_rows(labels, 1, 1, seed) for seed in range(400)]
    counts = np.bincount([next(r for r in rows if labels[r] == 1) for rows in chosen], minlength=8)
    assert (abs(counts[[1, 2, 5, 6]] - 100) < 45).all(), "every image is as likely"


def test_it_is_a_source_with_the_whole_test_split(file):
    whole, few = making.load(file, 16), making.load(f"thin:1/4/0:{file}", 16)
    assert np.bincount(few.labels).tolist() == [20, 4, 20] and few.classes == whole.classes
    row = thinned.thinned_rows(whole.labels, 1, 4, 0)
    np.testing.assert_array_equal(few.images, whole.images[row])
    heldout = [datasets.load_heldout(d, datasets.DataOptions(16)) for d in (few, whole)]
    assert heldout[0].digest == heldout[1].digest
    half = making.load(f"shard:1/2/0:thin:1/4/0:{file}", 16)
    assert np.bincount(half.labels).tolist() == [10, 2, 10]
    assert making.load(f"thin:{whole.classes[1]}/20/3:{file}", 16).digest == whole.digest


def test_paths_within_it_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert datasets.absolute_spec("thin:a/4/0:npz:b.npz") == f"thin:a/4/0:npz:{tmp_path}/b.npz"
    assert datasets.portable_spec("thin:a/4/0:npz:/x/b.npz") == "thin:a/4/0:npz:b.npz"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("thin:1:npz:x", "cannot be read; write it as thin:CLASS/N/SEED:DATA"),
        ("thin:1/x/0:npz:x", "cannot be read"),
        ("thin:1/0/0:npz:x", "leaves no image of a class"),
        ("thin:1/4/0:", "leaves no image of a class"),
        ("thin:9/4/0:{}", "has no class 9, but 0, 1, 2; use --data=thin:0/1/0:npz:"),
        ("thin:1/21/0:{}", "has 20 images of class 1; use --data=thin:1/20/0:npz:"),
    ],
)
def test_what_makes_no_sense_is_refused(file, spec, message):
    with pytest.raises(InputError, match=message):
        making.load(spec.format(file), 16)


def test_data_without_classes_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", images=making.pixels(30, 16, 16))
    with pytest.raises(InputError, match="has no classes; use data with labels"):
        making.load(f"thin:0/3/0:npz:{tmp_path / 'a.npz'}", 16)
