"""Full disks: nothing is lost in silence, and the run goes on or resumes."""

import contextlib
import json
import os
import shutil
import subprocess

import pytest

from gan_jax.errors import Stopped
from gan_jax.rundir import checkpoint, log
from gan_jax.training import training_loop
from tests import tiny_runs
from tests.rundir.test_checkpoint import TALLY, state

PAGE = 4096  # bytes, the grain of a small file system


@pytest.fixture
def disk(tmp_path):
    """A disk of 2 MB, as a folder."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk: run as root, or under unshare -rm")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def fill(disk, left=0):
    """Fills the disk up to the last `left` bytes; replaces an earlier filling."""
    room(disk)
    with open(disk / "ballast", "wb") as f, contextlib.suppress(OSError):
        free = os.statvfs(disk)
        f.write(bytes(free.f_bavail * free.f_bsize - left))


def room(disk):
    (disk / "ballast").unlink(missing_ok=True)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.long
def test_a_save_that_finds_no_room_leaves_nothing_and_what_was_there(disk, capsys):
    with checkpoint.Store(disk) as store:
        for step in (1, 2):
            store.save(step, state(step), TALLY)
        store.wait()
        for i, pages in enumerate(
            (0, 1, 3, 6, 10, 15)
        ):  # the failure comes from folders, descriptions or arrays
            fill(disk, pages * PAGE)
            capsys.readouterr()
            store.save(3 + i, state(), TALLY)
            assert store.steps() == [1 + i, 2 + i]
            error = capsys.readouterr().err
            assert error.startswith(f"DISK FULL: checkpoint {3 + i} ") and error.count("\n") == 1
            assert f"newest on disk is checkpoint {2 + i}." in error
            assert names(disk / "checkpoints") == [str(1 + i), str(2 + i)]
            room(disk)
            assert store.load_newest(state(), TALLY)[0] == 2 + i
            store.save(3 + i, state(3 + i), TALLY)
            assert store.steps() == [2 + i, 3 + i]
    assert names(disk / "checkpoints") == ["7", "8"] and "DISK FULL" not in capsys.readouterr().err


def test_another_error_of_a_save_is_raised(tmp_path):
    with pytest.raises(ValueError, match="already exists"), checkpoint.Store(tmp_path) as store:
        store.save(1, state(), TALLY)
        store.save(1, state(), TALLY)


def test_records_wait_for_room_and_no_line_is_torn(disk, capsys):
    records = [{"step": i, "text": "x" * (3 * PAGE), "wall": {}} for i in range(4)]
    file = log.Log(disk, 0)
    file.write(records[0])
    fill(disk, 2 * PAGE)  # half a record
    assert not file.flush() or log.read(disk / "metrics.jsonl") == records[:1]
    file.write(records[1])
    file.write(records[2])
    assert log.read(disk / "metrics.jsonl") == records[:1] and not file.flush()
    assert (disk / "metrics.jsonl").read_text() == json.dumps(records[0]) + "\n"
    assert (
        capsys.readouterr().err.count("DISK FULL: metrics.jsonl") == 1
    )  # once, not at every record
    room(disk)
    file.write(records[3])
    assert "There is room again" in capsys.readouterr().err
    file.close()
    assert (disk / "metrics.jsonl").read_text() == "".join(json.dumps(r) + "\n" for r in records)


def test_a_line_on_a_full_disk_comes_later(disk):
    with open(disk / "out", "w") as file:
        fill(disk)
        log.say("one", file)
        room(disk)
        log.say("two", file)
    assert (disk / "out").read_text() == "one\ntwo\n"


def events(folder):
    """(step, tag, value) of all scalars in a folder's TensorBoard files, each up to a torn end."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    found = []
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        while data:
            n = int.from_bytes(
                data[:8], "little"
            )  # then a checksum of 4 bytes, n bytes, a checksum
            if len(data) < 16 + n:
                break
            event = event_pb2.Event.FromString(data[12 : 12 + n])
            found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
            data = data[16 + n :]
    return found


