"""The study of mode collapse: lengths, scores, tables, and a whole study stopped and continued."""

import dataclasses
import json
import math
import os
import signal
import time
import types

import numpy as np
import pytest

from gan_jax.commands import command_line
from gan_jax.data import datasets
from gan_jax.data.types import DataOptions
from gan_jax.errors import Stopped
from gan_jax.metrics import point_scores, significance
from gan_jax.rundir import log
from gan_jax.settings import RunSettings
from gan_jax.studies import interleaved, table_format, toys
from gan_jax.studies.collapse import command, scorer
from gan_jax.studies.collapse import page as collapse_page
from gan_jax.studies.collapse import results as found
from gan_jax.studies.collapse.flags import GROUPS, SharedSettings
from gan_jax.studies.collapse.systems import SYSTEMS, hyperparameters
from tests.studies import helpers

SMOKE = ("--flagfile=collapse_smoke", "--devices=1")
FIGURE3 = ("morpho", "distgan", "dcgan", "dcgan_hdcgan")


def test_plan_gives_faster_systems_more_updates_and_spares_the_slowest_a_second_run():
    pace = {"morpho": 1.0, "distgan": 0.96, "dcgan": 0.25, "dcgan_hdcgan": 0.4}
    jobs = interleaved.plan_runs(pace, dict.fromkeys(pace, 1000), "updates")
    assert jobs == {
        **{("updates", s): 1000 for s in FIGURE3},
        ("time", "dcgan"): 4000,
        ("time", "dcgan_hdcgan"): 2500,
    }


def test_systems_share_what_the_study_fixes_and_differ_in_what_they_are():
    shared = SharedSettings(width=8, lr=3e-4, ema=0.9, n_gens=3, beta=0.5)
    hp = {s: hyperparameters(s, shared) for s, found in SYSTEMS.items() if found.images is not None}
    assert {(h.width, h.lr, h.ema) for h in hp.values()} == {(8, 3e-4, 0.9)}
    assert (hp["morpho"].penalty, hp["morpho"].net) == ("dragan", "hdcgan")
    assert (hp["distgan"].penalty, hp["distgan"].net) == ("wgan_gp", "dcgan")
    assert hp["dcgan_hdcgan"].penalty == hp["dcgan"].penalty == "none"
    # The plain loss on Morpho-GAN's nets: whatever belongs to the nets is Morpho-GAN's, noise at
    # D's input included.
    nets = ("net", "width", "init", "pixels", "disc_norm", "z_dim", "prior", "sample_stats", "ema")
    assert [getattr(hp["dcgan_hdcgan"], name) for name in nets] == [
        getattr(hp["morpho"], name) for name in nets
    ]
    assert hp["dcgan_hdcgan"].input_noise == hp["morpho"].input_noise
    # All others have Dist-GAN's nets, so that only objectives differ.
    for system in ("gan", "gan_d5", "gan_balance", "dragan", "mgan", "multi_gen"):
        assert [getattr(hp[system], name) for name in nets] == [
            getattr(hp["distgan"], name) for name in nets
        ], system
    assert (hp["gan_d5"].n_disc, hp["gan_balance"].balance, hp["dragan"].penalty) == (
        5,
        True,
        "dragan",
    )
    assert (hp["mgan"].n_gens, hp["mgan"].beta, hp["mgan"].lambda_c) == (3, 0.5, 1.0)
    assert (hp["multi_gen"].n_gens, hp["multi_gen"].beta, hp["multi_gen"].lambda_c) == (3, 0.0, 0.0)


def test_figure_3_has_the_settings_it_was_measured_with():
    """README's table stays that of the command.

    Every setting of its runs is here that is not a default of their training commands.
    """
    (flags, run, shared), _ = command_line.parse(
        "", "", GROUPS, ["--flagfile=collapse_mode_balance"]
    )
    assert flags.systems == ",".join(FIGURE3)
    assert (flags.seeds, flags.curve, flags.n_images, flags.turns) == (3, 0, 5000, 20)
    assert run == RunSettings(data="galaxies", size=32, batch=32, steps=1000)
    common_to_all = {
        "width": 16,
        "lr": 1e-3,
        "beta1": 0.5,
        "beta2": 0.9,
        "ema": 0.995,
        "sample_stats": "batch",
    }
    own = {
        "morpho": {
            "net": "hdcgan",
            "penalty": "dragan",
            "penalty_norm": "l2",
            "lambda_p": 10.0,
            "input_noise": 0.05,
        },
        "distgan": {},
        "dcgan": {"init": "normal"},
        "dcgan_hdcgan": {
            "net": "hdcgan",
            "input_noise": 0.05,
            "init": "xavier",
            "pixels": "sigmoid",
        },
    }
    for system in FIGURE3:
        hp = hyperparameters(system, shared)
        assert hp == type(hp)(**common_to_all | own[system])


