"""Records of generators with known quality: rows, controls, class shares and class accuracy."""

import itertools
import json

import numpy as np
import pytest

from gan_jax import errors, metrics
from gan_jax.metrics import (
    class_accuracy,
    class_balance,
    content_order,
    controls,
    evaluate,
    memorization,
    protocol,
    scoring,
)
from gan_jax.metrics import features as feature_spaces
from tests.metrics.helpers import (
    CLASSES,
    LEVELS,
    brightness_dataset,
    brightness_images,
    linear_extractor,
    make_dataset,
    to_uint8,
)

SHARES = np.array([0.6, 0.37, 0.03])
NAMES = "frechet,coverage,classes"  # the metrics of these tests


def dataset(seed, n):
    return brightness_dataset(seed, n, shares=SHARES)


def make_extractor(with_classes=True):
    """Five linear features, and nearly sure classes by brightness."""
    name = "linear5" if with_classes else "random5"
    return linear_extractor((4, 4, 3), 5, name, with_classes)


def make_evaluator(extractor=None, names=NAMES):
    return scoring.make_evaluator(extractor or make_extractor(), dataset(1, 900), names)


def sample_model(seed, n):
    return brightness_images(1000 + seed, n, SHARES)[0]


def sample_noise(seed, n):
    return np.random.default_rng(seed).integers(0, 256, (n, 4, 4, 3), np.uint8)


SAMPLERS = {"model": sample_model, "untrained": sample_noise}


@pytest.fixture(scope="module")
def record():
    return evaluate.evaluate(
        make_evaluator(), dataset(1, 900), dataset(2, 400), SAMPLERS, 300, 3, seed=7
    )


def test_record_is_finite_json_with_all_rows_and_the_protocol(record):
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert list(record["rows"]) == ["real", "model", "untrained", "collapsed"]
    reference = dataset(1, 900).images
    reference = reference[content_order.shuffled_rows(reference, 7)]
    assert record["protocol"] == {
        "n_real": 900,
        "n_fake": 300,
        "drawn_by": "content",
        "repeats": 3,
        "seed": 7,
        "net": "linear5",
        "net_accuracy": 0.99,
        "n_features": 5,
        "split": "train",
        "floor": "held-out images",
        "collapsed": "most frequent class only",
        "size": 4,
        "data": "blocks",
        "digest": "digest-of-1-900",
        "resize": "none",
        "reference": protocol.fingerprint(make_extractor().apply(reference)[0]),
    }
    for name, row in record["rows"].items():
        assert (row["n_real"], row["n_fake"]) == (900, 300)
        assert row["repeats"] == (3 if name in ("real", "model") else 1)
        assert ("frechet_std" in row) == (row["repeats"] > 1)
        assert ("frechet_se" in row) == (name in ("real", "model"))
        assert sum(row["fractions"]) == pytest.approx(1)
        assert sum(row["fractions_corrected"]) == pytest.approx(1)


def test_a_perfect_model_reaches_the_floor_and_the_controls_do_not(record):
    rows = record["rows"]
    floor = rows["real"]["frechet"]
    assert rows["model"]["frechet"] < 5 * floor
    for control in ("untrained", "collapsed"):
        assert rows[control]["frechet"] > 20 * floor
        assert rows[control]["total_variation"] > 0.3 > 5 * rows["model"]["total_variation"]
        assert rows[control]["kl"] > 10 * rows["model"]["kl"]


def test_class_scores_by_hand(record):
    extractor, rows = make_extractor(), record["rows"]
    shares = class_balance.class_fractions(extractor.apply(dataset(1, 900).images)[1])
    np.testing.assert_allclose(record["real_fractions"], shares)
    assert rows["collapsed"]["fractions"] == [1, 0, 0] and rows["collapsed"]["classes_5pct"] == 1
    assert rows["collapsed"]["total_variation"] == pytest.approx(1 - shares[0])
    assert rows["real"]["classes_5pct"] == 2  # the third class holds 3 %
    untrained = class_balance.class_fractions(extractor.apply(sample_noise(7, 300))[1])
    np.testing.assert_allclose(rows["untrained"]["fractions"], untrained)


