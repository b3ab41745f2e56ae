"""The Python interface: the same bytes as the command line, and errors in its own words."""

import json
import os
import re
import signal
import subprocess
import sys
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gan_jax as gj
from gan_jax.commands import entry
from gan_jax.rundir import log
from tests import tiny_runs

TINY = {
    "size": 8,
    "width": 2,
    "z_dim": 3,
    "batch": 4,
    "steps": 6,
    "log_every": 2,
    "sample_every": 3,
    "save_every": 3,
    "ema": 0.9,
    "devices": 1,
}
IMAGES = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), dtype=np.uint8)
LABELS = np.array(["ring", "spiral", "bar"])[np.arange(60) % 3]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of arrays with classes, conditioned on them."""
    folder = tmp_path_factory.mktemp("api") / "run"
    return gj.train("cgan", data=IMAGES, labels=LABELS, workdir=folder, net="dcgan", **TINY)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A run without classes."""
    return gj.train("dcgan", data=IMAGES, workdir=tmp_path_factory.mktemp("api") / "plain", **TINY)


def digest(folder):
    """The digest of a finished run's final state."""
    return (folder / "DONE").read_text().split()[-1]


def test_train_makes_the_run_that_the_command_makes(run, tmp_path):
    words = [f"--{name}={value}" for name, value in TINY.items()]
    spec = json.loads((run.workdir / "config.json").read_text())["run"]["data"]
    entry.run("cgan", [*words, "--net=dcgan", f"--data={spec}", f"--workdir={tmp_path / 'b'}"])
    assert digest(run.workdir) == digest(tmp_path / "b")
    assert (run.workdir / "flags.txt").read_text() == (tmp_path / "b" / "flags.txt").read_text()


def test_sample_is_what_the_command_writes(run):
    words = ["--n=10", "--form=npz", "--seed=5", "--kind=spiral"]
    entry.run("sample", [f"--workdir={run.workdir}", *words])
    with np.load(run.workdir / "sampled.npz") as arrays:
        expected = arrays["images"]
    np.testing.assert_array_equal(run.sample(10, seed=5, kind="spiral"), expected)
    again = gj.load(run.workdir).sample(10, seed=5, kind=2)
    np.testing.assert_array_equal(again, expected)
    assert run.kinds == ("bar", "ring", "spiral") and run.sample(3).shape == (3, 8, 8, 1)


def test_load_opens_a_step(run):
    assert gj.load(run.workdir, 3).step == 3 and gj.load(str(run.workdir)).step == 6 == run.step


def test_generator_is_what_sample_rounds(plain):
    from gan_jax.training import sampling

    loaded, key = plain.loaded, jax.random.key(0)
    z = sampling.drawn_noise(loaded.method, key, 64)
    images = np.asarray(jax.jit(plain.generator)(z))
    assert images.shape == (64, 8, 8, 1) and images.dtype == np.float32
    assert images.min() >= 0 and images.max() <= 1
    assert np.abs(images * 255 - plain.sample(64).astype(float)).max() < 0.51


def test_generator_can_be_differentiated_and_mapped(plain):
    """Latent optimisation in five lines: the distance to a target falls."""
    target = jnp.asarray(IMAGES[0] / 255.0)
    distance = lambda z: ((plain.generator(z) - target) ** 2).mean()
    slope = jax.jit(jax.value_and_grad(distance))
    z = start = jnp.zeros(3)
    for _ in range(30):
        z -= 2.0 * slope(z)[1]
    assert distance(z) < distance(start)
    zs = jnp.stack([start, z])
    np.testing.assert_allclose(jax.vmap(plain.generator)(zs), plain.generator(zs), atol=1e-6)


def test_generator_of_points_is_what_sample_gives(tmp_path):
    """Also of a generator whose range is not that of the data."""
    from gan_jax.training import sampling

    settings = {"net": "mlp", "pixels": "sigmoid", "steps": 2, "z_dim": 3, "devices": 1}
    made = gj.train("gan", data="toys:gaussians8", workdir=tmp_path / "p", **TINY | settings)
    z = sampling.drawn_noise(made.loaded.method, jax.random.key(0), 20)
    np.testing.assert_allclose(made.generator(z), made.sample(20), atol=1e-6)


