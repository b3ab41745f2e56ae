"""Scores as the report shows them: names, floor, controls, direction, verdict."""

import json
import re

import pytest

from gan_jax.errors import InputError
from gan_jax.report import score_html, score_text
from gan_jax.report.verdict import verdict
from gan_jax.studio import report_tasks
from tests.report.test_model_card import EVALUATION


def test_a_table_has_the_words_of_the_report(tmp_path, make_run):
    folder = make_run(tmp_path / "a", eval_json=EVALUATION)
    table = report_tasks.score_table(folder)
    (row,) = table["rows"]
    assert row["title"] == score_text.all_scores()["frechet"].title
    assert row["better"] == "lower is better" and row["value"] == "6.530 \u00b1 0.060"
    assert row["interval"] == score_text.format_interval(EVALUATION, "frechet")
    names = ["real (floor)", "untrained", "collapsed"]
    assert row["references"] == list(map(list, zip(names, ["0.04", "49.6", "12"], strict=True)))
    ends = score_html.scale_ends(EVALUATION["rows"], "frechet")
    at = score_html.scale_position(6.53, ends, "low")
    assert row["scale"]["value"] == pytest.approx(at, abs=0.1)
    assert row["scale"]["references"]["untrained"] == 100
    assert table["verdict"] == verdict(EVALUATION)._asdict() and table["verdict"]["text"]
    assert table["step"] == 3000 and "galaxies:2000" in table["protocol"]
    assert table["shares_warning"] == ""
    json.dumps(table, allow_nan=False)


def test_a_score_beyond_real_images_is_as_far_from_them_as_one_before():
    """Where as for real images is best; of the other scores more than real is perfect."""
    ends = (0.6, 0.2)
    at = lambda value, better: score_html.scale_position(value, ends, better)
    assert at(0.7, "real") == at(0.5, "real") == pytest.approx(25)
    assert at(0.7, "high") == 0 and at(0.5, "high") == pytest.approx(25) and at(9, "real") == 100
    bar = lambda low, high, better: score_html.scale_interval((low, high), ends, better)
    assert bar(0.64, 0.8, "real") == pytest.approx((10, 50))
    assert bar(0.5, 0.64, "real") == pytest.approx((0, 25))
    assert bar(0.5, 0.64, "high") == pytest.approx((0, 25))


def test_shares_by_a_weak_classifier_are_not_to_be_trusted(tmp_path, make_run):
    weak = EVALUATION | {"protocol": EVALUATION["protocol"] | {"net_accuracy": 0.6}}
    table = report_tasks.score_table(make_run(tmp_path / "a", eval_json=weak))
    assert table["shares_warning"].startswith("Do not trust these shares")
    shares = {"classes": ["a", "b"], "real_fractions": [0.3, 0.7]}
    rows = {name: row | {"fractions": [0.5, 0.5]} for name, row in weak["rows"].items()}
    assert table["shares_warning"] in score_html.classes_section(weak | shares | {"rows": rows})


def test_colours_of_charts_are_those_of_marks_and_not_of_words():
    """Their contrast is that of lines, 3, and not that of text, 4.5."""
    html = score_html.scores_section(EVALUATION)
    colored = re.findall(r'style="color:#[0-9a-f]+">([^<]*)<', html)
    assert set(colored) == {"\u25a0"} and len(colored) == 3


def test_a_run_that_is_not_scored_has_none(tmp_path, make_run):
    assert report_tasks.score_table(make_run(tmp_path / "a")) is None


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"rows": {"model": {}}}', '{"rows": 1}'])
def test_a_damaged_evaluation_is_one_line(tmp_path, make_run, text):
    folder = make_run(tmp_path / "a", eval_json=text)
    with pytest.raises(InputError, match="evaluate the run again"):
        report_tasks.score_table(folder)
