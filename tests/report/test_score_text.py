"""Values of records as text: as many digits as are known, and intervals of what can be."""

import math

import pytest

from gan_jax import metrics
from gan_jax.metrics import memorization, point_scores
from gan_jax.metrics.metric import Score
from gan_jax.report import score_text

SCORES = metrics.SCORES | memorization.SCORES | point_scores.SCORES


def record(row, classes=("a", "b", "c"), **fields):
    return {"rows": {"real": row, "model": row}, "classes": list(classes), **fields}


def test_a_score_has_as_many_digits_as_its_spread_allows():
    row = {"kl": 0.0033021, "kl_std": 0.00089, "frechet": 1234.5, "frechet_std": 56.7}
    assert score_text.format_score(row, "kl") == "0.00330 +- 0.00089"
    assert score_text.format_score(row, "frechet") == "1234 +- 57"
    assert score_text.format_score({"frechet": 1234.56}, "frechet") == "1235"
    assert score_text.format_score({}, "kl") == "-"


@pytest.mark.parametrize("value, std, text", [
    (0.0123456, 2e-18, "0.01235"),
    (1.000000003, 3e-9, "1"),  # the Inception Score of one image, again and again
    (0.0, 1e-17, "0"),
    (1e-9, 1e-10, "1e-09"),  # a Frechet distance that is 0 but for rounding
    (123456.7, 0.01, "1.235e+05"),
])  # fmt: skip
def test_a_spread_of_rounding_is_none(value, std, text):
    row = {"kl": value, "kl_std": std, "kl_se": std}
    assert score_text.format_score(row, "kl") == text
    assert all(len(end) <= 9 for end in score_text.format_interval(record(row), "kl").split(" to "))


@pytest.mark.parametrize("key", SCORES)
def test_an_interval_stays_within_what_its_score_can_be(key):
    """Whatever the standard error; and a score without limits has the whole interval."""
    score, (least, most) = SCORES[key], score_text.limits(record({}), key)
    for value in (min(1.0, most), min(max(0.6, least + 0.1), most)):
        low, high = score_text.confidence_interval(record({key: value, f"{key}_se": 9.0}), key)
        assert least <= low <= value <= high <= most
        if math.isinf(least) and math.isinf(most):
            assert (low, high) == (value - 9 * score_text.Z, value + 9 * score_text.Z)
        elif value in (least, most):
            assert (low, high) == (max(least, value - 9 * score_text.Z), most)
    if score.text.startswith("Share"):
        assert (least, most) == (0, 1)
    if score.better == "low" and key != "kernel":  # whose estimate is unbiased
        assert least == 0
    assert most == (3 if key in ("inception", "classes_5pct") else most)


def test_a_value_beyond_a_limit_by_rounding_lies_in_its_interval():
    row = {"precision": 1 + 1e-9, "precision_se": 0.1}
    assert score_text.confidence_interval(record(row), "precision")[1] == 1 + 1e-9
    assert score_text.confidence_interval(record({"frechet": 1.0}), "frechet") is None


def test_scores_of_plug_ins_have_the_limits_that_they_say():
    said = Score("own", "low", "What it says.", 0, "classes")._asdict()
    row = {"own": 1.0, "own_se": 5.0}
    low, high = score_text.confidence_interval(record(row, scores={"own": said}), "own")
    assert 0 <= low < 0.01 and 2.99 < high <= 3
    assert score_text.limits(record(row, (), scores={"own": said}), "own") == (0, math.inf)
    odd = {"title": "own", "better": "low", "text": "", "least": "none"}
    assert score_text.limits(record(row, scores={"own": odd}), "own") == (-math.inf, math.inf)
