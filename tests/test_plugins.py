"""Plug-ins: the listings of docs/write-your-own.md, names that are typed or foreign, tables."""

import dataclasses
import json
import linecache
import pathlib
import re
import sys
import types

import numpy as np
import pytest

import gan_jax as gj
from gan_jax import config, images, methods, metrics, plugins, settings
from gan_jax.commands import (
    command_line,
    compare,
    evaluate,
    inspect,
    presets,
    process,
    sample,
    train,
)
from gan_jax.core import losses, penalties
from gan_jax.core.losses import AdversarialLoss
from gan_jax.data import datasets
from gan_jax.data.datasets import DataOptions
from gan_jax.errors import InputError
from gan_jax.methods import base, gan
from gan_jax.metrics import evaluate as evaluation
from gan_jax.metrics import features, scoring
from gan_jax.report import point_plots
from gan_jax.rundir import config_file, run_folder
from gan_jax.studies.ablate import plan
from gan_jax.studies.ablate.flags import read_sweep
from tests import tiny_runs
from tests.plugin_listings import DATA, FEATURES, LISTINGS, METHOD, METRIC, PAGE, write_listings

EVIL = """
import pathlib
pathlib.Path(__file__).with_name("marker").touch()
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder with all listings, which this process can import; no name is trusted before."""
    before = set(sys.modules)
    monkeypatch.setattr(plugins, "_accepted", set())
    monkeypatch.setattr(plugins, "_objects", {})
    monkeypatch.syspath_prepend(write_listings(tmp_path / "own"))
    with plugins.trusting([]):
        yield tmp_path / "own"
    for name in set(sys.modules) - before:
        if name.startswith(("my_", "evil")):
            del sys.modules[name]


def refusal(capsys, run, *argv):
    """The one line with which a command refuses."""
    capsys.readouterr()
    assert process.guarded(run, list(argv), needs_jax=False) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    return error


# The page.


def test_the_page_has_a_listing_of_each_kind():
    names = ("gan", "losses", "penalties", "nets", "metrics", "features", "data")
    assert [f"my_{name}.py" for name in names] == list(LISTINGS)
    for group in plugins.GROUPS.values():
        assert f"`{group}`" in PAGE.read_text()


def test_losses(own):
    name = "python:my_losses:PEARSON"
    plugins.trust([f"--loss={name}"])
    loss = losses.ADVERSARIAL[name]
    assert [float(f(3.0)) for f in loss] == [2.0, 8.0, 4.5]
    settings.check(gan.Settings(loss=name))


def test_penalties(own):
    name = "python:my_penalties:r2"
    plugins.trust([name])
    hp = gan.Settings(penalty=name, width=2, z_dim=3)
    settings.check(hp)
    method = gan.build(hp, base.DataSpec(8, 1), 5)
    ctx = types.SimpleNamespace(hp=method.hp, axis=None)
    fake = np.ones((2, 8, 8, 1), np.float32)
    slope = penalties.penalty(ctx, lambda x: 3 * x.sum((1, 2, 3)), fake, fake, None)
    assert float(slope) == pytest.approx(0.5 * 9 * 64)


@pytest.mark.parametrize("spec", [base.DataSpec(12, 3), base.DataSpec(1, 2)])
def test_nets(own, spec):
    name = "python:my_nets:Shallow"
    plugins.trust([name])
    hp = gan.Settings(net=name, width=5, z_dim=3, pixels="linear" if spec.size == 1 else "tanh")
    settings.check(hp)
    gan.check(hp, spec)
    nets = gan.build(hp, spec, 5).nets
    assert nets["gen"].width == nets["disc"].width == 5
    assert type(nets["gen"]).__module__ == "my_nets"


def test_data(own):
    plugins.trust([DATA])
    data = datasets.load(f"{DATA}:40", DataOptions(16))
    assert data.images.shape == (40, 16, 16, 1) and data.classes == ("vertical", "horizontal")
    assert (
        data.labels.dtype == np.int32 and len(datasets.load(DATA, DataOptions(32)).images) == 1000
    )
    part = datasets.load(f"shard:1/4/0:{DATA}:40", DataOptions(16))
    assert len(part.images) == 10 and datasets.plugin_of(part.name) == DATA
    assert datasets.absolute_spec(part.name) == part.name
    assert datasets.load_heldout(data, DataOptions(16)).digest != data.digest
    with pytest.raises(InputError, match=r"--data=python:my_data:load fails .*ValueError.*--debug"):
        datasets.load(f"{DATA}:many", DataOptions(16))


