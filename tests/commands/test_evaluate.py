"""The command that scores any folder of images, and what it refuses; scores of damaged images get
worse.
"""

import json
import re
import shutil

import numpy as np
import pytest

from gan_jax import images as pictures
from gan_jax import metrics
from gan_jax.commands import evaluate, process
from gan_jax.studies import damage


def npz(path, seed, n=300, size=8, channels=3, labels=True):
    """Blocks of two brightness classes, with noise; returns the path."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    light = np.array([60, 190])[y][:, None, None, None] + rng.normal(
        0, 15, (n, size, size, channels)
    )
    np.savez(path, images=light.clip(0, 255).astype(np.uint8), **({"labels": y} if labels else {}))
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    npz(folder / "real.npz", 0)
    npz(folder / "unlabelled.npz", 0, labels=False)
    npz(folder / "gray.npz", 1, channels=1)
    npz(folder / "few.npz", 2, n=30)
    made = folder / "made"
    made.mkdir()
    with np.load(npz(folder / "other.npz", 3, n=150)) as file:
        for i, image in enumerate(file["images"]):
            pictures.save_png(made / f"{i:03d}.png", image)
    return folder


def run(capsys, *words):
    code = process.guarded(evaluate.run, [str(word) for word in words])
    return code, capsys.readouterr()


def score(capsys, data, images, workdir, *words):
    """`run` on images, against the real ones."""
    real = f"--data=npz:{data / 'real.npz'}"
    return run(capsys, f"--images={images}", real, "--size=8", f"--workdir={workdir}", *words)


@pytest.mark.long
def test_a_folder_of_images_is_scored_like_a_run(data, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["--neighbours=20", "--scores=kernel,coverage,classes,ms_ssim"]
    code, said = score(capsys, data, data / "made", out, *words)
    assert code == 0 and "kernel distance (low)" in said.out and "images" in said.out
    record = json.loads((out / "eval.json").read_text())
    assert list(record["rows"]) == ["real", "images", "collapsed"]
    row = record["rows"]["images"]
    assert (row["n_fake"], row["repeats"]) == (150, 1)  # all there are, once
    assert row["coverage"] > 0.6 and row["total_variation"] < 0.2 and row["kernel_se"] > 0
    assert record["protocol"]["images"] == f"folder:{data / 'made'}"
    page = (out / "report.html").read_text()
    assert "MS-SSIM" in page and not re.findall(r'(?:src|href)="(?!data:)', page)
    copies = f"npz:{data / 'real.npz'}", tmp_path / "copies"
    assert "Signs of copying" in score(capsys, data, *copies, "--scores=kernel")[1].out


QUICK = ["--features=pixels", "--scores=kernel", "--neighbours=0", "--n_images=60", "--repeats=1"]


def advised(message, flag):
    """The flag of a refusal that says to use it, as it is written there."""
    return re.search(rf"--{flag}(=\w+)?", message)[0]


def test_damaged_images_are_left_out_on_advice(data, tmp_path, capsys):
    """Of the scored images and of the real ones; their number shows in the record."""
    for name in ("scored", "real"):
        shutil.copytree(data / "made", tmp_path / name)
        (tmp_path / name / "000.png").write_bytes(b"damaged")
    (tmp_path / "scored" / "deeper").mkdir()
    pictures.save_png(tmp_path / "scored" / "deeper" / "x.png", np.zeros((8, 8, 3), np.uint8))
    words = [f"--images={tmp_path}/scored", f"--data={tmp_path}/real", "--size=8", *QUICK]
    words.append(f"--workdir={tmp_path}/out")
    code, said = run(capsys, *words)
    assert code == 2 and "000.png cannot be decoded" in said.err
    code, said = run(capsys, *words, advised(said.err, "skip_bad_images"))
    assert code == 0 and said.err.count("images skipped") == 2
    record = json.loads((tmp_path / "out" / "eval.json").read_text())
    assert record["protocol"]["n_real"] == 149


@pytest.mark.parametrize("which", ["images", "data"])
def test_images_are_converted_on_advice(which, data, tmp_path, capsys):
    """Gray images against colour, and one gray file in a folder of colour."""
    words = {"images": data / "gray.npz", "data": data / "real.npz"}
    if which == "data":
        shutil.copytree(data / "made", tmp_path / "real")
        pictures.save_png(tmp_path / "real" / "000.png", np.zeros((8, 8, 1), np.uint8))
        words |= {"images": data / "real.npz", "data": tmp_path / "real"}
    words = [f"--{name}={path}" for name, path in words.items()]
    words += ["--size=8", *QUICK, f"--workdir={tmp_path}/out"]
    code, said = run(capsys, *words)
    assert code == 2
    assert run(capsys, *words, advised(said.err, "colors"))[0] == 0


def test_the_flags_of_images_are_refused_for_a_run(tmp_path, capsys):
    for flag in ("--labels=none", "--colors=rgb", "--crop=9", "--size=128"):
        code, said = run(capsys, f"--workdir={tmp_path}/run", flag)
        assert code == 2 and "a run knows its own" in said.err and flag in said.err


@pytest.mark.parametrize("flag", ["--checkpoint=best", "--download"])
def test_the_flags_of_a_run_are_refused_for_images(tmp_path, capsys, flag):
    words = [f"--images={tmp_path}", f"--data={tmp_path}", f"--workdir={tmp_path}/out", flag]
    code, said = run(capsys, *words)
    assert code == 2 and "is for runs, and --images are no run's" in said.err and flag in said.err


@pytest.mark.long
@pytest.mark.parametrize(
    "words, message",
    [
        (["--images={made}"], "name them with --data"),
        (
            ["--images={gray}", "--data=npz:{real}", "--size=8"],
            "are gray, --data=npz:.* are colour",
        ),
        (["--images={made}", "--data=toys:plus", "--size=8"], "holds points"),
        (
            ["--images={few}", "--data=npz:{real}", "--size=8"],
            "--n_images=30 is too few.*--scores=kernel",
        ),
        (["--images={made}", "--data=npz:{few}", "--size=8"], "has 30 images, too few"),
        (
            ["--images={made}", "--data=npz:{unlabelled}", "--size=8", "--scores=classes"],
            "classes needs a classifier",
        ),
        (
            ["--images={made}", "--data=npz:{unlabelled}", "--size=8", "--features=classifier"],
            "classifier",
        ),
        (
            ["--images={made}", "--data=npz:{real}", "--size=8", "--scores=fid"],
            "'fid' is no metric; use some of frechet",
        ),
        (
            ["--images={made}", "--data=npz:{real}", "--size=8", "--features=vgg"],
            "no known feature space",
        ),
        (["--images={made}/nowhere", "--data=npz:{real}", "--size=8"], "names no known source"),
        ([], "--workdir is missing"),
    ],
)
def test_refusals(data, tmp_path, capsys, words, message):
    names = {name: data / f"{name}.npz" for name in ("real", "gray", "few", "unlabelled")} | {
        "made": data / "made"
    }
    code, said = run(
        capsys,
        *(word.format(**names) for word in words),
        *([f"--workdir={tmp_path}/out"] if words else []),
    )
    assert (
        code == 2
        and re.search(message, said.err.splitlines()[-1])
        and not (tmp_path / "out").exists()
    )


@pytest.mark.slow
def test_copies_are_repeated_where_training_images_are_few_and_no_damage_is_none():
    rng = np.random.default_rng(0)
    clean, labels = rng.integers(0, 256, (40, 4, 4, 1), np.uint8), np.full(40, -1)
    training = rng.integers(0, 256, (30, 4, 4, 1), np.uint8)
    copies = damage.damage("copies", 1.0, clean, labels, training, rng)
    known = {image.tobytes() for image in training}
    assert len(copies) == 40 and {image.tobytes() for image in copies} == known
    for kind, levels in damage.LEVELS.items():
        assert (damage.damage(kind, levels[0], clean, labels, training, rng) == clean).all()


def test_damage_smoke_flagfile_gets_worse_by_every_score(tmp_path, capsys):
    """Distances rise with noise and blur, coverage falls with every class left out; only the
    neighbours show copies.
    """
    assert process.guarded(damage.run, ["--flagfile=damage_smoke", f"--workdir={tmp_path}"]) == 0
    capsys.readouterr()
    found = json.loads((tmp_path / "damage.json").read_text())
    for kind in ("noise", "blur"):
        values = [row["kernel"] for row in found["damage"][kind]]
        assert values[-1] > 10 * max(values[0], 1e-4) and np.all(np.diff(values[1:]) > 0)
    coverage = [row["coverage"] for row in found["damage"]["classes"]]
    assert coverage[-1] < 0.6 * coverage[0] and np.all(np.diff(coverage) < 0.02)
    copied = [row["copied"] for row in found["damage"]["copies"]]
    np.testing.assert_allclose(copied, damage.LEVELS["copies"], atol=0.12)
    assert found["damage"]["copies"][-1]["coverage"] > 0.9 * coverage[0]
    bias = found["bias"]
    assert (
        np.mean(bias["distances"][0]) > np.mean(bias["distances"][-1]) > bias["limit"]
        and bias["slope"] > 0
    )
    assert (tmp_path / "damage.png").stat().st_size > 10_000 and (tmp_path / "bias.png").exists()


def test_every_metric_is_in_the_table_once_and_explains_itself():
    keys = [key for found in metrics.TABLE.values() for key in found.scores]
    assert len(keys) == len(set(keys))
    for score in metrics.SCORES.values():
        assert (
            score.better in ("low", "high", "real")
            and len(score.title) <= 17
            and score.text.endswith(".")
        )
