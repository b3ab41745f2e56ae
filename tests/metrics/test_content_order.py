"""The order of files is no seed: scores, floor, controls, classifiers and copies without it."""

import json

import numpy as np
import pytest

from gan_jax import images as pictures
from gan_jax.commands import evaluate as command
from gan_jax.commands import process
from gan_jax.metrics import content_order, controls, evaluate, features, memorization, scoring
from tests.metrics.features.stripes import TINY, stripes
from tests.metrics.helpers import (
    brightness_dataset,
    brightness_images,
    linear_extractor,
    random_dataset,
)


def reorder(dataset, seed):
    """The same data in another order."""
    rows = np.random.default_rng(seed).permutation(len(dataset.images))
    labels = None if dataset.labels is None else dataset.labels[rows]
    return dataset._replace(images=dataset.images[rows], labels=labels)


def extractor_of(with_classes=True):
    extractor = linear_extractor((4, 4, 3), 6, "net", with_classes)
    return extractor._replace(labels=(0, 1, 2)) if with_classes else extractor


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_sorted_images_are_the_same_in_any_order(dtype, tmp_path):
    """Also of a memmap, of some rows, with copies, and of no rows."""
    images = random_dataset(40).images.astype(dtype)
    images[30:] = images[5]
    np.save(tmp_path / "images.npy", images[::-1])
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    rows = content_order.sort_rows(images)
    assert sorted(rows) == list(range(40)) and not np.array_equal(rows, np.arange(40))
    np.testing.assert_array_equal(images[rows], mapped[content_order.sort_rows(mapped)])
    some = np.array([7, 3, 21, 38])
    np.testing.assert_array_equal(
        images[content_order.sort_rows(images, some)],
        mapped[content_order.sort_rows(mapped, 39 - some)],
    )
    assert content_order.sort_rows(images, np.arange(0)).tolist() == []
    shuffled = [x[content_order.shuffled_rows(x, 3)] for x in (images, mapped)]
    np.testing.assert_array_equal(*shuffled)
    assert not np.array_equal(shuffled[0], images[content_order.shuffled_rows(images, 4)])


@pytest.mark.parametrize(
    "floor, with_classes",
    [("held-out images", True), ("other training", False), ("disjoint parts", False)],
)
def test_scores_floor_and_controls(floor, with_classes, monkeypatch):
    """Of all metrics, with their spreads: equal to the last bit."""
    monkeypatch.setattr(scoring, "N_HALVES", 2)
    if floor == "other training":
        monkeypatch.setattr(controls, "MAX_REFERENCE", 90)
    real, heldout = brightness_dataset(0, 180), brightness_dataset(1, 90)
    scored = brightness_images(2, 90, shares=(0.5, 0.3, 0.2))[0]
    records = []
    for seed in (None, 3):
        sets = [real, heldout] if seed is None else [reorder(x, seed) for x in (real, heldout)]
        images = scored if seed is None else np.random.default_rng(seed).permutation(scored)
        evaluator = scoring.make_evaluator(extractor_of(with_classes), sets[0])
        records.append(
            evaluate.evaluate(
                evaluator,
                sets[0],
                sets[1] if floor == "held-out images" else None,
                {"images": lambda seed, n, images=images: images},
                80,
                1,
                0,
            )
        )
    assert records[0]["protocol"]["floor"].startswith(floor)
    assert {"ndb", "ms_ssim", "kernel", "frechet"} < set(records[0]["rows"]["images"])
    assert records[0] == records[1]


@pytest.mark.parametrize("use_heldout", [True, False])
def test_class_accuracy(use_heldout):
    def score(real, heldout):
        return evaluate.evaluate_class_accuracy(
            scoring.Evaluator(extractor_of()._replace(recall=(1.0,) * 3), {}),
            real,
            heldout if use_heldout else None,
            lambda seed, classes: brightness_images(seed, len(classes))[0],
            120,
            0,
        )

    real, heldout = brightness_dataset(0, 300), brightness_dataset(1, 200)
    assert score(real, heldout) == score(reorder(real, 3), reorder(heldout, 4))


@pytest.mark.parametrize("use_heldout", [True, False])
def test_search_for_copies(use_heldout):
    def search(real, heldout):
        generated = np.concatenate([brightness_images(2, 60)[0], images[:5]])
        heldout = heldout if use_heldout else None
        return memorization.detect_copies(extractor_of(), real, heldout, generated, 0)[0]

    real, heldout = brightness_dataset(0, 300), brightness_dataset(1, 200)
    images = real.images
    assert search(real, heldout) == search(reorder(real, 3), reorder(heldout, 4))


@pytest.mark.long
@pytest.mark.parametrize("use_heldout", [True, False])
def test_classifier(use_heldout, tmp_path, monkeypatch):
    """Trained on the same images in another order it has the same weights."""
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path))
    data, heldout = stripes(60, seed=0), stripes(40, seed=1)

    def load(data, heldout):
        extractor = features.load(data, heldout if use_heldout else None, settings=TINY)
        return *extractor.apply(heldout.images), extractor.confusion

    first = load(data, heldout)
    other = reorder(data, 3)._replace(digest="other")
    second = load(other, heldout)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.long
def test_files_with_other_names_have_the_same_scores(tmp_path):
    """Of a part of the files: the command draws the same."""
    folders = {"real": brightness_images(0, 120)[0], "made": brightness_images(1, 120)[0]}
    rows = []
    for order in (np.arange(120), np.random.default_rng(0).permutation(120)):
        for name, images in folders.items():
            folder = tmp_path / f"{name}-{len(rows)}"
            folder.mkdir()
            for i, image in zip(order, images, strict=True):
                pictures.save_png(folder / f"{i:03d}.png", image.repeat(2, 0).repeat(2, 1))
        real, made = (tmp_path / f"{name}-{len(rows)}" for name in folders)
        out = tmp_path / f"out-{len(rows)}"
        words = [f"--data=folder:{real}", f"--images={made}", f"--workdir={out}", "--size=8"]
        words += ["--features=pixels", "--scores=ndb,ms_ssim,coverage", "--n_images=60"]
        assert process.guarded(command.run, [*words, "--repeats=2", "--neighbours=20"]) == 0
        record = json.loads((out / "eval.json").read_text())
        rows.append((record["rows"], record["neighbours"]["pixel"]))
    assert rows[0] == rows[1]