def test_points_have_the_settings_of_the_toys():
    hp = {
        s: hyperparameters(s, SharedSettings(), True)
        for s, c in SYSTEMS.items()
        if c.points is not None
    }
    train = datasets.load("toys:gaussians8", DataOptions(8))
    for system in ("gan", "dragan", "distgan", "mgan"):
        assert hp[system] == toys.prepare(toys.Flags(), system, "gaussians8", train).config.hp
    assert (
        hp["one_gen"].n_gens * hp["one_gen"].gen_batch == hp["mgan"].n_gens * hp["mgan"].gen_batch
    )
    penalty = {"penalty": "dragan", "penalty_norm": "l2"}
    assert hp["morpho"] == dataclasses.replace(hp["distgan"], **penalty), (
        "Dist-GAN with DRAGAN's penalty, and nothing else"
    )
    assert (hp["multi_gen"].beta, hp["multi_gen"].penalty, hp["multi_gen"].ema) == (
        0.0,
        "r1",
        0.999,
    )
    assert set(SYSTEMS) - set(hp) == {"dcgan", "dcgan_hdcgan"}


def test_time_to_90_percent_is_that_of_a_closed_form():
    """10 - 8 (1 - exp(-t / 50)) is 90 % of its way from t = 10 to t = 500 at 125.1.

    That is -50 log(0.1 e^-0.2 + 0.9 e^-10).
    """
    steps = np.arange(10, 501, 10)
    scores = 10 - 8 * (1 - np.exp(-steps / 50))
    exact = -50 * np.log(0.1 * np.exp(-0.2) + 0.9 * np.exp(-10))
    assert steps[found.first_reaching(scores, "low")] == 10 * np.ceil(exact / 10) == 130
    assert steps[found.first_reaching(-scores, "high")] == 130
    assert steps[found.first_reaching(scores, "low", 0.5)] == 10 * np.ceil(
        -50 * np.log(0.5 * (np.exp(-0.2) + np.exp(-10))) / 10
    )


@pytest.mark.parametrize(
    ("scores", "better", "index"),
    [
        ([1, 5, 9, 10, 10], "high", 3),  # 9 is 89 % of the way
        ([0, 5, 9, 10], "high", 2),  # exactly 90 %
        ([1, 10, 2, 1], "high", 1),  # gained and lost again: the best counts, not the last
        ([3, 2, 1], "high", 0),  # nothing was better than the first
        ([3, 3], "low", 0),
        ([7], "low", 0),
    ],
)
def test_time_to_90_percent_of_rises_falls_and_flats(scores, better, index):
    assert found.first_reaching(scores, better) == index


def write_log(folder, records):
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    return folder


def test_updates_and_curves_are_read_from_the_log(tmp_path):
    """A rule let G move in half of the first 4 steps, all of the next 2, none of the last 4."""
    ran = [(4, 0.5, 3), (6, 1.0, None), (10, 0.0, 8)]
    records = [{"step": s, "gen/ran": r, "wall": {"train_s": s / 2}} for s, r, _ in ran]
    for record, (_, _, score) in zip(records, ran, strict=True):
        record |= (
            {} if score is None else {"eval/modes_covered": score, "eval/wasserstein": 1 / score}
        )
    folder = write_log(tmp_path / "run", records)
    assert scorer.count_updates(folder) == 4
    assert scorer.read_curve(folder, scorer.KINDS["points"]) == {
        "step": [4, 10],
        "train_s": [2.0, 5.0],
        "modes_covered": [3, 8],
        "wasserstein": [1 / 3, 1 / 8],
    }
    assert scorer.count_updates(write_log(tmp_path / "plain", [{"step": 7, "wall": {}}])) == 7


