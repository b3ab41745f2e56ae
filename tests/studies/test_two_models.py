"""The study of two models: halves, tables, sentences, and a whole study stopped."""

import json

import numpy as np
import pytest

from gan_jax.data.types import DataOptions
from gan_jax.errors import InputError, Stopped
from gan_jax.metrics import pair_agreement
from gan_jax.rundir import run_folder
from gan_jax.studies import interleaved, table_format
from gan_jax.studies.one_recipe import read
from gan_jax.studies.two_models import command, halves, page, scorer, verdicts
from gan_jax.studies.two_models import results as two_models
from gan_jax.studies.two_models.flags import Flags
from tests.studies import helpers

SMOKE = ("--flagfile=two_models_smoke", "--devices=1")


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Write 400 images of two classes, 120 of them held out; return --data."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("data") / "real.npz"
    labels, test = np.arange(280) % 2, np.arange(120) % 2
    np.savez(
        path,
        images=rng.integers(0, 256, (280, 16, 16, 3), np.uint8),
        labels=labels,
        test_images=rng.integers(0, 256, (120, 16, 16, 3), np.uint8),
        test_labels=test,
    )
    return f"npz:{path}"


def digests(dataset):
    return {image.tobytes() for image in dataset.images}


def test_halves_are_disjoint_and_nobody_sees_what_is_unseen(real):
    options = DataOptions(16)
    opened = halves.open_halves(real, "60,140", options, 60)
    assert list(opened.sets) == [70, 140], "equal parts, a little larger"
    assert opened.unseen_text == "held-out images" and len(opened.unseen.images) == 120
    for seed in (0, 1):
        first, second = opened.open(140, seed, options)
        assert len(first.images) == len(second.images) == 70
        assert not digests(first) & digests(second)
        assert digests(first) | digests(second) == digests(opened.sets[140])
        assert (np.bincount(first.labels) == np.bincount(second.labels)).all()
    assert digests(opened.open(140, 0, options)[0]) != digests(first)
    # Too few held-out images: training images that are in no set.
    opened = halves.open_halves(real, "60", options, 100)
    assert len(opened.unseen.images) == 280 - 70
    assert not digests(opened.unseen) & digests(opened.sets[70])
    parts = halves.choose_parts(opened.unseen, 100, 0)
    assert len(set(np.concatenate(parts))) == 200
    with pytest.raises(InputError, match="there are 120 in --data=.*; use --counts=79."):
        halves.open_halves(real, "all", options, 61)
    assert halves._advice(140, 280, 200) == "--n_images=70"
    assert halves._advice(20, 120, 60) == "more images"


def test_both_models_begin_alike_and_read_their_half():
    words = [*SMOKE, "--lr=0.004", "--seed=5", "--workdir=x"]
    asked = read("two_models", "", Flags(), words)
    study = command.open_study(asked)
    assert list(study.seeds) == [5, 6]
    first, second = study.prepare(400, 6)
    assert first.config.run.seed == second.config.run.seed == 6
    assert first.config.hp == second.config.hp and first.config.hp.lr == 0.004
    assert first.config.run.data == "shard:1/2/6:galaxies:400"
    assert second.config.run.data == "shard:2/2/6:galaxies:400"
    assert "--lr=0.004" in asked.typed and not any("seed" in word for word in asked.typed)


def model(frechet=5.0, copied=0.0, copying=False, own=0.5, coverage=0.6):
    scores = {"kernel": 0.1, "precision": 0.5, "recall": 0.4, "total_variation": 0.1}
    scores |= {"frechet": frechet, "coverage": coverage, "copied": copied, "copied_real": 0.02}
    scores |= {"steps": 100, "train_s": 60.0, "passes": 32.0, "copying": copying}
    return scores | {"nearest_own": {"pixel": own, "feature": own}}


def pair(between, concordance, *models):
    measure = {"paired": 10.0, "unpaired": 20.0, "concordance": concordance, "chance": 0.05}
    distance = {"frechet": between, "kernel": 0.01}
    return {
        "pixel": measure,
        "feature": measure,
        "between": distance,
        "own": {"frechet": 0.3, "kernel": 0.0},
        "models": list(models) or [model(5.0), model(6.0)],
    }


@pytest.fixture
def results():
    rows = {
        "1000": [pair(0.4, 0.8), pair(0.5, 0.9)],
        "100": [
            pair(3.0, 0.1, model(9.0, 0.5, True, 0.9), model(9.5, copying=None)),
            pair(3.2, 0.2, model(9.1), model(9.2)),
        ],
        "300": [pair(1.0, 0.5), pair(0.4, 0.6)],
        "3000": [pair(0.2, 0.9), pair(0.3, 0.9)],
    }
    return {
        "typed": "gan-jax train dcgan --data=...",
        "repeats": 2,
        "classes": ["a", "b"],
        "rows": rows,
        "folders": {n: [[f"{n}_a_0", f"{n}_b_0"]] for n in rows},
        "floor": [{"frechet": 0.3, "kernel": 0.0}, {"frechet": 0.5, "kernel": 0.002}],
        "copies": {n: {"frechet": 2.0, "kernel": 0.3} for n in rows},
        "diverged": {"300_a_7": "non-finite"},
        "protocol": "Protocol & more.",
    }


