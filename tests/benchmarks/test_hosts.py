"""The benchmark of several processes: both ways have the same cores."""

import json
import os

import pytest

from experiments.benchmarks import hosts


@pytest.mark.parametrize(("together", "pinned"), [(True, ["3", "5"]), (False, ["3,5"])])
def test_both_ways_run_on_the_same_two_cores(tmp_path, monkeypatch, together, pinned):
    started = []

    class Started:
        returncode = 0

        def __init__(self, command, **_):
            started.append(command)

        def communicate(self):
            return "", ""

    wall = {"train_s": 1.0, "startup": {"compile": 2.0}}
    rows = [{"step": 5, "wall": wall}, {"step": 10, "wall": {**wall, "train_s": 2.0}}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {9, 3, 5})
    monkeypatch.setattr(hosts.subprocess, "Popen", Started)
    assert hosts.train(["gan"], 10, tmp_path, together) == {"step": 0.2, "first": 2.0}
    assert [command[:3] for command in started] == [["taskset", "-c", cores] for cores in pinned]