def row(frechet, shares, steps=100, total_variation=0.1):
    shares = np.array(shares)
    return {
        "frechet": frechet,
        "total_variation": total_variation,
        "kl": 0.2,
        "fractions": shares.tolist(),
        "classes_5pct": int((shares >= 0.05).sum()),
        "steps": steps,
        "updates": steps,
        "train_s": 60.0,
    }


def curve(frechet):
    steps = [25, 50, 75, 100]
    return {
        "step": steps,
        "train_s": [s / 2 for s in steps],
        "classes_5pct": [1, 2, 2, 2],
        "frechet": frechet,
    }


@pytest.fixture
def results():
    good, bad = (
        [row(f, [0.5, 0.5]) for f in (1.0, 1.1, 0.9)],
        [row(f, [1.0, 0.0]) for f in (5.0, 5.2, 4.8)],
    )
    half = [r | {"updates": 50} for r in good]
    rows = {"morpho": good, "distgan": half, "dcgan": bad, "dcgan_hdcgan": []}
    curves = {
        s: [curve([f, 5, 2, 1]) for f in (11, 11, 11)] for s in ("morpho", "distgan", "dcgan")
    } | {"dcgan_hdcgan": []}
    return {
        "kind": "images",
        "systems": {s: SYSTEMS[s].title for s in rows},
        "against": "morpho",
        "classes": ["a", "b"],
        "n_modes": 2,
        "tables": {"updates": rows, "time": rows},
        "curves": {"updates": curves, "time": curves},
        "controls": {"real (floor)": row(0.1, [0.5, 0.5]), "collapsed": row(9.0, [1.0, 0.0])},
        "training data": {"fractions": [0.5, 0.5]},
        "seeds": 3,
        "protocol": "Protocol & more.",
        "diverged": {"updates_dcgan_hdcgan_0": "non-finite"},
    }


def test_tables_follow_the_numbers(results):
    updates, time, differences, lengths = map(table_format.markdown, found.tables(results))
    assert (
        "| Morpho-GAN | 100 | 1.0 +- 0.0 | 1.000 +- 0.100 |" in updates
        and "| Dist-GAN | 50 |" in updates
    )
    assert (
        "(0 of 3 seeds, the others diverged)" in time
        and "real (floor)" in time
        and "collapsed" in time
    )
    good, bad = [1.0, 1.1, 0.9], [5.0, 5.2, 4.8]
    ratio = significance.compare_means(bad, good, 4, (0, math.inf))  # two systems, two scores
    assert (
        f"5.00 times ({ratio.low:#.3g} to {ratio.high:#.3g})" in differences
        and "| Dist-GAN | +0.000 | 1.00 times (" in differences
    )
    assert differences.count("Frechet") == 1, "rows that both tables share are compared once"
    assert (
        "| Morpho-GAN | classes >= 5 % | 1.0 +- 0.0 | 2.0 +- 0.0 | 2.0 +- 0.0 | 50 +- 0 | "
        "25.0 +- 0.0 | 50 +- 0 |" in lengths
    )
    assert (
        "| DCGAN | Frechet distance | 11.000 +- 0.000 | 1.000 +- 0.000 | 1.000 +- 0.000 | 75 +- 0 "
        "| 37.5 +- 0.0 | 75" in lengths
    )


def test_verdicts_follow_the_numbers(results):
    first, *said = found.verdicts(results)
    both = "Morpho-GAN, Dist-GAN of 3"
    assert first == (
        f"Systems that cover all 2 classes in every seed: equal generator updates, {both}; "
        f"equal wall time, {both}. Against "
        "Morpho-GAN, none of 4 differences are clearly better and 1 clearly worse."
    ), "total variation has no spread, and so no interval"
    said = "\n".join(said)
    assert "Equal generator updates: DCGAN against Morpho-GAN, Frechet distance: 5.00 times" in said
    assert "one of 4 that hold together): Morpho-GAN is better" in said
    assert (
        "Frechet distance: whether Dist-GAN differs from Morpho-GAN, these seeds cannot tell"
        in said
    )
    assert (
        "total variation: whether Dist-GAN, DCGAN differ from Morpho-GAN, these seeds cannot tell"
        in said
    )
    assert "classes covered by seed, of 2 in real data: Morpho-GAN 2, 2, 2 (none lost)" in said
    assert "DCGAN 1, 1, 1 (3 of 3 seeds lost some, 3 collapsed to one or none)" in said
    assert (
        "as it turned out (the longest is 1): Morpho-GAN 1.00" in said
        and "updates_dcgan_hdcgan_0: non-finite" in said
    )
    assert "Dist-GAN left out 50 % of its updates of G" in said and said.count("left out") == 2


