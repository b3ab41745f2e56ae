"""S3's figure 3: who trains for how long, what the tables say, and that a stopped study goes on."""

import os
import signal

import numpy as np
import pytest

from experiments import common, mode_balance
from gan_jax import train, turns

SMOKE = "--flagfile=mode_balance_smoke"


def test_plan_gives_faster_systems_more_updates_and_spares_the_slowest_a_second_run():
    jobs = turns.plan({"morpho": 1.0, "distgan": 0.96, "dcgan": 0.25, "dcgan_hdcgan": 0.4}, 1000)
    assert jobs == {
        **{("updates", s): 1000 for s in mode_balance.SYSTEMS},
        ("time", "dcgan"): 4000,
        ("time", "dcgan_hdcgan"): 2500,
    }


def test_systems_share_what_the_study_fixes_and_differ_in_what_they_are():
    hp = {s: mode_balance.hyperparameters(s, mode_balance.Shared(width=8, lr=3e-4, ema=0.9)) for s in mode_balance.SYSTEMS}
    assert {(h.width, h.lr, h.ema) for h in hp.values()} == {(8, 3e-4, 0.9)}
    assert (hp["morpho"].penalty, hp["morpho"].net) == ("dragan", "hdcgan")
    assert (hp["distgan"].penalty, hp["distgan"].net) == ("wgan_gp", "dcgan")
    assert hp["dcgan_hdcgan"].penalty == hp["dcgan"].penalty == "none"
    # The plain loss on Morpho-GAN's nets: whatever belongs to the nets is Morpho-GAN's, noise at D's input included.
    nets = ("net", "width", "init", "pixels", "disc_norm", "z_dim", "prior", "input_noise", "sample_stats", "ema")
    assert [getattr(hp["dcgan_hdcgan"], name) for name in nets] == [getattr(hp["morpho"], name) for name in nets]


def row(frechet, shares, steps=100):
    shares = np.array(shares)
    return {
        "frechet": frechet,
        "total_variation": 0.1,
        "kl": 0.2,
        "fractions": shares.tolist(),
        "classes_5pct": int((shares >= 0.05).sum()),
        "steps": steps,
        "train_s": 60.0,
    }


@pytest.fixture
def results():
    good, bad = [row(f, [0.5, 0.5]) for f in (1.0, 1.1, 0.9)], [row(f, [1.0, 0.0]) for f in (5.0, 5.2, 4.8)]
    rows = {"morpho": good, "distgan": good, "dcgan": bad, "dcgan_hdcgan": []}
    real = row(0.1, [0.5, 0.5])
    return {
        "classes": ["a", "b"],
        "tables": {"updates": rows, "time": rows},
        "real (floor)": real,
        "collapsed": row(9.0, [1.0, 0.0]),
        "training data": {"fractions": [0.5, 0.5]},
        "seeds": 3,
        "diverged": {"updates_dcgan_hdcgan_0": "non-finite"},
    }


def test_tables_and_verdicts_follow_the_numbers(results):
    text = mode_balance.table(results, "updates")
    assert "| Morpho-GAN | 100 | 1.0 +- 0.0 | 1.000 +- 0.100 |" in text
    assert "(0 of 3 seeds, the others diverged)" in text and "real (floor)" in text and "collapsed" in text
    said = "\n".join(mode_balance.verdicts(results))
    assert "Morpho-GAN against DCGAN, Frechet distance: -4.000" in said and "Morpho-GAN is better" in said
    assert "Morpho-GAN against Dist-GAN, Frechet distance: +0.000" in said and "cannot tell" in said
    assert "as it turned out (the longest is 1): Morpho-GAN 1.00" in said
    assert said.count("Frechet distance") == 2, "rows that both tables share are compared once"
    assert "DCGAN collapsed to one class in 3 of 3 seeds" in said and "updates_dcgan_hdcgan_0: non-finite" in said


def test_figures_can_be_drawn(results, tmp_path):
    mode_balance.draw_shares(results, tmp_path / "shares.png")
    source = np.zeros((8, 8, 8, 1), np.uint8)
    pictures = {t: {s: None if s == "dcgan" else source for s in mode_balance.SYSTEMS} for t in turns.TABLES}
    mode_balance.draw_samples(pictures, type("Source", (), {"images": source}), tmp_path / "samples.png")
    assert min(p.stat().st_size for p in tmp_path.iterdir()) > 1000