def test_model_is_the_mean_over_sampling_seeds(record):
    evaluator = make_evaluator()
    reference, _ = controls.choose_reference(evaluator, dataset(1, 900), 7)
    samples = [evaluator(sample_model(7 + i, 300)) for i in range(3)]
    values = [scoring.compute_scores(evaluator, reference, x)["frechet"] for x in samples]
    row = record["rows"]["model"]
    assert row["frechet"] == pytest.approx(np.mean(values))
    assert row["frechet_std"] == pytest.approx(np.std(values, ddof=1))


@pytest.mark.long
def test_confusion_is_undone():
    """A classifier that reports half of the dark images as grey.

    Raw fractions are wrong, corrected ones right.
    """
    clean = make_extractor()

    def apply(images):
        features, probs = clean.apply(images)
        flip = (probs.argmax(1) == 0) & (images[:, 0, 0, 0] % 2 == 0)
        return features, np.where(flip[:, None], np.eye(3)[1], probs)

    confusion = np.array([[0.5, 0.5, 0], [0, 1, 0], [0, 0, 1.0]])
    confused = make_evaluator(clean._replace(apply=apply, confusion=confusion))
    record = evaluate.evaluate(confused, dataset(1, 4000), None, SAMPLERS, 3000, 1, seed=0)
    model = record["rows"]["model"]
    assert model["fractions"][0] == pytest.approx(0.3, abs=0.03)
    np.testing.assert_allclose(model["fractions_corrected"], SHARES, atol=0.06)
    np.testing.assert_allclose(record["real_fractions_corrected"], SHARES, atol=0.06)
    assert model["total_variation"] < 0.05  # the same yardstick on both sides


def test_too_small_heldout_split_is_not_used():
    record = evaluate.evaluate(
        make_evaluator(), dataset(1, 200), dataset(2, 50), SAMPLERS, 60, 1, seed=0
    )
    assert record["protocol"]["floor"] == "disjoint parts of the training images"
    row = record["rows"]["real"]
    assert (row["n_real"], row["n_fake"]) == (140, 60)
    text = protocol.describe(record, {"real": "real (floor)"})
    assert "Counts of row real (floor): 60 against 140." in text


def test_without_classes_only_the_distance_is_scored():
    evaluator = make_evaluator(make_extractor(with_classes=False), "frechet,classes")
    record = evaluate.evaluate(evaluator, dataset(1, 300), None, SAMPLERS, 100, 2, seed=0)
    json.dumps(record, allow_nan=False)
    assert record["classes"] == [] and "real_fractions" not in record
    assert record["protocol"]["collapsed"] == "8 training images, repeated"
    rows = record["rows"]
    assert set(rows["collapsed"]) == {"n_real", "n_fake", "repeats", "frechet"}
    assert set(rows["model"]) - set(rows["collapsed"]) == {"frechet_std", "frechet_se"}
    assert rows["collapsed"]["frechet"] > rows["real"]["frechet"]
    assert scoring.summarize_row(rows["model"]) == {"frechet": rows["model"]["frechet"]}


@pytest.mark.long
def test_same_seed_same_record_other_seed_other_samples(record):
    args = make_evaluator(), dataset(1, 900), dataset(2, 400), SAMPLERS, 300, 3
    assert evaluate.evaluate(*args, seed=7) == record
    other = evaluate.evaluate(*args, seed=8)
    assert other["rows"]["real"]["frechet"] != record["rows"]["real"]["frechet"]


def test_counts_that_cannot_be_scored_are_refused():
    message = "--n_images=5 .* frechet in 5 features; use at least 6, .*--scores=.*classes"
    with pytest.raises(errors.InputError, match=message):
        evaluate.evaluate(make_evaluator(), dataset(1, 100), None, SAMPLERS, 5, 1, seed=0)
    with pytest.raises(errors.InputError, match="--data=blocks has 11 images.*needs 12"):
        evaluate.evaluate(make_evaluator(), dataset(1, 11), None, SAMPLERS, 50, 1, seed=0)
    with pytest.raises(errors.InputError, match="--eval_images=4 .* use at least 6"):
        scoring.check_counts(dataset(1, 100), 4, "eval_images", NAMES, 5)
    evaluate.evaluate(make_evaluator(), dataset(1, 12), None, SAMPLERS, 6, 1, seed=0)


