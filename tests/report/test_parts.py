"""Parts of an evaluation: their scores stand in its rows, and in tables beside all others."""

import copy

import pytest

from gan_jax import metrics, plugins
from gan_jax.errors import InputError
from gan_jax.metrics import point_scores
from gan_jax.report import parts, score_text

EVALUATION = {
    "classes": ["round", "cigar"],
    "rows": {"real": {"frechet": 0.1}, "model": {"frechet": 2.0}, "collapsed": {"frechet": 9.0}},
    "intended": {
        "intended": 0.75,
        "intended_per_class": [0.5, 1.0],
        "intended_real": 0.9,
        "n_per_class": 100,
    },
    "pairs": {
        "rows": {
            "made": {"l1": 3.0, "psnr": 22.0, "colourfulness": 27.0},
            "gray": {"l1": 2.0, "psnr": 25.0, "colourfulness": 0.0},
            "original": {"colourfulness": 31.0},
        }
    },
}


def test_scores_of_parts_are_scores_of_the_rows():
    evaluation = copy.deepcopy(EVALUATION)
    parts.add_scores(evaluation)
    rows = evaluation["rows"]
    assert rows["model"]["intended"] == 0.75 and rows["real"]["intended"] == 0.9
    assert rows["model"]["psnr"] == 22 and "psnr" not in rows["real"]
    assert rows["real"]["colourfulness"] == 31 and rows["collapsed"] == {"frechet": 9.0}
    keys = score_text.score_keys(evaluation)
    assert keys == ["frechet", "intended", "psnr", "colourfulness"]
    low, high = score_text.confidence_interval(evaluation, "intended")
    assert 0.68 < low < 0.7 < 0.8 < high < 0.81  # 150 of 200


def test_images_that_are_no_runs_have_them_too():
    evaluation = copy.deepcopy(EVALUATION)
    evaluation["rows"]["images"] = evaluation["rows"].pop("model")
    parts.add_scores(evaluation)
    assert evaluation["rows"]["images"]["intended"] == 0.75


def test_no_key_has_two_meanings():
    every = [*metrics.SCORES, *parts.SCORES, *point_scores.SCORES]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize("key", parts.SCORES)
def test_a_plugin_cannot_take_them(key, tmp_path, monkeypatch):
    module = f"own_{key}"  # a module is imported once
    (tmp_path / f"{module}.py").write_text(
        "from gan_jax.metrics.metric import Metric, Score\n"
        f"METRIC = Metric({{{key!r}: Score('mine', 'low', 'Mine.')}}, ('features',), max)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"python:{module}:METRIC"
    with plugins.trusting([name]), pytest.raises(InputError, match="is taken"):
        metrics.parse_names(name)
