"""S2's study: settings and lengths, numbers, and a whole study made, stopped and continued."""

import json
import math
import time

import numpy as np
import pytest
from scipy import stats

from gan_jax import config, images
from gan_jax.commands import command_line, train
from gan_jax.metrics import scoring, significance
from gan_jax.rundir import log, run_folder
from gan_jax.studies import interleaved, run_outputs, table_format
from gan_jax.studies.gan_vs_dcgan import command, systems
from gan_jax.studies.gan_vs_dcgan import page as gan_vs_dcgan_page
from gan_jax.studies.gan_vs_dcgan import results as gan_vs_dcgan
from gan_jax.studies.gan_vs_dcgan.flags import S2_STEPS, Flags
from gan_jax.training import sampling
from tests.studies import helpers

SMOKE = ("--flagfile=gan_vs_dcgan_smoke", "--devices=1")


def of_flagfile(name, *words):
    """Study as a flagfile sets it."""
    return command_line.parse("", "", (Flags(),), [f"--flagfile={name}", *words])[0][0]


@pytest.mark.parametrize(
    ("system", "flagfile"), [("gan", "gan_quick"), ("dcgan", "dcgan_mnist")], ids=("gan", "dcgan")
)
def test_the_systems_are_those_of_the_training_commands(system, flagfile):
    words = [f"--flagfile={flagfile}"]
    _, _, alone, _ = train.configure(system, words)
    for flags in (Flags(), of_flagfile("gan_vs_dcgan_mnist")):
        here = systems.build_config(flags, system, systems.lengths(flags)[system], 0)
        assert (here.experiment, here.method, here.hp) == (system, "gan", alone.hp)
        same = ("size", "batch", "steps", "log_every", "steps_per_dispatch", "watch")
        assert [getattr(here.run, name) for name in same] == [
            getattr(alone.run, name) for name in same
        ]
        assert (
            here.run.sample_every == here.run.log_every
            and here.run.eval_every == here.run.save_every
        )


def test_samples_are_shown_where_s2_shows_them():
    assert (
        systems.shown_step("gan", 30_000) == 29_800
        and systems.record_interval("gan", 30_000) == 200
    )
    assert (
        systems.shown_step("dcgan", 28_020) == 54 * 467
        and systems.record_interval("dcgan", 28_020) == 467
    )
    assert (systems.shown_step("gan", 3_000), systems.shown_step("dcgan", 2_820)) == (
        2_980,
        54 * 47,
    )
    for steps in np.random.default_rng(0).integers(1, 100_000, 300):
        for system, known in systems.SYSTEMS.items():
            at, every = (
                systems.shown_step(system, int(steps)),
                systems.record_interval(system, int(steps)),
            )
            assert at == steps or (at % every == 0 and at < steps), "where there is a grid"
            assert abs(at - known.shown_at * steps) <= max(1, every), (system, steps)
            if known.dispatch and every > known.dispatch:
                assert every % known.dispatch == 0, "whole compiled calls"


@pytest.mark.parametrize("name", ["gan_vs_dcgan_smoke", "gan_vs_dcgan_quick", "gan_vs_dcgan_mnist"])
def test_runs_are_scored_as_often_as_asked_the_last_time_at_their_end(name):
    flags = of_flagfile(name)
    for system, steps in systems.lengths(flags).items():
        every = systems.build_config(flags, system, steps, 0).run.eval_every
        assert (steps / every) == flags.evals


def test_equal_time_lengthens_the_system_that_is_done_first():
    s2 = S2_STEPS
    jobs = interleaved.plan_runs({"gan": 0.05, "dcgan": 1.0}, s2, "lengths")
    assert jobs == {
        ("lengths", "gan"): 30_000,
        ("lengths", "dcgan"): 28_020,
        ("time", "gan"): 560_400,
    }
    assert (
        interleaved.plan_runs({"gan": 1.0, "dcgan": 0.5}, s2, "lengths")["time", "dcgan"] == 60_000
    )
    assert len(interleaved.plan_runs({"gan": 0.9, "dcgan": 1.0}, s2, "lengths")) == 2, (
        "within 4 % of each other"
    )


def test_lengths_in_words():
    assert systems.lengths_in_words({"gan": 30_000, "dcgan": 28_020}) == "S2's lengths"
    assert systems.lengths_in_words({"gan": 3_000, "dcgan": 2_820}) == "10 % of S2's lengths"
    assert systems.lengths_in_words({"gan": 3_000, "dcgan": 28_020}) == "the given lengths"


def row(frechet, steps, train_s):
    scores = {"total_variation": 0.1, "precision": frechet / 100, "recall": 0.5}
    return {
        "frechet": frechet,
        **scores,
        "classes_5pct": 2,
        "fractions": [0.5, 0.5],
        "steps": steps,
        "train_s": train_s,
    }


