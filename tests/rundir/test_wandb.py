"""Weights & Biases: what the real client writes offline, resume, and failures that stop nothing."""

import json
import os
import sys
import threading

import numpy as np
import pytest

from gan_jax.commands import command_line, train
from gan_jax.errors import InputError
from gan_jax.rundir import log, wandb_writer
from tests import tiny_runs


@pytest.fixture
def offline(monkeypatch):
    """The module wandb, which stays offline and silent."""
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    return wandb


def offline_runs(workdir):
    """The offline files in a run folder, in the order in which they were begun."""
    return sorted(
        (workdir / "wandb").glob("offline-run-*/*.wandb"), key=lambda p: p.stat().st_mtime
    )


def read_chunks(data):
    """The records of a log in blocks of 32 KiB, each with a head: checksum, length, type."""
    whole, at = b"", 7  # after the head of the file
    while at + 7 <= len(data):
        if 2**15 - at % 2**15 < 7:  # the rest of a block is too short for a head
            at += 2**15 - at % 2**15
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield whole
            whole = b""


def history(path):
    """([{name: value}], id of the W&B run) of one offline file."""
    proto = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    rows, run_id = [], ""
    for chunk in read_chunks(path.read_bytes()):
        record = proto.Record()
        record.ParseFromString(chunk)
        if record.WhichOneof("record_type") == "run":
            run_id = record.run.run_id
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            rows.append({"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in items})
    return rows, run_id


@pytest.mark.long
def test_records_and_grids_reach_the_file_and_a_resumed_run_goes_on(offline, tmp_path, monkeypatch):
    prepared = tiny_runs.prepare(tiny_runs.dataset(), wandb=True)
    plain = tiny_runs.train(tmp_path / "plain", tiny_runs.prepare(tiny_runs.dataset()))
    tiny_runs.stop_at(monkeypatch, 8)
    with pytest.raises(Exception, match="stopped by SIGTERM at step 8"):
        tiny_runs.train(tmp_path / "run", prepared)
    monkeypatch.undo()
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    assert tiny_runs.train(tmp_path / "run", prepared) == plain  # the same bytes
    records = log.read(tmp_path / "run" / "metrics.jsonl")
    first, second = offline_runs(tmp_path / "run")
    rows, ids = zip(*map(history, (first, second)), strict=True)
    assert (
        len(set(ids)) == 1 and ids[0] == (tmp_path / "run" / "wandb" / "id.txt").read_text().strip()
    )
    logged = {row["_step"]: row for part in rows for row in part}
    for record in records:
        row = logged[record["step"]]
        assert row["disc/loss"] == record["disc/loss"]
        assert row["wall/steps_per_s"] == record["wall"]["steps_per_s"]
    with_picture = [s for s, row in logged.items() if row.get("samples/_type") == "image-file"]
    assert sorted(with_picture) == [6, 12]
    pictures = list((tmp_path / "run" / "wandb").rglob("samples_*.png"))
    assert len(pictures) == 2
    assert not (tmp_path / "plain" / "wandb").exists()


def test_a_missing_package_stops_the_command_and_no_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command_line, "installed", lambda module: module != "wandb")
    with pytest.raises(InputError, match=r"--wandb needs wandb; .*\[wandb\]'"):
        train.run("gan", ["--data=toys:plus", "--net=mlp", "--pixels=linear", "--wandb"])
    monkeypatch.setitem(sys.modules, "wandb", None)
    file = log.Log(tmp_path, 0, wandb=True)
    file.write({"step": 1, "loss": 0.5, "wall": {}})
    file.close()
    assert [r["step"] for r in log.read(tmp_path / "metrics.jsonl")] == [1]
    said = capsys.readouterr().err
    assert said.count("Weights & Biases failed") == 1 and said.count("\n") == 1


class Broken:
    """A stand-in for the package, whose functions fail from a call on."""

    def __init__(self, fails):
        self.fails, self.logged, self.finished = fails, [], 0
        self.go = threading.Event()
        self.Settings, self.Image = dict, np.asarray

    def init(self, **options):
        self.options = options
        if self.fails == "init":
            raise ConnectionError("no route\nto the host")
        return self

    def log(self, values, step):
        if self.fails == "log" and step > 1:
            raise BrokenPipeError("the service is gone")
        if self.fails == "slow":
            self.go.wait(30)
        self.logged.append((step, values))

    def finish(self):
        self.finished += 1
        if self.fails == "finish":
            raise OSError("late")
        if self.fails == "hang":
            self.go.wait(30)


@pytest.mark.parametrize("fails", ["init", "log", "finish", "hang", ""])
def test_failures_are_said_once_and_stop_nothing(fails, tmp_path, monkeypatch, capsys):
    broken = Broken(fails)
    monkeypatch.setitem(sys.modules, "wandb", broken)
    monkeypatch.setattr(wandb_writer, "STUCK_SECONDS", 0.2)
    (tmp_path / "config.json").write_text('{"method": "gan"}')
    file = log.Log(tmp_path, 0, wandb=True)
    for step in (1, 2, 3):
        file.write({"step": step, "loss": 0.5, "warnings": ["x"], "wall": {"time": 1.5}})
        file.write_picture(step, np.zeros((4, 5, 1), np.uint8))
    file.close()
    broken.go.set()
    assert [r["step"] for r in log.read(tmp_path / "metrics.jsonl")] == [1, 2, 3]
    said = capsys.readouterr().err
    assert said.count("\n") == bool(fails), said
    assert ("Weights & Biases" in said) == bool(fails)
    if fails not in ("init", "log"):
        assert [step for step, _ in broken.logged] == [1, 1, 2, 2, 3, 3]
        assert broken.logged[0][1] == {"loss": 0.5, "wall/time": 1.5}
        assert broken.logged[1][1]["samples"].shape == (4, 5)
    assert broken.options["config"] == {"method": "gan"} and broken.options["resume"] == "allow"


def test_a_slow_service_loses_records_and_holds_nothing(tmp_path, monkeypatch, capsys):
    broken = Broken("slow")
    monkeypatch.setitem(sys.modules, "wandb", broken)
    monkeypatch.setattr(wandb_writer, "MAX_WAITING", 3)
    monkeypatch.setattr(wandb_writer, "STUCK_SECONDS", 0.2)
    (tmp_path / "config.json").write_text("{}")
    file = log.Log(tmp_path, 0, wandb=True)
    for step in range(1, 9):
        file.write({"step": step, "loss": 0.5, "wall": {}})
    file.close()
    broken.go.set()
    said = capsys.readouterr().err
    assert "does not keep up, and lacks" in said and said.count("\n") == 1
    assert len(log.read(tmp_path / "metrics.jsonl")) == 8


def test_the_id_stays_with_the_folder(tmp_path, monkeypatch):
    broken = Broken("")
    monkeypatch.setitem(sys.modules, "wandb", broken)
    (tmp_path / "config.json").write_text("{}")
    ids = set()
    for _ in range(2):
        log.Log(tmp_path, 0, wandb=True).close()
        ids.add(broken.options["id"])
    assert len(ids) == 1 and broken.finished == 2
    assert os.listdir(tmp_path / "wandb") == ["id.txt"]