POINTS = """
import numpy as np

def load(arg, options, split):
    points = np.random.default_rng(0).uniform(-1, 1, (500, 1, 1, 3)).astype(np.float32)
    return points * float(arg or 1), None, ()

def wrong(arg, options, split):
    return {
        "pair": (np.zeros(3), None),
        "text": "no",
        "size": (np.zeros((9, 4, 5), np.uint8), None, ()),
        "bool": (np.zeros((9, 4, 4), bool), None, ()),
        "none": None,
    }[arg]
"""


def test_data_of_points(own):
    (own / "my_points.py").write_text(POINTS)
    spec = "python:my_points:load"
    plugins.trust([spec])
    data = datasets.load(spec, DataOptions(64))
    assert data.points and data.images.shape == (500, 1, 1, 3)
    assert point_plots.draw_density(data.images, data.images, spec).max() > 100
    run = dataclasses.replace(tiny_runs.RUN, data=spec)
    config.validate_data(run, data)
    with pytest.raises(InputError, match="--eval_every=0"):
        config.validate_data(dataclasses.replace(run, eval_every=4), data)
    with pytest.raises(InputError, match=r"outside of \[-1, 1\]"):
        datasets.load(f"{spec}:2", DataOptions(64))


@pytest.mark.parametrize(
    ("arg", "words"),
    [
        ("pair", "gives tuple; it must give a tuple of images, labels or None, and class names"),
        ("text", "gives str; it must give"),
        ("size", "images must be square"),
        ("bool", "images must be integers or floats"),
        ("none", "has no training images"),
    ],
)
def test_what_a_data_source_must_give(own, arg, words):
    (own / "my_points.py").write_text(POINTS)
    plugins.trust(["python:my_points:wrong"])
    with pytest.raises(InputError, match=words):
        datasets.load(f"python:my_points:wrong:{arg}", DataOptions(64))


def test_metrics_and_feature_spaces(own):
    plugins.trust([f"--scores=frechet,{METRIC}", FEATURES])
    real = tiny_runs.dataset(400)
    extractor = features.load(real, None, FEATURES)
    assert extractor.name.startswith("python-my_features-quarters-")
    evaluator = scoring.make_evaluator(extractor, real, f"{METRIC},frechet", strict=True)
    assert list(evaluator.metrics) == ["frechet", METRIC]
    black = lambda seed, n: np.zeros((n, *real.images.shape[1:]), np.uint8)
    record = evaluation.evaluate(evaluator, real, None, {"model": black}, 100, 1, 0)
    row = record["rows"]["model"]
    assert row["edge_gap"] > 50 > record["rows"]["real"]["edge_gap"] and row["edge_gap_se"] > 0
    assert scoring.summarize_row(row, evaluator)["edge_gap"] == row["edge_gap"]
    assert record["scores"]["edge_gap"]["better"] == "low"
    assert set(record["protocol"]["plugins"]) == {METRIC}


@pytest.mark.parametrize(
    "limits", [{"least": float("-inf")}, {"most": "many"}, {"least": "classes"}]
)
def test_limits_of_a_score_are_numbers(own, limits):
    """JSON has no infinity: a record could not be written."""
    (own / "my_limits.py").write_text(
        "from gan_jax.metrics.metric import Metric, Score\n"
        "inf = float('inf')\n"
        f"SCORE = Score('own', 'low', 'What it says.', **{limits!r})\n"
        "METRIC = Metric({'own': SCORE}, ('images',), lambda real, fake: {'own': 1.0})\n"
    )
    name = "python:my_limits:METRIC"
    plugins.trust([name])
    with pytest.raises(InputError, match="make it a finite number, or None for no limit"):
        metrics.parse_names(name)