def test_the_first_sentence_names_what_comes_nearest_where_none_covers_all(results):
    results["n_modes"] = 3
    assert "equal wall time, none of 3 (most: Morpho-GAN, 2.0)." in found.verdicts(results)[0]


def test_points_between_modes_have_not_collapsed():
    kind = scorer.KINDS["points"]
    rows = [
        {"modes_covered": n, "registered": share}
        for n, share in ((1.0, 0.9), (0.0, 0.1), (8.0, 0.6))
    ]
    assert (
        found.describe_losses(rows, kind, 8)
        == "2 of 3 seeds lost some, 1 collapsed to one or none, 1 with most points between modes"
    )
    assert found.describe_losses(rows[2:], kind, 8) == "none lost"


def draw_figures(results, samples, source, folder):
    """Draw all figures; returns their names."""
    figures = collapse_page.figures(results, samples, source)
    for name, draw in figures.items():
        draw(folder / name)
    return list(figures)


def test_what_was_never_scored_or_all_diverged_is_no_trouble(results, tmp_path):
    none = {t: {s: [] for s in results["systems"]} for t in interleaved.TABLES}
    results |= {"curves": none}
    assert not collapse_page.has_curves(results) and len(found.tables(results)) == 3
    results |= {"tables": none}
    assert len(found.tables(results)) == 2 and "no run ended" in found.verdicts(results)[1]
    pictures = {t: dict.fromkeys(results["systems"]) for t in interleaved.TABLES}
    source = types.SimpleNamespace(images=np.zeros((8, 8, 8, 1), np.uint8), points=False)
    assert draw_figures(results, pictures, source, tmp_path) == ["samples.png", "shares.png"]
    assert "Protocol &amp; more." in collapse_page.document(results, tmp_path)


def test_figures_and_page(results, tmp_path):
    source = types.SimpleNamespace(images=np.zeros((8, 8, 8, 1), np.uint8), points=False)
    pictures = {
        t: {s: None if s == "dcgan" else source.images for s in FIGURE3} for t in interleaved.TABLES
    }
    names = draw_figures(results, pictures, source, tmp_path)
    assert (
        set(names)
        == {"samples.png", "shares.png", "curves.png"}
        == {p.name for p in tmp_path.iterdir()}
    )
    assert min(p.stat().st_size for p in tmp_path.iterdir()) > 1000
    page = collapse_page.document(results, tmp_path)
    assert (
        page.count("data:image/svg") == 4
        and page.count("data:image/png") == 2
        and "http" not in page
    )
    assert len(set(collapse_page.line_styles(range(20)).values())) == 20


@pytest.mark.long
def test_scores_of_points_are_those_of_the_metric():
    source = datasets.load("toys:gaussians8", DataOptions(8))
    judge = scorer.build_scorer(source, None, 1000)
    assert judge.n_modes == 8 == judge.controls["real (floor)"]["modes_covered"]
    assert judge.controls["collapsed"]["modes_covered"] == 1
    assert judge.controls["collapsed"]["kl_modes"] == pytest.approx(np.log(8))
    some = source.images[1000:2000]
    scores = judge.score(some)
    assert {k: scores[k] for k in scorer.KINDS["points"].scores} == pytest.approx(
        {
            k: v
            for k, v in point_scores.score_points(some, source.name).items()
            if k in scorer.KINDS["points"].scores
        }
    )


