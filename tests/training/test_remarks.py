"""What is said of settings and data that can be used, and when nothing is."""

import dataclasses
import re

import numpy as np
import pytest

from gan_jax.data import toys
from gan_jax.data.types import Dataset
from gan_jax.training import remarks
from tests import tiny_runs


def remarks_of(train, **changes):
    return remarks.all_remarks(tiny_runs.prepare(train, **changes))


def test_an_ordinary_run_is_not_remarked():
    assert remarks_of(tiny_runs.dataset(300)) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"save_every": 13}, "--save_every=13; so the only checkpoint comes at the end."),
        ({"log_every": 13}, "--log_every=13; so the only record comes at the end."),
        (
            {"sample_every": 20, "save_every": 20, "eval_every": 20},
            "--sample_every=20, --save_every=20, --eval_every=20; so the only sample grid and "
            "checkpoint come at the end, and nothing is scored in training.",
        ),
        ({"eval_every": 13}, "--eval_every=13; so nothing is scored in training."),
        ({"save_every": 12, "sample_every": 0}, ""),
    ],
)
def test_intervals_beyond_the_length(changes, words):
    """The tiny run has 12 steps."""
    said = remarks_of(tiny_runs.dataset(300), **changes)
    assert said == ([f"Longer than the run of --steps=12: {words}"] if words else [])


def test_adas_probability_in_a_short_run():
    """The tiny run has 12 steps of 4 images."""
    hp = dataclasses.replace(tiny_runs.HP, augment="flip", augment_target=0.6, n_disc=2)
    train = tiny_runs.dataset(300)
    (said,) = remarks.all_remarks(tiny_runs.prepare(train, hp))
    assert "cannot exceed 0.00019 in this run, of 96 images for D" in said
    quick = dataclasses.replace(hp, augment_images=100)
    assert remarks.all_remarks(tiny_runs.prepare(train, quick)) == []


@pytest.mark.parametrize(
    ("choice", "brighter", "advice"),
    [
        ("turn", "", None),
        ("turn", "down", "turn makes images that lie every way.* use --gen_symmetry=mirror"),
        ("flip", "down", "use --gen_symmetry=mirror"),
        ("mirror", "down", None),
        ("flip", "right", "use --gen_symmetry=none"),
        ("none", "right", None),
    ],
)
def test_a_generator_that_turns_images_of_something_with_an_up(choice, brighter, advice):
    train = tiny_runs.dataset(300)
    n, height, width, _ = train.images.shape
    slope = {
        "": 0,
        "down": np.linspace(-60, 60, height)[:, None],
        "right": np.linspace(-60, 60, width),
    }
    light = 128 + slope[brighter] + np.random.default_rng(0).normal(0, 9, (n, height, width))
    train = train._replace(images=light.astype(np.uint8)[..., None])
    hp = dataclasses.replace(tiny_runs.HP, gen_symmetry=choice, z_dim=5)
    text = " ".join(remarks.all_remarks(tiny_runs.prepare(train, hp)))
    assert re.search(advice, text) if advice else not text


def test_few_images():
    said = remarks_of(tiny_runs.dataset(3), batch=4)
    assert len(said) == 2 and "Only 3 images for --batch=4" in said[0]
    assert "Evaluation would refuse" in said[1]


@pytest.mark.parametrize("labels", [(1, 2), (0, 2)])
def test_classes_without_images(labels):
    """Labels from 1 on, and a gap."""
    train = tiny_runs.dataset(300)
    train = train._replace(labels=np.resize(np.array(labels, np.int32), 300))
    (absent,) = {0, 1, 2} - set(labels)
    (said,) = remarks_of(train)
    assert f"of class {'abc'[absent]}: left out" in said


def test_a_nearly_black_range():
    train = tiny_runs.dataset(300)
    (said,) = remarks_of(train._replace(images=train.images // 128))
    assert "nearly black" in said


def test_points_are_not_remarked():
    points, modes = toys.sample_points(toys.TABLE["plus"], "train")
    images = (points[:100] / 10).astype(np.float32).reshape(100, 1, 1, 2).clip(-1, 1)
    train = Dataset(images, modes[:100].astype(np.int32), toys.TABLE["plus"].classes, "p", "d")
    hp = tiny_runs.gan.Settings(net="mlp", pixels="linear", width=2, z_dim=3)
    prepared = tiny_runs.prepare(train, hp, save_every=0)
    assert remarks.all_remarks(prepared) == []