def test_the_best_checkpoint_by_a_plugin(own):
    plugins.trust([METRIC])
    run = dataclasses.replace(tiny_runs.RUN, eval_every=4, keep_best="edge_gap")
    with pytest.raises(InputError, match="--keep_best=edge_gap is no score to go by"):
        config.validate_settings(run, tiny_runs.HP, 1)
    run = dataclasses.replace(run, eval_scores=f"frechet,{METRIC}")
    config.validate_settings(run, tiny_runs.HP, 1)
    assert metrics.ranking_key(run.keep_best, run.eval_scores) == "edge_gap"
    assert config.plugin_names(config.Config("gan", "gan", run, tiny_runs.HP)) == [METRIC]


# Names that nobody typed.


def foreign_run(folder, name="python:evil:LOSS", seed=0):
    """Write a run folder whose loss is a plug-in's; nothing of it was trained."""
    prepared = tiny_runs.prepare(tiny_runs.dataset(), seed=seed)
    raw = prepared.to_dict()
    raw["hp"]["loss"] = name
    (folder / "samples").mkdir(parents=True)
    config_file.write(folder, raw)
    wall = {"time": 1.0, "train_s": 1.0, "steps_per_s": 1.0, "images_per_s": 1.0}
    lines = [{"step": step, "disc/loss": 1.0, "wall": wall} for step in (4, 8, 12)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "flags.txt").write_text(f"--loss={name}\n")
    images.save_png(folder / "samples" / "000012.png", np.zeros((16, 16, 1), np.uint8))
    return folder


@pytest.fixture
def evil(own):
    """A path that exists once the module `evil` was imported."""
    (own / "evil.py").write_text(EVIL)
    return own / "marker"


def test_a_foreign_run_is_refused_and_not_imported(evil, tmp_path, capsys):
    folder = foreign_run(tmp_path / "run")
    for run in (evaluate.run, sample.run, inspect.run):
        error = refusal(capsys, run, str(folder))
        assert "python:evil:LOSS" in error and "--trust" in error
    with pytest.raises(InputError, match="--trust"):
        run_folder.load(folder)
    train_it = lambda argv: train.run("dcgan", argv)
    flagfile = f"--flagfile={folder / 'flags.txt'}"
    error = refusal(capsys, train_it, flagfile, f"--workdir={tmp_path / 'new'}")
    assert "--loss=python:evil:LOSS is Python code" in error
    # --trust of a flagfile does not count.
    (tmp_path / "trust.flags").write_text("--trust\n")
    error = refusal(capsys, train_it, f"--flagfile={tmp_path / 'trust.flags'}")
    assert "--trust counts only where you type it" in error
    with pytest.raises(InputError, match="trust=True"):
        gj.train("dcgan", flagfile=str(folder / "flags.txt"), workdir=tmp_path / "new")
    assert not evil.exists()


def test_train_takes_what_a_flagfile_names_with_trust(own, tmp_path):
    flagfile = tmp_path / "own.flags"
    flagfile.write_text("--loss=python:my_losses:PEARSON\n")
    images = np.zeros((20, 8, 8, 1), np.uint8)
    sizes = {"size": 8, "width": 2, "z_dim": 3, "batch": 4, "steps": 2, "devices": 1}
    with pytest.raises(InputError, match="trust=True"):
        gj.train("dcgan", images, flagfile=str(flagfile), workdir=tmp_path / "x", **sizes)
    run = gj.train(
        "dcgan", images, flagfile=str(flagfile), workdir=tmp_path / "x", trust=True, **sizes
    )
    assert run.loaded.method.hp.loss == "python:my_losses:PEARSON"


def test_a_foreign_run_is_compared_and_reported_without_its_code(evil, tmp_path, capsys):
    folders = [foreign_run(tmp_path / name, f"python:evil:{name}") for name in ("A", "B")]
    words = [*map(str, folders), f"--out={tmp_path / 'out'}"]
    assert process.guarded(compare.run, words, needs_jax=False) == 0, capsys.readouterr().err
    assert "loss=python:evil" in (tmp_path / "out" / "compare.html").read_text()
    assert not evil.exists()


