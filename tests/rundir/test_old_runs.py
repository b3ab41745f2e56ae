"""A run folder of version 0.1, whose state and configuration have other names, still opens.

tests/data/run_0_1 is an AC-GAN on 40 galaxies of 8 px, as it is after a kill between steps 4 and 8
of
8: checkpoint 4 and the first record. params_at_8.npz holds the weights with which that version
  ended.
"""

import json
import pathlib
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from gan_jax.commands import evaluate, process, sample, train
from gan_jax.errors import InputError
from gan_jax.rundir import config_file, run_folder

OLD = pathlib.Path(__file__).parent.parent / "data" / "run_0_1"


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(OLD, tmp_path / "run")


def test_it_was_written_with_other_names():
    assert "source" in json.loads((OLD / "config.json").read_text())
    leaves = (OLD / "checkpoints" / "4" / "state" / "_METADATA").read_text()
    assert "stats" in leaves and "batch_stats" not in leaves


def test_config_and_state_open(folder):
    assert config_file.read(folder)["dataset"]["n"] == 40
    loaded = run_folder.load(folder)
    assert loaded.step == 4 and loaded.config.experiment == "acgan"
    assert loaded.method.conditioning.what == "class"
    assert loaded.state.batch_stats["gen"] and loaded.state.ema["gen"].batch_stats
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(loaded.state.params))


def test_a_damaged_checkpoint_is_still_told_from_an_old_one(folder):
    data = max(
        (folder / "checkpoints" / "4" / "state").rglob("d/*"), key=lambda p: p.stat().st_size
    )
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 255
    data.write_bytes(content)
    with pytest.raises(InputError, match="None of the checkpoints"):
        run_folder.load(folder)


@pytest.mark.long
def test_it_is_sampled_and_scored(folder, capsys):
    words = [f"--workdir={folder}", "--n=4", "--form=kinds"]
    assert process.guarded(sample.run, words) == 0
    # Of the five classes, one had no training images.
    assert Image.open(folder / "sampled_kinds.png").width == 4 * 9 - 1
    words = [f"--workdir={folder}", "--n_images=20", "--repeats=1", "--neighbours=0"]
    words += ["--scores=coverage", "--features=pixels"]
    assert process.guarded(evaluate.run, words) == 0
    record = json.loads((folder / "eval.json").read_text())
    # Its average has a constant decay, of 0.9; the last weights do not hold the untrained net.
    assert record["step"] == 4 and record["untrained_share"] == pytest.approx(0.9**4)
    said = " ".join(capsys.readouterr().out.split())
    assert "No better than an untrained generator: coverage" in said
    assert "still 66 % its untrained weights: score the last ones with --ema=false" in said
    assert process.guarded(evaluate.run, [*words, "--ema=false"]) == 0
    assert "untrained_share" not in json.loads((folder / "eval.json").read_text())


@pytest.mark.long
def test_it_goes_on_to_the_numbers_of_that_version(folder):
    words = [f"--flagfile={folder / 'flags.txt'}", f"--workdir={folder}"]
    assert process.guarded(lambda argv: train.run("acgan", argv), words) == 0
    loaded = run_folder.load(folder)
    assert loaded.step == 8
    # There was no --ema_warmup: the decay stays constant.
    assert not loaded.config.hp.ema_warmup
    assert "--noema_warmup" in (folder / "flags.txt").read_text().split()
    assert "dataset" in json.loads((folder / "config.json").read_text())
    with np.load(OLD / "params_at_8.npz") as expected:
        leaves = jax.tree_util.tree_leaves_with_path(loaded.state.params)
        assert len(leaves) == len(expected)
        for path, leaf in leaves:
            # Four steps of Adam, on any processor.
            np.testing.assert_allclose(leaf, expected[jax.tree_util.keystr(path)], atol=2e-4)