def test_counts_are_those_of_the_features_that_the_data_have():
    """Those of a stack's three channels are three times as many, or more."""
    names = tuple("-".join(word) for word in itertools.product("ab", repeat=3))
    stacks = dataset(1, 900)._replace(
        images=np.zeros((900, 28, 28, 3), np.uint8),
        labels=np.arange(900) % 8,
        classes=names,
        name="stacked:idx:DIR",
    )
    n = feature_spaces.count_features("auto", stacks)
    assert n >= 3 * feature_spaces.count_features("auto", dataset(1, 900))
    with pytest.raises(errors.InputError, match=f"--eval_images={n} is too few .* {n} features"):
        scoring.check_counts(stacks, n, "eval_images", "frechet")
    scoring.check_counts(dataset(1, 900), n, "eval_images", "frechet")


def test_summary_of_a_row(record):
    model = record["rows"]["model"]
    keys = [key for name in NAMES.split(",") for key in metrics.TABLE[name].scores]
    assert scoring.summarize_row(model) == {key: model[key] for key in keys}


LABELS = {
    "none": lambda known: None,
    "some unknown, one of a class": lambda known: np.select(
        [np.arange(200) < 80, np.arange(200) == 90], [-1, 2], np.minimum(known, 1)
    ),
    "one class": lambda known: np.zeros(200, np.int32),
    "all unknown": lambda known: np.full(200, -1, np.int32),
}


@pytest.mark.long
@pytest.mark.parametrize("labels", LABELS)
def test_small_data_with_any_labels(labels):
    """200 images and the nets of features.load; more generated images than real ones."""
    images, known = brightness_images(1, 200, SHARES)
    marks = LABELS[labels](known)
    real = make_dataset(
        np.tile(images, (1, 2, 2, 1)), marks, () if marks is None else CLASSES, digest=labels
    )
    settings = feature_spaces.Settings(steps=10, batch=8, widths=(4, 8))
    extractor = feature_spaces.load(real, settings=settings)

    def sample(seed, n):
        return np.tile(brightness_images(seed, n, SHARES)[0], (1, 2, 2, 1))

    evaluator = scoring.make_evaluator(extractor, real, NAMES)
    record = evaluate.evaluate(evaluator, real, None, {"model": sample}, 300, 2, 0)
    copies, _ = memorization.detect_copies(extractor, real, None, sample(0, 20), 0)
    record["neighbours"] = copies
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert (record["protocol"]["n_real"], record["protocol"]["n_fake"]) == (200, 300)
    assert (record["rows"]["real"]["n_real"], record["rows"]["real"]["n_fake"]) == (100, 100)
    has_classifier = labels == "some unknown, one of a class"
    assert ("total_variation" in record["rows"]["model"]) == has_classifier
    assert (record["protocol"]["net_accuracy"] is not None) == has_classifier
    assert "Counts of row real: 100 against 100." in protocol.describe(record, {})


# Class accuracy


def sample_classes(spread, listens=True):
    """Make a sampler: the brightness of the requested class, and noise."""

    def sample(seed, classes):
        rng = np.random.default_rng(seed)
        levels = LEVELS[classes if listens else np.zeros_like(classes)]
        noise = rng.normal(0, spread, (len(classes), 4, 4, 1))
        return to_uint8(levels[:, None, None, None] + noise)

    return sample


def evaluate_class_accuracy(sampler, n, seed=0, heldout=True, labels=(0, 1, 2)):
    """All pixels as features; a classifier with known recalls, of which one is unknown."""

    def apply(x):
        probs = np.eye(3)[abs(x.mean((1, 2, 3))[:, None] - LEVELS).argmin(1)]
        return x.reshape(len(x), -1).astype(np.float32), probs.astype(np.float32)

    confusion = np.diag([0.95, 0.96, 1.0]) + 0.01
    extractor = feature_spaces.Extractor(
        "pixels", 0.97, confusion, CLASSES, apply, labels=labels, recall=(0.96, 0.97, None)
    )
    evaluator = scoring.Evaluator(extractor, {})
    real = brightness_dataset(0, 1500, channels=1)
    if heldout is True:
        heldout = brightness_dataset(1, 900, channels=1)
        heldout = heldout._replace(labels=np.array(labels)[heldout.labels])
    real = real._replace(labels=np.array(labels)[real.labels])
    return evaluate.evaluate_class_accuracy(evaluator, real, heldout, sampler, n, seed)