def test_trust_and_typing_import(evil, tmp_path, capsys):
    folder = foreign_run(tmp_path / "run")
    assert "evil" not in refusal(capsys, sample.run, str(folder), "--trust")  # it has no checkpoint
    error = refusal(capsys, lambda argv: train.run("dcgan", argv), "--loss=python:evil:LOSS")
    assert "--loss=python:evil:LOSS does not exist: evil has no LOSS" in error and evil.exists()


def test_what_is_typed_is_imported_or_refused_before_anything_compiles(own, capsys):
    train_it = lambda argv: train.run("dcgan", argv)
    for value, words in {
        "python:my_missing:LOSS": "No module named 'my_missing'",
        "python:my_losses:OTHER": "my_losses has no OTHER",
        "python:my_penalties:r2": "is no loss; make it a",
        "python:my_losses:": "is no name of Python code",
        "python:..": "is no name of Python code",
    }.items():
        error = refusal(capsys, train_it, f"--loss={value}")
        assert error.startswith("--loss=python:") and words in error, error
    for flag, words in {
        "--net=python:my_losses:PEARSON": "is no net family",
        "--penalty=python:my_losses:PEARSON": "is no penalty",
        "--data=python:my_losses:PEARSON": "is no function",
        "--eval_scores=python:my_losses:PEARSON": "is no metric",
        "--data=python:my_data": "is no function",
    }.items():
        error = refusal(capsys, train_it, flag, "--workdir=runs/none")
        assert words in error, error


def test_what_a_method_must_have(own, capsys):
    listing = LISTINGS["my_gan.py"]
    variants = {
        "x = 3": "is no method; it must have Settings",
        listing.replace("@dataclasses.dataclass(frozen=True)\n", ""): "put @dataclasses.dataclass",
        re.sub(r"setting\(0.0.*\)", "0.0", listing): "its setting margin has no help text",
        listing.replace("margin:", "steps:"): "its setting steps has the name of a flag",
    }
    for i, (text, words) in enumerate(variants.items()):
        (own / f"my_variant_{i}.py").write_text(text)
        plugins.trust([f"python:my_variant_{i}"])
        error = refusal(capsys, lambda argv: train.run(argv[0], []), f"python:my_variant_{i}")
        assert words in error, error


# Names.


def test_names_within_values():
    assert plugins.names_in("shard:1/2/0:python:a.b:load:python.csv") == ["python:a.b:load"]
    assert plugins.names_in({"x": ["frechet,python:m:A,python:m:B"]}) == [
        "python:m:A",
        "python:m:B",
    ]
    assert plugins.names_in(["--vary=loss=ns,python:m:A+net=python:n", 3, None]) == [
        "python:m:A",
        "python:n",
    ]
    assert plugins.names_in("folder:/data/python:3.11") == []


def test_names_of_objects(own, monkeypatch):
    plugins.trust([METHOD])
    import my_gan
    import my_losses
    import my_nets

    assert plugins.name_of(my_gan) == METHOD
    assert plugins.name_of(my_losses.PEARSON) == "python:my_losses:PEARSON"
    assert plugins.name_of(my_nets.Shallow) == "python:my_nets:Shallow"
    assert plugins.name_of(losses.ADVERSARIAL["hinge"]) == "hinge"
    assert plugins.name_of(gan) == "gan" and plugins.name_of(METRIC) == METRIC
    my_losses.short = lambda d: d
    assert plugins.name_of(my_losses.short) == "python:my_losses:short"
    notebook = AdversarialLoss(abs, abs, abs)
    monkeypatch.setattr(sys.modules["__main__"], "my_loss", notebook, raising=False)
    assert plugins.name_of(notebook) == "python:__main__:my_loss"
    assert losses.ADVERSARIAL["python:__main__:my_loss"] is notebook
    plugins._objects.clear()
    plugins.trust([plugins.ANY])
    with pytest.raises(InputError, match="defined in a notebook or a script"):
        _ = losses.ADVERSARIAL["python:__main__:my_loss"]
    with pytest.raises(InputError, match="has no name"):
        plugins.name_of(AdversarialLoss(abs, abs, max))


