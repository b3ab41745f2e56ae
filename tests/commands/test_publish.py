"""The command publish: what it writes of runs, and what other commands make of that."""

import importlib.util
import json
import re
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from gan_jax.commands import evaluate, export, inspect, process, publish, sample, train
from gan_jax.data import datasets
from gan_jax.errors import InputError
from gan_jax.rundir import published, run_folder
from tests import paths

TINY = ["--size=16", "--width=4", "--batch=4", "--steps=2", "--log_every=1", "--devices=1"]
SCORED = ["--n_images=40", "--repeats=2", "--features=pixels", "--scores=kernel", "--neighbours=0"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with an npz file of 60 labelled colour images."""
    folder = tmp_path_factory.mktemp("secret_place")
    images = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 3), np.uint8)
    np.savez(folder / "set.npz", images=images, labels=np.arange(60) % 3)
    return folder


@pytest.fixture(scope="module")
def run(data):
    """A run folder of a conditional GAN."""
    words = [f"--data=npz:{data / 'set.npz'}", "--net=dcgan", "--z_dim=3", *TINY]
    train.run("cgan", [*words, f"--workdir={data / 'run'}"])
    return data / "run"


@pytest.fixture(scope="module")
def model(run):
    """The published folder of `run`, without scores."""
    publish.run([str(run), f"--out={run.parent / 'model'}"])
    return run.parent / "model"


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def guarded(command, capsys, *words):
    """(exit code, stderr) of a command."""
    capsys.readouterr()
    code = process.guarded(command.run, [str(word) for word in words], needs_jax=False)
    return code, capsys.readouterr().err


def pixels(path):
    return np.asarray(Image.open(path))


@pytest.mark.long
def test_what_is_written(run, model, data, capsys):
    files = content(model)
    names = "README.md config.json flags.txt gan_jax.json model.safetensors samples.png"
    assert sorted(files) == names.split()
    assert not any(str(data).encode() in file for file in files.values())  # no path of this machine
    card = files["README.md"].decode()
    for text in ("npz:set.npz: 60 colour images", "| 0 | 20 |", ": cgan of gan_jax"):
        assert text in card, text
    assert "--data=npz:set.npz" in files["flags.txt"].decode()
    config = json.loads(files["config.json"])
    assert config["run"]["data"] == config["dataset"]["name"] == "npz:set.npz"
    assert config["published"]["step"] == 2 and f"`{config['published']['state_sha256']}`" in card
    capsys.readouterr()
    inspect.run([str(run)])
    assert config["published"]["state_sha256"] in capsys.readouterr().out
    done = (run / "DONE").read_text()
    assert f"state sha256: {config['published']['state_sha256']}" in done


@pytest.mark.long
def test_the_picture_is_what_its_command_makes(run, model, tmp_path):
    """Of the run and of the published folder, by the command on the card."""
    command = re.search(
        r"The same picture: `gan-jax sample model (.*)`", (model / "README.md").read_text()
    )
    for i, folder in enumerate((run, model)):
        sample.run([str(folder), *command[1].split(), f"--out={tmp_path / f'{i}.png'}"])
        assert np.array_equal(pixels(tmp_path / f"{i}.png"), pixels(model / "samples.png"))


@pytest.mark.long
def test_commands_sample_the_same_and_write_beside_it(run, model, data, child_env):
    before = content(model)
    sample.run([str(run), "--form=npz", "--n=70", "--kind=1,2"])
    sample.run([str(model), "--form=npz", "--n=70", "--kind=1,2"])
    results = model.with_name("model-results")
    with np.load(run / "sampled.npz") as a, np.load(results / "sampled.npz") as b:
        assert np.array_equal(a["images"], b["images"]) and np.array_equal(a["labels"], b["labels"])
    words = [sys.executable, "-m", "gan_jax", "sample", "model", "--form=npz", "--n=70"]
    env = {**child_env, "PYTHONPATH": str(paths.ROOT)}
    for name in ("run", "model"):
        words[4:5] = [name]
        done = subprocess.run(
            [*words, f"--out={name}.npz"],
            env=env,
            cwd=data,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "70 images of step 2" in done.stdout
    with np.load(data / "run.npz") as a, np.load(data / "model.npz") as b:
        assert np.array_equal(a["images"], b["images"])
    assert content(model) == before


@pytest.mark.long
def test_scores_of_a_published_folder_are_those_of_the_run(run, model, data, tmp_path, capsys):
    before, there = content(model), f"--data=npz:{data / 'set.npz'}"
    code, error = guarded(evaluate, capsys, model, *SCORED)
    assert code == 2 and "name their new place with --data" in error
    evaluate.run([str(model), *SCORED, there])
    evaluate.run([str(run), *SCORED, f"--out={tmp_path / 'scores'}"])
    results = model.with_name("model-results")
    a, b = (json.loads((f / "eval.json").read_text()) for f in (tmp_path / "scores", results))
    assert a["rows"] == b["rows"] and a["step"] == b["step"] == 2
    assert not (run / "eval.json").exists()
    assert (results / "report.html").is_file() and (results / "images.png").is_file()
    assert content(model) == before
    code, error = guarded(evaluate, capsys, run, *SCORED, f"--out={model}")
    assert code == 2 and "is the folder of another run" in error


@pytest.mark.long
def test_scores_go_onto_the_card_if_they_are_of_this_model(run, tmp_path, capsys):
    folder = shutil.copytree(run, tmp_path / "run")
    publish.run([str(folder)])
    said = capsys.readouterr().out
    assert "The card has no scores: This model has not been scored. Make them with:" in said
    assert f"evaluate {folder}" in said
    evaluate.run([str(folder), *SCORED])
    publish.run([str(folder), "--overwrite", "--license=mit"])
    card = (folder / "published" / "README.md").read_text()
    assert "| kernel distance |" in card and "40 images against" in card
    assert "license: mit" in card and "not been scored" not in card
    record = json.loads((folder / "published" / "eval.json").read_text())
    assert record["protocol"]["data"] == "npz:set.npz"
    # compare takes a published folder as well.
    assert run_folder.load(folder / "published").step == 2
    record = json.loads((folder / "eval.json").read_text())
    for change, text in [
        ({"step": 1}, "scored at step 1, and this is step 2"),
        ({"protocol": {**record["protocol"], "ema": False}}, "scored with its last weights"),
    ]:
        (folder / "eval.json").write_text(json.dumps({**record, **change}))
        publish.run([str(folder), "--overwrite"])
        card = (folder / "published" / "README.md").read_text()
        assert text in card and "kernel distance" not in card
        assert not (folder / "published" / "eval.json").exists()


@pytest.mark.long
def test_points(tmp_path):
    words = ["--data=toys:gaussians8", "--net=mlp", "--pixels=linear", "--z_dim=2", *TINY]
    train.run("gan", [*words, f"--workdir={tmp_path / 'run'}"])
    publish.run([str(tmp_path / "run"), f"--out={tmp_path / 'model'}"])
    card = (tmp_path / "model" / "README.md").read_text()
    assert "points of 2 coordinates" in card and "density of 2,000 generated points" in card
    assert pixels(tmp_path / "model" / "samples.png").shape[2:] == (3,)
    for name in ("run", "model"):
        sample.run([str(tmp_path / name), "--form=npz", "--n=9", f"--out={tmp_path / name}.npz"])
    with np.load(tmp_path / "run.npz") as a, np.load(tmp_path / "model.npz") as b:
        assert np.array_equal(a["images"], b["images"])


@pytest.mark.slow
def test_colorization(data, tmp_path, capsys):
    """Its images have to be named, since no path of this machine is published."""
    words = [f"--data=npz:{data / 'set.npz'}", "--size=16", *TINY[1:]]
    train.run("colorize", [*words, f"--workdir={tmp_path / 'run'}"])
    publish.run([str(tmp_path / "run"), f"--out={tmp_path / 'model'}"])
    code, error = guarded(sample, capsys, tmp_path / "model")
    assert code == 2 and "name their new place with --data" in error
    there = f"--data=npz:{data / 'set.npz'}"
    sample.run([str(tmp_path / "model"), "--n=24", there, f"--out={tmp_path / 'a.png'}"])
    sample.run([str(tmp_path / "run"), "--n=24", f"--out={tmp_path / 'b.png'}"])
    assert np.array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))
    assert np.array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "model" / "samples.png"))


@pytest.mark.long
def test_export(run, model):
    pytest.importorskip("jax2onnx")
    export.run([str(run)])
    export.run([str(model)])
    results = model.with_name("model-results")
    files = [folder / "exported" / "generator.onnx" for folder in (run, results)]
    assert files[0].read_bytes() == files[1].read_bytes()
    with pytest.raises(InputError, match="--step needs the state of training"):
        export.run([str(model), "--step"])


@pytest.mark.long
def test_refusals(run, model, capsys, tmp_path):
    """In one line, with what to do; nothing is written."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter").write_text("mine")
    before = content(model)
    for words, text in [
        ([], "--workdir is missing"),
        ([tmp_path / "none"], "is not a run folder"),
        ([run, f"--out={model}"], "is a published folder already; add --overwrite"),
        ([run, f"--out={tmp_path / 'other'}", "--overwrite"], "holds something else"),
        ([run, "--license=Apache 2: yes"], "is not an identifier"),
        ([run, f"--out={tmp_path / 'x'}", "--checkpoint=7"], "--checkpoint=7 is not in"),
        ([model], "is published already; add --hub=USER/NAME"),
        (["hf:me/x"], "is on the hub already"),
        ([run, "--hub=me"], "write --hub=USER/NAME"),
    ]:
        code, error = guarded(publish, capsys, *words)
        assert code == 2 and text in error and error.count("\n") == 1, (words, error)
    exports = [export] if importlib.util.find_spec("jax2onnx") else []
    for command in (sample, evaluate, *exports):
        code, error = guarded(command, capsys, model, "--noema")
        assert code == 2 and "--noema asks for the last weights" in error
    words = [f"--data=npz:{run.parent / 'set.npz'}", "--net=dcgan", "--z_dim=3", *TINY]
    for restart in ([], ["--restart"]):
        with pytest.raises(InputError, match="is a published folder, which training would change"):
            train.run("cgan", [*words, f"--workdir={model}", *restart])
    assert content(model) == before