def test_a_study_with_other_settings_is_refused(tmp_path, capsys, monkeypatch):
    def stop(*_):
        raise Stopped("here")

    monkeypatch.setattr(interleaved, "measure_pace", lambda runs, *_: dict.fromkeys(runs, 1.0))
    monkeypatch.setattr(scorer, "build_scorer", lambda *_: None)
    monkeypatch.setattr(interleaved, "train_interleaved", stop)
    folder = tmp_path / "study"
    assert helpers.run(command, SMOKE, folder) == 4
    more = ["--seeds=5", "--seed=2", "--turns=9", "--against=mgan"]
    assert helpers.run(command, [*SMOKE, *more], folder) == 4, "more seeds are the same study"
    changes = {"--width=5": "--width=4, now 5", "--curve=2": "--curve=3, now 2"}
    changes["--systems=gan"] = "--systems=gan,gan_balance,morpho,mgan, now gan;"
    helpers.assert_other_settings_refused(command, SMOKE, folder, changes, capsys)
    (folder / "study.json").write_text("{")
    assert helpers.run(command, SMOKE, folder) == 2
    assert "study.json cannot be read" in capsys.readouterr().err


def test_a_signal_at_the_end_of_a_run_is_not_forgotten():
    with pytest.raises(Stopped), interleaved.open_loops({}, {}):
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.slow
def test_a_study_of_points(tmp_path, capsys, monkeypatch):
    """Scored at equal distances in training, whose time leaves scoring out."""
    monkeypatch.setattr(interleaved, "measure_pace", lambda *_: {"gan": 0.5, "multi_gen": 1.0})
    words = [
        "--data=toys:gaussians8",
        "--systems=gan,multi_gen",
        "--steps=20",
        "--batch=16",
        "--seeds=1",
        "--curve=4",
        "--n_images=300",
        "--eval_images=100",
        "--devices=1",
        "--nowatch",
    ]
    score = point_scores.score_points

    def slow(*args):
        time.sleep(0.3)
        return score(*args)

    monkeypatch.setattr(point_scores, "score_points", slow)
    folder = tmp_path / "study"
    assert helpers.run(command, words, folder) == 0
    assert "modes covered by seed, of 8 in real data" in capsys.readouterr().out
    curves = json.loads((folder / "results.json").read_text())["curves"]
    assert [c["step"] for c in curves["time"]["gan"]] == [[10, 20, 30, 40]]
    assert [c["step"] for c in curves["time"]["multi_gen"]] == [[5, 10, 15, 20]]
    assert curves["time"]["multi_gen"] == curves["updates"]["multi_gen"]
    wall = log.read(folder / "time_gan_0" / "metrics.jsonl")[-1]["wall"]
    assert wall["evaluate_s"] > 1.2 > wall["train_s"]
    helpers.assert_files(folder, "samples.png", "curves.png")


@pytest.mark.slow
def test_a_stopped_study_goes_on_and_ends_as_if_it_never_stopped(tmp_path, capsys, monkeypatch):
    """With a pace made up, since the time of a step is all that differs between two studies."""
    pace = {"morpho": 1.0, "gan_balance": 0.96, "gan": 0.5, "mgan": 1.0}
    monkeypatch.setattr(interleaved, "measure_pace", lambda *_: pace)
    words = [*SMOKE, "--seeds=1", "--save_every=4"]
    assert helpers.run(command, words, tmp_path / "whole") == 0
    within = lambda loop, until: "balance" in loop.name and until > 4
    helpers.stop_by_signal(command, words, tmp_path / "stopped", within)
    assert not list((tmp_path / "stopped").rglob("DONE"))
    assert helpers.run(command, words, tmp_path / "stopped") == 0
    results, states = helpers.outcome(tmp_path / "whole", "train_s")
    assert (results, states) == helpers.outcome(tmp_path / "stopped", "train_s")
    assert len(states) == 5
    assert results["curves"]["updates"]["gan_balance"][0]["step"] == [4, 8, 12]
    assert "resumed at step" in capsys.readouterr().out


@pytest.mark.slow
def test_a_whole_study_in_which_everything_diverges(tmp_path, capsys):
    """The pace measured, the tables written, and the failures named; once more, all is the same."""
    words, folder = [*SMOKE, "--seeds=1", "--save_every=2", "--lr=1e12"], tmp_path / "study"
    for _ in range(2):
        assert helpers.run(command, words, folder) == 0
        out, error = capsys.readouterr()
        assert "Morpho-GAN (0 of 1 seeds, the others diverged)" in out
        assert "updates_morpho_0: Player" in error
    helpers.assert_files(folder, "shares.png", "samples.png")
    assert not list(folder.rglob("DONE"))
