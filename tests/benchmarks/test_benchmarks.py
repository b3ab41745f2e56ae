"""The benchmarks: PyTorch's side computes what ours does, ratios are those of the times, and what is printed is written."""

import importlib.util
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.benchmarks import __main__ as benchmarks
from experiments.benchmarks import kernels, members, naive, timing, workload
from experiments.benchmarks.workloads import TABLE, chosen
from gan_jax.commands import process
from gan_jax.core import parallel
from gan_jax.ops import conv

# Compared in every run of the tests; the others, with --slow.
ALWAYS = ("mlp", "dcgan_mnist", "dragan_28", "mgan_mnist", "morpho_32", "classifier", "sampling")


def run(*words):
    return process.guarded(benchmarks.run, list(words))


@pytest.mark.parametrize("command", [benchmarks, members])
def test_unknown_workloads_are_refused(command, capsys):
    assert process.guarded(command.run, ["--workloads=vae"]) == 2
    assert "--workloads=vae is not known" in capsys.readouterr().err


def test_sizes_for_a_gpu_are_refused_on_a_cpu(capsys):
    assert run("--workloads=mlp,morpho_galaxyzoo128") == 2
    assert (
        "--workloads=morpho_galaxyzoo128 has a paper's size, for a GPU" in capsys.readouterr().err
    )
    assert "morpho_galaxyzoo128" in chosen("", gpu=True)
    assert not any(spec.gpu for spec in chosen("", gpu=False).values())


def test_too_few_rounds_and_files_that_cannot_be_written_are_refused(tmp_path, capsys):
    assert run("--rounds=5") == 2
    assert "--rounds=5 is too small; use 6 or more" in capsys.readouterr().err
    assert run(f"--json={tmp_path}/no/a.json") == 2
    assert "cannot be written" in capsys.readouterr().err


def test_without_pytorch_it_says_what_to_install(monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "torch" else find(name, *a)
    )
    assert run("--workloads=mlp") == 2
    assert (
        "--torch needs torch; install it with: pip install 'gan-jax[bench]'"
        in capsys.readouterr().err
    )


def test_our_side_alone(tmp_path, capsys):
    assert (
        run(
            "--workloads=mlp",
            "--torch=false",
            "--rounds=6",
            "--steps=1",
            f"--json={tmp_path}/a.json",
        )
        == 0
    )
    (row,) = json.loads((tmp_path / "a.json").read_text())
    times = row["times_s"]
    assert set(times) == {"ours"}  # without convolutions there is no other form of it
    assert len(times["ours"]) == 6 and min(times["ours"]) > 0
    assert (
        row["ours_ms"] == pytest.approx(1000 * np.median(times["ours"]))
        and row["peak_mib"] > 0
        and row["compile_s"] > 0
    )
    assert "ratio" not in row and "torch_ms" not in row
    out = capsys.readouterr().out
    assert f"{row['ours_ms']:.1f}" in out and "mlp" in out


class Side:
    """A program of known times."""

    compile_s = 1.0

    def __init__(self, *seconds):
        self.seconds = list(seconds)
        self.asked = []

    def run(self, n):
        self.asked.append(n)
        return self.seconds[len(self.asked) - 1]

    def memory_mib(self):
        return 2.0


def test_the_fastest_pytorch_counts_within_rounds():
    runs = {
        "ours": Side(1, 2, 3, 1, 2, 3),
        "naive": Side(*[9] * 6),
        "torch eager": Side(1, 1, 9, 9, 9, 9),
        "torch compiled": Side(2, 4, 6, 2, 4, 3),
    }
    times = timing.rounds(runs, 6, 5)
    assert runs["ours"].asked == [5] * 6 and runs["naive"].asked == [1] * 6
    row = timing.row("mlp", TABLE["mlp"], runs, {}, times)
    assert (row["torch_variant"], row["torch_ms"], row["ours_ms"]) == ("compiled", 3500, 2000)
    assert (row["ratio"], row["interval"], row["level"]) == (2, [1, 2], True)
    assert (row["naive_ms"], row["naive_gain"], row["naive_gain_interval"]) == (9000, 4.5, [3, 9])
    slower = timing.row(
        "mlp", TABLE["mlp"], runs, {}, {**times, "torch compiled": [0.9 * t for t in times["ours"]]}
    )
    assert slower["ratio"] == pytest.approx(0.9) and not slower["level"]


