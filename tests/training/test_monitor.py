"""The watch: what it measures, when it warns, that a run made to collapse is told from those that
learn, and how one ends.
"""

import dataclasses

import jax
import numpy as np
import pytest
from scipy.spatial import distance

from gan_jax import config as configs
from gan_jax.commands import process
from gan_jax.core.initialize import init
from gan_jax.core.method import make_context
from gan_jax.data import datasets
from gan_jax.errors import Collapsed, InputError
from gan_jax.methods import colorize, gan
from gan_jax.report import training_curves
from gan_jax.rundir import health
from gan_jax.settings import RunSettings
from gan_jax.training import monitor, training_loop
from tests import methods_small, tiers, tiny_runs
from tests.tiers import slowly
from tests.tiny_runs import records, stop_at

CONFIG = {"hp": {"ema": 0.0}, "dataset": {"counts": [10, 10]}}
RUN = RunSettings(
    data="toys:gaussians8",
    batch=64,
    steps=1000,
    log_every=50,
    sample_every=0,
    save_every=0,
    devices=1,
    steps_per_dispatch=50,
)
HP = gan.Settings(net="mlp", width=32, depth=2, z_dim=4, ema=0.9, init="he", lr=1e-3)
COLLAPSING = {
    "lr": 1e-2,
    "lr_disc": 1e-6,
}  # D stands still, so G puts everything where D's answer is highest


def judged(values, name="watch/diversity", config=CONFIG):
    """Warnings at each of several records that hold one value."""
    state = health.Health(config)
    return [state.add({"step": 10 * i, name: value}) for i, value in enumerate(values, 1)]


@pytest.mark.parametrize("size, channels", [(1, 2), (8, 3), (64, 1)])
def test_spread_is_the_mean_rms_difference_of_pairs(size, channels):
    x = np.random.default_rng(0).integers(0, 256, (7, size, size, channels), np.uint8)
    rms = distance.pdist(x.reshape(7, -1).astype(float)) / np.sqrt(size * size * channels)
    np.testing.assert_allclose(monitor.diversity(x), rms.mean(), rtol=1e-12)


def test_spread_of_known_sets():
    flat = np.full((2, 8, 8, 3), 10, np.uint8)
    assert monitor.diversity(flat) == 0
    flat[1] = 17
    assert monitor.diversity(flat) == 7
    assert monitor.diversity(flat[:1]) == 0
    large = np.zeros((2, 200, 200, 1), np.uint8)  # every fourth row and column
    large[1, ::4, ::4] = 5
    assert monitor.diversity(large) == 5


def test_low_values_warn_after_the_beginning_and_enough_of_them():
    low, fine = "watch/diversity low", 0.9
    beginning = [fine] * health.WARMUP_RECORDS
    assert judged([0.1] * (health.WARMUP_RECORDS + 4))[-1] == []
    assert judged([0.1] * (health.WARMUP_RECORDS + 5))[-1] == [low]
    assert judged([*beginning, fine, *[0.4] * 4])[-1] == []
    assert judged([*beginning, fine, *[0.4] * 5])[-1] == [low]  # half of its best is 0.45
    assert judged([*beginning, 0.7, *[0.4] * 50])[-1] == []
    assert (
        judged([*[3.0] * health.WARMUP_RECORDS, 0.7, *[0.4] * 50])[-1] == []
    )  # noise, before it learned, is no best
    assert judged([*beginning, fine, *[0.4, 0.4, 0.5, 0.4] * 5])[-1] == []


def test_values_far_above_the_data_warn_too():
    """Noise of galaxies: 2.3 to 4 times as unlike as galaxies are. Contrasts pass on their own."""
    high = "watch/diversity high"
    beginning = [1.2] * health.WARMUP_RECORDS
    assert judged([*beginning, *[2.3] * 5])[-1] == [high]
    assert judged([*beginning, *[1.9] * 50])[-1] == []
    assert judged([2.6] * (health.WARMUP_RECORDS + 4))[-1] == [], "the beginning is not judged"
    falling = [2.6 * 0.9**i for i in range(12)]  # below 2 from the third on
    assert not any(judged([2.6] * health.WARMUP_RECORDS + falling))
    assert "noise" in health.meaning(high) and high not in health.COLLAPSE_WARNINGS


