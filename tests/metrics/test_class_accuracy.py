"""Generators asked for classes: good ones, and every way to fail that a score must show."""

import json
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.core import parallel
from gan_jax.core.state import Vars
from gan_jax.core.method import Method
from gan_jax.data import datasets
from gan_jax.metrics import class_accuracy, evaluate, features, metric, precision_recall
from gan_jax.report import score_text
from gan_jax.training import sampling

CLASSES = ("low", "middle", "high")
CENTERS = np.array([[-10, 0], [0, 0], [10, 0]], float)


def embedding(labels, seed):
    """Round clouds of points around the centre of each class; classified by the nearest centre."""
    x = CENTERS[labels] + np.random.default_rng(seed).normal(0, 1, (len(labels), 2))
    return classified(x)


def classified(x):
    nearest = ((x[:, None] - CENTERS) ** 2).sum(-1).argmin(1)
    return {"features": x.astype(np.float32), "probs": np.eye(3, dtype=np.float32)[nearest]}


REAL_LABELS, CONTROL_LABELS, ASKED = (
    np.repeat([0, 1, 2], [400, 300, 350]),
    np.tile([0, 1, 2], 250),
    np.tile([0, 1, 2], 280),
)
REAL, CONTROL = embedding(REAL_LABELS, 0), (embedding(CONTROL_LABELS, 1), CONTROL_LABELS)
PERFECT = embedding(ASKED, 2)


def study(generated, asked=ASKED, **options):
    return class_accuracy.study(
        generated, asked, **{"real": REAL, "labels": REAL_LABELS, "control": CONTROL, **options}
    )


def test_a_perfect_generator():
    found = study(PERFECT)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["intended"] == 1 and found["intended_per_class"] == [1, 1, 1]
    assert found["compared_per_class"] == [250, 250, 250]
    expected = precision_recall.expected(250, 250)
    for name in ("coverage_per_class", "coverage_real_per_class"):
        np.testing.assert_allclose(found[name], expected, atol=0.04)
    np.testing.assert_allclose(found["diversity_per_class"], 1, atol=0.1)


def test_by_the_definitions():
    generated = {"features": 0.7 * PERFECT["features"], "probs": PERFECT["probs"][::-1]}
    found = study(generated)
    for c in range(3):
        parts = ((generated, ASKED), (REAL, REAL_LABELS), CONTROL)
        made, pool, other = (e["features"][labels == c][:250].astype(float) for e, labels in parts)
        spread = [
            np.mean([np.linalg.norm(x[i] - x[j]) for i in range(250) for j in range(i)])
            for x in (made, pool)
        ]
        assert found["diversity_per_class"][c] == pytest.approx(spread[0] / spread[1], rel=1e-6)
        assert found["coverage_per_class"][c] == precision_recall.scores(pool, made)["coverage"]
        assert (
            found["coverage_real_per_class"][c] == precision_recall.scores(pool, other)["coverage"]
        )
        assert found["intended_per_class"][c] == np.mean((generated["probs"].argmax(1) == c)[c::3])
    assert found["intended"] == pytest.approx(np.mean(found["intended_per_class"]))


def test_one_memorised_image_per_class_is_not_enough():
    first = np.searchsorted(REAL_LABELS, [0, 1, 2])
    found = study(metric.take(REAL, first[ASKED]))
    assert found["intended"] == 1
    assert max(found["coverage_per_class"]) < 0.1 and found["diversity_per_class"] == [0, 0, 0]


def test_a_generator_that_does_not_listen():
    """Right on the whole, but not for what it was asked: a third by chance, and a third of the images for each class."""
    found = study(PERFECT, np.random.default_rng(0).permutation(ASKED))
    np.testing.assert_allclose(found["intended_per_class"], 1 / 3, atol=0.1)
    assert max(found["coverage_per_class"]) < 0.9 < min(found["coverage_real_per_class"])
    assert min(found["diversity_per_class"]) > 3
    swapped = study(PERFECT, (ASKED + 1) % 3)
    assert swapped["intended"] == 0 and swapped["coverage_per_class"] == [0, 0, 0]


