"""The command export: refusals, and what it writes of a run and of a data set."""

import json

import numpy as np
import pytest

from gan_jax.commands import command_line, export, inspect, train
from gan_jax.data import datasets
from gan_jax.errors import InputError
from gan_jax.metrics.features import classifier, classifier_training, onnx_file
from gan_jax.onnx_export import update_steps
from gan_jax.rundir import run_folder
from gan_jax.web import runtime
from tests.onnx_export.onnx_files import named_leaves, open_session, run_session


def test_refusals(monkeypatch):
    """In one line, before anything is made."""
    for words, text in [
        ([], "Nothing given"),
        (["--page", "--workdir=x"], "--workdir and --page given"),
        (["--page", "--systems=gan,vae"], "'vae' is not known"),
        (["--page", "--systems=mgan1"], "'mgan1' is not known"),
        (["--page", "--systems="], "--systems is empty"),
        (["--page", "--step"], "--step is of a run"),
    ]:
        with pytest.raises(InputError, match=text):
            export.run(words)
    monkeypatch.setattr(command_line, "installed", lambda module: module != "jax2onnx")
    with pytest.raises(InputError, match="needs jax2onnx; install it with"):
        export.run(["--page"])


def test_the_page_says_what_its_runtime_lacks(monkeypatch, tmp_path):
    monkeypatch.setattr(command_line, "installed", lambda module: True)
    with pytest.raises(InputError, match="cannot be read"):
        export.run(["--page", f"--runtime={tmp_path}"])
    monkeypatch.setattr(runtime.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="npm, which would fetch it, is not there"):
        export.run(["--page"])


def test_pictures_that_the_page_cannot_learn_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(command_line, "installed", lambda module: True)
    one = np.zeros((6, 28, 28), np.uint8)
    np.savez(tmp_path / "gray.npz", images=one, labels=np.arange(6) % 2)
    for data, text in [
        ("galaxies:20", "pictures of 3 channels"),
        ("toys:plus", "has points"),
        (f"npz:{tmp_path / 'gray.npz'}", "lacks a training or a test split"),
    ]:
        with pytest.raises(InputError, match=text):
            export.run(["--page", f"--digits={data}"])


def test_a_run(tmp_path, capsys):
    """The manifest has the digest that commands.inspect prints; the file makes points."""
    pytest.importorskip("jax2onnx")
    pytest.importorskip("onnxruntime")
    workdir = tmp_path / "run"
    flags = [
        "--data=toys:gaussians8",
        "--net=mlp",
        "--pixels=linear",
        "--z_dim=2",
        "--width=4",
        "--steps=2",
        "--batch=4",
    ]
    train.run("gan", [*flags, "--devices=1", f"--workdir={workdir}"])
    export.run([f"--workdir={workdir}", "--step"])
    capsys.readouterr()
    inspect.run([f"--workdir={workdir}"])
    exported = workdir / "exported"
    manifest = json.loads((exported / "manifest.json").read_text())
    assert f"state sha256: {manifest['run']['state_sha256']}" in capsys.readouterr().out
    assert manifest["run"]["step"] == 2 and manifest["run"]["averaged"] and manifest["opset"] == 20
    assert manifest["inputs"] == {"z": {"shape": ["B", 2], "type": "float32"}}
    assert manifest["range"] is None
    session = open_session((exported / manifest["file"]).read_bytes())
    z = np.random.default_rng(0).uniform(-1, 1, (7, 2)).astype(np.float32)
    points = run_session(session, manifest, {"z": z})["image"]
    assert points.shape == (7, 1, 1, 2) and points.std() > 0

    step, packed, offset = manifest["step"], (exported / "step/state.bin").read_bytes(), 0
    want = named_leaves(update_steps.state_trees(run_folder.load(str(workdir)).state))
    for leaf in step["state"]:
        size = int(np.prod(leaf["shape"]))
        array = np.frombuffer(packed, leaf["type"], size, offset).reshape(leaf["shape"])
        assert np.array_equal(array, want.pop(leaf["name"]))
        offset += array.nbytes
    assert not want and offset == len(packed)
    assert step["players"] == ["disc", "gen"] and step["batch"] == 4
    assert set(step["files"]) == {"disc", "gen", "average"}


def test_a_classifier(tmp_path, monkeypatch):
    """As a feature net of the project, the file gives what the cached classifier does."""
    pytest.importorskip("jax2onnx")
    pytest.importorskip("onnxruntime")
    labels = np.arange(40) % 2
    noise = np.random.default_rng(0).integers(0, 100, (40, 16, 16, 1), np.uint8)
    pictures = (noise + 100 * labels[:, None, None, None]).astype(np.uint8)
    np.savez(tmp_path / "two.npz", images=pictures, labels=labels)
    settings = classifier_training.Settings(steps=5, batch=8, widths=(4, 8))
    monkeypatch.setattr(classifier, "default_settings", lambda dataset: settings)
    data, out = f"npz:{tmp_path / 'two.npz'}", tmp_path / "out"
    export.run([f"--classifier={data}", "--size=16", f"--out={out}"])

    dataset = datasets.load(data, datasets.DataOptions(16))
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["data"]["classes"] == list(dataset.classes)
    assert manifest["data"]["digest"] == dataset.digest
    assert 0 <= manifest["accuracy"] <= 1 and manifest["range"] == [-1, 1]
    exported = onnx_file.load(str(out / "classifier.onnx"), dataset).apply(dataset.images)
    want = classifier.load("", dataset).apply(dataset.images)
    for a, b in zip(exported, want, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_help_names_its_install(capsys):
    with pytest.raises(SystemExit):
        export.run(["--help"])
    text = capsys.readouterr().out
    assert "--no-deps jax2onnx" in text and "--page" in text


def test_systems_of_the_page():
    """MGAN has any number of generators; every system of the page is one of the toys'."""
    title, method, batch = export.build_system("mgan4")
    assert title == "MGAN, 4 generators" and batch == 128
    assert method.hp.n_gens == 4 and method.hp.gen_batch == 50
    for name in export.parse_systems(export.Flags().systems):
        title, method, _ = export.build_system(name)
        assert title and method.hp.schedule == "constant"


def test_an_export_leaves_nothing_of_an_earlier_one(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    export.write(tmp_path, {"generator.onnx": b"1", "step/gen.onnx": b"1"}, {})
    export.write(tmp_path, {"generator.onnx": b"2"}, {})
    files = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert files.pop("manifest.json") and files == {"generator.onnx": b"2", "notes.txt": b"mine"}
    # A list that names files elsewhere is not followed.
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_text('{"written": ["../notes.txt"]}')
    export.write(tmp_path / "out", {}, {})
    assert (tmp_path / "notes.txt").exists()