GAN, LONGER, DCGAN = (2.0, 2.2, 2.1), (1.0, 1.3, 1.1), (1.2, 1.3, 1.1)


@pytest.fixture
def root(tmp_path):
    """Folders of three seeds with logs and a grid each; the losses of the last tenth are known."""
    for job, steps, level in (
        ("lengths_gan", 100, 1.0),
        ("lengths_dcgan", 50, 1.2),
        ("time_gan", 400, 1.0),
    ):
        for seed in range(3):
            folder = tmp_path / f"{job}_{seed}"
            (folder / "samples").mkdir(parents=True)
            lines = []
            for i in range(1, 11):
                loss = level + seed / 10 if i == 10 else 9.0
                line = {
                    "step": i * steps // 10,
                    "disc/loss": loss,
                    "gen/loss": loss / 2,
                    "wall": {"train_s": float(i)},
                }
                lines.append(json.dumps(line | ({"eval/frechet": 50.0 / i} if i % 5 == 0 else {})))
            (folder / "metrics.jsonl").write_text("\n".join([*lines, '{"step": 99, "disc/l']))
            for step in (steps - 10, steps):
                images.save_png(
                    folder / "samples" / f"{step:06d}.png", np.full((8, 8, 1), step % 256, np.uint8)
                )
    return tmp_path


@pytest.fixture
def results():
    """The DCGAN is slow, so the GAN has a longer run for equal time."""
    rows = {
        "lengths_gan": [row(f, 100, 1.0) for f in GAN],
        "lengths_dcgan": [row(f, 50, 4.0) for f in DCGAN],
        "time_gan": [row(f, 400, 5.0) for f in LONGER],
    }
    names = {
        table: {"gan": f"{table}_gan", "dcgan": "lengths_dcgan"} for table in ("lengths", "time")
    }
    known = {"gan": ("GAN", 90, 100, 10), "dcgan": ("DCGAN", 40, 50, 5)}
    return {
        "systems": {
            s: {
                "title": title,
                "place": "there & then",
                "shown": at,
                "steps": steps,
                "steps_per_epoch": each,
            }
            for s, (title, at, steps, each) in known.items()
        },
        "titles": {"lengths": "S2's lengths", "time": "equal wall time"},
        "classes": ["a", "b"],
        "seeds": 3,
        "tables": {t: {s: rows[job] for s, job in jobs.items()} for t, jobs in names.items()},
        "folders": {
            t: {s: [f"{job}_{i}" for i in range(3)] for s, job in jobs.items()}
            for t, jobs in names.items()
        },
        "real (floor)": row(0.1, 0, 0.0),
        "collapsed": row(9.0, 0, 0.0),
        "training data": {"fractions": [0.4, 0.6]},
        "diverged": {},
        "protocol": "Protocol & more.",
    }


def test_verdicts_are_intervals_that_hold_together(results, root):
    said = gan_vs_dcgan.verdicts(results, root)
    assert said[0].endswith(
        "By Frechet distance: at S2's lengths they are; at equal wall time these seeds cannot tell."
    )
    for line, other, better in (
        (said[1], GAN, "DCGAN is better"),
        (said[2], LONGER, "cannot tell"),
    ):
        found = significance.compare_means(DCGAN, other, 2, (0, math.inf))
        interval = f"{found.low:#.3g} to {found.high:#.3g}, one of 2 that hold together"
        assert f"{found.value:#.3g} times (95 % interval {interval})" in line and better in line
    precision = next(line for line in said if "S2's lengths: DCGAN against GAN, precision" in line)
    low, high = stats.ttest_ind(
        np.divide(DCGAN, 100), np.divide(GAN, 100), equal_var=False
    ).confidence_interval(1 - 0.05 / 6)
    assert f"{low:+.3f} to {high:+.3f}, one of 6" in precision
    assert any(
        line.startswith("At equal wall time: DCGAN against GAN, recall: +0.000 (no interval")
        for line in said
    )
    update = next(line for line in said if line.startswith("An update"))
    assert (
        "takes 8.00 times as long as one of the GAN; training at S2's lengths 4.00 times as long"
        in update
    )
    assert update.endswith("at equal wall time, as it turned out, 0.80.")
    assert (
        "GAN, losses in the last 10 % of the updates: D 1.10 +- 0.10 (where D cannot tell: "
        "2 ln 2 = 1.386), G 0.55" in ("\n".join(said))
    )


