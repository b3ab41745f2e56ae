"""The benchmark against PyTorch: PyTorch computes what ours does; ratios are those of the times."""

import importlib.util
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.benchmarks import __main__ as against_torch
from experiments.benchmarks import kernels, members, naive
from experiments.benchmarks.jax_programs import Training
from experiments.benchmarks.workloads import TABLE, Workload
from gan_jax import errors
from gan_jax.commands import process
from gan_jax.ops import conv

TWINS = [name for name, workload in TABLE.items() if workload.twin]
# Compared in every run of the tests; the others with --slow.
ALWAYS = ("mlp", "dcgan_mnist", "dragan_28", "mgan_mnist", "morpho_32", "classifier", "sampling")


def run(*words):
    return process.guarded(against_torch.run, list(words))


def test_without_pytorch_it_says_what_to_install(monkeypatch, capsys):
    find = importlib.util.find_spec
    without_torch = lambda name, *a: None if name == "torch" else find(name, *a)
    monkeypatch.setattr(importlib.util, "find_spec", without_torch)
    assert run("--workloads=mlp") == 2
    expected = f"--torch needs torch; install it with: {errors.install_command('bench')}"
    assert expected in capsys.readouterr().err


@pytest.mark.slow
def test_our_side_alone(tmp_path, capsys):
    path = tmp_path / "a.json"
    words = ["--workloads=mlp", "--torch=false", "--rounds=6", "--steps=1", f"--json={path}"]
    assert run(*words) == 0
    (row,) = json.loads(path.read_text())
    times = row["times_s"]
    assert set(times) == {"ours"}  # without convolutions there is no other form of it
    assert len(times["ours"]) == 6 and min(times["ours"]) > 0
    assert row["ours_ms"] == pytest.approx(1000 * np.median(times["ours"]))
    assert row["peak_mib"] > 0 and row["compile_s"] > 0
    assert "ratio" not in row and "torch_ms" not in row
    assert f"{row['ours_ms']:.1f}" in capsys.readouterr().out


class KnownTimes:
    """A program of known times."""

    compile_s = 1.0

    def __init__(self, *seconds):
        self.seconds, self.steps = list(seconds), []

    def run(self, n):
        self.steps.append(n)
        return self.seconds[len(self.steps) - 1]

    def memory_mib(self):
        return 2.0


def test_the_fastest_pytorch_counts_within_rounds():
    programs = {
        "ours": KnownTimes(1, 2, 3, 1, 2, 3),
        "naive": KnownTimes(*[9] * 6),
        "torch eager": KnownTimes(1, 1, 9, 9, 9, 9),
        "torch compiled": KnownTimes(2, 4, 6, 2, 4, 3),
    }
    times = against_torch.measure(programs, 6, 5)
    assert programs["ours"].steps == [5] * 6 and programs["naive"].steps == [1] * 6
    row = against_torch.row("mlp", TABLE["mlp"], programs, times)
    assert (row["torch_variant"], row["torch_ms"], row["ours_ms"]) == ("compiled", 3500, 2000)
    assert (row["ratio"], row["interval"]) == (2, [1, 2])
    assert (row["naive_ms"], row["naive_gain"], row["naive_gain_interval"]) == (9000, 4.5, [3, 9])


@pytest.mark.long
def test_naive_convolutions_are_the_same_maps():
    r = np.random.default_rng(0)
    for k, stride, side in [(5, 2, 28), (5, 2, 7), (3, 2, 9), (3, 1, 6), (1, 2, 8)]:
        small = -(-side // stride)
        x, y, w = (
            jnp.asarray(r.normal(size=shape), jnp.float32)
            for shape in ((2, side, side, 3), (2, small, small, 4), (k, k, 3, 4))
        )
        ours = conv.conv(x, w, stride), conv.conv_t(y, w, stride, (side, side))
        before = conv.conv
        with naive.convolutions():
            assert conv.conv is not before
            plain = conv.conv(x, w, stride), conv.conv_t(y, w, stride, (side, side))
        assert conv.conv is before
        for a, b in zip(ours, plain, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_steps_in_one_dispatch_are_the_same_steps():
    workload = Workload("gan", {"net": "mlp", "width": 4, "z_dim": 2}, 8, 1, 4)
    one, five = Training(workload), Training(workload._replace(dispatch=5))
    one.run(4)
    for a, b in zip(
        jax.tree.leaves(one.carry[0].params), jax.tree.leaves(five.carry[0].params), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    five.run(4)  # a whole dispatch
    assert int(one.carry[0].step) == 5 and int(five.carry[0].step) == 10


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in ALWAYS)) for n in TWINS]
)
def test_pytorch_computes_the_same(name):
    pytest.importorskip("torch")
    from experiments.benchmarks import equality

    difference, where = equality.check(TABLE[name])
    assert difference <= equality.TOLERANCE, where


@pytest.mark.slow
def test_a_penalty_in_the_form_that_is_compiled_is_the_same():
    pytest.importorskip("torch")
    from experiments.benchmarks import equality, torch_steps

    difference, where = equality.check(TABLE["dragan_28"], slope=torch_steps.slope_traced)
    assert difference <= equality.TOLERANCE, where


