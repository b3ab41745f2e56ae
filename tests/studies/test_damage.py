"""Damaged checkpoints and full disks: nothing wrong is ever loaded, nothing is lost in silence, and the run goes on."""

import contextlib
import io
import json
import os
import random
import shutil
import subprocess

import numpy as np
import pytest

from gan_jax.errors import InputError, Stopped
from gan_jax.rundir import checkpoint, log
from gan_jax.training import training_loop
from tests.rundir import test_checkpoint
from tests.rundir.test_checkpoint import TALLY, state
from tests.training import test_training_loop

SCORES = {1: {"frechet": 2.0, "precision": 0.5}, 2: {"frechet": 1.0, "precision": 0.5}}
PAGE = 4096  # bytes, the grain of a small file system


@pytest.fixture
def folder(tmp_path):
    """A run folder with checkpoints 1 and 2, holding their step's number; 2 is the best."""
    with checkpoint.Store(tmp_path, best="frechet") as store:
        for step in (1, 2):
            store.save(step, state(step), {"n": np.float32(step)}, SCORES[step])
    return tmp_path


def files(folder):
    """All files of checkpoint 2."""
    return sorted(path for path in (folder / "checkpoints" / "2").rglob("*") if path.is_file())


def meta_file(folder):
    return folder / "checkpoints" / "2" / "meta" / "metadata"


def verdict(folder):
    """What loading comes to, "harmless" or "detected", having checked that it is right: the newest step, or the one before
    and a line that names the damage, with exactly the bytes that were saved; and no other best than the true one."""
    stderr = io.StringIO()
    with (
        contextlib.redirect_stderr(stderr),
        checkpoint.Store(folder, "frechet", read_only=True) as store,
    ):
        step, found, tally = store.load_newest(state(), TALLY, keep=True)
        try:
            assert store.best_step() == 2
        except InputError as refusal:
            assert "checkpoints/2 is damaged" in str(refusal)
    assert checkpoint.digest(checkpoint.to_host(found)) == checkpoint.digest(
        checkpoint.to_host(state(step))
    )
    assert tally == {"n": step}
    assert ("checkpoints/2 is damaged" in stderr.getvalue()) == (step == 1)
    return "harmless" if step == 2 else "detected"


def test_no_flipped_bit_is_ever_loaded(folder):
    """200 random bits of all the checkpoint's bits, and one of each of its files."""
    r, sizes = random.Random(0), {path: path.stat().st_size for path in files(folder)}
    hit = r.choices(list(sizes), list(sizes.values()), k=200) + list(sizes)
    counts = {"harmless": 0, "detected": 0}
    for path in hit:
        intact = path.read_bytes()
        flipped, bit = bytearray(intact), r.randrange(8 * len(intact))
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        counts[verdict(folder)] += 1
        path.write_bytes(intact)
    assert counts["detected"] > 150  # most bytes are weights
    assert verdict(folder) == "harmless"


@pytest.mark.parametrize("kept", [None, 0.0, 0.5])
def test_a_missing_empty_or_cut_file_is_never_loaded(folder, kept):
    """kept: the fraction of the file that is left, or None if it is gone."""
    verdicts = {}
    for path in files(folder):
        intact = path.read_bytes()
        path.unlink() if kept is None else path.write_bytes(intact[: int(kept * len(intact))])
        verdicts[path] = verdict(folder)
        path.write_bytes(intact)
    assert verdicts[meta_file(folder)] == "detected"
    assert all(verdicts[path] == "detected" for path in files(folder) if path.stat().st_size > 1000)


def test_a_changed_description_is_damage_not_another_version(folder):
    """Every value of it: steps, digests, leaf names, types, scores."""
    stored = json.loads(meta_file(folder).read_text())
    for change in (
        lambda content: content.update(step=3),
        lambda content: content.update(state=content["tally"]),
        lambda content: content["leaves"].update(v=content["leaves"].pop("['w']")),
        lambda content: content["leaves"].update({"['w']": "float32[40, 301]"}),
        lambda content: content["scores"].update(frechet=3.0),
        lambda content: content.update(scores=None),
    ):
        changed = json.loads(json.dumps(stored))
        change(changed["content"])
        meta_file(folder).write_text(json.dumps(changed))
        assert verdict(folder) == "detected"
    meta_file(folder).write_text(json.dumps(stored, indent=3))  # the same in other words
    assert verdict(folder) == "harmless"


def test_a_checkpoint_under_another_name_is_damage(folder):
    shutil.move(folder / "checkpoints" / "1", folder / "checkpoints" / "3")
    with checkpoint.Store(folder) as store, contextlib.redirect_stderr(io.StringIO()) as stderr:
        assert store.load_newest(state(), TALLY)[0] == 2
    assert "checkpoints/3 is damaged (it holds step 1)" in stderr.getvalue()