def test_trust_ends_with_its_block_but_not_for_what_was_used(own):
    with plugins.trusting([plugins.ANY]):
        _ = losses.ADVERSARIAL["python:my_losses:PEARSON"]
    _ = losses.ADVERSARIAL["python:my_losses:PEARSON"]
    with pytest.raises(InputError, match="--trust"):
        _ = penalties.PENALTIES["python:my_penalties:r2"]


def test_tables_show_built_in_parts_alone(own):
    plugins.trust([METHOD])
    _ = methods.TABLE[METHOD]
    assert METHOD in methods.TABLE and METHOD not in list(methods.TABLE)
    assert "no_such" not in methods.TABLE and methods.TABLE.get("no_such") is None
    with pytest.raises(KeyError):
        _ = methods.TABLE["no_such"]


@pytest.mark.parametrize("name", ["Mine", "LOSS", "f"])
def test_what_a_notebook_defines_is_recorded_by_its_source(name, monkeypatch):
    """Also a class or an object, of which inspect finds none."""
    main = sys.modules["__main__"]

    def describe(value):
        cell = (
            f"from gan_jax.core.losses import AdversarialLoss\nVALUE = {value}\n"
            "class Mine:\n    @staticmethod\n    def build(): pass\n"
            f"LOSS = AdversarialLoss(*[lambda d: {value} * d] * 3)\ndef f(): return {value}\n"
        )
        file = f"/cells/{value}.py"
        lines = (len(cell), None, cell.splitlines(keepends=True), file)
        monkeypatch.setitem(linecache.cache, file, lines)
        defined = {"__name__": "__main__"}
        exec(compile(cell, file, "exec"), defined)
        monkeypatch.setattr(main, name, defined[name], raising=False)
        return plugins.describe(plugins.name_of(defined[name]))

    first = describe(1)
    assert len(first["sha256"]) == 64 and describe(1) == first
    assert describe(2)["sha256"] != first["sha256"]


def test_descriptions_and_changes(own):
    before = {METHOD: plugins.describe(METHOD), "python:my_gone": {"sha256": "0" * 64}}
    assert set(before[METHOD]) == {"sha256"} and plugins.changes(before) == []
    (own / "my_gan.py").write_text("")
    (change,) = plugins.changes(before)
    assert change.startswith(f"{METHOD} (sha256 {before[METHOD]['sha256'][:8]}, now ")
    package = own / "my_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "part.py").write_text("")
    whole = plugins.describe("python:my_package:f")
    (package / "part.py").write_text("x = 1")
    assert plugins.describe("python:my_package:f") != whole


def test_entry_points(own):
    info = own / "own_gans-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-gans\nVersion: 1.2\n")
    (info / "top_level.txt").write_text("my_gan\nmy_losses\n")
    listed = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.S)[0]
    text = listed.replace("project.entry-points.", "").replace('"', "")
    (info / "entry_points.txt").write_text(text)
    sys.path.append("a folder that is new to the list of entry points")
    try:
        check_entry_points()
    finally:
        sys.path.pop()


def check_entry_points():
    assert plugins.entry_names("methods") == ["relativistic"]
    method = methods.TABLE["relativistic"]
    assert method.Settings().margin == 0 and method.check is base.check
    settings.check(gan.Settings(loss="pearson"))
    assert losses.ADVERSARIAL["pearson"].gen(2.0) == 2.0 and presets.is_training("relativistic")
    assert plugins.describe("relativistic")["version"] == "1.2"
    hp = gan.Settings(loss="pearson")
    named = config.plugin_names(config.Config("relativistic", "relativistic", tiny_runs.RUN, hp))
    assert named == ["relativistic", "pearson"]
    groups = train.settings_groups("relativistic")
    parsed, _ = command_line.parse("", "train relativistic", groups, ["--margin=0.5"])
    assert parsed[2].margin == 0.5


def test_a_missing_package_is_named(own, tmp_path):
    folder = foreign_run(tmp_path / "run", "pearson")
    raw = json.loads((folder / "config.json").read_text())
    config_file.write(folder, raw | {"plugins": {"pearson": {"version": "1.2"}}})
    with pytest.raises(InputError, match=r"names pearson, a plug-in that is not installed.*1\.2"):
        run_folder.load(folder)
    run_folder.check_config(folder)


