"""Class-conditional generators: good ones, and every failure that a score must show."""

import json

import numpy as np
import pytest
import scipy

from gan_jax.metrics import class_accuracy, precision_recall, significance
from gan_jax.metrics.metric import take_rows

CENTERS = np.array([[-10, 0], [0, 0], [10, 0]], float)  # of the three classes


def classify(x):
    """Make the views of points, classified by the nearest centre."""
    nearest = ((x[:, None] - CENTERS) ** 2).sum(-1).argmin(1)
    return {"features": x.astype(np.float32), "probs": np.eye(3, dtype=np.float32)[nearest]}


def clouds(labels, seed):
    """Make the views of round clouds of points around the centre of each class."""
    noise = np.random.default_rng(seed).normal(0, 1, (len(labels), 2))
    return classify(CENTERS[labels] + noise)


REAL_LABELS = np.repeat([0, 1, 2], [400, 300, 350])
CONTROL_LABELS, REQUESTED = np.tile([0, 1, 2], 250), np.tile([0, 1, 2], 280)
REAL, CONTROL = clouds(REAL_LABELS, 0), (clouds(CONTROL_LABELS, 1), CONTROL_LABELS)
PERFECT = clouds(REQUESTED, 2)


def score(generated, requested=REQUESTED, **options):
    data = {"real": REAL, "labels": REAL_LABELS, "control": CONTROL, **options}
    return class_accuracy.score_classes(generated, requested, **data)


def test_a_perfect_generator():
    scores = score(PERFECT)
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores
    assert scores["intended"] == 1 and scores["intended_per_class"] == [1, 1, 1]
    assert scores["compared_per_class"] == [250, 250, 250]
    expected = precision_recall.expected_coverage(250, 250)
    for name in ("coverage_per_class", "coverage_real_per_class"):
        np.testing.assert_allclose(scores[name], expected, atol=0.04)
    np.testing.assert_allclose(scores["diversity_per_class"], 1, atol=0.1)


def test_by_the_definitions():
    generated = {"features": 0.7 * PERFECT["features"], "probs": PERFECT["probs"][::-1]}
    scores = score(generated)

    def mean_distance(x):
        return np.mean([np.linalg.norm(x[i] - x[j]) for i in range(250) for j in range(i)])

    for c in range(3):
        sets = ((generated, REQUESTED), (REAL, REAL_LABELS), CONTROL)
        own, pool, other = (
            views["features"][labels == c][:250].astype(float) for views, labels in sets
        )
        diversity = mean_distance(own) / mean_distance(pool)
        assert scores["diversity_per_class"][c] == pytest.approx(diversity, rel=1e-6)
        coverage = [precision_recall.prdc(pool, x)["coverage"] for x in (own, other)]
        assert scores["coverage_per_class"][c] == coverage[0]
        assert scores["coverage_real_per_class"][c] == coverage[1]
        is_right = generated["probs"].argmax(1) == c
        assert scores["intended_per_class"][c] == np.mean(is_right[c::3])
    assert scores["intended"] == pytest.approx(np.mean(scores["intended_per_class"]))


def test_one_memorised_image_per_class_is_not_enough():
    first = np.searchsorted(REAL_LABELS, [0, 1, 2])
    scores = score(take_rows(REAL, first[REQUESTED]))
    assert scores["intended"] == 1
    assert max(scores["coverage_per_class"]) < 0.1
    assert scores["diversity_per_class"] == [0, 0, 0]


def test_a_generator_that_ignores_the_class():
    """Right on the whole, but not for the requested class: a third by chance."""
    scores = score(PERFECT, np.random.default_rng(0).permutation(REQUESTED))
    np.testing.assert_allclose(scores["intended_per_class"], 1 / 3, atol=0.1)
    assert max(scores["coverage_per_class"]) < 0.9 < min(scores["coverage_real_per_class"])
    assert min(scores["diversity_per_class"]) > 3
    swapped = score(PERFECT, (REQUESTED + 1) % 3)
    assert swapped["intended"] == 0 and swapped["coverage_per_class"] == [0, 0, 0]


def test_a_lost_class():
    """Instead of the last class, images of the one before it."""
    rows = np.arange(len(REQUESTED))
    scores = score(take_rows(PERFECT, np.where(REQUESTED == 2, rows - 1, rows)))
    assert scores["intended_per_class"] == [1, 1, 0]
    assert scores["intended"] == pytest.approx(2 / 3)
    assert scores["coverage_per_class"][2] == 0 and scores["coverage_per_class"][0] > 0.9


