"""What training writes down of its flags."""

import types

from gan_jax.commands import train
from gan_jax.rundir import run_folder


def test_flags_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    """Who has the old file open reads the old flags to their end."""
    _, workdir, config, values = train.configure("gan", ["--seed=3", f"--workdir={tmp_path}"])
    (tmp_path / "flags.txt").write_text("--steps=1\n")
    before = run_folder.RunStatus.RESUMABLE
    monkeypatch.setattr(run_folder, "prepare_folder", lambda *_: before)
    with open(tmp_path / "flags.txt") as old:
        assert train._begin(workdir, types.SimpleNamespace(config=config), False, values)
        assert old.read() == "--steps=1\n"
    assert "--seed=3" in (tmp_path / "flags.txt").read_text().splitlines()