@pytest.mark.parametrize("path", [meta_file, lambda folder: test_checkpoint.data_file(folder, 2)])
def test_damage_to_the_only_checkpoint_is_refused(folder, path):
    shutil.rmtree(folder / "checkpoints" / "1")
    test_checkpoint.flip(path(folder))
    with pytest.raises(InputError, match="None of the checkpoints .* is intact"):
        checkpoint.load_state(folder, state())


def test_a_damaged_score_names_no_other_best_and_is_kept(folder):
    meta_file(folder).write_text(
        meta_file(folder).read_text().replace('"frechet": 1.0', '"frechet": 9.0')
    )
    with pytest.raises(InputError, match=r"checkpoints/2 is damaged .* so the best is not known"):
        checkpoint.load_state(folder, state(), "best", "frechet")
    assert checkpoint.load_state(folder, state(), "1", "frechet")[0] == 1
    with checkpoint.Store(folder, best="frechet") as store:
        for step in (3, 4):
            store.save(step, state(step), TALLY, {"frechet": 5.0})
        assert store.steps() == [1, 2, 3, 4]  # 1 is the best that is known


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
            told = capsys.readouterr().err
            assert told.startswith(f"DISK FULL: checkpoint {3 + i} ") and told.count("\n") == 1
            assert f"newest on disk is checkpoint {2 + i}." in told
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
    """(step, tag, value) of all scalars in a folder's TensorBoard files, each up to where it is torn."""
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


CHANGES = {
    "steps": 24,
    "log_every": 1,
    "sample_every": 6,
    "save_every": 4,
}  # 12 records of metrics are more than a page


@pytest.fixture(scope="module")
def source():
    return test_training_loop.source.__wrapped__()


@pytest.fixture(scope="module")
def whole(source, tmp_path_factory):
    """(folder, digest) of a run with room."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, test_training_loop.run(folder, source, **CHANGES)


def at_steps(monkeypatch, actions):
    """Calls {step: function} during a run, after the saves before are done."""
    dispatch = training_loop.Loop._dispatch

    def dispatch_and_act(loop):
        dispatch(loop)
        loop.store.wait()
        actions.get(loop.t, lambda: None)()

    monkeypatch.setattr(training_loop.Loop, "_dispatch", dispatch_and_act)


def test_a_run_outlives_a_full_disk(whole, source, disk, monkeypatch, capsys):
    actions = {5: lambda: fill(disk, 4 * PAGE), 9: lambda: fill(disk), 21: lambda: room(disk)}
    at_steps(monkeypatch, actions)
    assert test_training_loop.run(disk / "run", source, **CHANGES) == whole[1]
    told = capsys.readouterr().err
    assert "checkpoint 8 (" in told and "newest on disk is checkpoint 4." in told
    assert (
        "metrics.jsonl was NOT saved" in told
        and "There is room again" in told
        and "000012.png was NOT saved" in told
    )
    assert test_training_loop.records(disk / "run") == test_training_loop.records(whole[0])
    assert names(disk / "run" / "checkpoints") == ["24", "4"]
    assert names(disk / "run") == names(whole[0])
    assert names(disk / "run" / "samples") == ["000006.png", "000024.png"]


def test_a_run_on_a_full_disk_ends_unfinished_and_resumes(whole, source, disk, monkeypatch):
    at_steps(monkeypatch, {5: lambda: fill(disk)})
    with pytest.raises(
        Stopped,
        match="step 24 was NOT saved, .* is full. The newest on disk is checkpoint 4; make room",
    ):
        test_training_loop.run(disk / "run", source, tensorboard=True, **CHANGES)
    monkeypatch.undo()
    assert not (disk / "run" / "DONE").exists() and names(disk / "run" / "checkpoints") == ["4"]
    whole_lines = test_training_loop.records(disk / "run")
    assert (
        5 <= len(whole_lines) < 24
        and whole_lines == test_training_loop.records(whole[0])[: len(whole_lines)]
    )
    room(disk)
    assert test_training_loop.run(disk / "run", source, tensorboard=True, **CHANGES) == whole[1]
    assert test_training_loop.records(disk / "run") == test_training_loop.records(whole[0])
    assert (
        names(disk / "run" / "samples") == names(whole[0] / "samples")
        and (disk / "run" / "DONE").exists()
    )


def test_a_start_on_a_full_disk_is_one_line(source, disk):
    (disk / "run").mkdir()
    (disk / "run" / "metrics.jsonl").write_text('{"step": 0, "wall": {}}\n')  # to be written again
    config = test_training_loop.configs.Config(
        "dcgan",
        "gan",
        test_training_loop.RUN,
        test_training_loop.HP,
        test_training_loop.configs.describe(source),
    )
    fill(disk)
    with pytest.raises(Stopped, match="The disk of .*run is full; make room"):
        training_loop.train(config, disk / "run", source)