@pytest.mark.parametrize("sd", [40, 80])
def test_noise_lies_outside_the_band_of_galaxies(sd):
    """What noise measures on galaxies is not what the page shades, from the first record on."""
    real = datasets.load("galaxies:64", datasets.DataOptions(16)).images
    noise = np.random.default_rng(0).normal(128, sd, real.shape).clip(0, 255).astype(np.uint8)
    value = monitor.diversity(noise) / monitor.diversity(real)
    run = health.Health(CONFIG)
    run.add({"step": 1, "watch/diversity": value})
    assert value > run.bounds("watch/diversity")[1]
    run.add({"step": 2, "watch/diversity": 1.0})
    assert run.bounds("watch/diversity")[0] < 1 < run.bounds("watch/diversity")[1]


def test_a_warning_ends_when_all_is_well_for_long_enough():
    values = [*[0.9] * 11, *[0.1] * 5, *[0.9] * 4, 0.1, *[0.9] * 5]
    found = judged(values)
    holds = ["watch/diversity low" in warnings for warnings in found]
    assert holds == [*[False] * 15, *[True] * 10, False]
    records = [{"step": i, "warnings": w} if w else {"step": i} for i, w in enumerate(found)]
    assert health.episodes(records) == [("watch/diversity low", 15, 25)]
    assert health.episodes(records[:20]) == [("watch/diversity low", 15, None)]


def test_what_is_on_its_way_back_is_no_warning():
    slow = [0.01] * 10 + list(
        0.01 * 1.2 ** np.arange(20)
    )  # as the averaged generator begins; 0.32 at last
    assert not any(judged(slow))
    assert judged(slow[:20] + [slow[19]] * 6)[-1] == []
    assert judged(slow[:20] + [slow[19]] * 10)[-1] == ["watch/diversity low"]


def test_the_beginning_lasts_as_long_as_the_average_remembers():
    config = {**CONFIG, "hp": {"ema": 0.99}}  # 300 steps, the records being 10 steps apart
    first = [bool(w) for w in judged([0.1] * 40, config=config)].index(True)
    assert first + 1 == 29 + 5


def test_gradients_and_penalties_are_compared_with_their_own_past():
    for scale in (1e-6, 1.0, 1e6):
        usual = [scale] * 15
        assert judged([*usual, *[29 * scale] * 5], "gen/grad_norm")[-1] == []
        assert judged([*usual, *[31 * scale] * 5], "gen/grad_norm")[-1] == ["gen/grad_norm high"]
        assert judged([*usual, *[1e-4 * scale] * 5], "gen/grad_norm")[-1] == ["gen/grad_norm low"]
        assert judged([*usual, *[31 * scale] * 5], "disc/penalty")[-1] == ["disc/penalty high"]
        assert judged([*usual, *[0.0] * 5], "disc/penalty")[-1] == []
    assert not any(judged([0.0] * 30, "disc/penalty"))  # a run without one


def test_an_augmentation_at_its_bound_is_warned():
    warned = judged([0.5] * 20 + [1.0] * 5, "watch/augment")
    assert warned[-1] == ["watch/augment high"] and not any(warned[:-1])
    assert not any(judged([0.9] * 40, "watch/augment"))


def test_one_class_counts_unless_the_data_are_of_one_class():
    name = "watch/largest_class"
    assert judged([0.95] * 12, name)[-2:] == [[], [f"{name} high"]]
    assert not any(judged([0.95] * 20, name, {**CONFIG, "dataset": {"counts": [70, 30]}}))
    state = health.Health(CONFIG)
    for i in range(1, 40):  # scored at every third record: in between it stays what it was
        warnings = state.add({"step": i, **({name: 0.95} if i % 3 == 0 else {})})
    assert warnings == [f"{name} high"] and state.began == {f"{name} high": 15}
    assert "0.95, above 0.9: nearly all" in state.text(warnings[0])


def test_names_of_other_values_are_not_judged():
    """MGAN logs a loss term by the name of diversity."""
    assert not any(judged([0.0] * 30, "gen/diversity"))


@pytest.mark.long
@pytest.mark.parametrize(
    "case", tiers.cases(methods_small.CASES, ("gan", "acgan", "mgan", "morpho"))
)
def test_every_method_logs_what_is_judged(case):
    method = methods_small.build(case)
    (disc,) = [player for player in method.players if player.name == "disc"]
    batch = methods_small.batch(1, 4, colors=methods_small.shape(case).colors)
    batch = {name: leaf[0] for name, leaf in batch.items()}
    key = jax.random.key(0)
    _, (_, logged) = jax.eval_shape(
        lambda: disc.loss(make_context(method), init(method, key).vars(), batch, key)
    )
    assert {"real_prob", "fake_prob", "penalty"} <= set(logged)