def test_naive_convolutions_are_the_same_maps():
    r = np.random.default_rng(0)
    for k, stride, side in [(5, 2, 28), (5, 2, 7), (3, 2, 9), (3, 1, 6), (1, 2, 8)]:
        small = -(-side // stride)
        x, y = (
            jnp.asarray(r.normal(size=(2, s, s, c)), jnp.float32)
            for s, c in ((side, 3), (small, 4))
        )
        w = jnp.asarray(r.normal(size=(k, k, 3, 4)), jnp.float32)
        ours = conv.conv(x, w, stride), conv.conv_t(y, w, stride, (side, side))
        before = conv.conv
        with naive.convolutions():
            assert conv.conv is not before
            plain = conv.conv(x, w, stride), conv.conv_t(y, w, stride, (side, side))
        assert conv.conv is before
        for a, b in zip(ours, plain, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_steps_in_one_dispatch_are_the_same_steps():
    settings = {"net": "mlp", "width": 4, "z_dim": 2}
    one, five = (workload.Workload("gan", settings, 8, 4, 1, dispatch=d) for d in (1, 5))
    five.carry = jax.tree.map(jnp.copy, one.carry)
    one.run(5)
    five.run(4)  # a whole dispatch
    assert int(one.carry[0].step) == int(five.carry[0].step) == 6
    for a, b in zip(
        jax.tree.leaves(one.carry[0].params), jax.tree.leaves(five.carry[0].params), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in ALWAYS)) for n in TABLE]
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

    found = equality.training(TABLE["dragan_28"].small(), torch_steps.slope_traced)
    assert max(found.values()) <= equality.TOLERANCE


def test_what_differs_is_found_and_not_timed(monkeypatch):
    pytest.importorskip("torch")
    from experiments.benchmarks import torch_steps

    bce = torch_steps.bce
    monkeypatch.setattr(torch_steps, "bce", lambda logit, target: bce(logit, target) * (1 + 1e-7))
    with pytest.raises(SystemExit, match="mlp is not timed: .* from PyTorch's, above 1e-08"):
        benchmarks.checked("mlp", TABLE["mlp"])


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_optimizers_are_the_same(decay):
    torch = pytest.importorskip("torch")
    from experiments.benchmarks import torch_runs

    r = np.random.default_rng(0)
    start, grads = r.normal(size=5), r.normal(size=(3, 5)) * [1, 1e-3, 1e-6, 1, 1]
    with jax.enable_x64(True):
        params, tx = (
            jnp.asarray(start),
            optax.adamw(0.1, 0.5, 0.9, weight_decay=decay) if decay else optax.adam(0.1, 0.5, 0.9),
        )
        state = tx.init(params)
        for g in grads:
            updates, state = tx.update(jnp.asarray(g), state, params)
            params = optax.apply_updates(params, updates)
        ours = np.asarray(params)
    theirs = torch.nn.Parameter(torch.from_numpy(start))
    kind, more = (torch.optim.AdamW, {"weight_decay": decay}) if decay else (torch.optim.Adam, {})
    optimizer = torch_runs._fused(kind, [theirs], lr=0.1, betas=(0.5, 0.9), **more)
    for g in grads:
        theirs.grad = torch.from_numpy(g)
        optimizer.step()
    np.testing.assert_allclose(theirs.detach().numpy(), ours, rtol=1e-12)


