"""Files and folders are written whole or not at all, and what a kill left goes after a day."""

import os
import time

import pytest

from gan_jax import cache


def make_scratch(folder, name, age, is_folder):
    path = folder / f"{cache.SCRATCH}{name}"
    if is_folder:
        path.mkdir()
        (path / "part.npy").write_bytes(b"half")
    else:
        path.write_bytes(b"half")
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def test_what_a_kill_left_goes_after_a_day_and_nothing_else(tmp_path):
    day = cache.SECONDS_PER_DAY
    old = [make_scratch(tmp_path, f"old{i}", day + 60, i > 0) for i in range(2)]
    new = [make_scratch(tmp_path, f"new{i}", day - 60, i > 0) for i in range(2)]
    others = [tmp_path / ".tmp-mine", tmp_path / "grid.png"]
    for path in others:
        path.write_text("of a user")
        os.utime(path, (0, 0))
    cache.remove_abandoned(tmp_path)
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in (*new, *others))


def test_an_entry_removes_them_beside_it(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path))
    (tmp_path / "images").mkdir()
    old = make_scratch(tmp_path / "images", "old", 2 * cache.SECONDS_PER_DAY, True)
    entry = cache.entry("images", {"a": 1}, lambda folder: (folder / "x").write_text("all"))
    assert (entry / "x").read_text() == "all" and not old.exists()
    assert list((tmp_path / "images").iterdir()) == [entry]


def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(tmp_path):
    path = tmp_path / "eval.json"
    cache.write_atomic(path, "old")
    with pytest.raises(TypeError):
        cache.write_atomic(path, object())
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
