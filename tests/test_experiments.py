"""Every smoke flagfile: trained, sampled, evaluated, reported, through the commands themselves."""

import importlib
import json

import numpy as np
import pytest
from PIL import Image

from experiments import common, dcgan, evaluate, sample, toys

TRAINING = ("morpho", "distgan", "dcgan", "gan", "cgan", "acgan", "acgan_s1_section4", "mgan", "wgan_gp", "dragan", "infogan",
            "colorize")  # fmt: skip


@pytest.mark.parametrize("name", TRAINING)
def test_smoke_flagfile(name, tmp_path, capsys):
    module, folder = importlib.import_module(f"experiments.{name}"), tmp_path / "run"
    words = [f"--flagfile=experiments/flagfiles/{name}_smoke.flags", f"--workdir={folder}", "--devices=1"]
    assert common.guarded(lambda w: common.run(name, module.METHOD, module.DEFAULTS, module.__doc__, w), words) == 0
    assert common.guarded(sample.run, [f"--workdir={folder}", "--n=9"]) == 0
    grid = np.asarray(Image.open(folder / "sampled.png"))
    assert grid.shape[2] == 3 and grid.std() > 0
    assert common.guarded(evaluate.run, [f"--workdir={folder}", "--n_images=100", "--repeats=2"]) == 0
    record = json.loads((folder / "eval.json").read_text())
    rows = record["rows"]
    assert set(rows) == {"real", "model", "untrained", "collapsed"}
    assert rows["real"]["frechet"] < rows["collapsed"]["frechet"] and rows["real"]["frechet"] < rows["untrained"]["frechet"]
    assert record["step"] == 20 and record["protocol"]["sample_stats"] in ("batch", "running")
    page = (folder / "report.html").read_text()
    assert "Frechet" in page and "data:image/png;base64" in page and "http://" not in page.replace("http://www.w3.org", "")
    capsys.readouterr()


def test_toys_smoke_flagfile(tmp_path, capsys):
    """Every system on eight Gaussians; a second start repeats nothing."""
    words = ["--flagfile=toys_smoke", f"--workdir={tmp_path}/study"]
    assert common.guarded(toys.run, words) == 0
    first = capsys.readouterr().out
    scores = json.loads((tmp_path / "study" / "scores.json").read_text())["scores"]
    assert set(scores) == {"gaussians8"} and set(scores["gaussians8"]) == {"real", *toys.SYSTEMS}
    assert scores["gaussians8"]["real"]["modes_covered"] == 8 and scores["gaussians8"]["real"]["registered"] > 0.96
    assert scores["gaussians8"]["gan"]["registered"] < scores["gaussians8"]["real"]["registered"]
    run = tmp_path / "study" / "gaussians8" / "mgan"
    with Image.open(run / "density.webp") as film:
        assert film.n_frames > 1
    assert common.guarded(toys.run, words) == 0
    again = capsys.readouterr().out
    assert "compiled" not in again and again.splitlines()[-8:] == first.splitlines()[-8:]
    assert common.guarded(evaluate.run, [f"--workdir={run}", "--n_images=500", "--repeats=2"]) == 0
    assert "registered" in capsys.readouterr().out and "modes covered" in (run / "report.html").read_text()


@pytest.mark.parametrize(
    ("flag", "word"), [("--toys=mobius", "swissroll"), ("--systems=vae", "wgan_gp"), ("--steps=0", "1 or more")]
)
def test_toys_refuses(flag, word, tmp_path, capsys):
    assert common.guarded(toys.run, [flag, f"--workdir={tmp_path}"]) == 2
    error = capsys.readouterr().err
    assert word in error and error.count("\n") == 1 and not list(tmp_path.iterdir())


def test_scores_in_training_equal_scores_afterwards(tmp_path, capsys):
    """The same checkpoint, counts and seed give the same numbers, whichever command asks."""
    folder = tmp_path / "run"
    words = [
        "--flagfile=experiments/flagfiles/dcgan_smoke.flags",
        f"--workdir={folder}",
        "--devices=1",
        "--eval_every=20",
        "--eval_images=128",
        "--keep_best=frechet",
    ]
    assert common.guarded(lambda w: common.run("dcgan", dcgan.METHOD, dcgan.DEFAULTS, "", w), words) == 0
    logged = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    assert common.guarded(evaluate.run, [f"--workdir={folder}", "--checkpoint=best", "--n_images=128", "--repeats=1"]) == 0
    rows = json.loads((folder / "eval.json").read_text())["rows"]
    assert {k: v for k, v in logged.items() if k.startswith("eval/")} == {
        f"eval/{k}": rows["model"][k] for k in ("frechet", "total_variation", "kl", "classes_5pct")
    }
    capsys.readouterr()
