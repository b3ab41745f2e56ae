"""The benchmarks run, and write what they print."""

import json

import pytest

from experiments import common
from experiments.benchmarks import members
from gan_jax import parallel


def test_unknown_workloads_are_refused(capsys):
    assert common.guarded(members.run, ["--workloads=vae"]) == 2
    assert "--workloads=vae is not known" in capsys.readouterr().err


@pytest.mark.slow
def test_members(tmp_path, capsys):
    words = ["--workloads=mlp", "--members=2", "--rounds=6", "--steps=1", f"--json={tmp_path}/a.json"]
    assert common.guarded(members.run, words) == 0
    table = json.loads((tmp_path / "a.json").read_text())
    assert [row["way"] for row in table] == list(parallel.MEMBERS)
    out = capsys.readouterr().out
    for row in table:
        r = row["throughput"]
        assert 0 < r["low"] <= r["median"] <= r["high"] and f"{r['median']:.3f} [{r['low']:.3f}, {r['high']:.3f}]" in out
