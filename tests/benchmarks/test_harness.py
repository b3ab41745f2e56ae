"""What the benchmarks share: intervals, rounds, tables, and refusals of what they cannot do."""

import itertools
import json

import numpy as np
import pytest

from experiments.benchmarks import __main__ as against_torch
from experiments.benchmarks import (
    feeding,
    growth,
    harness,
    intervals,
    members,
    passes,
    penalty_cost,
    start,
    whole,
    workloads,
)
from gan_jax.commands import process


@pytest.mark.parametrize("n", [6, 9, 12])
def test_coverage_counts_all_ways_that_values_can_fall(n):
    """A value is below the median or above it, evenly; the interval needs k on either side."""
    for k in range(1, n // 2 + 1):
        below = [sum(way) for way in itertools.product((0, 1), repeat=n)]
        assert intervals.coverage(n, k) == np.mean([k <= b <= n - k for b in below])


def test_the_interval_is_the_narrowest_of_enough_coverage():
    assert [intervals.rank(n) for n in (6, 8, 9, 12, 15)] == [1, 1, 2, 3, 4]
    assert intervals.estimate([5, 1, 9, 3, 7, 2, 8, 4, 100]) == (5, 2, 9)
    assert intervals.estimate([2.0, 1.0, 4.0, 3.0, 6.0, 5.0]) == (3.5, 1.0, 6.0)


def test_ratios_are_taken_within_rounds():
    """Two per cent are seen through a threefold drift."""
    drift = np.linspace(1, 3, 9)
    times = {"a": (1.02 * drift).tolist(), "b": drift.tolist()}
    np.testing.assert_allclose(intervals.ratio(times, "a", "b"), 1.02)


def test_every_round_runs_every_program_once_in_a_new_order():
    calls = []
    names = "abcd"
    runs = {name: lambda name=name: calls.append(name) or len(calls) for name in names}
    results = harness.interleave(runs, 5)
    rounds = [calls[4 * i : 4 * i + 4] for i in range(5)]
    assert all(sorted(order) == list(names) for order in rounds)
    assert len(set(map(tuple, rounds))) > 1
    assert all(calls[r - 1] == name for name in names for r in results[name])


def test_a_program_fills_its_last_call():
    class Counted(harness.Program):
        units_per_call = 4
        calls = 0

        def call(self):
            self.calls += 1

    program = Counted()
    assert program.run(9) > 0 and program.calls == 3


def test_a_table_is_printed_and_written(tmp_path, capsys):
    columns = [
        harness.Column("name", -6),
        harness.Column("ms", 6),
        harness.Column("ratio", 18, ".2f", "times"),
        harness.Column("interval", 12, ".1f"),
    ]
    table = harness.Table(*columns, path=str(tmp_path / "a.json"))
    row = {"name": "one", "ms": 2.25, "ratio": {"median": 1.5, "low": 1, "high": 2}, "more": 7}
    table.add(row | {"interval": [0.5, 1.5]})
    table.add({"name": "two", "ms": 10.0})
    assert capsys.readouterr().out.splitlines() == [
        "name       ms              times     interval",
        "one       2.2  1.50 [1.00, 2.00]   [0.5, 1.5]",
        "two      10.0                  -            -",
    ]
    written = json.loads((tmp_path / "a.json").read_text())
    assert written == table.rows and written[0]["more"] == 7


COMMANDS = {
    "workloads": (against_torch, members, passes, whole, feeding),
    "starts": (start,),
    "panels": (growth,),
}
NAMED = [(module, flag) for flag, modules in COMMANDS.items() for module in modules]


@pytest.mark.parametrize(("module", "flag"), NAMED)
def test_unknown_names_are_refused(module, flag, capsys):
    assert process.guarded(module.run, [f"--{flag}=vae"]) == 2
    assert f"--{flag}=vae is not known; use some of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "flag", "words"),
    [
        (penalty_cost, "--size=4", ["--size=4", "8 or more"]),
        (penalty_cost, "--size=big", ["--size=big"]),
        (penalty_cost, "--width=0", ["--width=0"]),
        (penalty_cost, "--batch=1", ["--batch=1", "2 or more"]),
        (penalty_cost, "--penalty=r1", ["penalty"]),
        (against_torch, "--rounds=5", ["--rounds=5 is too small; use 6 or more"]),
        (against_torch, "--json=nowhere/a.json", ["--json=nowhere/a.json cannot be written"]),
        (growth, "--png=nowhere/a.png", ["--png=nowhere/a.png cannot be written"]),
        (whole, "--workloads=morpho_32", ["morpho_32 is not known here; use some of: mlp"]),
        (
            against_torch,
            "--workloads=mlp,morpho_galaxyzoo128",
            ["--workloads=morpho_galaxyzoo128 has a paper's size, for a GPU"],
        ),
    ],
)
def test_bad_flags_are_refused_in_one_line(module, flag, words, capsys):
    assert process.guarded(module.run, [flag]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and all(w in error for w in words), error


def test_a_cpu_runs_no_workload_of_a_papers_size():
    assert not any(workload.gpu for workload in workloads.select("").values())
