"""The account of a start: its parts touch, and a run keeps it once per invocation."""

import pytest

from gan_jax.rundir import log
from gan_jax.training import timing


def test_parts_touch(monkeypatch):
    clock = iter((3.0, 4.0, 8.0))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    account = timing.Startup(1.0)
    for part in ("import", "data", "import"):
        account.done(part)
    assert account == {"import": 6.0, "data": 1.0}
    assert account.line() == "first step done after 7.0 s: import 6.0, data 1.0"


@pytest.mark.long
def test_a_command_tells_every_part_of_its_start(tmp_path, capsys):
    from gan_jax.commands import process, train

    words = [
        "--flagfile=gan_smoke",
        f"--workdir={tmp_path / 'run'}",
        "--steps=4",
        "--log_every=2",
        "--devices=1",
    ]
    assert process.guarded(lambda argv: train.run("gan", argv), words) == 0
    first, second = log.read(tmp_path / "run" / "metrics.jsonl")
    parts = first["wall"]["startup"]
    assert list(parts) == ["import", "data", "trace", "init", "compile", "first step"]
    assert min(parts.values()) >= 0 and parts["compile"] > 0 < parts["trace"]
    assert "startup" not in second["wall"]
    said = capsys.readouterr().out
    assert said.count("first step done after") == 1 and "time over all starts: compile" in said
