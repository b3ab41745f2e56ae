"""Every smoke flagfile: trained, sampled, evaluated, reported, through the commands themselves."""

import json

import numpy as np
import pytest
from PIL import Image

from gan_jax.commands import evaluate, presets, process, sample, train
from gan_jax.data import datasets
from gan_jax.report.verdict import verdict
from gan_jax.rundir import config_file
from gan_jax.studies import toys
from tests.tiers import slowly

QUICK = ("morpho",)
# Their parts are those of the others, or have tests of their own.
VARIANTS = (
    *("distgan", "gan", "dcgan", "mgan", "acgan_s1_section4", "infogan", "wgan_gp", "dragan"),
    *("acgan", "cgan", "colorize", "r3gan", "rare"),
)
TRAINING = (*QUICK, *map(slowly, VARIANTS))
COLUMNS = {
    "cgan": 5,
    "acgan": 5,
    "mgan": 3,
    "infogan": 10,
    "colorize": 9,
}  # of a sample grid: classes, generators, codes, triplets


@pytest.mark.long
@pytest.mark.parametrize("name", TRAINING)
def test_smoke_flagfile(name, tmp_path, capsys):
    folder = tmp_path / "run"
    words = [
        f"--flagfile=experiments/flagfiles/{name}_smoke.flags",
        f"--workdir={folder}",
        "--devices=1",
    ]
    assert process.guarded(lambda w: train.run(name, w), words) == 0
    assert process.guarded(sample.run, [f"--workdir={folder}", "--n=9"]) == 0
    grid = np.asarray(Image.open(folder / "sampled.png"))
    assert grid.shape[2] == 3 and grid.std() > 0
    steps = config_file.read(folder)["run"]["steps"]
    samples = np.asarray(Image.open(folder / "samples" / f"{steps:06d}.png"))
    assert samples.shape[1] == COLUMNS.get(name, 8) * 17 - 1
    assert shows_galaxies(samples, 3 if name == "colorize" else 1)
    if name == "cgan":
        sample_by_kind(folder)
    assert (
        process.guarded(evaluate.run, [f"--workdir={folder}", "--n_images=100", "--repeats=2"]) == 0
    )
    record = json.loads((folder / "eval.json").read_text())
    rows = record["rows"]
    assert set(rows) == {"real", "model", "untrained", "collapsed"}
    assert (
        rows["real"]["frechet"] < rows["collapsed"]["frechet"]
        and rows["real"]["frechet"] < rows["untrained"]["frechet"]
    )
    assert record["step"] == steps and record["protocol"]["sample_stats"] in ("batch", "running")
    page = (folder / "report.html").read_text()
    assert verdict(record).kind in ("better", "between") and verdict(record).text in page
    assert (
        "Frechet" in page
        and "data:image/png;base64" in page
        and "http://" not in page.replace("http://www.w3.org", "")
    )
    capsys.readouterr()


def shows_galaxies(grid, n_columns):
    """Whether generated images of a grid are brighter in their middle than at their edge.

    Gray pictures and noise are not. Every n_columns-th column is generated, the second one first.
    """
    rows, columns = (range(0, side, 17) for side in grid.shape[:2])
    columns = [*columns][1 if n_columns > 1 else 0 :: n_columns]
    tiles = np.stack([grid[y : y + 16, x : x + 16] for y in rows for x in columns]).astype(float)
    edge = np.concatenate([tiles[:, [0, -1]].ravel(), tiles[:, :, [0, -1]].ravel()])
    return tiles[:, 6:10, 6:10].mean() > 1.3 * edge.mean()


def sample_by_kind(folder):
    """The forms of the sample command that a conditional run has."""
    at = f"--workdir={folder}"
    assert process.guarded(sample.run, [at, "--form=kinds", "--n=3", "--kind=spiral,0"]) == 0
    assert Image.open(folder / "sampled_kinds.png").size == (2 * 17 - 1, 3 * 17 - 1)
    assert process.guarded(sample.run, [at, "--form=paths", "--n=2", "--truncation=0.5"]) == 0
    assert Image.open(folder / "sampled_paths.png").size == (10 * 17 - 1, 2 * 17 - 1)
    assert process.guarded(sample.run, [at, "--form=npz", "--n=7", "--kind=cigar"]) == 0
    with np.load(folder / "sampled.npz") as file:
        classes = json.loads((folder / "config.json").read_text())["dataset"]["classes"]
        assert file["images"].shape == (7, 16, 16, 3) and set(file["labels"]) == {
            classes.index("cigar")
        }