@pytest.mark.parametrize("made, expected", [("gray", 0.0), ("given", 1.0)])
def test_of_colorization_the_colours_are_compared(made, expected):
    images = np.random.default_rng(0).integers(0, 256, (80, 16, 16, 3), np.uint8)
    source = datasets.Dataset(images, None, (), "test", "0")
    hp = dataclasses.replace(colorize.Settings(), width=4)
    prepared = tiny_runs.prepare(source, hp, RUN, "colorize", "colorize", data="test", size=16)

    def sampler(vs, key, n, given):
        gray = np.asarray(colorize.to_gray(given.astype(np.float32))).round().astype(np.uint8)
        return given if made == "given" else np.broadcast_to(gray, given.shape)

    watching = monitor.Monitor(prepared, sampler, images, [], print)
    found = watching.measure(
        None, {"step": 1, "disc/real_prob": 0.75, "disc/fake_prob": 0.25}, [0.6, 0.395, 0.005]
    )
    assert found["watch/diversity"] == pytest.approx(expected, abs=0.01)
    assert (found["watch/gap"], found["watch/modes"], found["watch/largest_class"]) == (0.5, 2, 0.6)


@pytest.fixture(scope="module")
def toy():
    return datasets.load(RUN.data, datasets.DataOptions(8))


def run(workdir, source, hp=None, **changes):
    hp = dataclasses.replace(HP, **(hp or {}))
    prepared = tiny_runs.prepare(source, hp, RUN, "gan", **changes)
    configs.validate_settings(prepared.config.run, hp, 1)
    return tiny_runs.train(workdir, prepared)


WGAN_GP = {
    "loss": "wasserstein",
    "penalty": "wgan_gp",
    "lambda_p": 0.1,
    "n_disc": 5,
    "beta1": 0.0,
    "beta2": 0.9,
}


@pytest.mark.long
@pytest.mark.parametrize("hp", [{}, slowly(WGAN_GP)])
def test_runs_that_learn_are_not_warned(toy, tmp_path, capfd, hp):
    run(tmp_path, toy, hp)
    found = records(tmp_path)
    assert not any("warnings" in r for r in found) and "WARNING" not in capfd.readouterr().out
    assert 0.8 < found[-1]["watch/diversity"] < 1.2
    assert ("watch/gap" in found[-1]) == (hp.get("loss") != "wasserstein")
    assert "<h2>Warnings</h2>" not in (tmp_path / "report.html").read_text()


@pytest.fixture(scope="module")
def collapsed(toy, tmp_path_factory):
    """(folder, digest) of a run made to collapse, trained to its end."""
    folder = tmp_path_factory.mktemp("collapsed")
    return folder, run(folder, toy, COLLAPSING)


@pytest.mark.long
def test_a_run_made_to_collapse_is_warned(collapsed):
    found = records(collapsed[0])
    assert found[-1]["watch/diversity"] < 0.01
    assert ["watch/diversity low" in r.get("warnings", []) for r in found] == [
        *[False] * 14,
        *[True] * 6,
    ]
    page = (collapsed[0] / "report.html").read_text()
    assert page.index("<h2>Warnings</h2>") < page.index("<h2>Samples</h2>")
    assert (
        "since step 750</td><td>watch/diversity low</td><td>generated images are much more alike"
        in page
    )
    assert "Shaded: no warning, 0.35 to 1.4." in page


@pytest.mark.long
def test_stop_on_collapse_saves_says_why_and_stays_stopped(toy, tmp_path, capfd, collapsed):
    pytest.importorskip("tensorboardX")
    words = (
        "collapsed at step 750: watch/diversity is .* Stopped at step 750 of 1000; saved. "
        ".*--nostop_on_collapse"
    )
    for start in ("started at step 0", "resumed at step 750"):
        with pytest.raises(Collapsed, match=words):
            run(tmp_path, toy, COLLAPSING, stop_on_collapse=True)
        assert f"{start} of 1000" in capfd.readouterr().out
        assert len(records(tmp_path)) == 15 and not (tmp_path / "DONE").exists()
        assert "since step 750" in (tmp_path / "report.html").read_text()
    assert run(tmp_path, toy, COLLAPSING, stop_on_collapse=False, tensorboard=True) == collapsed[1]
    assert records(tmp_path) == records(collapsed[0])
    assert "WARNING" not in capfd.readouterr().out  # it was said when it began
    events = b"".join(path.read_bytes() for path in (tmp_path / "tensorboard").iterdir())
    assert b"watch/diversity" in events and b"warnings" not in events