def test_generator_takes_kinds(run):
    z = jnp.ones((2, 3))
    by_name, by_number = run.generator(z, "spiral"), run.generator(z, jnp.array([2, 0]))
    np.testing.assert_array_equal(by_name[0], by_number[0])
    assert np.abs(by_name[1] - by_number[1]).max() > 0
    assert run.generator(z[0], "bar").shape == (8, 8, 1)
    np.testing.assert_array_equal(run.noise(3, seed=1).shape, (3, 3))
    with pytest.raises(gj.InputError, match=r"z has the shape \[2, 5\]; give \[B, 3\] or \[3\]"):
        run.generator(jnp.ones((2, 5)), "bar")
    for kind, message in [
        (None, "add kind="),
        ("ellipse", "'ellipse' is none of this run's"),
        (jnp.array([0, 3]), "kind=3 is out of bounds; give 0 to 2"),
    ]:
        with pytest.raises(gj.InputError, match=message):
            run.generator(z, kind)


@pytest.mark.parametrize(
    "message, call",
    [
        ("n='a' is a str; give an int", lambda run: run.sample("a")),
        ("seed=1.5 is a float; give an int", lambda run: run.sample(3, seed=1.5)),
        ("n=0 is too small; use 1 or more", lambda run: run.noise(0)),
        ("kind=1: this run's images are of no kind", lambda run: run.sample(3, kind=1)),
        ("kind=1: this run's images are of no kind", lambda run: run.generator(run.noise(2), 1)),
    ],
)
def test_wrong_arguments_of_a_run_are_refused(plain, message, call):
    with pytest.raises(gj.InputError, match=re.escape(message)):
        call(plain)


def test_metrics_are_columns(run):
    records = log.read(run.workdir / "metrics.jsonl")
    columns = run.metrics
    assert columns["step"].tolist() == [2, 4, 6]
    for i, record in enumerate(records):
        assert columns["disc/loss"][i] == record["disc/loss"]
        assert columns["wall/steps_per_s"][i] == record["wall"]["steps_per_s"]
    pandas = pytest.importorskip("pandas")
    frame = columns.to_pandas()
    assert isinstance(frame, pandas.DataFrame) and list(frame.index) == [2, 4, 6]


@pytest.mark.long
def test_evaluate_report_and_what_a_notebook_shows(run):
    options = {"scores": "ms_ssim", "features": "pixels", "repeats": 1, "neighbours": 0}
    record = run.evaluate(40, **options)
    assert record["rows"]["model"]["ms_ssim"] > 0 and "MS-SSIM" in str(record)
    assert json.loads((run.workdir / "eval.json").read_text()) == record
    assert run.report().read_text().count("MS-SSIM")
    shown = run._repr_html_()
    assert "data:image/png;base64," in shown and "MS-SSIM" in shown and "cgan on an array" in shown


REFUSED = {
    "siz is not a setting of this method; did you mean size": {"siz": 8},
    "steps='6' is a str; give an int": {"steps": "6"},
    "loss=nonsense is not known; use one of": {"loss": "nonsense"},
    "batch=1 is too small; use 2 or more": {"batch": 1},
    "members is not a setting": {"members": 2},
}


@pytest.mark.parametrize("message", REFUSED)
def test_refusals_speak_of_arguments(message, tmp_path):
    with pytest.raises(gj.InputError, match=re.escape(message)) as error:
        gj.train("dcgan", data=IMAGES, workdir=tmp_path / "x", **TINY | REFUSED[message])
    assert "--" not in str(error.value) and not (tmp_path / "x").exists()


def test_a_run_with_other_settings_is_refused_in_arguments(plain):
    with pytest.raises(gj.InputError, match="seed=0, now 3") as error:
        gj.train("dcgan", data=IMAGES, workdir=plain.workdir, **TINY, seed=3)
    words, command, _ = str(error.value).split("`")  # which is to be typed into a shell
    assert "restart=True" in words and "--" not in words
    assert "train dcgan --flagfile=" in command.replace("'", "")


ARRAYS = {
    "data is bool [60, 8, 8, 1]; images must be integers or floats": {"data": IMAGES > 9},
    "data is uint8 [60, 8]": {"data": IMAGES[:, 0, :, 0]},
    "give one label for each of the 60 images": {"data": IMAGES, "labels": [1, 2]},
    "labels, test and classes go with an array": {"data": "galaxies", "labels": [1]},
    "labels holds 'bar'": {"data": IMAGES, "labels": LABELS, "classes": ["ring", "spiral"]},
    "method='dcgam' is not known": {"method": "dcgam"},
}


@pytest.mark.parametrize("message", ARRAYS)
def test_refuses_what_is_no_data(message, tmp_path):
    with pytest.raises(gj.InputError, match=re.escape(message)) as error:
        gj.train(**{"method": "dcgan", **ARRAYS[message]}, workdir=tmp_path / "x", **TINY)
    assert "--" not in str(error.value) and not (tmp_path / "x").exists()


