"""Records as text: single scores, and whole tables of at most 100 columns."""

import pytest

from gan_jax.metrics import class_accuracy, evaluate, memorization, scoring
from gan_jax.report import score_text
from tests.metrics.helpers import brightness_dataset, brightness_images, linear_extractor

SHARES = (0.6, 0.37, 0.03)
EXTRACTOR = linear_extractor((4, 4, 3), 5, "linear5", with_classes=True)


def dataset(seed, n):
    return brightness_dataset(seed, n, shares=SHARES)


def make_record(extractor=EXTRACTOR):
    evaluator = scoring.make_evaluator(extractor, dataset(1, 900), "frechet,classes")
    samplers = {
        "model": lambda seed, n: brightness_images(1000 + seed, n, SHARES)[0],
        "untrained": lambda seed, n: 255 - brightness_images(seed, n)[0],
    }
    return evaluate.evaluate(evaluator, dataset(1, 900), dataset(2, 400), samplers, 300, 3, 7)


@pytest.fixture(scope="module")
def record():
    return make_record()


def width(lines):
    return max(map(len, lines))


def test_a_score_has_as_many_digits_as_its_spread_allows():
    row = {"kl": 0.0033021, "kl_std": 0.00089, "frechet": 1234.5, "frechet_std": 56.7}
    assert score_text.format_score(row, "kl") == "0.00330 +- 0.00089"
    assert score_text.format_score(row, "frechet") == "1234 +- 57"
    assert score_text.format_score({"frechet": 1234.56}, "frechet") == "1235"
    assert score_text.format_score({}, "kl") == "-"
    rounding = {"kl": 0.0123456, "kl_std": 2e-18}
    assert score_text.format_score(rounding, "kl") == "0.01235"


def test_table(record):
    text = score_text.format_evaluation(record)
    assert width(text.splitlines()) <= 100
    model = record["rows"]["model"]
    for expected in (
        "real (floor)",
        "untrained",
        "collapsed",
        "bright",
        "(low)",
        score_text.format_interval(model, "frechet"),
        "300 images against 900",
        "digest-of-1-",
        "linear5",
        "balanced accuracy 99.0 %",
        score_text.format_score(model, "frechet"),
    ):
        assert expected in text


def test_table_without_classes():
    record = make_record(linear_extractor((4, 4, 3), 5, "random5"))
    text = score_text.format_evaluation(record)
    assert "classes" not in text.splitlines()[0] and width(text.splitlines()) <= 100


@pytest.mark.long
@pytest.mark.parametrize("heldout", [dataset(2, 150), None])
def test_table_with_nearest_neighbours(record, heldout):
    """Nearest images of real ones are at some distance; a sampler that returns them copies."""
    copies = dataset(1, 900).images[100:200]
    found, _ = memorization.detect_copies(EXTRACTOR, dataset(1, 900), heldout, copies, 0)
    table = score_text.format_evaluation(record)
    text = score_text.format_evaluation(record | {"neighbours": found})
    assert text.startswith(table) and width(text.splitlines()) <= 100
    for expected in (
        "Signs of copying: 100.0 %",
        "by pixels",
        "by features",
        "generated to 900 training",
        "100 generated",
    ):
        assert expected in text
    assert ("held-out" in text[len(table) :]) == (heldout is not None)


def test_class_accuracy_lines():
    classes = ["low", "high", "a class with a long name"]
    keys = [key for key, *_ in class_accuracy.COLUMNS.values()]
    found = {key: [0.5, None, 1] for key in keys} | {
        "intended": 0.75,
        "intended_real": 0.97,
        "n_per_class": 300,
        "k": 5,
        "control": "as many held-out images",
        "coverage_per_class": [0.5, 0.6, 0.7],
        "coverage_real_per_class": [0.9, 0.9, 0.9],
    }
    lines = score_text.class_accuracy_lines(found, classes)
    assert width(lines) <= 100 and any("a class with a lon" in line for line in lines)
