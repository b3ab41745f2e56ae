"""The benchmarks of whole commands, growth and memory: what they start and what they count."""

import json
import mmap
import pickle

import numpy as np
import pytest

from experiments.benchmarks import feeding, growth, memory, processes, scores, start, whole
from experiments.benchmarks.workloads import TABLE
from gan_jax.commands import presets
from tests.tiers import slowly


def test_every_start_is_a_command_of_one_dispatch():
    for name in start.STARTS:
        module, words = start.command_of(name, "/sets")
        assert module.removeprefix("experiments.") in presets.TABLE
        assert "--steps=20" in words  # a whole number of dispatches of every flagfile
        data = [word for word in words if word.startswith("--data=")]
        assert all(word.partition(":")[2].startswith("/sets/") for word in data)
    assert "--data=idx:/sets/mnist" in start.command_of("gan", "/sets")[1]


def test_a_process_is_timed_to_its_first_step_and_its_end(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "slow.py").write_text(
        "import time, sys\nprint('first step of it')\ntime.sleep(0.3)\nprint(sys.argv[1:])\n"
    )
    timing = processes.run("slow", ["a", 1])
    assert timing.text.endswith("['a', '1']\n") and 0 < timing.first_s <= timing.whole_s - 0.3
    (tmp_path / "bad.py").write_text("raise SystemExit(3)")
    with pytest.raises(SystemExit, match="python -m bad  ended with code 3"):
        processes.run("bad", [])


def test_a_process_that_is_left_is_ended():
    with processes.started("http.server", ["0"]) as running:
        assert running.poll() is None
    assert running.wait() < 0


def test_growth_of_memory_is_that_of_the_last_nine_tenths():
    own = lambda step: 500.0 if step < 1000 else 100 + step / 1000
    rows = [{"step": step, "own": own(step)} for step in range(0, 10_000, 100)]
    assert memory.slope(rows) == pytest.approx(100)


def test_memory_that_is_written_to_is_counted():
    before = memory.resident_mib()
    # malloc might reuse memory that it had kept.
    held = mmap.mmap(-1, 2**25, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    np.frombuffer(held, np.uint8)[:] = 1
    assert 30 < memory.resident_mib() - before < 40 and held[0] == 1


def test_streamed_images_are_those_written(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "BLOCK", 3)
    memory.write_images(tmp_path / "a.npy", 7)
    images = memory.map_images(tmp_path / "a.npy").images
    assert images.shape == (7, memory.SIZE, memory.SIZE, 1) and isinstance(images, np.memmap)
    assert 100 < images.mean() < 155 and not np.array_equal(images[0], images[3])


def test_points_take_turns_and_are_plotted(monkeypatch):
    monkeypatch.setattr(growth, "TURN", 0.75)
    steps = []

    def run(n):
        steps.append(n)
        return 0.25

    points = [growth.Point("a", 8, run), growth.Point("b", 16, run, weight=2)]
    rows = growth.measure(points, 6)
    assert steps.count(3) == 12
    assert rows == [
        {"line": "a", "x": 8, "steps_per_s": 4, "interval": [4, 4]},
        {"line": "b", "x": 16, "steps_per_s": 8, "interval": [8, 8]},
    ]
    assert growth.plot({"batch": rows, "images": rows}, "title").startswith(b"\x89PNG")


@pytest.mark.long
@pytest.mark.parametrize("panel", ["size", "members", slowly("images")])
def test_every_point_of_a_panel_runs(panel, tmp_path, monkeypatch):
    monkeypatch.setattr(growth, "PANELS", {"size": (8,), "members": (2,), "images": (100,)})
    monkeypatch.setattr(growth, "BASE", {"batch": 4, "size": 8, "width": 2})
    points = growth.build_points(panel, tmp_path)
    assert [p.line for p in points] == {
        "size": ["steps"],
        "members": ["in turn", "vmapped"],
        "images": ["resident", "streamed"],
    }[panel]
    assert all(point.run(1) > 0 for point in points)


@pytest.mark.slow
def test_reading_is_measured_beside_steps(monkeypatch):
    monkeypatch.setattr(feeding, "N_STREAMED", 20)
    workload = TABLE["mlp"].small()._replace(dispatch=2)
    row = feeding.measure(workload, feeding.Settings(rounds=6, steps=2))
    times = row["step_per_s"], row["streamed_per_s"], row["loader_per_s"]
    assert min(times) > 0 and row["ample"]["median"] > 0 and row["streamed"]["median"] > 0


def test_ratios_of_whole_runs_are_those_of_times(monkeypatch):
    timings = {"ours": processes.Timing(10.0, 30.0, ""), "torch": processes.Timing(5.0, 50.0, "")}
    sides = {name: lambda *_, timing=timing: timing for name, timing in timings.items()}
    monkeypatch.setattr(whole, "SIDES", sides)
    monkeypatch.setattr(whole, "write_job", lambda *_: None)
    workload = TABLE["mlp"]
    row = whole.measure(workload, whole.Settings(steps=1020, rounds=6))
    assert row["all"] == pytest.approx({"median": 5 / 3, "low": 5 / 3, "high": 5 / 3})
    assert (row["all_ours_s"], row["all_torch_s"]) == (30, 50)
    assert row["steps_ours_ms"] == pytest.approx(20e3 / (1020 - workload.dispatch))
    assert row["steps"]["median"] == pytest.approx((45 / 1019) / (20 / 1000))


def test_both_sides_of_a_whole_run_begin_alike(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    from experiments.benchmarks import torch_whole

    whole.write_job(tmp_path, TABLE["dcgan_mnist"].small(), 7, 20)
    job = pickle.loads((tmp_path / "job.pickle").read_bytes())
    expected = {"steps": 7, "batch": 4, "log_every": 100, "sample_every": 500, "save_every": 500}
    assert {name: job[name] for name in expected} == expected
    # This process has threads of JAX, and must not fork.
    monkeypatch.setattr(torch_whole, "WORKERS", 0)
    loop = torch_whole.Loop(tmp_path)
    layer = loop.nets["disc"].Dense_0
    kernel = layer.layout("kernel", job["params"]["disc"]["Dense_0"]["kernel"])
    assert torch.equal(layer.kernel, torch.from_numpy(kernel.copy()))
    before = [p.detach().clone() for p in loop.nets["gen"].parameters()]
    loop.run()
    pairs = zip(before, loop.nets["gen"].parameters(), strict=True)
    assert not any(torch.equal(*pair) for pair in pairs)
    assert (tmp_path / "000007.png").stat().st_size > 100
    assert (tmp_path / "7.pt").stat().st_size > 1000
    (line,) = (tmp_path / "log.jsonl").read_text().splitlines()
    assert line.startswith('{"step": 7, "disc": ')


@pytest.mark.slow
def test_the_parts_of_an_evaluation(tmp_path, capsys):
    path = tmp_path / "parts.json"
    scores.run(["--n_images=200", "--size=32", "--features=random", "--rounds=6", f"--json={path}"])
    rows = {row["part"]: row["seconds"]["median"] for row in json.loads(path.read_text())}
    assert set(rows) == {"features", "morphology", "directions", "scores", "intervals", "all"}
    assert 0 < max(v for k, v in rows.items() if k != "all") < rows["all"]
    assert "200 images against 200 at 32 px" in capsys.readouterr().out