def test_equal_arrays_are_one_data_set(tmp_path):
    """So that the same call goes on after it was interrupted; test images are held out."""
    from gan_jax.data import array_files, datasets
    from gan_jax.data.types import DataOptions

    specs = {array_files.save(IMAGES.copy(), LABELS, IMAGES[:9], LABELS[:9]) for _ in range(2)}
    (spec,) = specs
    assert array_files.save(IMAGES, LABELS) != spec
    train = datasets.load(spec, DataOptions(8))
    test = datasets.load_heldout(train, DataOptions(8))
    np.testing.assert_array_equal(test.images, IMAGES[:9])
    assert [test.classes[i] for i in test.labels] == LABELS[:9].tolist()


def test_arrays_that_are_refused_are_called_what_they_are(tmp_path):
    """Not by the file in the cache, which nobody has seen."""
    refused = lambda words: pytest.raises(gj.InputError, match=words)
    wide = np.zeros((8, 16, 24, 3), np.uint8)
    with refused(r"^data has images of height 16 and width 24 .* use crop=16 or less"):
        gj.train("dcgan", data=wide, workdir=tmp_path / "wide", **TINY)
    first = np.zeros((8, 3, 16, 16), np.uint8)
    with refused(r"^data has the shape .* channels first; .*\(0, 2, 3, 1\)"):
        gj.train("dcgan", data=first, workdir=tmp_path / "first", **TINY)
    turned = np.transpose(first, (0, 2, 3, 1))
    assert gj.train("dcgan", data=turned, workdir=tmp_path / "turned", **TINY)


def test_trains_in_a_thread(plain, tmp_path):
    """And twice in one process: to the same digest."""
    done = []

    def work():
        done.append(gj.train("dcgan", data=IMAGES, workdir=tmp_path / "thread", **TINY))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert digest(done[0].workdir) == digest(plain.workdir)


def test_an_interrupt_saves_and_the_same_call_goes_on(plain, tmp_path, monkeypatch):
    tiny_runs.stop_at(monkeypatch, 4, "SIGINT")
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(gj.Stopped, match="stopped by SIGINT at step 4; saved"):
        gj.train("dcgan", data=IMAGES, workdir=tmp_path / "a", **TINY)
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGINT) is handler
    assert gj.load(tmp_path / "a").step == 4
    finished = gj.train("dcgan", data=IMAGES, workdir=tmp_path / "a", **TINY)
    assert digest(finished.workdir) == digest(plain.workdir)


@pytest.mark.long
def test_importing_changes_no_state(child_env):
    """No logger, signal handler, environment variable or setting of JAX or matplotlib."""
    code = """
import json, logging, os, signal, sys
import absl.logging, jax, matplotlib
def state():
    loggers = {name: getattr(logging.getLogger(name), "level") for name in ("", "absl", "jax")}
    handlers = [str(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM)]
    values = {k: str(v) for k, v in jax.config.values.items()}
    hooks = [str(sys.excepthook), str(sys.unraisablehook)]
    hooks.append(str(matplotlib.get_backend(auto_select=False)))
    return json.dumps([loggers, handlers, dict(os.environ), values, hooks], sort_keys=True)
before = state()
import gan_jax as gj
assert "gan_jax.api" not in sys.modules
gj.train, gj.load, gj.__version__
import gan_jax.training.training_loop, gan_jax.rundir.checkpoint, gan_jax.report.run_page
after = state()
assert before == after, [(a, b) for a, b in zip(json.loads(before), json.loads(after)) if a != b]
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=child_env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_help_lists_the_interface():
    assert {"train", "load", "Run", "InputError"} <= set(dir(gj))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = gj.nothing
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", gj.__version__) and os.path.exists(gj.__file__)


def test_a_published_folder_gives_the_same_bytes(run, tmp_path):
    entry.run("publish", [str(run.workdir), f"--out={tmp_path / 'p'}"])
    published = gj.load(tmp_path / "p")
    np.testing.assert_array_equal(published.sample(9, kind="bar"), run.sample(9, kind="bar"))
    assert "data:image/png;base64," in published._repr_html_()
    with pytest.raises(gj.InputError, match=r"its report is README\.md"):
        published.report()


def test_a_model_of_the_hub_is_fetched_only_if_asked():
    pytest.importorskip("huggingface_hub")
    with pytest.raises(gj.InputError, match="download=True") as error:
        gj.load("hf:no-such-user-1/no-such-model")
    assert "--" not in str(error.value)