def test_half_of_each_class():
    """The same images on one side of the class only."""
    x = PERFECT["features"] - CENTERS[REQUESTED]
    x[:, 1] = abs(x[:, 1])
    scores = score(classify(x + CENTERS[REQUESTED]))
    assert scores["intended"] == 1
    np.testing.assert_allclose(scores["coverage_per_class"], 0.55, atol=0.1)


def test_unknown_labels_are_not_used():
    labels = np.where(np.arange(len(REAL_LABELS)) % 2, REAL_LABELS, -1)
    known = labels >= 0
    scores = score(PERFECT, labels=labels)
    assert scores == score(PERFECT, real=take_rows(REAL, known), labels=labels[known])
    assert scores["compared_per_class"] == [200, 150, 175]


def test_without_a_control_the_real_images_are_divided():
    scores = score(PERFECT, control=None)
    assert scores["compared_per_class"] == [200, 150, 175]
    # All class sizes are even.
    halves = [(take_rows(REAL, slice(i, None, 2)), REAL_LABELS[i::2]) for i in (0, 1)]
    (real, labels), control = halves
    assert scores == score(PERFECT, real=real, labels=labels, control=control)


@pytest.mark.parametrize("n", [0, 5, 6])
def test_too_few_images_have_no_score(n):
    rows = np.concatenate([np.flatnonzero(REQUESTED != 1), np.flatnonzero(REQUESTED == 1)[:n]])
    scores = score(take_rows(PERFECT, rows), REQUESTED[rows])
    assert scores["compared_per_class"] == [250, n, 250]
    assert scores["intended_per_class"][1] == (1 if n else None)
    for name in ("coverage_per_class", "coverage_real_per_class", "diversity_per_class"):
        assert (scores[name][1] is None) == (n < 6) and scores[name][0] is not None
    json.dumps(scores, allow_nan=False)


def test_equal_real_images_have_no_diversity():
    same = REAL | {"features": np.ones_like(REAL["features"])}
    assert score(PERFECT, real=same)["diversity_per_class"] == [None, None, None]


RECORD = {
    "intended": 0.755,
    "intended_per_class": [0.9, 0.61],
    "intended_real": 0.97,
    "intended_real_per_class": [0.96, 0.98],
    "coverage_per_class": [0.75, 0.6],
    "coverage_real_per_class": [0.9, 1.0],
    "diversity_per_class": [0.9876, 1.0],
    "compared_per_class": [300, 280],
    "n_per_class": 300,
    "k": 5,
    "control": "as many held-out images",
}


def test_the_interval_of_a_row_holds_the_true_share():
    """In 95 % of the cases; where all images are right it ends where Wilson's does."""
    n, rng = 600, np.random.default_rng(0)
    for truth in (0.76, 0.99, 0.998):
        hits = []
        for right in rng.binomial(n, truth, 1000):
            (of_model, of_real) = class_accuracy.row_scores(RECORD | {"intended": right / n})
            assert of_real == {"intended": 0.97}
            share, se = of_model["intended"], of_model["intended_se"]
            low, high = significance.bounded_interval(share, se, 1.96, 0, 1)
            hits.append(low <= truth <= high)
        assert np.mean(hits) > 0.93
    of_model, _ = class_accuracy.row_scores(RECORD | {"intended": 1.0})
    low, high = significance.bounded_interval(1.0, of_model["intended_se"], 1.96, 0, 1)
    wilson = scipy.stats.binomtest(n, n).proportion_ci(2 * scipy.stats.norm.cdf(1.96) - 1, "wilson")
    assert (low, high) == pytest.approx((wilson.low, 1))


def test_in_words():
    head, first, _ = class_accuracy.table_rows(RECORD, ("low", "high"))
    assert head == ["asked for", *class_accuracy.COLUMNS]
    assert first == ["low", "90.0", "96.0", "0.750", "0.900", "0.988", "300"]
    words = class_accuracy.summary_text(RECORD)
    assert words.startswith("75.5 % of the images show the class they were asked for")
    assert "right on 97.0 % of real images" in words
    # (0.75 / 0.9 + 0.6 / 1) / 2
    assert words.endswith("cover 72 % of what as many real images of their class do.")
    how = class_accuracy.protocol_text(RECORD)
    assert "300 images per class" in how and "number 5" in how
    lost = RECORD | {"coverage_per_class": [None] * 2, "coverage_real_per_class": [None] * 2}
    assert class_accuracy.table_rows(lost, ("low", "high"))[1][3:5] == ["-", "-"]
    assert class_accuracy.summary_text(lost).endswith("(balanced, held-out).")