def test_every_class_is_requested_equally_often():
    requests = []

    def sampler(seed, classes):
        requests.append((seed, classes))
        return sample_classes(12)(seed, classes)

    record = evaluate_class_accuracy(sampler, 1000, 7)
    ((seed, classes),) = requests
    assert seed == 7 and np.bincount(classes).tolist() == [333, 333, 333]
    assert min(np.bincount(classes[:60])) == 20  # mixed
    assert record["intended"] > 0.99 and record["n_per_class"] == 333
    assert record["control"] == "as many held-out images"
    assert max(record["compared_per_class"]) <= 333 and min(record["compared_per_class"]) > 250
    ratio = np.divide(record["coverage_per_class"], record["coverage_real_per_class"])
    np.testing.assert_allclose(ratio, 1, atol=0.12)
    np.testing.assert_allclose(record["diversity_per_class"], 1, atol=0.05)
    assert record["intended_real"] == 0.97
    assert record["intended_real_per_class"] == [0.96, 0.97, None]
    json.dumps(record, allow_nan=False)


@pytest.mark.parametrize("labels", [(1, 2, 3), (0, 2, 3), (4, 7, 9)])
def test_classes_without_images_are_not_requested(labels):
    """As of labels from 1 on, and of labels with gaps: a perfect generator is still perfect."""
    requests = []

    def sampler(seed, classes):
        requests.append(classes)
        return sample_classes(12)(seed, np.searchsorted(labels, classes))

    record = evaluate_class_accuracy(sampler, 900, labels=labels)
    assert set(requests[0]) == set(labels)
    assert record["intended"] > 0.99 and len(record["coverage_per_class"]) == 3
    np.testing.assert_allclose(record["diversity_per_class"], 1, atol=0.05)


def test_shares_are_of_the_classes_with_images():
    """Labels from 1 on, as in the data: all fields of the record are of three classes."""
    real = brightness_dataset(0, 600)._replace(classes=("none", *CLASSES))
    shifted = real._replace(labels=real.labels + 1)
    extractor = linear_extractor((4, 4, 3), 6, "net", with_classes=True)
    extractor = extractor._replace(labels=(1, 2, 3), recall=(1.0, 1.0, 1.0))
    evaluator = scoring.make_evaluator(extractor, shifted, "frechet,classes")
    sample = lambda seed, n: brightness_images(seed, n)[0]
    record = evaluate.evaluate(evaluator, shifted, None, {"images": sample}, 200, 1, 0)
    assert record["classes"] == list(CLASSES)
    expected = np.bincount(real.labels) / 600
    np.testing.assert_allclose(record["real_fractions_corrected"], expected)
    assert len(record["real_fractions"]) == len(record["rows"]["images"]["fractions"]) == 3


def test_a_sampler_with_one_image_per_class():
    """The very centre of each class, a neighbour of more real images than any other image."""
    record = evaluate_class_accuracy(sample_classes(0), 900)
    assert record["intended"] == 1 and record["diversity_per_class"] == [0, 0, 0]
    assert max(record["coverage_per_class"]) < 0.4 and min(record["coverage_real_per_class"]) > 0.9


def test_a_sampler_that_ignores_the_class():
    record = evaluate_class_accuracy(sample_classes(12, listens=False), 900)
    assert record["intended_per_class"] == [1, 0, 0]
    assert record["coverage_per_class"][0] > 0.8 and record["coverage_per_class"][1:] == [0, 0]


@pytest.mark.parametrize(
    "heldout", [None, brightness_dataset(1, 50, channels=1)._replace(labels=None)]
)
def test_class_accuracy_without_labelled_heldout_images(heldout):
    """All training images are used at most once: 1,500 / 3 classes / 2."""
    record = evaluate_class_accuracy(sample_classes(12), 10_000, heldout=heldout)
    assert record["n_per_class"] == class_accuracy.N_PER_CLASS
    assert record["control"] == "as many other training images"
    assert max(record["compared_per_class"]) < 300
    assert min(record["coverage_per_class"]) > 0.8
