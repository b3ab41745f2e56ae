"""Shards: equal, disjoint, every class evenly, and a data source like any other."""

import os

import numpy as np
import pytest

from gan_jax.data import datasets, shards
from tests.data import making

LABELS = np.random.default_rng(0).choice(5, 997, p=[0.5, 0.3, 0.1, 0.09, 0.01]) - 1


@pytest.mark.parametrize("n_shards", [1, 2, 3, 4, 5, 6, 997])
def test_shards_are_equal_disjoint_and_stratified(n_shards):
    rows = shards.shard_rows(LABELS, n_shards, 7)
    assert rows.shape == (n_shards, 997 // n_shards)
    assert len(np.unique(rows)) == rows.size and rows.min() >= 0 and rows.max() < 997
    assert (np.diff(rows, axis=1) > 0).all()
    counts = np.array([np.bincount(LABELS[part] + 1, minlength=5) for part in rows])
    assert (np.ptp(counts, axis=0) <= 1).all()
    left = np.setdiff1d(np.arange(997), rows)
    # Class 3 has ten rows, fewer than may be left.
    assert len(left) == 997 % n_shards and set(LABELS[left]) <= {2, 3}


def test_shards_follow_from_the_seed_alone():
    first = shards.shard_rows(LABELS, 3, 7)
    np.testing.assert_array_equal(first, shards.shard_rows(LABELS.copy(), 3, 7))
    overlap = np.isin(shards.shard_rows(LABELS, 3, 8)[0], first[0]).mean()
    assert overlap == pytest.approx(1 / 3, abs=0.12), "another seed deals independently"
    np.testing.assert_array_equal(shards.shard_rows(LABELS, 1, 7)[0], np.arange(997))


def test_every_row_of_a_class_is_as_likely_in_a_shard():
    """Of ten rows of each class, the third of four shards has two and three."""
    counts = np.zeros(20)
    for seed in range(900):
        counts[shards.shard_rows(np.repeat([0, 1], 10), 4, seed)[2]] += 1
    wanted = np.repeat([0.2, 0.3], 10)
    assert (abs(counts / 900 - wanted) < 5 * np.sqrt(0.25 / 900)).all()


@pytest.fixture
def file(tmp_path):
    labels = np.arange(60) % 3
    test = {"test_images": making.pixels(9, 16, 16, seed=1), "test_labels": np.arange(9) % 3}
    np.savez(tmp_path / "a.npz", images=making.pixels(60, 16, 16), labels=labels, **test)
    return f"npz:{tmp_path / 'a.npz'}"


def test_a_shard_is_a_source_with_the_whole_test_split(file):
    whole = making.load(file, 16)
    parts = [making.load(f"shard:{i}/4/2:{file}", 16) for i in range(1, 5)]
    dealt = [image.tobytes() for part in parts for image in part.images]
    assert sorted(dealt) == sorted(image.tobytes() for image in whole.images)
    for part in parts:
        assert np.bincount(part.labels).tolist() == [5, 5, 5] and part.classes == whole.classes
    assert len({whole.digest, *(part.digest for part in parts)}) == 5
    row = shards.shard_rows(whole.labels, 4, 2)[1]
    np.testing.assert_array_equal(parts[1].images, whole.images[row])
    np.testing.assert_array_equal(parts[1].labels, whole.labels[row])
    heldout = [datasets.load_heldout(d, datasets.DataOptions(16)) for d in (parts[0], whole)]
    assert heldout[0].digest == heldout[1].digest
    assert making.load(f"shard:1/1/5:{file}", 16).digest == whole.digest


def test_a_shard_of_a_shard(file):
    inner = making.load(f"shard:2/3/0:{file}", 16)
    part = making.load(f"shard:1/2/9:shard:2/3/0:{file}", 16)
    np.testing.assert_array_equal(
        part.images, inner.images[shards.shard_rows(inner.labels, 2, 9)[0]]
    )


def test_images_without_labels_are_dealt_too(tmp_path):
    np.savez(tmp_path / "a.npz", images=making.pixels(30, 16, 16))
    assert making.load(f"shard:3/3/0:npz:{tmp_path / 'a.npz'}", 16).images.shape == (10, 16, 16, 1)
    assert making.load(f"shard:3/3/0:npz:{tmp_path / 'a.npz'}", 16, split="test") is None


def test_a_run_records_where_the_data_behind_a_shard_are(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    recorded = datasets.absolute_spec("shard:1/2/3:shard:1/9/0:idx:mnist")
    assert recorded == f"shard:1/2/3:shard:1/9/0:idx:{os.getcwd()}/mnist"
    assert datasets.absolute_spec("shard:1/2/3:galaxies") == "shard:1/2/3:galaxies"
    assert datasets.absolute_spec("shard:nonsense") == "shard:nonsense"


def test_bad_specs_are_refused(file):
    for arg in (
        "1/3:galaxies",
        "a/b/c:galaxies",
        "0/3/0:galaxies",
        "4/3/0:galaxies",
        "1/3/-1:galaxies",
        "1/3/0",
        "1/3/0:",
    ):
        making.refused("shard:I/V/SEED:DATA", arg, spec=f"shard:{arg}")
    making.refused("too few for 61 shards", spec=f"shard:1/61/0:{file}")
    making.refused("points", spec="shard:1/3/0:toys:gaussians8")
    making.refused("no known source", spec="shard:1/3/0:cifar")
    making.refused("leave it empty", spec=f"shard:1/3/0:{file}", labels="x")
