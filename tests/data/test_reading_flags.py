"""What refusals of data advise is a flag of every command that opens data."""

import dataclasses

import pytest

from gan_jax import config
from gan_jax.commands import export, presets, process, publish, sample, train
from gan_jax.data.reading_flags import ReadingFlags
from gan_jax.rundir import run_folder
from gan_jax.settings import RunSettings
from gan_jax.studies import damage
from gan_jax.studies.gan_vs_dcgan import command as gan_vs_dcgan
from tests.data import making

COMMANDS = {
    damage: "--data={} --size=8",
    gan_vs_dcgan: "--data={} --size=8 --devices=1 --dry_run",
    export: "--classifier={} --size=8",
}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_bad_files_are_left_out_on_advice(command, tmp_path, capsys):
    """Without labels all of these refuse the data in the end: in other words."""
    making.write_image(tmp_path / "set" / "a.png", making.pixels(8, 8, 3))
    (tmp_path / "set" / "bad.png").write_bytes(b"nothing")
    if command is export:
        pytest.importorskip("jax2onnx")
    words = COMMANDS[command].format(f"folder:{tmp_path}/set").split()
    assert process.guarded(command.run, words) == 2
    error = capsys.readouterr().err
    assert "bad.png" in error and "--skip_bad_images" in error
    assert process.guarded(command.run, [*words, "--skip_bad_images"]) == 2
    error = capsys.readouterr().err
    assert "1 of 2 images skipped" in error and "bad.png" not in error.splitlines()[-1]


@pytest.mark.parametrize("command", [sample, publish])
def test_colorization_leaves_out_bad_files_on_advice(command, tmp_path):
    """Of the test split, which training has never opened."""
    making.write_image(tmp_path / "set" / "train" / "a.png", making.pixels(16, 16, 3))
    making.write_image(tmp_path / "set" / "test" / "a.png", making.pixels(16, 16, 3, seed=1))
    (tmp_path / "set" / "test" / "bad.png").write_bytes(b"nothing")
    _, run, hp = train.settings_groups("colorize")
    run = dataclasses.replace(run, data=f"folder:{tmp_path}/set", size=16)
    settings = config.Config("colorize", presets.TABLE["colorize"].method, run, hp)
    data = making.load(run.data, 16)
    prepared = config.prepare(settings, data)
    loaded = run_folder.LoadedRun(settings, prepared.dataset_info, prepared.method, 0, None, None)
    with pytest.raises(config.InputError, match="bad.png.*--skip_bad_images"):
        run_folder.load_pool(loaded)
    assert command.Flags("run", skip_bad_images=True).skip_bad_images
    assert len(run_folder.load_pool(run_folder.skipping_bad_images(loaded))) == 1


def test_they_are_those_of_a_run():
    flags = ReadingFlags(12, "none", "gray", True)
    run = flags.replaced(RunSettings(size=9))
    assert config.Config("x", "gan", run, None).data_options == flags.data_options(9)