def test_the_claim_follows_the_intervals(results, root):
    swapped = [
        ("S2's lengths", results["tables"]["lengths"]["gan"], results["tables"]["lengths"]["dcgan"])
    ]
    assert gan_vs_dcgan.claim(swapped).endswith("at S2's lengths GAN's are better.")
    one = [("S2's lengths", [row(1.0, 1, 1.0)], [row(2.0, 1, 1.0)])]
    assert gan_vs_dcgan.claim(one).endswith("nothing follows without several seeds that differ.")


def test_runs_that_both_tables_share_are_compared_once(results, root):
    results["tables"]["time"] = results["tables"]["lengths"]
    results["folders"]["time"] = results["folders"]["lengths"]
    said = gan_vs_dcgan.verdicts(results, root)
    assert (
        sum("DCGAN against GAN, Frechet distance: " in line for line in said) == 1
        and "one of" not in said[1]
    )
    assert "training at S2's lengths 4.00 times as long, as good as equal." in "\n".join(said)
    assert [table.title for table in gan_vs_dcgan.tables(results)] == ["At S2's lengths", "Classes"]
    page = gan_vs_dcgan_page.document(results | {"protocol": ""}, root)
    assert page.count("data:image/png") == 2


@pytest.mark.long
def test_a_system_that_diverged_is_in_every_table(results, root):
    for found in ("tables", "folders"):
        for table in results[found].values():
            table["dcgan"] = []
    results["diverged"] = {"lengths_dcgan_0": "Player 'gen' had a non-finite loss"}
    said = gan_vs_dcgan.verdicts(results, root)
    assert (
        said[-1] == "Diverged: lengths_dcgan_0: Player 'gen' had a non-finite loss"
        and "S2 says" not in said[0]
    )
    first = table_format.markdown(gan_vs_dcgan.tables(results)[0])
    assert "| DCGAN (0 of 3 seeds, the others diverged) | - |" in first
    gan_vs_dcgan_page.draw(results, root, root / "plot.png")
    assert "0 of 3 seeds" in gan_vs_dcgan_page.document(results, root)


def test_tables_and_page_follow_the_numbers(results, root):
    lengths, equal, classes = map(table_format.markdown, gan_vs_dcgan.tables(results))
    assert lengths.startswith("**At S2's lengths**")
    assert "| DCGAN | 50 | 10.0 | 80.00 +- 0.00 | 4.0 +- 0.0 | 1.20 +- 0.10 |" in lengths
    assert "| GAN | 400 | 40.0 | 12.50 +- 0.00 | 5.0 +- 0.0 | 1.13 +- 0.15 |" in equal
    assert (
        "| training data | 40.0 | 60.0 |" in classes
        and "| GAN, equal wall time | 50.0 | 50.0 |" in classes
        and "DCGAN, equal" not in classes
    )
    page = gan_vs_dcgan_page.document(results, root)
    assert "Protocol &amp; more." in page and "there &amp; then" in page and page.count("<h2>") == 6
    assert page.count("data:image/svg") == 3 and page.count("data:image/png") == 3
    assert (
        "GAN, update 90 (epoch 9.0)" in page
        and "GAN, update 400 (epoch 40.0): the end at equal wall time" in page
    )
    gan_vs_dcgan_page.draw(results, root, root / "plot.png")
    assert (root / "plot.png").stat().st_size > 10_000


def test_plots_show_losses_per_epoch_with_their_equilibrium_and_scores_per_second(results, root):
    axes = gan_vs_dcgan_page.Figure().add_subplot()
    gan_vs_dcgan_page.draw_losses(axes, results, root, "dcgan")
    levels = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "--"]
    assert levels == pytest.approx([2 * np.log(2), np.log(2)])
    curve = next(line for line in axes.lines if line.get_label() == "D")
    assert curve.get_xdata()[-1] == 10.0 and curve.get_ydata()[-1] == pytest.approx(1.3), (
        "epochs; the mean over seeds"
    )
    axes = gan_vs_dcgan_page.Figure().add_subplot()
    gan_vs_dcgan_page.draw_scores(axes, results, root)
    assert [line.get_label() for line in axes.lines] == ["GAN", "DCGAN", "GAN, equal time"]
    assert axes.lines[0].get_xydata().tolist() == [[5.0, 10.0], [10.0, 5.0]]


def test_curves_are_read_over_steps_and_training_seconds(root):
    steps, seconds, values = run_outputs.read_logged(root / "lengths_gan_0", "eval/frechet")
    assert (steps.tolist(), seconds.tolist(), values.tolist()) == (
        [50, 100],
        [5.0, 10.0],
        [10.0, 5.0],
    )
    assert [
        len(part) for part in run_outputs.read_logged(root / "lengths_gan_0", "eval/kernel")
    ] == [0, 0, 0]
    assert len(run_outputs.read_logged(root / "nothing", "disc/loss")[0]) == 0


