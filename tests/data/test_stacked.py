"""Stacks: three images in three channels, drawn by seed and index, K^3 classes."""

import os

import numpy as np
import pytest

from gan_jax.data import datasets, stacked
from tests.data import making

K, N = 4, 60


@pytest.fixture
def file(tmp_path):
    labels = np.arange(N) % K
    labels[7] = -1  # an image without a label is in no stack
    test = {"test_images": making.pixels(9, 16, 16, seed=1), "test_labels": np.arange(9) % K}
    classes = np.array(["round", "long", "edge-on", "x"])
    images = making.pixels(N, 16, 16)
    np.savez(tmp_path / "a.npz", images=images, labels=labels, classes=classes, **test)
    return f"npz:{tmp_path / 'a.npz'}"


def test_rows_follow_from_seed_and_index_and_are_uniform():
    rows = stacked.stack_rows(10, 30_000, 3)
    assert rows.shape == (30_000, 3) and rows.min() == 0 and rows.max() == 9
    np.testing.assert_array_equal(stacked.stack_rows(10, 50, 3), rows[:50])
    assert (stacked.stack_rows(10, 50, 4) != rows[:50]).any()
    counts = np.bincount(rows @ [100, 10, 1], minlength=1000)
    # Pearson's statistic of 1,000 equally likely stacks: mean 999, variance 1,998.
    assert abs(((counts - 30) ** 2 / 30).sum() - 999) < 5 * np.sqrt(1998)


def test_stacks_hold_the_images_that_were_drawn(file, monkeypatch):
    monkeypatch.setattr(stacked, "N_STACKS", {"train": 500, "test": 40})
    single, whole = making.load(file), making.load(f"stacked:{file}")
    assert whole.images.shape == (500, 16, 16, 3) and len(whole.classes) == K**3
    known = np.flatnonzero(single.labels >= 0)
    rows = known[stacked.stack_rows(len(known), 500, stacked.SEEDS["train"])]
    assert 7 not in rows
    for i in (0, 1, 499):
        for channel, row in enumerate(rows[i]):
            np.testing.assert_array_equal(whole.images[i, ..., channel], single.images[row, ..., 0])
        names = [single.classes[single.labels[row]] for row in rows[i]]
        assert whole.classes[whole.labels[i]] == "-".join(names)
    test = datasets.load_heldout(whole, datasets.DataOptions(16))
    assert test is not None and test.images.shape == (40, 16, 16, 3)
    assert len({image.tobytes() for image in test.images[..., 0]}) <= 9
    again = making.load(f"stacked:{file}")
    assert again.digest == whole.digest != making.load(f"stacked:shard:1/2/0:{file}").digest


def test_the_first_channel_is_a_data_set_with_the_classes_of_one_image(file, monkeypatch):
    monkeypatch.setattr(stacked, "N_STACKS", {"train": 500, "test": 40})
    single, whole = making.load(file), making.load(f"stacked:{file}")
    first = stacked.first_channel(whole)
    assert first.classes == single.classes and stacked.n_classes(whole) == K
    assert first.images.shape == (500, 16, 16, 1)
    by_image = {im.tobytes(): label for im, label in zip(single.images, single.labels, strict=True)}
    assert [by_image[image.tobytes()] for image in first.images] == first.labels.tolist()


def test_colour_images_become_gray(tmp_path, monkeypatch):
    monkeypatch.setattr(stacked, "N_STACKS", {"train": 20, "test": 4})
    np.savez(tmp_path / "a.npz", images=making.pixels(8, 16, 16, 3), labels=np.arange(8) % 2)
    spec = f"npz:{tmp_path / 'a.npz'}"
    gray = making.load(spec, colors="gray").images
    image = making.load(f"stacked:{spec}").images[0, ..., 1]
    assert any((image == one[..., 0]).all() for one in gray)
    assert making.load(f"stacked:{spec}", split="test") is None


def test_a_run_records_where_the_data_behind_stacks_are(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert datasets.absolute_spec("stacked:idx:mnist") == f"stacked:idx:{os.getcwd()}/mnist"
    nested = datasets.absolute_spec("stacked:shard:1/2/3:idx:mnist")
    assert nested == f"stacked:shard:1/2/3:idx:{os.getcwd()}/mnist"
    assert datasets.plugin_of("stacked:python:my_data:load:5") == "python:my_data:load"
    assert datasets.plugin_of("stacked:shard:1/2/3:python:my_data:load") == "python:my_data:load"
    assert datasets.plugin_of("stacked:idx:mnist") is None


def test_data_without_few_classes_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", images=making.pixels(30, 16, 16))
    making.refused("0 classes", "2 to 21", spec=f"stacked:npz:{tmp_path / 'a.npz'}")
    np.savez(tmp_path / "b.npz", images=making.pixels(30, 16, 16), labels=np.arange(30))
    making.refused("30 classes", spec=f"stacked:npz:{tmp_path / 'b.npz'}")
    making.refused("are points", spec="stacked:toys:gaussians8")
    making.refused("stacked:DATA", spec="stacked:")