def test_a_workload_whose_values_differ_is_not_timed(monkeypatch):
    pytest.importorskip("torch")
    from experiments.benchmarks import torch_steps

    bce = torch_steps.bce
    monkeypatch.setattr(torch_steps, "bce", lambda logit, target: bce(logit, target) * (1 + 1e-7))
    with pytest.raises(SystemExit, match="mlp is not timed: .* from PyTorch's, above 1e-08"):
        against_torch.check_values("mlp", TABLE["mlp"])


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_optimizers_are_the_same(decay):
    torch = pytest.importorskip("torch")

    r = np.random.default_rng(0)
    start, grads = r.normal(size=5), r.normal(size=(3, 5)) * [1, 1e-3, 1e-6, 1, 1]
    tx = optax.adamw(0.1, 0.5, 0.9, weight_decay=decay) if decay else optax.adam(0.1, 0.5, 0.9)
    with jax.enable_x64(True):
        params = jnp.asarray(start)
        state = tx.init(params)
        for g in grads:
            updates, state = tx.update(jnp.asarray(g), state, params)
            params = optax.apply_updates(params, updates)
        ours = np.asarray(params)
    theirs = torch.nn.Parameter(torch.from_numpy(start))
    kind, more = (torch.optim.AdamW, {"weight_decay": decay}) if decay else (torch.optim.Adam, {})
    optimizer = kind([theirs], 0.1, (0.5, 0.9), fused=True, **more)
    for g in grads:
        theirs.grad = torch.from_numpy(g)
        optimizer.step()
    np.testing.assert_allclose(theirs.detach().numpy(), ours, rtol=1e-12)


def test_peak_memory_is_what_is_held_at_once():
    torch = pytest.importorskip("torch")
    from experiments.benchmarks import torch_programs

    resident = torch.zeros(2**18)  # 1 MiB

    def unit():
        for _ in range(3):
            torch.ones(2**20).sum()  # 4 MiB, freed at once

    assert 5 <= torch_programs.peak_mib(unit, [resident, resident, None]) < 5.1


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in TWINS if not TABLE[n].gpu])
def test_every_variant_runs(name):
    pytest.importorskip("torch")
    from experiments.benchmarks import torch_programs

    workload = TABLE[name].small()
    order = lambda t: [step for step, n in zip(t.stride(), t.shape, strict=True) if n > 1]
    for variant in torch_programs.variants(workload, compiled=False):
        program = torch_programs.build(workload, variant)
        assert program.run(2) > 0 and program.memory_mib() > 0 and program.compile_s > 0
        weights = [t for t in program.resident() if t.requires_grad and t.grad is not None]
        # Fused optimizers go by memory, not by index.
        assert all(order(t.grad) == order(t) for t in weights)


@pytest.mark.slow
def test_both_sides(tmp_path, capsys):
    pytest.importorskip("torch")
    path = tmp_path / "a.json"
    words = ["--workloads=mlp", "--rounds=6", "--steps=1", "--compiled=false", f"--json={path}"]
    assert run(*words) == 0
    (row,) = json.loads(path.read_text())
    assert row["interval"][0] <= row["ratio"] <= row["interval"][1] and row["difference"] <= 1e-8
    assert row["torch_variant"] == "eager" and row["torch_peak_mib"] > 0
    out = capsys.readouterr().out
    assert f"{row['ratio']:.2f}" in out and "equal to PyTorch's" in out


@pytest.mark.slow
def test_members(tmp_path):
    path = tmp_path / "a.json"
    words = ["--workloads=mlp", "--members=2", "--rounds=6", "--steps=1", f"--json={path}"]
    assert process.guarded(members.run, words) == 0
    (row,) = json.loads(path.read_text())
    assert 0 < row["throughput"]["low"] <= row["throughput"]["high"] and row["turns_ms"] > 0


def test_kernels():
    pytest.importorskip("torch", reason="needs the extra bench")
    rows = list(kernels.measure((5, 2, 3), 6, batch=2))
    assert [row["map"] for row in rows] == list(kernels.MAPS)
    for row in rows:
        assert row["gflop"] == pytest.approx(2e-9 * 2 * 3 * 3 * 25 * 2 * 3)
        assert row["interval"][0] <= row["ratio"] <= row["interval"][1]
        assert row["product_gflop_s"] > 0


@pytest.mark.parametrize("last", [False, True])
def test_kernels_compute_the_same(last):
    """All three maps and PyTorch's, on an odd side, where padding is the same on both."""
    pytest.importorskip("torch", reason="needs the extra bench")
    from experiments.benchmarks import torch_programs

    r = np.random.default_rng(0)
    shapes = (2, 7, 7, 3), (5, 5, 3, 4), (2, 4, 4, 4)
    arrays = [r.standard_normal(shape, np.float32) for shape in shapes]
    ours = kernels.ours(*arrays)
    theirs = kernels.theirs(*arrays, torch_programs.Variant(channels_last=last))
    to_ours = {"conv": (0, (0, 2, 3, 1)), "conv_t": (0, (0, 2, 3, 1)), "wgrad": (1, (2, 3, 1, 0))}
    for name, (index, axes) in to_ours.items():
        out = theirs[name].function()
        out = out if name == "conv" else out[index]
        expected = out.numpy().transpose(axes)
        np.testing.assert_allclose(ours[name].function(), expected, rtol=1e-4, atol=1e-4)
