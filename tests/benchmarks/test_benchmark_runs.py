"""The benchmarks of whole commands and of growth: what they start is what they say, and what is printed is measured."""

import json
import mmap
import os
import types

import numpy as np
import pytest

from experiments.benchmarks import feeding, growth, measured, memory, start, whole
from experiments.benchmarks.workloads import TABLE
from gan_jax import presets
from gan_jax.commands import process


def test_unknown_names_are_refused(tmp_path, capsys):
    for module, flag in (
        (start, "starts"),
        (growth, "panels"),
        (whole, "workloads"),
        (feeding, "workloads"),
    ):
        assert process.guarded(module.run, [f"--{flag}=vae"]) == 2
        assert f"--{flag}=vae is not known; use some of" in capsys.readouterr().err
    assert process.guarded(whole.run, ["--workloads=morpho_32"]) == 2
    assert "--workloads=morpho_32 is not known here; use some of: mlp" in capsys.readouterr().err
    assert process.guarded(growth.run, [f"--png={tmp_path}/no/a.png"]) == 2
    assert f"--png={tmp_path}/no/a.png cannot be written" in capsys.readouterr().err


def test_every_start_is_a_command_of_one_dispatch():
    for name in start.STARTS:
        module, words = start.words_of(name, start.Settings(data="/sets", extra="--width=4"))
        assert module.removeprefix("experiments.") in presets.TABLE
        steps = 20  # a whole number of dispatches of every flagfile
        assert f"--steps={steps}" in words and words[-1] == "--width=4"
        assert all(
            word.partition(":")[2].startswith("/sets/")
            for word in words
            if word.startswith("--data=")
        )
    assert any(
        word == "--data=idx:/sets/mnist"
        for word in start.words_of("gan", start.Settings(data="/sets"))[1]
    )


def test_a_process_is_timed_to_its_first_step_and_its_end(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "slow.py").write_text(
        "import time, sys\nprint('first step of it')\ntime.sleep(0.3)\nprint(sys.argv[1:])\n"
    )
    ran = measured.run("slow", ["a", 1])
    assert ran.text.endswith("['a', '1']\n") and 0 < ran.first_s <= ran.whole_s - 0.3
    (tmp_path / "bad.py").write_text("raise SystemExit(3)")
    with pytest.raises(SystemExit, match="python -m bad  ended with code 3"):
        measured.run("bad", [])


def test_a_left_process_is_ended():
    with measured.started("http.server", ["0"]) as running:
        assert running.poll() is None
    assert running.wait() < 0


def test_growth_of_memory_is_that_of_the_last_nine_tenths():
    rows = [
        {"step": s, "own": 500.0 if s < 1000 else 100 + s / 1000} for s in range(0, 10_000, 100)
    ]
    assert memory.slope(rows) == pytest.approx(100)


def test_memory_that_is_written_to_is_counted():
    before = memory.resident()["own"]
    held = mmap.mmap(
        -1, 2**25, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    )  # malloc might give what it had kept
    np.frombuffer(held, np.uint8)[:] = 1
    assert 30 < memory.resident()["own"] - before < 40 and held[0] == 1


def test_streamed_images_are_those_written(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "BLOCK", 3)
    memory.write_images(tmp_path / "a.npy", 7)
    source = memory.mapped(tmp_path / "a.npy")
    assert source.images.shape == (7, memory.SIZE, memory.SIZE, 1) and isinstance(
        source.images, np.memmap
    )
    assert 100 < source.images.mean() < 155 and not np.array_equal(
        source.images[0], source.images[3]
    )


def test_points_take_turns_and_are_drawn():
    asked = []

    def run(n):
        asked.append(n)
        return 0.25

    flags = types.SimpleNamespace(rounds=6, steps=3)
    rows = growth.measure([growth.Point("a", 8, run), growth.Point("b", 16, run, weight=2)], flags)
    assert asked.count(3) == 12
    assert [(r["line"], r["x"], r["steps_per_s"], r["interval"]) for r in rows] == [
        ("a", 8, 4, [4, 4]),
        ("b", 16, 8, [8, 8]),
    ]
    assert growth.draw({"batch": rows, "images": rows}, "title").startswith(b"\x89PNG")


def test_decoding_uses_all_cores_and_leaves_things_as_they_were(monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", "/kept")
    cores = os.sched_getaffinity(0)
    found = feeding.decoding(3)
    assert (
        found["files"] == 3
        and found["cores"] == len(cores)
        and found["one_core"] > 0 < found["all_cores"]
    )
    assert os.environ["GAN_JAX_CACHE"] == "/kept" and os.sched_getaffinity(0) == cores


def test_ratios_of_whole_runs_are_those_of_times(monkeypatch):
    said = "time over all starts: train 0:01; 2.5 % outside of steps"
    sides = {"ours": measured.Ran(10.0, 30.0, said), "torch": measured.Ran(5.0, 50.0, "")}
    monkeypatch.setattr(
        whole, "SIDES", {name: lambda *_, ran=ran: ran for name, ran in sides.items()}
    )
    monkeypatch.setattr(whole, "prepare", lambda *_: None)
    spec, flags = TABLE["mlp"], whole.Settings(steps=1020, rounds=6)
    row = {"workload": "mlp", **whole.measure(spec, flags)}
    assert row["all"] == pytest.approx(
        {"median": 5 / 3, "low": 5 / 3, "high": 5 / 3, "ours_s": 30, "torch_s": 50}
    )
    assert row["steps"]["ours_s"] == pytest.approx(20 / (1020 - spec.dispatch))
    assert row["steps"]["median"] == pytest.approx((45 / 1019) / (20 / 1000)) and row[
        "outside"
    ] == pytest.approx(0.025)
    assert "all 1.67 [1.67, 1.67] (ours 30.0 s, PyTorch 50.0 s)" in whole.line(row)


def test_both_sides_of_a_whole_run_begin_alike(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    from experiments.benchmarks import torch_whole

    whole.prepare(tmp_path, TABLE["dcgan_mnist"].small(), 7, 20)
    job, weights = (
        json.loads((tmp_path / "job.json").read_text()),
        np.load(tmp_path / "weights.npz"),
    )
    assert (
        job["steps"],
        job["batch"],
        job["log_every"],
        job["sample_every"],
        job["save_every"],
    ) == (7, 4, 100, 500, 500)
    monkeypatch.setattr(
        torch_whole, "WORKERS", 0
    )  # this process has threads of JAX, and must not fork
    loop = torch_whole.Loop(job, tmp_path)
    layer = loop._nets["disc"].Dense_0
    assert torch.equal(
        layer.kernel,
        torch.from_numpy(layer.form("kernel", weights["params/disc/Dense_0/kernel"]).copy()),
    )
    before = [p.detach().clone() for p in loop._nets["gen"].parameters()]
    loop.run()
    assert not any(
        torch.equal(*pair) for pair in zip(before, loop._nets["gen"].parameters(), strict=True)
    )
    assert (tmp_path / "000007.png").stat().st_size > 100 and (
        tmp_path / "7.pt"
    ).stat().st_size > 1000
    (record,) = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert record["step"] == 7 and np.isfinite([record["disc"], record["gen"]]).all()