@pytest.mark.slow
def test_pace_has_steps_in_every_turn(tmp_path, monkeypatch, capsys):
    """Also where a compiled call would hold more than a turn."""
    flags = of_flagfile("gan_vs_dcgan_smoke", "--devices=1", "--gan_steps=300")
    monkeypatch.setattr(interleaved, "PACE_TURNS", 3)
    run = config.prepare(systems.build_config(flags, "gan", 300, 0))
    assert run.config.run.steps_per_dispatch == 20
    assert interleaved.measure_pace({"gan": run}, tmp_path / "pace", 2) == {"gan": 1.0}
    capsys.readouterr()


SLOW = 0.3  # seconds of each score in a study below
WORDS = (*SMOKE, "--seeds=1", "--dcgan_steps=6", "--gan_steps=6")


@pytest.fixture(scope="module")
def paced():
    """A pace made up, since the time of a step is all that differs between two studies."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interleaved, "measure_pace", lambda *_: {"gan": 0.6, "dcgan": 1.0})
        yield


@pytest.fixture(scope="module")
def whole(paced, tmp_path_factory):
    """A study that nothing stopped, in which scores take long."""
    folder, measure = tmp_path_factory.mktemp("whole") / "study", scoring.make_row

    def slow(*args):
        time.sleep(SLOW)
        return measure(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "make_row", slow)
        assert helpers.run(command, WORDS, folder) == 0
    return folder


@pytest.mark.slow
def test_a_study_ends_in_a_page_and_its_runs_are_ordinary(whole):
    results, states = helpers.outcome(whole, "train_s")
    assert set(states) == {f"{job}_0/DONE" for job in ("lengths_gan", "lengths_dcgan", "time_gan")}
    assert results["tables"]["time"]["gan"][0]["steps"] == 10
    assert results["tables"]["time"]["dcgan"] == results["tables"]["lengths"]["dcgan"]
    helpers.assert_files(whole, "gan_vs_dcgan.png", "pace.json")
    page = (whole / "report.html").read_text()
    assert page.count("data:image/png") == 3
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert run_folder.load_config(whole / "time_gan_0")[0].run.steps == 10
    steps, seconds, _ = run_outputs.read_logged(whole / "lengths_gan_0", "eval/frechet")
    assert steps.tolist() == [2, 4, 6] and (np.diff(seconds) >= 0).all()


@pytest.mark.slow
def test_scores_while_training_are_no_training_time(whole):
    for job in ("lengths_gan", "lengths_dcgan", "time_gan"):
        wall = log.read(whole / f"{job}_0" / "metrics.jsonl")[-1]["wall"]
        assert wall["evaluate_s"] > 3 * SLOW > wall["train_s"] > 0, job


@pytest.mark.slow
def test_nothing_finished_is_repeated_and_other_settings_are_refused(whole, monkeypatch, capsys):
    before = (whole / "results.json").read_text()
    monkeypatch.setattr(sampling, "build_sampler", lambda *_: pytest.fail("scored again"))
    assert helpers.run(command, WORDS, whole) == 0
    assert (whole / "results.json").read_text() == before
    changes = {"--n_images=210": "--n_images=200, now 210", "--lr=1e-3": "--lr=0.0002, now 0.001"}
    helpers.assert_other_settings_refused(command, WORDS, whole, changes, capsys)


@pytest.mark.slow
def test_a_stopped_study_ends_as_if_it_never_stopped(whole, tmp_path, capsys):
    """Stopped by a signal while it trains, then killed while it scores."""
    folder, score = tmp_path / "study", run_outputs.score_run

    def killed(run, *args):
        if "dcgan" in run.name:
            raise KeyboardInterrupt
        return score(run, *args)

    within = lambda loop, until: "dcgan" in loop.name and until > 2
    helpers.stop_by_signal(command, WORDS, folder, within)
    assert "stopped by SIGTERM" in capsys.readouterr().err and not list(folder.rglob("DONE"))
    helpers.interrupt(command, WORDS, folder, run_outputs, "score_run", killed)
    assert "resumed at step" in capsys.readouterr().out
    assert helpers.run(command, WORDS, folder) == 0
    assert helpers.outcome(folder, "train_s") == helpers.outcome(whole, "train_s")


@pytest.mark.slow
def test_a_study_in_which_everything_diverges_says_so(paced, tmp_path, capsys):
    assert helpers.run(command, [*WORDS, "--lr=1e12"], tmp_path / "study") == 0
    out, error = capsys.readouterr()
    assert "GAN (0 of 1 seeds, the others diverged)" in out and "lengths_gan_0: Player" in error
    helpers.assert_files(tmp_path / "study")
