"""Data that have moved: a run goes on where their content is the same, wherever it is read from."""

import dataclasses
import json
import shlex

import numpy as np
import pytest
from PIL import Image

from gan_jax import config
from gan_jax.commands import process
from gan_jax.commands import train as training
from gan_jax.rundir import config_file, run_folder
from gan_jax.studies import runner
from tests import advice

FLAGS = ["--size=8", "--width=2", "--z_dim=3", "--batch=4", "--steps=2", "--devices=1", "--dry_run"]


@pytest.fixture
def place(tmp_path):
    """A folder with data/, and run/, a run that was trained on them and has no checkpoint yet."""
    (tmp_path / "data").mkdir()
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    for i, pixels in enumerate(images):
        Image.fromarray(pixels).save(tmp_path / "data" / f"{i}.png")
    np.savez(tmp_path / "same.npz", images=images)
    words = [*FLAGS, f"--data=folder:{tmp_path}/data", f"--workdir={tmp_path}/run"]
    _, _, configured, values = training.configure("dcgan", words)
    (tmp_path / "run").mkdir()
    config_file.write(tmp_path / "run", config.prepare(configured).to_dict())
    (tmp_path / "run" / "flags.txt").write_text(training._flags_text(values))
    return tmp_path


def attempt(place, data, *more):
    """(exit code) of the command that goes on, with --data."""
    words = [*FLAGS, f"--data={data}", f"--workdir={place}/run", *more]
    return process.guarded(lambda argv: training.run("dcgan", argv), words)


def test_moved_data_are_the_same_data(place, capsys):
    (place / "data").rename(place / "moved")
    assert attempt(place, f"folder:{place}/data") == 2
    message = capsys.readouterr().err
    words = ["train", "dcgan", *FLAGS, f"--data=folder:{place}/data", f"--workdir={place}/run"]
    ways = advice.read(message, words, {"data": f"folder:{place}/moved"})
    (way,) = [w for w in ways if w.flags == (("data", f"--data=folder:{place}/moved"),)]
    assert process.guarded(lambda a: training.run("dcgan", a), way.typed(words)[2:]) == 0
    assert "would be resumed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("data", "more"), [("npz:{}/same.npz", []), ("folder:{}/data", ["--crop=8"])]
)
def test_the_content_decides_not_how_it_is_read(data, more, place, capsys):
    assert attempt(place, data.format(place), *more) == 0
    assert "would be resumed" in capsys.readouterr().out


def test_a_resumed_run_knows_the_new_place(place):
    (place / "data").rename(place / "moved")
    words = [*FLAGS, f"--data=folder:{place}/moved", f"--workdir={place}/run"]
    prepared = config.prepare(training.configure("dcgan", words)[2])
    assert run_folder.prepare_folder(place / "run", prepared) == run_folder.RunStatus.RESUMABLE
    run, info = run_folder.load_config(place / "run")
    assert run_folder.load_data(run, info)[0].digest == info["digest"]


def test_changed_data_are_refused_with_ways_out_that_work(place, capsys):
    """Not to go on by flags.txt, which names the same changed data."""
    (place / "copy").mkdir()
    for path in (place / "data").iterdir():
        (place / "copy" / path.name).write_bytes(path.read_bytes())
    Image.new("RGB", (8, 8)).save(place / "data" / "new.png")
    assert attempt(place, f"folder:{place}/data") == 2
    message = capsys.readouterr().err.strip()
    assert "the content of folder:" in message and "(6 images, now 7)" in message
    words = ["train", "dcgan", *FLAGS, f"--data=folder:{place}/data", f"--workdir={place}/run"]
    places = {"workdir": f"{place}/other", "data": f"folder:{place}/copy"}
    ways = advice.read(message, words, places)
    assert {name for way in ways for name, _ in way.flags} == {"workdir", "restart", "data"}
    for way in ways:
        assert process.guarded(lambda a: training.run("dcgan", a), way.typed(words)[2:]) == 0


def test_other_data_leave_the_run_as_it_was(place, capsys):
    assert attempt(place, "galaxies:20") == 2
    message = capsys.readouterr().err
    assert f"--data=folder:{place}/data, now galaxies:20" in message
    command = shlex.split(message.split("`")[1])
    words = command[command.index("train") + 2 :]
    run = process.guarded(lambda a: training.run("dcgan", a), [*words, "--dry_run"])
    assert run == 0 and "would be resumed" in capsys.readouterr().out


def test_a_study_goes_on_with_moved_data(place):
    prepared = config.prepare(run_folder.load_config(place / "run")[0])
    stored = {
        "flags": {},
        "configs": {"gan": json.loads((place / "run" / "config.json").read_text())},
    }
    stored["configs"]["gan"]["source"] = stored["configs"]["gan"]["dataset"]
    moved = dataclasses.replace(prepared.config.run, data=f"npz:{place}/same.npz")
    again = config.prepare(dataclasses.replace(prepared.config, run=moved))
    assert runner._differences(stored, {"gan": again}, {}) == []
    fewer = dataclasses.replace(prepared.config.run, data="galaxies:20")
    other = config.prepare(dataclasses.replace(prepared.config, run=fewer))
    assert "now galaxies:20" in runner._differences(stored, {"gan": other}, {})[0]