def test_one_class_is_lost():
    asked_twice = metric.take(
        PERFECT, np.where(ASKED == 2, np.arange(len(ASKED)) - 1, np.arange(len(ASKED)))
    )
    found = study(asked_twice)
    assert found["intended_per_class"] == [1, 1, 0] and found["intended"] == pytest.approx(2 / 3)
    assert found["coverage_per_class"][2] == 0 and found["coverage_per_class"][0] > 0.9


def test_half_of_each_class():
    """The same images on one side of the class only."""
    x = PERFECT["features"] - CENTERS[ASKED]
    x[:, 1] = abs(x[:, 1])
    found = study(classified(x + CENTERS[ASKED]))
    assert found["intended"] == 1
    np.testing.assert_allclose(found["coverage_per_class"], 0.55, atol=0.1)


def test_unknown_labels_are_not_used():
    some = np.where(np.arange(len(REAL_LABELS)) % 2, REAL_LABELS, -1)
    found, expected = (
        study(PERFECT, labels=some),
        study(PERFECT, real=metric.take(REAL, some >= 0), labels=some[some >= 0]),
    )
    assert found == expected and found["compared_per_class"] == [200, 150, 175]


def test_without_a_control_the_real_images_are_divided():
    found = study(PERFECT, control=None)
    assert found["compared_per_class"] == [200, 150, 175]
    expected = study(
        PERFECT,
        real=metric.take(REAL, np.arange(0, 1050, 2)),
        labels=REAL_LABELS[::2],
        control=(metric.take(REAL, np.arange(1, 1050, 2)), REAL_LABELS[1::2]),
    )
    assert found == expected  # all class sizes are even


@pytest.mark.parametrize("n", [0, 5, 6])
def test_too_few_images_have_no_score(n):
    keep = np.concatenate([np.flatnonzero(ASKED != 1), np.flatnonzero(ASKED == 1)[:n]])
    found = study(metric.take(PERFECT, keep), ASKED[keep])
    assert found["compared_per_class"] == [250, n, 250]
    assert found["intended_per_class"][1] == (1 if n else None)
    for name in ("coverage_per_class", "coverage_real_per_class", "diversity_per_class"):
        assert (found[name][1] is None) == (n < 6) and found[name][0] is not None
    json.dumps(found, allow_nan=False)


def test_equal_real_images_have_no_diversity():
    same = REAL | {"features": np.ones_like(REAL["features"])}
    assert study(PERFECT, real=same)["diversity_per_class"] == [None, None, None]


LEVELS = np.array([40, 120, 210])


def make_source(n, seed, labels=True):
    r = np.random.default_rng(seed)
    y = r.integers(0, 3, n).astype(np.int32)
    images = (
        (LEVELS[y][:, None, None, None] + r.normal(0, 12, (n, 4, 4, 1)))
        .round()
        .clip(0, 255)
        .astype(np.uint8)
    )
    return datasets.Dataset(
        images, y if labels else None, CLASSES if labels else (), "levels", f"{n}-{seed}"
    )


def make_extractor():
    """The pixels as features; classes by mean brightness."""

    def apply(x):
        probs = np.eye(3)[abs(x.mean((1, 2, 3))[:, None] - LEVELS).argmin(1)]
        return x.reshape(len(x), -1).astype(np.float32), probs.astype(np.float32)

    return features.Extractor("pixels16", 0.97, np.diag([0.95, 0.96, 1.0]) + 0.01, CLASSES, apply)


def make_sampler(spread, listens=True):
    """Images from a method without nets: the level of the class that was asked for, and noise."""

    def latent(ctx, key, n):
        return parallel.random_rows(ctx, jax.random.normal, key, (n, 16)), jax.random.randint(
            key, (n,), 0, 3
        )

    def sample(ctx, vs, z, given, key):
        level = jnp.asarray(LEVELS)[given if listens else jnp.zeros_like(given)]
        return ((level[:, None] + spread * z) / 127.5 - 1).reshape(-1, 4, 4, 1)

    hp = types.SimpleNamespace(pixels="tanh", prior="normal")
    method = Method(
        nets={},
        example_inputs={},
        players=(),
        latent=latent,
        sample=sample,
        hp=hp,
        steps=1,
        ema={},
        by="class",
        kinds=CLASSES,
    )
    sampler = sampling.build_sampler(method)
    return lambda seed, given: sampler(Vars({}, {}), jax.random.key(seed), len(given), given)