@pytest.mark.slow
def test_toys_smoke_flagfile(tmp_path, capsys):
    """A second start repeats nothing; a run of the study is an ordinary one."""
    words = ["--flagfile=toys_smoke", f"--workdir={tmp_path}/study", "--systems=gan,mgan"]
    assert process.guarded(toys.run, words) == 0
    first = capsys.readouterr().out
    scores = json.loads((tmp_path / "study" / "scores.json").read_text())["scores"]
    assert set(scores) == {"gaussians8"} and set(scores["gaussians8"]) == {"real", "gan", "mgan"}
    assert (
        scores["gaussians8"]["real"]["modes_covered"] == 8
        and scores["gaussians8"]["real"]["registered"] > 0.96
    )
    assert scores["gaussians8"]["gan"]["registered"] < scores["gaussians8"]["real"]["registered"]
    run = tmp_path / "study" / "gaussians8" / "mgan"
    with Image.open(run / "density.webp") as film:
        assert film.n_frames > 1
    assert process.guarded(toys.run, words) == 0
    again = capsys.readouterr().out
    assert "compiled" not in again and again.splitlines()[-5:] == first.splitlines()[-5:]
    assert process.guarded(evaluate.run, [f"--workdir={run}", "--n_images=500", "--repeats=2"]) == 0
    assert (
        "registered" in capsys.readouterr().out
        and "modes covered" in (run / "report.html").read_text()
    )


@pytest.mark.parametrize("system", presets.TOYS)
def test_toys_systems_build(system):
    """Each system's settings are accepted for a distribution of the plane."""
    points = datasets.load("toys:swissroll", datasets.DataOptions(8))
    prepared = toys.prepare(toys.Flags(steps=10), system, "swissroll", points)
    assert prepared.method.nets and prepared.dataset_info["size"] == 1


@pytest.mark.parametrize(
    ("flag", "word"),
    [("--toys=mobius", "swissroll"), ("--systems=vae", "wgan_gp"), ("--steps=0", "1 or more")],
)
def test_toys_refuses(flag, word, tmp_path, capsys):
    assert process.guarded(toys.run, [flag, f"--workdir={tmp_path}"]) == 2
    error = capsys.readouterr().err
    assert word in error and error.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("flag", ["--noema_warmup", "--ema_warmup", "--ema=0"])
def test_an_average_that_will_look_untrained_is_said_before_training(flag, tmp_path, capsys):
    """And the advice is the flag that makes the difference."""
    words = ["--flagfile=dcgan_smoke", "--ema=0.995", "--steps=150", flag, "--dry_run"]
    words += [f"--workdir={tmp_path / 'run'}", "--devices=1"]
    assert process.guarded(lambda w: train.run("dcgan", w), words) == 0
    said = capsys.readouterr().err
    assert ("47 % the one before training. Leave out --noema_warmup" in said) == ("no" in flag)


@pytest.mark.long
def test_scores_in_training_equal_scores_afterwards(tmp_path, capsys):
    """The same checkpoint, counts and seed give the same numbers, whichever command asks."""
    folder = tmp_path / "run"
    words = [
        "--flagfile=experiments/flagfiles/dcgan_smoke.flags",
        f"--workdir={folder}",
        "--devices=1",
        "--steps=20",
        "--eval_every=20",
        "--eval_images=128",
        "--keep_best=frechet",
    ]
    assert process.guarded(lambda w: train.run("dcgan", w), words) == 0
    logged = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    assert (
        process.guarded(
            evaluate.run,
            [f"--workdir={folder}", "--checkpoint=best", "--n_images=128", "--repeats=1"],
        )
        == 0
    )
    record = json.loads((folder / "eval.json").read_text())
    rows = record["rows"]
    assert logged["shares"] == {
        "real": record["real_fractions"],
        "model": rows["model"]["fractions"],
    }
    scores = {k: v for k, v in logged.items() if k.startswith("eval/")}
    expected = ("frechet", "total_variation", "kl", "classes_5pct")
    assert scores == pytest.approx({f"eval/{k}": rows["model"][k] for k in expected}, rel=1e-12)
    capsys.readouterr()