@pytest.mark.long
@pytest.mark.parametrize("at", [slowly(600), 800])
def test_a_resumed_run_says_the_same(toy, tmp_path, monkeypatch, collapsed, at):
    stop_at(monkeypatch, at)
    with pytest.raises(training_loop.Stopped):
        run(tmp_path, toy, COLLAPSING)
    monkeypatch.undo()
    assert run(tmp_path, toy, COLLAPSING) == collapsed[1]
    assert records(tmp_path) == records(collapsed[0])


@pytest.mark.long
def test_the_watch_changes_nothing_but_the_records(toy, tmp_path, collapsed):
    assert run(tmp_path, toy, COLLAPSING, watch=False) == collapsed[1]
    theirs = [
        {k: v for k, v in r.items() if not k.startswith("watch/") and k != "warnings"}
        for r in records(collapsed[0])
    ]
    assert records(tmp_path) == theirs
    with pytest.raises(InputError, match="--stop_on_collapse needs the watch"):
        run(tmp_path / "refused", toy, watch=False, stop_on_collapse=True)


def test_a_collapsed_command_exits_with_3(capsys):
    def body(argv):
        raise Collapsed("collapsed at step 750")

    assert process.guarded(body, []) == 3
    assert capsys.readouterr().err == "collapsed at step 750\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "hp, expected",
    [({}, set()), ({"lr": 3e-3, "lr_disc": 1e-5}, {"watch/diversity low", "watch/gap low"})],
)
def test_galaxies(tmp_path, hp, expected):
    """DCGAN at its quick settings learns; with a D that hardly moves it makes one noise image."""
    source = datasets.load("galaxies:2000", datasets.DataOptions(32))
    changes = {
        "data": "galaxies:2000",
        "size": 32,
        "batch": 32,
        "steps": 600,
        "log_every": 20,
        "steps_per_dispatch": 1,
    }
    own = {"net": "dcgan", "width": 16, "z_dim": 100, "init": "normal", "ema": 0.98}
    run(tmp_path, source, {**own, **hp}, **changes)
    assert {w for r in records(tmp_path) for w in r.get("warnings", [])} == expected


@pytest.mark.long
def test_bands_of_the_report():
    assert training_curves.describe_range((0.35, np.inf)) == " Shaded: no warning, 0.35 or more."
    assert (
        training_curves.describe_range((-np.inf, 3.0))
        == training_curves.describe_range((0.0, 3.0))
        == " Shaded: no warning, up to 3."
    )
    assert (
        training_curves.describe_range((-0.1, 0.9)) == " Shaded: no warning, -0.1 to 0.9."
        and training_curves.describe_range(None) == ""
    )
    rows = [{"step": i, "a/b": 0.5} for i in range(5)]
    plain, banded = (
        training_curves.curve(rows, ["a/b"]),
        training_curves.curve(rows, ["a/b"], bounds=(0.7, np.inf)),
    )
    assert plain != banded == training_curves.curve(rows, ["a/b"], bounds=(0.7, np.inf))


def test_bounds_follow_the_median_and_the_best_so_far():
    """Those that numpy finds in all values, at every record."""
    rng = np.random.default_rng(0)
    config = {"dataset": {}, "hp": {"ema": 0.9}, "run": {"batch": 4}}
    judge, values = health.Health(config), []
    for i, value in enumerate(rng.lognormal(size=60)):
        values.append(float(value))
        judge.add({"step": i + 1, "disc/grad_norm": value, "watch/diversity": value / 9})
        wide = health.RANGES["grad_norm"]
        assert judge.bounds("disc/grad_norm") == tuple(
            bound * float(np.median(values)) for bound in (wide.low, wide.high)
        )
    after_warmup = [value / 9 for i, value in enumerate(values) if i >= 29]
    best = min(max([*after_warmup, 0.7]), 1.0)
    assert judge.bounds("watch/diversity") == (0.5 * best, 2.0 * best)