@pytest.mark.long
def test_an_upload_that_fails_is_one_line_and_the_folder_stays(run, tmp_path, child_env):
    """No hub at the address: the real client is called up to the connection."""
    pytest.importorskip("huggingface_hub")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    env = {**child_env, "PYTHONPATH": str(paths.ROOT), "HF_ENDPOINT": address, "HF_TOKEN": "hf_x"}
    env["HF_HOME"] = str(tmp_path / "home")
    words = [sys.executable, "-m", "gan_jax", "publish", str(run), f"--out={tmp_path / 'model'}"]
    done = subprocess.run(
        [*words, "--hub=me/x"], env=env, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "--hub=me/x: the upload failed" in done.stderr and "model is whole" in done.stderr
    again = re.search(r"publish \S+model --hub=me/x$", done.stderr.strip())
    assert again
    published.verify(tmp_path / "model")


def test_flags_are_cut_to_what_others_need():
    text = "--data=npz:/home/me/a.npz\n--lr=0.1\n--tensorboard\n--wandb\n--watch\n"
    assert publish.portable_flags(text) == "--data=npz:a.npz\n--lr=0.1\n--watch\n"


def test_specs_are_cut_to_their_last_part():
    for spec, want in {
        "galaxies:2000": "galaxies:2000",
        "toys:plus": "toys:plus",
        "folder:/home/me/my pictures/": "folder:my pictures",
        "npz:set.npz": "npz:set.npz",
        "shard:1/4/0:idx:/data/mnist": "shard:1/4/0:idx:mnist",
        "python:mine:load": "python:mine:load",
    }.items():
        assert datasets.portable_spec(spec) == want
