"""Images of two sides and of any channels, from --size=12x20 to samples, scores and pages."""

import io
import json

import numpy as np
import pytest
from PIL import Image

import gan_jax as gj
from gan_jax import images
from gan_jax.commands import (
    command_line,
    evaluate,
    export,
    inspect,
    process,
    publish,
    sample,
    train,
)
from gan_jax.errors import InputError
from gan_jax.rundir import config_file, published
from gan_jax.settings import RunSettings, check
from gan_jax.studio import forms, run_facts, sampling_tasks
from gan_jax.studio.forms import SampleOptions

FLAGS = ["--width=2", "--z_dim=3", "--batch=4", "--log_every=1", "--sample_every=0", "--devices=1"]
SCORED = ["--n_images=60", "--repeats=2", "--features=pixels", "--scores=kernel", "--neighbours=20"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """--data of 140 images of 12 x 20 pixels, five channels and two classes."""
    path = tmp_path_factory.mktemp("five") / "set.npz"
    pixels = np.random.default_rng(0).integers(0, 256, (140, 12, 20, 5), np.uint8)
    np.savez(path, images=pixels, labels=np.arange(140) % 2)
    return f"npz:{path}"


def trained(name, workdir, data, steps=2, *words):
    argv = [f"--data={data}", *FLAGS, f"--steps={steps}", f"--workdir={workdir}", *words]
    assert process.guarded(lambda argv: train.run(name, argv), argv) == 0
    return workdir


def digest(folder):
    return (folder / "DONE").read_text().split()[-1]


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """A run on them that was stopped after its first step and went on."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    words = ("--net=dcgan", "--size=12x20", "--show=4,1,0", "--save_every=1")
    return trained("cgan", folder, data, 2, *words)


def test_what_a_run_records(run, data, tmp_path):
    config = config_file.read(run)
    assert (config["run"]["size"], config["run"]["show"]) == ("12x20", "4,1,0")
    assert (config["dataset"]["size"], config["dataset"]["colors"]) == ("12x20", 5)
    assert run_facts._config_facts(run)["size"] == "12x20"
    grid = np.asarray(Image.open(run / "samples" / "000002.png"))
    assert grid.shape == (8 * 13 - 1, 2 * 21 - 1, 3)
    square = trained("dcgan", tmp_path / "square", "galaxies:20", 1, "--size=8x8")
    assert (
        config_file.read(square)["run"]["size"] == 8 == config_file.read(square)["dataset"]["size"]
    )


@pytest.mark.slow
def test_interrupted_equals_uninterrupted_and_members_equal_runs(run, data, tmp_path, monkeypatch):
    words = ("--net=dcgan", "--size=12x20", "--save_every=1", "--ema=0.9")
    one = trained("cgan", tmp_path / "one", data, 2, *words)
    trained("cgan", tmp_path / "two", data, 2, *words, "--devices=2")
    trained("cgan", tmp_path / "m", data, 2, *words, "--members=2")
    assert {digest(one)} == {digest(tmp_path / "m_0")}
    assert (tmp_path / "m_1" / "DONE").exists() and (tmp_path / "two" / "DONE").exists()


def test_samples_show_the_channels_asked_for(run, capsys):
    at = f"--workdir={run}"
    sample.run([at, "--form=npz", "--n=6"])
    with np.load(run / "sampled.npz") as file:
        made = file["images"]
    assert made.shape == (6, 12, 20, 5)
    assert np.array_equal(gj.load(run).sample(6), made)
    for words, bands in [((), [4, 1, 0]), (("--show=3",), [3]), (("--show=0,1,2",), [0, 1, 2])]:
        sample.run([at, "--n=6", *words])
        shown = np.asarray(Image.open(run / "sampled.png"))
        expected = images.grid(made[..., bands], 3)
        assert np.array_equal(shown, expected[..., 0] if len(bands) == 1 else expected)
    with pytest.raises(InputError, match="--show=5 names none of the channels 0 to 4"):
        sample.run([at, "--show=5"])


def test_scores_pages_and_published_models(run, tmp_path, capsys):
    evaluate.run([f"--workdir={run}", *SCORED])
    record = json.loads((run / "eval.json").read_text())
    assert record["protocol"]["size"] == "12x20"
    assert "12x20" in (run / "report.html").read_text()
    publish.run([str(run), f"--out={tmp_path / 'model'}"])
    card = (tmp_path / "model" / "README.md").read_text()
    assert "of 12 x 20 pixels" in card and "uint8 [64, 12, 20, 5]" in card
    assert published.is_published(tmp_path / "model")
    sample.run([str(tmp_path / "model"), "--form=npz", "--n=6", f"--out={tmp_path / 'a.npz'}"])
    with np.load(tmp_path / "a.npz") as file:
        assert np.array_equal(file["images"], gj.load(run).sample(6))
    inspect.run([str(run)])


def test_the_studio_knows_both_sides(run):
    told = sampling_tasks.describe_run(run)
    assert told["size"] == "12x20" and not told["points"]
    picture = sampling_tasks.sample(run, SampleOptions(n=2))["images"][0]
    assert np.asarray(Image.open(io.BytesIO(picture))).shape == (12, 20, 3)
    field = next(f for f in forms.describe_fields(RunSettings()) if f["name"] == "size")
    assert field["type"] == "size" and field["default"] == 64
    assert [forms.parse_value(field, v) for v in ("32", "24x40", "24x24")] == [32, "24x40", 24]
    for value in ("24x", "7x40", "24x1025"):
        with pytest.raises(InputError, match="--size="):
            forms.parse_value(field, value)


@pytest.mark.long
def test_exported_nets_make_the_same_images(run):
    pytest.importorskip("jax2onnx")
    export.run([str(run)])
    manifest = json.loads((run / "exported" / "manifest.json").read_text())
    assert manifest["run"]["size"] == "12x20"


@pytest.mark.slow
def test_colours_of_two_sides(tmp_path, capsys):
    folder = trained("colorize", tmp_path / "run", "galaxies:20", 1, "--size=12x20", "--n_down=1")
    sample.run([f"--workdir={folder}", "--n=3"])
    assert Image.open(folder / "sampled.png").size == (9 * 21 - 1, 13 - 1)
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((40, 100, 3), np.uint8)).save(buffer, "PNG")
    gray, *_ = sampling_tasks.colorize(folder, buffer.getvalue())
    assert Image.open(io.BytesIO(gray)).size == (20, 12)


def test_sizes_from_python(data, tmp_path):
    options = {"width": 2, "z_dim": 3, "batch": 4, "steps": 1, "devices": 1}
    run = gj.train("dcgan", data=data, size=(12, 20), workdir=tmp_path / "run", **options)
    assert run.sample(2).shape == (2, 12, 20, 5)
    with pytest.raises(InputError, match="size=.* is no size of images; give a side"):
        gj.train("dcgan", data=data, size=12.5, workdir=tmp_path / "other", **options)


def test_flags_are_checked_by_side():
    (flags,), _ = command_line.parse("", "evaluate", [evaluate.Flags()], ["--size=24X40"])
    assert flags.size == "24x40"
    with pytest.raises(InputError, match="is no size, such as 32, or 24x40"):
        command_line.parse("", "evaluate", [evaluate.Flags()], ["--size=24x"])
    for value, words in [("7x40", "too small; use 8"), ("8x2000", "too large; use 1024")]:
        with pytest.raises(InputError, match=f"--size={value} is {words}"):
            check(RunSettings(size=value))