def test_data_without_classes_is_refused(tmp_path, capsys):
    np.savez(tmp_path / "a.npz", images=np.zeros((300, 16, 16, 3), np.uint8))
    assert common.guarded(mode_balance.run, [SMOKE, f"--data=npz:{tmp_path / 'a.npz'}", f"--workdir={tmp_path}/s"]) == 2
    assert "no two classes" in capsys.readouterr().err


def test_a_study_with_other_settings_is_refused(tmp_path, capsys, monkeypatch):
    from gan_jax.metrics import features

    monkeypatch.setattr(turns, "measure_pace", lambda configs, *_: dict.fromkeys(configs, 1.0))
    monkeypatch.setattr(features, "load", lambda *_: None)
    monkeypatch.setattr(turns, "advance", lambda *_: (_ for _ in ()).throw(train.Stopped("here")))
    words = [SMOKE, f"--workdir={tmp_path}/study"]
    assert common.guarded(mode_balance.run, words) == 4
    assert common.guarded(mode_balance.run, [*words, "--seeds=5", "--seed=2", "--turns=9"]) == 4, (
        "more seeds are the same study"
    )
    capsys.readouterr()
    assert common.guarded(mode_balance.run, [*words, "--width=5"]) == 2
    assert "made with --width=4, now 5" in capsys.readouterr().err
    (tmp_path / "study" / "study.json").write_text("{")
    assert common.guarded(mode_balance.run, words) == 2
    assert "study.json cannot be read" in capsys.readouterr().err


def test_a_signal_at_the_end_of_a_run_is_not_forgotten():
    with pytest.raises(train.Stopped), turns.side_by_side({}, {}, None):
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.slow
def test_a_stopped_study_goes_on_and_ends_as_if_it_never_stopped(tmp_path, capsys, monkeypatch):
    """With a pace made up, since the time of a step is the one thing that differs between two studies."""
    pace = {"morpho": 1.0, "distgan": 0.96, "dcgan": 0.5, "dcgan_hdcgan": 1.0}
    monkeypatch.setattr(turns, "measure_pace", lambda *_: pace)
    words = [SMOKE, "--seeds=1", "--devices=1", "--save_every=4"]
    assert common.guarded(mode_balance.run, [*words, f"--workdir={tmp_path}/whole"]) == 0
    advance = train.Loop.advance

    def stopped(loop, until):
        if "distgan" in loop.name and until > 4:
            os.kill(os.getpid(), signal.SIGTERM)
        advance(loop, until)

    monkeypatch.setattr(train.Loop, "advance", stopped)
    assert common.guarded(mode_balance.run, [*words, f"--workdir={tmp_path}/stopped"]) == 4
    assert not list((tmp_path / "stopped").rglob("DONE"))
    monkeypatch.setattr(train.Loop, "advance", advance)
    assert common.guarded(mode_balance.run, [*words, f"--workdir={tmp_path}/stopped"]) == 0
    whole = {p.parent.name: p.read_text() for p in (tmp_path / "whole").rglob("DONE")}
    assert len(whole) == 5 and whole == {p.parent.name: p.read_text() for p in (tmp_path / "stopped").rglob("DONE")}
    assert "resumed at step" in capsys.readouterr().out


@pytest.mark.slow
def test_a_whole_study_in_which_everything_diverges(tmp_path, capsys):
    """The pace measured, the tables written, and what was lost said; once more, all is found as it was."""
    words = [SMOKE, "--seeds=1", "--devices=1", "--save_every=2", "--lr=1e12", f"--workdir={tmp_path}/study"]
    for _ in range(2):
        assert common.guarded(mode_balance.run, words) == 0
        out, error = capsys.readouterr()
        assert "Morpho-GAN (0 of 1 seeds, the others diverged)" in out and "updates_morpho_0: Player" in error
    assert {p.name for p in (tmp_path / "study").iterdir()} >= {"tables.md", "results.json", "shares.png", "samples.png"}
    assert not list((tmp_path / "study").rglob("DONE"))
