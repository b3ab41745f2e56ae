"""Checkpoints: damage is reported, other trees are refused, readers disturb nobody."""

import contextlib

import jax
import numpy as np
import pytest

from gan_jax.errors import InputError
from gan_jax.rundir import checkpoint, host_state

TALLY = {"n": np.zeros((), np.float32)}


def state(value=0.0):
    w = (
        np.random.default_rng(0).random((40, 300)).astype(np.float32)
    )  # does not compress: it is most of the bytes
    w[0] = value
    return {"w": w, "key": jax.random.key(3)}


@pytest.fixture
def folder(tmp_path):
    """A run folder with checkpoints 1 and 2, holding their step's number."""
    with checkpoint.Store(tmp_path) as store:
        for step in (1, 2):
            store.save(step, state(step), TALLY)
    return tmp_path


def data_file(folder, step):
    """The largest file of a checkpoint's state: where the numbers are."""
    files = sorted(
        (folder / "checkpoints" / str(step) / "state").rglob("*"),
        key=lambda p: p.stat().st_size if p.is_file() else 0,
    )
    return files[-1]


def newest(folder):
    with checkpoint.Store(folder) as store:
        return store.load_newest(state(), TALLY)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("damage", [truncate, flip, lambda path: path.unlink()])
def test_a_damaged_checkpoint_is_named_and_the_one_before_used(folder, damage, capsys):
    damage(data_file(folder, 2))
    assert (
        checkpoint.load_state(folder, state())[0] == 1
    )  # a reader reports it, too, and moves nothing
    assert (
        "checkpoints/2 is damaged" in capsys.readouterr().err
        and (folder / "checkpoints" / "2").exists()
    )
    step, found, _ = newest(folder)
    assert step == 1 and (found["w"][0] == 1).all()
    assert (
        "checkpoints/2 is damaged" in capsys.readouterr().err
        and (folder / "damaged" / "2").is_dir()
    )
    with checkpoint.Store(folder) as store:
        store.save(2, state(7.0), TALLY)  # its step can be saved again
    assert newest(folder)[0] == 2


def test_no_intact_checkpoint_is_refused_not_forgotten(folder):
    for step in (1, 2):
        truncate(data_file(folder, step))
    with pytest.raises(InputError, match="None of the checkpoints .* is intact"):
        newest(folder)
    assert (folder / "damaged" / "1").is_dir() and (folder / "damaged" / "2").is_dir()


def test_another_tree_is_refused_by_name_and_left_alone(folder):
    with (
        checkpoint.Store(folder) as store,
        pytest.raises(
            InputError, match=r"nothing at \['v'\], and this version expects float32\[3\]"
        ),
    ):
        store.load_newest({**state(), "v": np.zeros(3, np.float32)}, TALLY)
    with checkpoint.Store(folder) as store, pytest.raises(InputError, match="expects float32"):
        store.load_newest({**state(), "w": np.zeros((40, 31), np.float32)}, TALLY)
    assert newest(folder)[0] == 2


@pytest.mark.long
def test_a_reader_leaves_a_save_in_progress_alone(folder):
    with checkpoint.Store(folder) as writer:
        for step in range(3, 9):
            writer.save(step, state(step), TALLY)
            seen, found = checkpoint.load_state(folder, state())
            assert found["w"][0, 0] == seen
    assert newest(folder)[0] == 8


def test_what_training_removes_under_a_reader_is_not_damaged(folder, monkeypatch, capsys):
    """While the reader opens step 2, training saves 3 and 4, and removes 1 and 2."""
    load = checkpoint.Store.load

    def overtaken(self, step, *trees):
        if step == 2:
            with checkpoint.Store(folder) as writer:
                for later in (3, 4):
                    writer.save(later, state(later), TALLY)
        return load(self, step, *trees)

    monkeypatch.setattr(checkpoint.Store, "load", overtaken)
    step, loaded = checkpoint.load_state(folder, state())
    assert step == loaded["w"][0, 0] == 4 and "damaged" not in capsys.readouterr().err


@pytest.mark.long
def test_several_stores_of_one_process_save_at_the_same_time(tmp_path):
    """As the runs of a study do; each save overlaps with the others'."""
    with contextlib.ExitStack() as stack:
        stores = [stack.enter_context(checkpoint.Store(tmp_path / str(i))) for i in range(6)]
        for step in range(1, 8):
            for i, store in enumerate(stores):
                store.save(step, state(100 * i + step), TALLY)
    for i in range(6):
        step, found, _ = newest(tmp_path / str(i))
        assert step == 7 and found["w"][0, 0] == 100 * i + 7


def test_keys_and_values_come_back_exactly(folder):
    _, found, tally = newest(folder)
    assert (
        jax.random.key_data(found["key"]).tolist()
        == jax.random.key_data(jax.random.key(3)).tolist()
    )
    assert tally["n"] == 0 and found["w"].dtype == np.float32
    assert host_state.digest(host_state.to_host(found)) == host_state.digest(
        host_state.to_host(state(2))
    )
    assert host_state.digest(host_state.to_host(found)) != host_state.digest(
        host_state.to_host(state(1))
    )


def test_missing_checkpoints_are_refused(folder, tmp_path_factory):
    with pytest.raises(InputError, match="--checkpoint=5 is not in .*; use one of: newest, 1, 2"):
        checkpoint.load_state(folder, state(), "5")
    with pytest.raises(InputError, match="--checkpoint=best"):
        checkpoint.load_state(folder, state(), "best", "frechet")
    with pytest.raises(InputError, match="no checkpoints yet"):
        checkpoint.load_state(tmp_path_factory.mktemp("none"), state())


def test_what_interrupted_saves_left_is_removed_and_copies_of_the_user_stay(folder):
    root = folder / "checkpoints"
    left = ["3.removed", "4.orbax-checkpoint-tmp", "5.orbax-checkpoint-tmp-1700000000"]
    kept = ["1", "2", "2.bak", "2.orig", "3.removed.bak"]
    for name in [*left, *kept]:
        (root / name / "inner").mkdir(parents=True, exist_ok=True)
    with checkpoint.Store(folder, read_only=True):
        assert all((root / name).exists() for name in left)
    with checkpoint.Store(folder):
        assert sorted(path.name for path in root.iterdir()) == sorted(kept)


def test_orbax_calls_an_unfinished_save_as_expected(folder, monkeypatch):
    seen = []

    def fail(path, *_, **__):
        seen.append(path)
        raise KeyboardInterrupt

    root = folder / "checkpoints"
    monkeypatch.setattr(checkpoint.shutil, "rmtree", lambda *_, **__: None)
    monkeypatch.setattr("pathlib.Path.rename", fail)
    monkeypatch.setattr("os.rename", fail)
    with contextlib.suppress(BaseException):
        checkpoint._files().save(root / "7", state(), TALLY, {})
    unfinished = [path.name for path in root.iterdir() if path.name not in ("1", "2")]
    assert unfinished and all(checkpoint._LEFT.fullmatch(name) for name in unfinished)
