"""Curves over images and over training: points, where they settle, a study stopped and resumed."""

import json

import numpy as np
import pytest
from PIL import Image

from gan_jax.metrics import significance
from gan_jax.studies import table_format
from gan_jax.studies.curves import command, page, scorer
from gan_jax.studies.curves import results as curves
from tests.studies import helpers

SMOKE = ["--flagfile=curves_smoke", "--devices=1"]
TINY = ["--counts=40,60", "--points=2", "--steps=4", "--n_images=60", "--data=galaxies:260"]
TINY += ["--log_every=2", "--save_every=2"]


def test_points_are_halves_of_the_next():
    assert scorer.spread_points(3000, 6) == [94, 188, 375, 750, 1500, 3000]
    assert scorer.spread_points(3, 6) == [1, 2, 3]
    assert scorer.spread_points(7, 1) == [7]


def test_a_score_has_settled_from_where_on_it_stays_in_the_last_interval():
    """The interval of 5.9 and 6.1, both above 0: 4.85 to 7.42."""
    last = [5.9, 6.1]
    assert significance.settled([[6, 6], [30, 30], [7, 7.4], last], 0) == 2, "the first by chance"
    assert significance.settled([[6, 6], [5, 5], last], 0) == 0
    assert significance.settled([[9, 9], last], 0) == 1
    assert significance.settled([[6, 6], [6, 6]], 0) is None, "no spread, no interval"
    assert significance.settled([last], 0) == 0
    assert significance.settled([[6, 6, 6], [5, 5, 5], last], 0) == 0, "a seed of last diverged"


def test_over_steps_every_seed_that_still_improves_counts():
    """Seeds of different levels hide that all of them improve; their changes show it."""
    curve = [[16.0, 26.1, 36.0], [12.0, 22.1, 32.1], [10.1, 20.0, 30.0]]
    assert significance.settled(curve, 0) == 0 and significance.settled(curve, 0, paired=True) == 2
    flat = [[16.0, 26.1, 36.0], [10.3, 19.9, 30.0], [10.1, 20.0, 30.0]]
    assert significance.settled(flat, 0, paired=True) == 1
    same = [[11.0, 21.0, 31.0], [10.0, 20.0, 30.0]]
    assert significance.settled(same, 0, paired=True) == 1, "the same change of all, without spread"


def run_of(seed, *scores):
    points = [
        {"step": step, "train_s": 0.1 * step, "frechet": f + 0.02 * seed, "coverage": c}
        for step, (f, c) in zip((10, 20, 40), scores, strict=True)
    ]
    return {"seed": seed, "points": points}


@pytest.fixture
def results():
    few = [run_of(s, (30, 0.2), (20, 0.3), (20.01 - 0.03 * s, 0.3)) for s in (0, 1)]
    many = [run_of(s, (30, 0.1), (9, 0.5), (5, 0.7 + 0.01 * s)) for s in (0, 1)]
    return {
        "typed": "gan-jax train dcgan --data=...",
        "seeds": 3,
        "points": [10, 20, 40],
        "classes": ["a"],
        "floor": {"frechet": 0.1, "coverage": 0.97},
        "rows": {"1000": many, "100": few, "300": []},
        "diverged": {"300_0": "non-finite"},
        "protocol": "Protocol & more.",
    }


def test_tables_and_sentences_follow_the_numbers(results):
    over, small, large, where = map(table_format.markdown, curves.tables(results))
    cell = significance.interval_text([5.0, 5.02], 2, 0)
    assert f"| 1,000 images (2 of 3 seeds, the others diverged) | {cell} |" in over
    assert "| 300 images (0 of 3 seeds, the others diverged) | - | - |" in over
    assert "| real (floor) | 0.1 | 0.97 |" in over
    assert "Over training: 100 images" in small and "| 20 | 20.0 (" in small
    assert "Over training: 1,000 images" in large
    assert "| Frechet distance | 1,000 | 20 | 40 |" in where
    assert "| coverage | 1,000 | - | 40 |" in where, "no spread at 100 images"
    said = "\n".join(curves.verdicts(results))
    assert "lies within its interval of 1,000 images: Frechet distance 1,000 images, cov" in said
    assert (
        "100 images, the smallest number of steps" in said and "Frechet distance 20 steps" in said
    )
    assert "Diverged: 300_0: non-finite" in said


def test_figure_and_page(results, tmp_path):
    for draw in page.figures(results).values():
        draw(tmp_path / "curves.png")
    picture = np.asarray(Image.open(tmp_path / "curves.png").convert("L"))
    assert picture.shape[1] > 900 and picture.std() > 5
    text = page.document(results, tmp_path)
    assert text.count("data:image/svg") == 4 and "Protocol &amp; more." in text
    results["rows"] = {"1000": results["rows"]["1000"][:1]}
    assert curves.tables(results) and page.document(results, tmp_path).count("data:image/svg") == 2
    assert curves.verdicts(results) == ["Diverged: 300_0: non-finite"], "one seed tells nothing"
    results |= {"rows": {"1000": []}, "diverged": {}}
    assert page.figures(results) == {} and curves.tables(results) == []
    assert curves.verdicts(results) == ["No run ended."]


@pytest.mark.slow
def test_a_stopped_study_goes_on_and_more_seeds_are_added(tmp_path, capsys):
    """Stopped between two points of the last run; the scores are those of one that ran through."""
    words = [*SMOKE, *TINY, "--scores=kernel"]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert helpers.run(command, [*words, "--seeds=1"], whole) == 0
    helpers.assert_files(whole, "curves.png")
    within = lambda loop, until: loop.name.startswith("60_0") and until == 4
    helpers.stop_by_signal(command, [*words, "--seeds=1"], stopped, within)
    assert set(json.loads((stopped / "60_0" / scorer.SCORED).read_text())) == {"2"}
    assert helpers.run(command, [*words, "--seeds=1"], stopped) == 0
    found = helpers.outcome(whole, "train_s")
    assert found == helpers.outcome(stopped, "train_s")
    rows = found[0]["rows"]
    assert [[p["step"] for p in row["points"]] for row in rows["40"]] == [[2, 4]]
    assert rows["40"][0]["points"][0]["kernel"] != rows["40"][0]["points"][1]["kernel"]
    changes = {"--points=3": "--points=2, now 3", "--lr=1e-3": "--lr=0.002, now 0.001"}
    helpers.assert_other_settings_refused(command, words, whole, changes, capsys)
    (whole / "60_0" / scorer.SCORED).unlink()
    assert helpers.run(command, [*words, "--seeds=1"], whole) == 2
    assert "has no scores of step 2; delete that folder" in capsys.readouterr().err


@pytest.mark.long
def test_points_in_the_plane_have_curves_over_training(tmp_path):
    words = ["--experiment=gan", "--net=mlp", "--data=toys:gaussians8", "--pixels=linear"]
    words += ["--width=8", "--z_dim=2", "--batch=32", "--steps=8", "--points=2", "--seeds=2"]
    words += ["--n_images=200", "--log_every=4", "--sample_every=0", "--devices=1"]
    assert helpers.run(command, words, tmp_path / "study") == 0
    results = json.loads((tmp_path / "study" / "results.json").read_text())
    assert "wasserstein" in curves.score_keys(results) and len(results["rows"]["50000"]) == 2
    assert results["floor"]["wasserstein"] < results["rows"]["50000"][0]["points"][0]["wasserstein"]