def test_tensorboard_files_end_at_a_full_disk_and_nothing_waits_for_them(disk, capsys):
    pytest.importorskip("tensorboardX")
    record = {
        **{f"disc/{i}": 0.5 for i in range(200)},
        "wall": {},
    }  # more than a page, and than a buffer
    file = log.Log(disk, 0, tensorboard=True)
    file.write({"step": 1, **record})
    fill(disk)
    file.write({"step": 2, **record})
    assert "DISK FULL: tensorboard/ was NOT saved" in capsys.readouterr().err
    room(disk)
    file.write({"step": 3, **record})
    file.close()
    found = events(disk / "tensorboard")
    assert found[:200] == [(1, f"disc/{i}", 0.5) for i in range(200)] and {
        step for step, _, _ in found[200:]
    } <= {2}
    assert [r["step"] for r in log.read(disk / "metrics.jsonl")] == [1, 2, 3]


# 12 records of metrics are more than a page.
CHANGES = {"steps": 24, "log_every": 1, "sample_every": 6, "save_every": 4}


def train(workdir, **changes):
    """Trains a run with CHANGES. Returns the digest of its final state."""
    return tiny_runs.train(workdir, tiny_runs.prepare(tiny_runs.dataset(), **CHANGES, **changes))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """(folder, digest) of a run with room."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, train(folder)


def at_steps(monkeypatch, actions):
    """Calls {step: function} during a run, after the saves before are done."""
    dispatch = training_loop.Loop._dispatch

    def dispatch_and_act(loop):
        dispatch(loop)
        loop.store.wait()
        actions.get(loop.t, lambda: None)()

    monkeypatch.setattr(training_loop.Loop, "_dispatch", dispatch_and_act)


@pytest.mark.long
def test_a_run_outlives_a_full_disk(whole, disk, monkeypatch, capsys):
    actions = {5: lambda: fill(disk, 4 * PAGE), 9: lambda: fill(disk), 21: lambda: room(disk)}
    at_steps(monkeypatch, actions)
    assert train(disk / "run") == whole[1]
    error = capsys.readouterr().err
    assert "checkpoint 8 (" in error and "newest on disk is checkpoint 4." in error
    assert (
        "metrics.jsonl was NOT saved" in error
        and "There is room again" in error
        and "000012.png was NOT saved" in error
    )
    assert tiny_runs.records(disk / "run") == tiny_runs.records(whole[0])
    assert names(disk / "run" / "checkpoints") == ["24", "4"]
    assert names(disk / "run") == names(whole[0])
    assert names(disk / "run" / "samples") == ["000006.png", "000024.png"]


@pytest.mark.long
def test_a_run_on_a_full_disk_ends_unfinished_and_resumes(whole, disk, monkeypatch):
    at_steps(monkeypatch, {5: lambda: fill(disk)})
    with pytest.raises(
        Stopped,
        match="step 24 was NOT saved, .* is full. The newest on disk is checkpoint 4; make room",
    ):
        train(disk / "run", tensorboard=True)
    monkeypatch.undo()
    assert not (disk / "run" / "DONE").exists() and names(disk / "run" / "checkpoints") == ["4"]
    whole_lines = tiny_runs.records(disk / "run")
    assert (
        5 <= len(whole_lines) < 24
        and whole_lines == tiny_runs.records(whole[0])[: len(whole_lines)]
    )
    room(disk)
    assert train(disk / "run", tensorboard=True) == whole[1]
    assert tiny_runs.records(disk / "run") == tiny_runs.records(whole[0])
    assert (
        names(disk / "run" / "samples") == names(whole[0] / "samples")
        and (disk / "run" / "DONE").exists()
    )


def test_a_start_on_a_full_disk_is_one_line(disk):
    (disk / "run").mkdir()
    (disk / "run" / "metrics.jsonl").write_text('{"step": 0, "wall": {}}\n')  # to be written again
    prepared = tiny_runs.prepare(tiny_runs.dataset())
    fill(disk)
    with pytest.raises(Stopped, match="The disk of .*run is full; make room"):
        training_loop.train(prepared, disk / "run")