def test_agreement_follows_the_numbers(results):
    """The mean is within the largest floor, 0.5; or its interval reaches down to it."""
    found = {n: verdicts.agrees(results, n) for n in two_models.counts(results)}
    assert found == {"100": False, "300": None, "1000": True, "3000": True}
    assert verdicts.first_from(results, verdicts.agrees) == "1000"
    assert verdicts.first_from(results, verdicts.same_images) == "300"
    results["rows"]["3000"] = [pair(0.9, 0.1), pair(0.9, 0.1)]
    assert verdicts.agrees(results, "3000") is False, "no interval without spread"
    assert verdicts.first_from(results, verdicts.agrees) is None, "from there on, not there alone"
    assert verdicts.copies(results, "100") is True and verdicts.copies(results, "300") is False
    results["rows"]["3000"] = []
    assert verdicts.agrees(results, "3000") is None and verdicts.copies(results, "3000") is None


def test_differences_within_pairs_and_between_them():
    within, others = two_models.differences(np.array([[1.0, 2.0], [4.0, 4.5]]))
    assert within == pytest.approx(0.75)
    assert others == pytest.approx(np.mean([3, 2, 3.5, 2.5]))
    assert two_models.differences(np.array([[1.0, 2.0]])) == (1.0, None)


def test_the_number_from_which_on_a_score_is_settled(results):
    """Its mean lies in the interval of the largest number, of 5.9 and 6.1: 4.85 to 7.42."""
    scores = {"3000": (5.9, 6.1), "1000": (7, 7.4), "300": (30, 30), "100": (6, 6)}
    for count, values in scores.items():
        results["rows"][count] = [pair(0.4, 0.9, model(v), model(v)) for v in values]
    assert two_models.settled(results, "frechet") == "1000", "100 is by chance"
    assert two_models.settled(results, "coverage") is None, "no spread, no interval"
    assert "Frechet distance 1,000 images" in "".join(verdicts.details(results))
    results["rows"]["3000"] = []
    assert two_models.settled(results, "frechet") == "1000"


def test_verdicts_follow_the_numbers(results):
    first, *said = verdicts.verdicts(results)
    assert first == (
        "Two models on disjoint halves agree within the floor of real images from 1,000 images on; "
        "each is 14 times as far from real images as those are from each other."
    )
    said = "\n".join(said)
    assert "The same noise gives mostly the same image from 300 images on" in said
    assert "1,000 images 0.85 in pixels, 0.85 in features" in said
    assert "Signs of copying the own half: 100 images." in said
    assert "100 images: Frechet distance between the models 3.10" in said
    assert "above the floor (real images 0.40, at most 0.50; one model twice 0.30" in said
    assert "60 % of the images are nearest to one of the own half" in said
    # 0.5 and 0.1 within pairs; 0.1, 0.2, 0.4, 0.3 between them.
    assert "100 images, scores that differ more within a pair than" in said
    assert "Frechet distance (0.30 against 0.25)" in said
    assert "300 images, scores that differ more within a pair than between two pairs: Fre" in said
    assert "Diverged: 300_a_7: non-finite" in said
    for n in ("1000", "3000"):
        results["rows"][n] = [pair(3.0, 0.1), pair(3.1, 0.1)]
    assert verdicts.headline(results) == (
        "Two models on disjoint halves do not agree within the floor of real images up to 3,000 "
        "images (not decided: 300 images)."
    )
    assert "does not give the same image" in verdicts.verdicts(results)[2]
    for n in results["rows"]:
        results["rows"][n] = [pair(0.3, 0.1), pair(1.5, 0.1)]
    assert "cannot be told for any number of images" in verdicts.headline(results)


def test_a_distance_that_falls_with_the_number_is_that_of_samples(results):
    for n in results["rows"]:
        results["rows"][n] = [pair(300 / int(n) * f, 0.5) for f in (0.8, 1, 1.25)]
    sentence = verdicts.answers(results)[1]
    assert sentence.startswith(
        "The distance between the models changes by a factor of 0.10 (0.08 to"
    )
    assert "it falls, so what they learned depends on the sample" in sentence
    for n in results["rows"]:
        results["rows"][n] = [pair(f, 0.5) for f in (0.8, 1, 1.25)]
    sentence = verdicts.answers(results)[1]
    assert (
        "a factor of 1.00 (0.79 to 1.26)" in sentence
        and "no fall is seen, so they differ by chance" in sentence
    )
    results["rows"] = {n: [] for n in results["rows"]} | {"100": [pair(1, 0.5)] * 3}
    assert not any("changes by a factor" in text for text in verdicts.answers(results))