def test_memory_is_what_is_held_at_once():
    torch = pytest.importorskip("torch")
    from experiments.benchmarks import torch_memory

    resident = torch.zeros(2**18)  # 1 MiB

    def unit():
        for _ in range(3):
            torch.ones(2**20).sum()  # 4 MiB, given back

    assert 5 <= torch_memory.peak_mib(unit, [resident, resident, None]) < 5.1


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in TABLE if not TABLE[n].gpu])
def test_every_variant_runs(name):
    pytest.importorskip("torch")
    from experiments.benchmarks import torch_runs

    spec = TABLE[name].small()
    for variant in torch_runs.variants(spec, compiled=False):
        side = torch_runs.build(spec, variant)
        assert side.run(2) > 0 and side.memory_mib() > 0 and side.compile_s > 0
        weights = [
            t for t in side._resident() if t is not None and t.requires_grad and t.grad is not None
        ]
        order = lambda t: [step for step, n in zip(t.stride(), t.shape, strict=True) if n > 1]
        assert all(
            order(t.grad) == order(t) for t in weights
        )  # fused optimizers go by memory, not by index


@pytest.mark.slow
def test_both_sides(tmp_path, capsys):
    pytest.importorskip("torch")
    assert (
        run(
            "--workloads=mlp",
            "--rounds=6",
            "--steps=1",
            "--compiled=false",
            f"--json={tmp_path}/a.json",
        )
        == 0
    )
    (row,) = json.loads((tmp_path / "a.json").read_text())
    assert row["interval"][0] <= row["ratio"] <= row["interval"][1] and row["difference"] <= 1e-8
    assert row["torch_variant"] == "eager" and row["torch_peak_mib"] > 0
    out = capsys.readouterr().out
    assert f"{row['ratio']:.2f}" in out and "equal to PyTorch's" in out


@pytest.mark.slow
def test_members(tmp_path, capsys):
    words = [
        "--workloads=mlp",
        "--members=2",
        "--rounds=6",
        "--steps=1",
        f"--json={tmp_path}/a.json",
    ]
    assert process.guarded(members.run, words) == 0
    table = json.loads((tmp_path / "a.json").read_text())
    assert [row["way"] for row in table] == list(parallel.MEMBERS)
    out = capsys.readouterr().out
    for row in table:
        r = row["throughput"]
        assert (
            0 < r["low"] <= r["median"] <= r["high"]
            and f"{r['median']:.3f} [{r['low']:.3f}, {r['high']:.3f}]" in out
        )


def test_kernels(tmp_path, capsys):
    assert process.guarded(kernels.run, ["--layers=14x64"]) == 2
    assert "--layers=14x64 is not side x channels in x channels out" in capsys.readouterr().err
    pytest.importorskip("torch", reason="needs the extra bench")
    assert (
        process.guarded(
            kernels.run, ["--layers=5x2x3", "--batch=2", "--rounds=6", f"--json={tmp_path}/a.json"]
        )
        == 0
    )
    rows = json.loads((tmp_path / "a.json").read_text())
    assert [row["map"] for row in rows] == list(kernels.MAPS)
    for row in rows:
        assert row["gflop"] == pytest.approx(2e-9 * 2 * 3 * 3 * 25 * 2 * 3)
        assert (
            row["interval"][0] <= row["ratio"] <= row["interval"][1] and row["product_gflop_s"] > 0
        )


@pytest.mark.parametrize("last", [False, True])
def test_kernels_compute_the_same(last):
    """All three maps and PyTorch's, on an odd side, where padding is the same on both."""
    pytest.importorskip("torch", reason="needs the extra bench")
    from experiments.benchmarks import torch_runs

    r = np.random.default_rng(0)
    x, w, y = (
        r.standard_normal(shape, np.float32) for shape in ((2, 7, 7, 3), (5, 5, 3, 4), (2, 4, 4, 4))
    )
    found, expected = (
        kernels.ours(x, w, y),
        kernels.theirs(x, w, y, torch_runs.Variant(channels_last=last)),
    )
    to_ours = {"conv": (0, (0, 2, 3, 1)), "conv_t": (0, (0, 2, 3, 1)), "wgrad": (1, (2, 3, 1, 0))}
    for name, (which, axes) in to_ours.items():
        theirs = expected[name].call()
        theirs = theirs if name == "conv" else theirs[which]
        np.testing.assert_allclose(
            found[name].call(), theirs.numpy().transpose(axes), rtol=1e-4, atol=1e-4
        )