def test_a_sampler_is_asked_for_every_class_equally_often():
    asked = []
    ask = lambda seed, given: (asked.append((seed, given)), make_sampler(12)(seed, given))[1]
    found = evaluate.conditional(
        evaluate.Evaluator(make_extractor(), {}), make_source(1500, 0), make_source(900, 1), ask, 1000, 7
    )
    ((seed, given),) = asked
    assert seed == 7 and np.bincount(given).tolist() == [333, 333, 333]
    assert min(np.bincount(given[:60])) == 20  # mixed within a chunk
    assert (
        found["intended"] > 0.99
        and found["n_per_class"] == 333
        and found["control"] == "as many held-out images"
    )
    assert max(found["compared_per_class"]) <= 333 and min(found["compared_per_class"]) > 250
    ratio = np.divide(found["coverage_per_class"], found["coverage_real_per_class"])
    np.testing.assert_allclose(ratio, 1, atol=0.12)
    np.testing.assert_allclose(found["diversity_per_class"], 1, atol=0.05)
    assert found["intended_real"] == 0.97 and found["intended_real_per_class"] == pytest.approx(
        [0.96, 0.97, 1.01]
    )
    json.dumps(found, allow_nan=False)


def test_a_sampler_with_one_image_per_class():
    """The very centre of each class, a neighbour to more real images than any other single image could be."""
    found = evaluate.conditional(
        evaluate.Evaluator(make_extractor(), {}),
        make_source(1500, 0),
        make_source(900, 1),
        make_sampler(0),
        900,
        0,
    )
    assert found["intended"] == 1 and found["diversity_per_class"] == [0, 0, 0]
    assert max(found["coverage_per_class"]) < 0.4 and min(found["coverage_real_per_class"]) > 0.9


def test_a_sampler_that_does_not_listen():
    sampler = make_sampler(12, listens=False)
    found = evaluate.conditional(
        evaluate.Evaluator(make_extractor(), {}),
        make_source(1500, 0),
        make_source(900, 1),
        sampler,
        900,
        0,
    )
    assert found["intended_per_class"] == [1, 0, 0]
    assert found["coverage_per_class"][0] > 0.8 and found["coverage_per_class"][1:] == [0, 0]


@pytest.mark.parametrize("heldout", [None, make_source(50, 1, labels=False)])
def test_without_labelled_heldout_images(heldout):
    """All training images are used at most once: 1,500 / 3 classes / 2."""
    found = evaluate.conditional(
        evaluate.Evaluator(make_extractor(), {}),
        make_source(1500, 0),
        heldout,
        make_sampler(12),
        10_000,
        0,
    )
    assert (
        found["n_per_class"] == class_accuracy.N_PER_CLASS
        and found["control"] == "as many other training images"
    )
    assert max(found["compared_per_class"]) < 300
    assert min(found["coverage_per_class"]) > 0.8


def test_in_words():
    found = evaluate.conditional(
        evaluate.Evaluator(make_extractor(), {}), make_source(1500, 0), None, make_sampler(12), 900, 0
    )
    head, *body = class_accuracy.lines(found, CLASSES)
    assert head == ["asked for", *class_accuracy.COLUMNS] and [row[0] for row in body] == list(
        CLASSES
    )
    assert body[1][1:3] == [f"{100 * found['intended_per_class'][1]:.1f}", "97.0"]
    assert body[1][3] == f"{found['coverage_per_class'][1]:.3f}" and body[1][-1] == str(
        found["compared_per_class"][1]
    )
    words = class_accuracy.verdict(found)
    assert words.startswith(
        f"{100 * found['intended']:.1f} % of the images show the class they were asked for"
    )
    assert "right on 97.0 % of real images" in words and words.endswith(
        "of what as many real images of their class do."
    )
    assert "300 images per class" in class_accuracy.protocol_line(
        found
    ) and "number 5" in class_accuracy.protocol_line(found)
    lost = {**found, "coverage_per_class": [None] * 3, "coverage_real_per_class": [None] * 3}
    assert class_accuracy.lines(lost, CLASSES)[1][3:5] == ["-", "-"] and class_accuracy.verdict(
        lost
    ).endswith("(balanced, held-out).")
    assert max(map(len, score_text.intended_lines(found, CLASSES))) <= 100