# Sweeps and the studio pass names on, or refuse them.


def test_sweeps(own, tmp_path):
    vary = "loss=ns,python:my_losses:PEARSON"
    words = [f"--workdir={tmp_path}", "--experiment=dcgan", "--seeds=1"]
    sweep = read_sweep("", [*words, f"--vary={vary}"])
    first, second = plan.list_runs(sweep)
    assert "--trust" not in plan.command("evaluate", [], opens=first)
    assert "--trust" in plan.command("evaluate", [], opens=second)


@pytest.mark.parametrize(
    "line",
    [
        "--vary=loss=ns,python:my_losses:PEARSON",
        "--data=python:my_losses:PEARSON",
        "--eval_scores=python:my_losses:PEARSON",
    ],
)
def test_sweeps_of_a_flagfile(line, own, tmp_path):
    (tmp_path / "sweep.flags").write_text(f"{line}\n")
    words = [f"--workdir={tmp_path}", "--experiment=dcgan", f"--flagfile={tmp_path}/sweep.flags"]
    with pytest.raises(InputError, match="The sweep names python:my_losses:PEARSON.*--trust"):
        plan.list_runs(read_sweep("", words))
    (first, *_) = plan.list_runs(read_sweep("", [*words, "--trust"]))
    assert "--trust" in plan.command("dcgan", first.words)


@pytest.fixture
def studio(evil, tmp_path):
    """make(trust): a client of a studio whose root holds a foreign run."""
    testclient = pytest.importorskip("starlette.testclient")
    pytest.importorskip("httpx2")
    serving = pytest.importorskip("gan_jax.studio.serving")
    foreign_run(tmp_path / "root" / "run")

    def make(trust=False):
        app = serving.build_app(
            tmp_path / "root", "127.0.0.1", "", 1, tmp_path, process.prepare_jax, trust
        )
        return testclient.TestClient(app, base_url="http://127.0.0.1:8080")

    return make


@pytest.mark.long
def test_the_studio_shows_foreign_runs_and_imports_none(studio, evil):
    with studio() as client:
        assert [run["name"] for run in client.get("/api/runs").json()["runs"]] == ["run"]
        for path in ("/run/run", "/api/run/run", "/api/curves/run", "/report/run"):
            assert client.get(path).status_code == 200, path
        form = {"name": "run", "options": {}, "first": 0, "last": 1, "image": 0, "changes": []}
        answers = [client.get("/api/sampling/run"), client.post("/api/colorize/run", content=b"x")]
        for path in ("sample", "interpolate", "edit_latent", "nearest_images", "download"):
            answers.append(client.post(f"/api/{path}", json=form | {"form": "png"}))
        answers.append(client.post("/api/resume", json={"name": "run"}))
        flags = {"loss": "python:evil:LOSS", "data": "python:evil:load"}
        for flag, value in flags.items():
            form = {"name": "new", "experiment": "dcgan", "flags": {flag: value}}
            for path in ("command_line", "dry_run", "launch"):
                answers.append(client.post(f"/api/{path}", json=form))
        for answer in answers:
            assert answer.status_code == 400, answer.text
            assert "python:evil" in answer.text and "start the studio with --trust" in answer.text
    assert not evil.exists()


@pytest.mark.long
def test_a_studio_that_trusts_passes_it_on(studio):
    with studio(trust=True) as client:
        form = {"name": "new", "experiment": "dcgan", "flags": {"loss": "python:my_losses:PEARSON"}}
        answer = client.post("/api/command_line", json=form)
        assert "--loss=python:my_losses:PEARSON" in answer.json()["line"]
        answer = client.get("/api/sampling/run")
        assert "no checkpoint" in answer.json()["error"]
        launched = client.app.app.state.studio.launcher
        folder = pathlib.Path(launched.runs.folder("run"))
        experiments = client.get("/api/experiments").json()
        words = launched.resume_command(folder, experiments)
        assert words == ("dcgan", [f"--flagfile={folder / 'flags.txt'}"])