def test_tables_and_page_follow_the_numbers(results, tmp_path):
    alike, same, scores, copied, length = map(table_format.markdown, two_models.tables(results))
    assert "| 3,000 images | 0.25 (0.02 to 3.17) | 0.30 | 0.40 | 2.00 | 5.50 | 0.010 |" in alike
    assert "| 300 images | 0.55 (-0.28 to 0.91) | 0.05 | 10.0 | 20.0 |" in same
    assert "| 100 images | Frechet distance | 9.05 (8.44 to 9.71) |" in scores
    assert "| 1 of 4 (1 cannot be told) |" in copied
    assert "| 1,000 images | 500 | 100 | 32.0 | 1.0 |" in length
    tile = np.full((8, 8, 3), 99, np.uint8)
    for folders in results["folders"].values():
        (tmp_path / folders[0][0]).mkdir()
        scorer.draw_pairs(*(np.stack([tile] * 12),) * 2, tmp_path / folders[0][0] / scorer.PICTURE)
    for name, draw in page.figures(results).items():
        draw(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 1000
    text = page.document(results, tmp_path)
    assert text.count("data:image/svg") == len(page.CHARTS) + len(two_models.SCORES)
    assert text.count("data:image/png") == 4
    assert "Protocol &amp; more." in text and "http" not in text
    results |= {"rows": {n: [] for n in results["rows"]}, "classes": []}
    results["folders"] = {n: [] for n in results["rows"]}
    assert page.figures(results) == {} and two_models.tables(results)
    assert "No pair of models ended." in page.document(results, tmp_path)


def test_a_study_with_other_settings_is_refused(tmp_path, capsys, monkeypatch):
    def stop(*_):
        raise Stopped("here")

    monkeypatch.setattr(interleaved, "train_interleaved", stop)
    folder = tmp_path / "study"
    assert helpers.run(command, SMOKE, folder) == 4
    more = ["--repeats=5", "--n_images=120", "--neighbours=16"]
    assert helpers.run(command, [*SMOKE, *more], folder) == 4, "more pairs are the same study"
    changes = {
        "--steps=31": "--steps=30, now 31",
        "--counts=40": "--counts=40,400, now 40;",
        "--experiment=gan": "experiment dcgan, now gan",
    }
    helpers.assert_other_settings_refused(command, SMOKE, folder, changes, capsys)


@pytest.mark.long
def test_a_short_study(tmp_path, capsys, real):
    """One pair, images without classes; a second call finds all done.

    The same noise goes into both models.
    """
    words = [
        *SMOKE,
        f"--data={real}",
        "--labels=none",
        "--counts=70",
        "--repeats=1",
        "--steps=4",
        "--n_images=70",
    ]
    words += ["--neighbours=16", "--log_every=2", "--save_every=4"]
    folder = tmp_path / "study"
    assert helpers.run(command, words, folder) == 0
    helpers.assert_files(folder, "curves.png")
    first = (folder / "results.json").read_text()
    made = json.loads(first)
    (one,) = made["rows"]["70"]
    assert [m["steps"] for m in one["models"]] == [4, 4]
    assert one["models"][0]["passes"] == pytest.approx(4 * 8 / 35)
    folders = folder / "70_a_0", folder / "70_b_0"
    (a, more), (b, _) = scorer.generate(folders, 70)
    assert one["pixel"] == pytest.approx(pair_agreement.measure(a, b))
    assert not (a == more).all()
    same = scorer.generate((folders[0], folders[0]), 70)
    assert (same[0][0] == same[1][0]).all() and (same[0][0] == a).all()
    states = [run_folder.load(path).config.run for path in folders]
    assert {run.data.split(":")[1] for run in states} == {"1/2/0", "2/2/0"}
    assert "Two models on disjoint halves" in capsys.readouterr().out
    assert helpers.run(command, words, folder) == 0
    assert (folder / "results.json").read_text() == first


@pytest.mark.slow
def test_a_stopped_study_goes_on_and_ends_as_if_it_never_stopped(tmp_path, capsys, real):
    words = [*SMOKE, f"--data={real}", "--experiment=cgan", "--counts=70,140", "--repeats=1"]
    words += ["--steps=8", "--n_images=70", "--net=dcgan", "--save_every=2", "--log_every=2"]
    assert helpers.run(command, words, tmp_path / "whole") == 0
    stopped = tmp_path / "stopped"
    within = lambda loop, until: loop.name.startswith("140_b")
    helpers.stop_by_signal(command, words, stopped, within)
    assert helpers.run(command, words, stopped) == 0
    results, states = helpers.outcome(tmp_path / "whole", "train_s")
    assert (results, states) == helpers.outcome(stopped, "train_s")
    assert len(states) == 4 and set(results["rows"]) == {"70", "140"}
    assert "resumed at step" in capsys.readouterr().out
