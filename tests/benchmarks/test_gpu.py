"""The command for a GPU: its groups, what it does without time, and its rows, at toy size."""

import json

import pytest

from experiments.benchmarks import gpu
from experiments.benchmarks.harness import Program
from experiments.benchmarks.workloads import TABLE
from gan_jax.commands import process


class Still(Program):
    """A program that does nothing."""

    compile_s = 0.0

    def call(self):
        pass


def run(*words):
    return process.guarded(gpu.run, list(words))


def test_groups_are_of_workloads_that_have_their_programs():
    for group in gpu.GROUPS.values():
        workload = TABLE[group.workload]
        workload.build()  # is refused by nothing
        assert workload.twin or not any(name.startswith("torch") for name in group.programs)
    assert not {"cpu"} & set(gpu.PRECISIONS)


def test_without_a_gpu_it_says_how_to_try_it(capsys):
    assert run() == 2
    assert "use --toy to try the command here" in capsys.readouterr().err


def test_a_failure_costs_its_own_program_and_want_of_time_those_after_it():
    def fails():
        raise RuntimeError("RESOURCE_EXHAUSTED: no memory\nand a long tale")

    clock = gpu.Clock(60)
    programs, missing = gpu.build_all({"tf32": fails, "float32": Still}, clock)
    assert list(programs) == ["float32"]
    assert missing == {"tf32": "RuntimeError: RESOURCE_EXHAUSTED: no memory"}
    with clock.work("torch"):
        pass
    clock._longest["torch"] = 100.0
    programs, missing = gpu.build_all({"torch compiled": Still, "tf32": Still}, clock)
    assert list(programs) == ["tf32"] and "no time" in missing["torch compiled"]


@pytest.mark.slow
def test_every_kind_of_program_makes_a_row(tmp_path, monkeypatch, capsys):
    names = ("tf32", "float32", "bfloat16", "cpu forms", "turns", "vmapped")
    monkeypatch.setattr(gpu, "GROUPS", {"all": gpu.Group("mgan_mnist", names)})
    monkeypatch.setattr(gpu, "TURN", 0.01)
    path = tmp_path / "gpu.json"
    assert run("--toy", "--notorch", f"--json={path}") == 0
    rows = json.loads(path.read_text())
    product, of_all = rows[:3], rows[3:]
    assert [row["program"] for row in product] == ["tf32", "float32", "bfloat16"]
    assert [row["program"] for row in of_all] == list(names)
    rate = {row["program"]: row["tflop_s"] for row in product}
    for row in of_all:
        seconds = row["ms"]["median"] / 1000
        assert row["tflop_s"] == pytest.approx(
            of_all[0]["tflop_s"] * of_all[0]["ms"]["median"] / 1000 / seconds
        )
        kind = row["program"] if row["program"] in rate else "tf32"
        assert row["share"] == pytest.approx(row["tflop_s"] / rate[kind])
    assert of_all[0]["of_first"]["median"] == 1
    assert f"{of_all[0]['ms']['median']:.2f}" in capsys.readouterr().out
