import json

import numpy as np
import pytest

from gan_jax import errors
from gan_jax.data import datasets
from gan_jax.metrics import class_balance, evaluate, features, memorization, protocol
from gan_jax.report import score_text

CLASSES = ("dark", "grey", "bright")
LEVELS = np.array([40, 120, 210])
SHARES = np.array([0.6, 0.37, 0.03])


def draw(seed, n, shares=SHARES, noise=12):
    """Small colour images of three brightness classes: (uint8 [n, 4, 4, 3], int32 [n])."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, n, p=shares).astype(np.int32)
    light = LEVELS[labels][:, None, None, None] + rng.normal(0, noise, (n, 4, 4, 3))
    return light.round().clip(0, 255).astype(np.uint8), labels


def make_source(seed, n):
    images, labels = draw(seed, n)
    return datasets.Dataset(images, labels, CLASSES, "blocks", f"digest-of-{seed}-{n}")


def make_extractor(classes=True):
    """Five linear features and a softmax over the distance to the three brightness levels."""
    weights = np.random.default_rng(0).standard_normal((48, 5)) / 48

    def apply(images):
        x = images.reshape(len(images), -1).astype(np.float32)
        score = -((x.mean(1, keepdims=True) - LEVELS) ** 2) / 100
        probs = np.exp(score - score.max(1, keepdims=True))
        return (x @ weights).astype(np.float32), (
            probs / probs.sum(1, keepdims=True)
        ) if classes else None

    if not classes:
        return features.Extractor("random5", None, None, (), apply)
    return features.Extractor("linear5", 0.99, np.eye(3), CLASSES, apply)


NAMES = "frechet,coverage,classes"  # the scores of these tests


def look(extractor=None, real=None, names=NAMES):
    return evaluate.make_evaluator(extractor or make_extractor(), real or make_source(1, 900), names)


def noise_sampler(seed, n):
    return np.random.default_rng(seed).integers(0, 256, (n, 4, 4, 3), np.uint8)


SAMPLERS = {"model": lambda seed, n: draw(1000 + seed, n)[0], "untrained": noise_sampler}


def evaluated_rows():
    return np.random.default_rng(7).permutation(900)


@pytest.fixture(scope="module")
def record():
    return evaluate.evaluate(
        look(), make_source(1, 900), make_source(2, 400), SAMPLERS, 300, 3, seed=7
    )


def test_record_is_finite_json_with_all_rows_and_the_protocol(record):
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert list(record["rows"]) == ["real", "model", "untrained", "collapsed"]
    assert record["protocol"] == {
        "n_real": 900,
        "n_fake": 300,
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
        "reference": protocol.fingerprint(
            make_extractor().apply(make_source(1, 900).images)[0][evaluated_rows()]
        ),
    }
    for name, row in record["rows"].items():
        assert (row["n_real"], row["n_fake"]) == (900, 300)
        assert row["repeats"] == (3 if name in ("real", "model") else 1)
        assert ("frechet_std" in row) == (row["repeats"] > 1)
        assert sum(row["fractions"]) == pytest.approx(1) and sum(
            row["fractions_corrected"]
        ) == pytest.approx(1)


def test_a_perfect_model_reaches_the_floor_and_the_controls_do_not(record):
    rows = record["rows"]
    floor = rows["real"]["frechet"]
    assert rows["model"]["frechet"] < 5 * floor
    for control in ("untrained", "collapsed"):
        assert rows[control]["frechet"] > 20 * floor
        assert rows[control]["total_variation"] > 0.3 > 5 * rows["model"]["total_variation"]
        assert rows[control]["kl"] > 10 * rows["model"]["kl"]


def test_class_scores_by_hand(record):
    extractor, real = make_extractor(), make_source(1, 900)
    measured = class_balance.fractions(extractor.apply(real.images)[1])
    np.testing.assert_allclose(record["real_fractions"], measured)
    collapsed = record["rows"]["collapsed"]
    assert collapsed["fractions"] == [1, 0, 0] and collapsed["classes_5pct"] == 1
    assert collapsed["total_variation"] == pytest.approx(1 - measured[0])
    assert record["rows"]["real"]["classes_5pct"] == 2  # the third class holds 3 %
    untrained = extractor.apply(noise_sampler(7, 300))[1]
    np.testing.assert_allclose(
        record["rows"]["untrained"]["fractions"], class_balance.fractions(untrained)
    )


def test_model_is_the_mean_over_sampling_seeds(record):
    see, real = look(), make_source(1, 900)
    ref, _ = evaluate.reference(see, real, 7)
    values = [
        evaluate.score(see, ref, see(SAMPLERS["model"](7 + i, 300)))["frechet"] for i in range(3)
    ]
    assert record["rows"]["model"]["frechet"] == pytest.approx(np.mean(values))
    assert record["rows"]["model"]["frechet_std"] == pytest.approx(np.std(values, ddof=1))


def test_confusion_is_undone():
    """A classifier that reports half of the dark images as grey: raw fractions are wrong, corrected ones right."""
    clean = make_extractor()

    def apply(images):
        feats, probs = clean.apply(images)
        flip = (probs.argmax(1) == 0) & (images[:, 0, 0, 0] % 2 == 0)
        return feats, np.where(flip[:, None], np.eye(3)[1], probs)

    confused = clean._replace(
        apply=apply, confusion=np.array([[0.5, 0.5, 0], [0, 1, 0], [0, 0, 1.0]])
    )
    record = evaluate.evaluate(
        look(confused), make_source(1, 4000), None, SAMPLERS, 3000, 1, seed=0
    )
    model = record["rows"]["model"]
    assert model["fractions"][0] == pytest.approx(0.3, abs=0.03)
    np.testing.assert_allclose(model["fractions_corrected"], SHARES, atol=0.06)
    np.testing.assert_allclose(record["real_fractions_corrected"], SHARES, atol=0.06)
    assert model["total_variation"] < 0.05  # the same yardstick on both sides


def test_floor_without_heldout_images_uses_disjoint_training_images(monkeypatch):
    """Every image has its own grey level, so shared images would show."""
    images = np.tile(np.arange(100, dtype=np.uint8)[:, None, None, None], (1, 4, 4, 3))
    real = datasets.Dataset(images, None, (), "levels", "d")
    plain = features.Extractor(
        "grey", None, None, (), lambda x: (x[:, :1, 0, 0].astype(np.float32), None)
    )

    see = look(plain, real, "frechet")
    ref, rows = evaluate.reference(see, real, 0)
    np.testing.assert_array_equal(ref["features"][:, 0], rows)
    kind, pairs = evaluate.floor(see, real, None, ref, rows, 70, 2, 0)
    assert kind == "disjoint parts of the training images"
    for a, b in ((a["features"], b["features"]) for a, b in pairs):
        assert len(a) == len(b) == 50
        assert len(np.union1d(a, b)) == 100
    assert not np.array_equal(pairs[0][1]["features"], pairs[1][1]["features"])

    monkeypatch.setattr(evaluate, "N_REFERENCE", 60)
    ref, rows = evaluate.reference(see, real, 0)
    kind, pairs = evaluate.floor(see, real, None, ref, rows, 30, 2, 0)
    assert kind == "other training images"
    for a, b in ((a["features"], b["features"]) for a, b in pairs):
        assert (len(a), len(b), len(np.union1d(a, b))) == (60, 30, 90)


def test_too_small_heldout_split_is_not_used():
    record = evaluate.evaluate(
        look(), make_source(1, 200), make_source(2, 50), SAMPLERS, 60, 1, seed=0
    )
    assert record["protocol"]["floor"] == "disjoint parts of the training images"
    assert (record["rows"]["real"]["n_real"], record["rows"]["real"]["n_fake"]) == (140, 60)
    assert "Counts of row real (floor): 60 against 140." in protocol.line(record, score_text.LABELS)


def test_without_classes_only_the_distance_is_scored():
    record = evaluate.evaluate(
        look(make_extractor(classes=False), names="frechet,classes"),
        make_source(1, 300),
        None,
        SAMPLERS,
        100,
        2,
        seed=0,
    )
    json.dumps(record, allow_nan=False)
    assert record["classes"] == [] and "real_fractions" not in record
    assert record["protocol"]["collapsed"] == "8 training images, repeated"
    assert set(record["rows"]["collapsed"]) == {"n_real", "n_fake", "repeats", "frechet"}
    assert set(record["rows"]["model"]) - set(record["rows"]["collapsed"]) == {
        "frechet_std",
        "frechet_se",
    }
    assert record["rows"]["collapsed"]["frechet"] > record["rows"]["real"]["frechet"]
    assert evaluate.summary(record["rows"]["model"]) == {
        "frechet": record["rows"]["model"]["frechet"]
    }
    assert "classes" not in score_text.table(record).splitlines()[0]


def test_same_seed_same_record_other_seed_other_draws(record):
    args = look(), make_source(1, 900), make_source(2, 400), SAMPLERS, 300, 3
    assert evaluate.evaluate(*args, seed=7) == record
    assert (
        evaluate.evaluate(*args, seed=8)["rows"]["real"]["frechet"]
        != record["rows"]["real"]["frechet"]
    )


def test_counts_that_cannot_be_scored_are_refused():
    with pytest.raises(
        errors.InputError,
        match="--n_images=5 .* frechet in 5 features; use at least 6, .*--scores=.*classes",
    ):
        evaluate.evaluate(look(), make_source(1, 100), None, SAMPLERS, 5, 1, seed=0)
    with pytest.raises(errors.InputError, match="--data=blocks has 11 images.*needs 12"):
        evaluate.evaluate(look(), make_source(1, 11), None, SAMPLERS, 50, 1, seed=0)
    with pytest.raises(errors.InputError, match="--eval_images=4 .* use at least 6"):
        evaluate.check(make_source(1, 100), 4, "eval_images", NAMES, 5)
    evaluate.evaluate(look(), make_source(1, 12), None, SAMPLERS, 6, 1, seed=0)


def test_cell_shows_as_many_digits_as_the_spread_allows():
    assert score_text.cell({"kl": 0.0033021, "kl_std": 0.00089}, "kl") == "0.00330 +- 0.00089"
    assert score_text.cell({"frechet": 1234.5, "frechet_std": 56.7}, "frechet") == "1234 +- 57"
    assert score_text.cell({"frechet": 1234.56}, "frechet") == "1235"
    assert score_text.cell({}, "kl") == "-"


def test_summary_and_table(record):
    model = record["rows"]["model"]
    keys = (
        "frechet",
        "precision",
        "recall",
        "density",
        "coverage",
        "total_variation",
        "kl",
        "classes_5pct",
    )
    assert evaluate.summary(model) == {k: model[k] for k in keys}
    text = score_text.table(record)
    assert max(map(len, text.splitlines())) <= 100
    for expected in (
        "real (floor)",
        "untrained",
        "collapsed",
        "bright",
        "(low)",
        score_text.interval_text(model, "frechet"),
        "300 images against 900",
        "digest-of-1-",
        "linear5",
        "balanced accuracy 99.0 %",
        score_text.cell(model, "frechet"),
    ):
        assert expected in text


@pytest.mark.parametrize("heldout", [make_source(2, 150), None])
def test_table_with_neighbours(record, heldout):
    """Real images have their nearest ones at some distance; a sampler that returns them does not."""
    copies = make_source(1, 900).images[100:200]
    found, _ = memorization.study(make_extractor(), make_source(1, 900), heldout, copies, 0)
    text = score_text.table(record | {"neighbours": found})
    assert text.startswith(score_text.table(record)) and max(map(len, text.splitlines())) <= 100
    for expected in (
        "Signs of copying: 100.0 %",
        "by pixels",
        "by features",
        "generated to 900 training",
        "100 generated",
    ):
        assert expected in text
    assert ("held-out" in text[len(score_text.table(record)) :]) == (heldout is not None)


@pytest.mark.parametrize(
    "labels", ["none", "some unknown, one of a class", "one class", "all unknown"]
)
def test_small_data_with_any_labels(labels):
    """200 images and the nets that users get, from features.load; more generated images than real ones."""
    images, known = draw(1, 200)
    images = np.tile(images, (1, 2, 2, 1))
    marks = {
        "none": None,
        "some unknown, one of a class": np.select(
            [np.arange(200) < 80, np.arange(200) == 90], [-1, 2], np.minimum(known, 1)
        ),
        "one class": np.zeros(200, np.int32),
        "all unknown": np.full(200, -1, np.int32),
    }[labels]
    real = datasets.Dataset(images, marks, () if marks is None else CLASSES, "small", labels)
    extractor = features.load(real, settings=features.Settings(steps=10, batch=8, widths=(4, 8)))
    samplers = {"model": lambda seed, n: np.tile(draw(seed, n)[0], (1, 2, 2, 1))}
    record = evaluate.evaluate(
        evaluate.make_evaluator(extractor, real, NAMES), real, None, samplers, 300, 2, 0
    )
    record["neighbours"], _ = memorization.study(extractor, real, None, samplers["model"](0, 20), 0)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert (record["protocol"]["n_real"], record["protocol"]["n_fake"]) == (200, 300)
    assert (record["rows"]["real"]["n_real"], record["rows"]["real"]["n_fake"]) == (100, 100)
    scored = labels == "some unknown, one of a class"
    assert (
        ("total_variation" in record["rows"]["model"])
        == scored
        == (record["protocol"]["net_accuracy"] is not None)
    )
    assert "Counts of row real (floor): 100 against 100." in protocol.line(
        record, score_text.LABELS
    )
    assert max(map(len, score_text.table(record).splitlines())) <= 100
