"""Tables for a terminal: at most 100 columns, no two cells run together, no two names alike."""

import pytest

from gan_jax.metrics import class_accuracy, evaluate, memorization, scoring
from gan_jax.report import score_tables, score_text
from gan_jax.report.verdict import verdict
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


def test_table(record):
    text = score_tables.format_evaluation(record)
    assert width(text.splitlines()) <= 100
    assert " ".join(text.split("\n\n")[0].split()) == verdict(record).text
    model = record["rows"]["model"]
    for expected in (
        "real (floor)",
        "untrained",
        "collapsed",
        "bright",
        "(low)",
        score_text.format_interval(record, "frechet"),
        "300 images against 900",
        "digest-of-1-",
        "linear5",
        "balanced accuracy 99.0 %",
        score_text.format_score(model, "frechet"),
    ):
        assert expected in text


def test_table_without_classes():
    record = make_record(linear_extractor((4, 4, 3), 5, "random5"))
    text = score_tables.format_evaluation(record)
    assert "classes >= 5 %" not in text and width(text.splitlines()) <= 100


@pytest.mark.long
@pytest.mark.parametrize("heldout", [dataset(2, 150), None])
def test_table_with_nearest_neighbours(record, heldout):
    """Nearest images of real ones are at some distance; a sampler that returns them copies."""
    copies = dataset(1, 900).images[100:200]
    found, _ = memorization.detect_copies(EXTRACTOR, dataset(1, 900), heldout, copies, 0)
    table = score_tables.format_evaluation(record)
    text = score_tables.format_evaluation(record | {"neighbours": found})
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


def test_the_accuracy_of_classes_fits(record):
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
    text = score_tables.format_evaluation(record | {"classes": classes, "intended": found})
    lines = text.splitlines()
    assert width(lines) <= 100 and any("a class with a lon" in line for line in lines)


LONG = "galaxies_with_a_long_name_of_their_class_"


def test_names_that_differ_look_different():
    names = [f"{LONG}{i}" for i in range(12)] + [f"{LONG}{i}{LONG}" for i in range(3)] + ["cigar"]
    short = score_tables.shorten(names, 19)
    assert len(set(short)) == len(names) and max(map(len, short)) == 19 and short[-1] == "cigar"
    assert score_tables.shorten([LONG, LONG], 12)[0] == score_tables.shorten([LONG, LONG], 12)[1]
    assert score_tables.shorten(names, 200) == names


@pytest.mark.parametrize("n_cells", [2, 6])
def test_long_names_of_classes_fit_beside_the_cells(n_cells):
    names = [f"{LONG}{LONG}{i}" for i in range(4)]
    lines = score_tables.with_names(names, [["0.123456"] * n_cells] * 4)
    assert width(lines) <= 100 and len(set(lines)) == 4


def test_cells_of_any_length_stay_apart():
    rows = [["", "a", "b"], ["x", "1" * 40, "2" * 50], ["long name " * 9, "3", "4"]]
    assert [line.split()[-2:] for line in score_tables.align(rows)] == [row[1:] for row in rows]


def test_the_classes_of_a_record_have_their_names(record):
    """19 characters of a name made two classes one."""
    classes = [f"{LONG}a", f"{LONG}b", "other"]
    accuracy = {key: [0.5] * 3 for key, *_ in class_accuracy.COLUMNS.values()}
    more = {"intended": 1, "intended_real": 1, "n_per_class": 9, "k": 5, "control": "more"}
    text = score_tables.format_evaluation(
        record | {"classes": classes, "intended": accuracy | more}
    )
    for name in classes:
        assert sum(line.startswith(name + " ") for line in text.splitlines()) == 3
