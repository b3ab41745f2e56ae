"""Deleting moves a folder as it is, and restoring moves it back."""

import json
import os

import pytest

from gan_jax.errors import InputError
from gan_jax.rundir import run_lock
from gan_jax.studio.recycle_bin import FOLDER, Bin
from gan_jax.studio.run_index import NotFound, RunIndex


def contents(folder):
    """{path: bytes} of the files of a folder, without locks."""
    files = [path for path in folder.rglob("*") if path.is_file() and "lock" not in path.name]
    return {path.relative_to(folder): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", ["a", "study/deep/b"])
def test_nothing_is_lost_between_deletion_and_return(tmp_path, make_run, name):
    before = contents(make_run(tmp_path / name, console_log="hello", DONE=""))
    runs = RunIndex(tmp_path)
    bin_ = Bin(runs)
    key = bin_.delete(name)
    assert not runs.names() and not (tmp_path / name).exists()
    (entry,) = bin_.entries()
    assert entry["name"] == name and entry["bytes"] >= sum(map(len, before.values()))
    assert bin_.restore(key) == name
    assert contents(tmp_path / name) == before and bin_.entries() == []
    assert list(runs.names()) == [name] and runs.summary(name)["state"] == "finished"


def test_a_name_may_be_used_again_and_then_stays(tmp_path, make_run):
    bin_ = Bin(RunIndex(tmp_path))
    make_run(tmp_path / "a")
    first = bin_.delete("a")
    new = contents(make_run(tmp_path / "a", records=2))
    with pytest.raises(InputError, match="a is taken"):
        bin_.restore(first)
    assert contents(tmp_path / "a") == new
    bin_.delete("a")
    assert len(bin_.entries()) == 2 and bin_.restore(first) == "a"


def test_what_is_active_is_not_deleted(tmp_path, make_run):
    make_run(tmp_path / "queued", studio_json={"state": "queued"})
    folder = make_run(tmp_path / "scored")
    (folder / "studio-evaluate.json").write_text(json.dumps({"state": "queued", "flags": []}))
    trained = make_run(tmp_path / "trained")
    bin_ = Bin(RunIndex(tmp_path))
    with run_lock.lock_run(trained):
        for name in ("queued", "scored", "trained"):
            with pytest.raises(InputError, match="stop it first"):
                bin_.delete(name)
    assert len(bin_.runs.names()) == 3
    bin_.delete("trained")


def test_a_sweep_goes_and_comes_back_with_its_runs(tmp_path, make_run):
    make_run(tmp_path / "sweep" / "a_0", DONE="")
    (tmp_path / "sweep" / "sweep.json").write_text('{"a_0": {"code": 0}}')
    runs = RunIndex(tmp_path)
    key = Bin(runs).delete("sweep")
    assert not runs.names() and not runs.sweeps()
    Bin(runs).restore(key)
    assert list(runs.sweeps()) == ["sweep"] and list(runs.names()) == ["sweep/a_0"]


@pytest.mark.parametrize("path", ["../out", "/etc", "a/../../out", "", ".", "link/a"])
def test_no_entry_leads_out_of_the_root(tmp_path, make_run, path):
    root = tmp_path / "root"
    make_run(root / "a")
    (root / "link").symlink_to(tmp_path)
    bin_ = Bin(RunIndex(root))
    key = bin_.delete("a")
    entry = root / FOLDER / key / "entry.json"
    entry.write_text(json.dumps({"name": "a", "path": path, "deleted": 0}))
    with pytest.raises(InputError):
        bin_.restore(key)
    for other in ("..", "", "../" + key, "no"):
        with pytest.raises(NotFound):
            bin_.restore(other)
    assert sorted(os.listdir(tmp_path)) == ["root"]
