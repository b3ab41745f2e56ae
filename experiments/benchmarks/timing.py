"""One workload: both sides in turns within rounds, in a new order each, so that ratios hold on a machine that is not quiet."""

import statistics

import numpy as np

from experiments.benchmarks import our_runs
from experiments.benchmarks.intervals import ratio

TURN = 1.0  # seconds that a turn of ours lasts at least, where the number of steps is not given
LEVEL = 0.95  # a median ratio above this is level with PyTorch if its interval reaches 1


def contenders(spec, with_torch, compiled, with_naive, say):
    """({name: run}, {variant: why it does not run}); "ours" and "naive" beside PyTorch's variants.

    The naive form of nets without convolutions would be ours.
    """
    say("compiling ours")
    runs, failed = {"ours": our_runs.build(spec)}, {}
    if with_naive and spec.convolves:
        say("compiling the naive form")
        runs["naive"] = our_runs.build(spec, plain=True)
    if with_torch:
        import torch

        from experiments.benchmarks import torch_runs

        torch.compiler.reset()  # what earlier workloads compiled counts against a limit per function
        for variant in torch_runs.variants(spec, compiled):
            say(f"PyTorch, {variant}")
            try:
                runs[f"torch {variant}"] = torch_runs.build(spec, variant)
            except (
                Exception
            ) as error:  # what cannot be compiled fails in many ways; eager runs always
                if not variant.compiled:
                    raise
                failed[str(variant)] = (
                    f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
                )
    return runs, failed


def rounds(runs, n_rounds, steps):
    """{name: [seconds per unit in each round]}. steps: per turn; the naive form, many times slower, makes one."""
    times, order = {name: [] for name in runs}, np.random.default_rng(0)
    for _ in range(n_rounds):
        for name in order.permutation(list(runs)):
            times[name].append(runs[name].run(1 if name == "naive" else steps))
    return times


def row(name, spec, runs, failed, times):
    """The workload's line of the table. The PyTorch that counts is the variant of the least median time in these rounds."""
    ms = {n: 1000 * statistics.median(t) for n, t in times.items()}
    ours = runs["ours"]
    out = {
        "workload": name,
        "unit": "10,000 images" if spec.kind == "sampling" else "step",
        "batch": spec.batch,
    }
    out |= {
        "ours_ms": ms["ours"],
        "compile_s": ours.compile_s,
        "peak_mib": ours.memory_mib(),
        "times_s": times,
    }
    if "naive" in runs:
        gain = ratio(times, "naive", "ours")
        out |= {
            "naive_ms": ms["naive"],
            "naive_gain": gain.median,
            "naive_gain_interval": [gain.low, gain.high],
        }
    variants = {n: t for n, t in ms.items() if n.startswith("torch ")}
    if variants:
        best = min(variants, key=variants.get)
        r = ratio(times, best, "ours")
        out |= {
            "ratio": r.median,
            "interval": [r.low, r.high],
            "level": r.high >= 1 and r.median >= LEVEL,
            "torch_ms": ms[best],
            "torch_variant": best.removeprefix("torch "),
            "torch_compile_s": runs[best].compile_s,
            "torch_peak_mib": runs[best].memory_mib(),
            "torch_variants_ms": {n.removeprefix("torch "): t for n, t in variants.items()},
            "torch_failed": failed,
        }
    return out


def measure(name, spec, flags, say):
    """The row of one workload. flags: see the command. say: function of a line of progress."""
    runs, failed = contenders(spec, flags.torch, flags.compiled, flags.naive, say)
    steps = flags.steps or max(1, round(TURN / runs["ours"].run(1)))
    say(f"{flags.rounds} rounds of {steps}")
    return row(name, spec, runs, failed, rounds(runs, flags.rounds, steps)) | {
        "rounds": flags.rounds,
        "steps": steps,
    }


COLUMNS = (
    "workload",
    "ratio",
    "interval",
    "ours_ms",
    "torch_ms",
    "naive_ms",
    "compile_s",
    "peak_mib",
    "torch_peak_mib",
)


def line(out):
    """A row as text."""
    shown = []
    for column in COLUMNS:
        value = out.get(column)
        if isinstance(value, list):
            value = f"[{value[0]:.2f}, {value[1]:.2f}]"
        elif isinstance(value, float):
            value = f"{value:.2f}" if column == "ratio" else f"{value:.1f}"
        shown.append("-" if value is None else str(value))
    texts = " ".join(
        f"{text:>{width(column)}}" for column, text in zip(COLUMNS, shown, strict=True)
    )
    return f"{texts}  {out.get('torch_variant', '')}"


def header():
    """The names of the columns."""
    return " ".join(f"{column:>{width(column)}}" for column in COLUMNS) + "  fastest PyTorch"


def width(column):
    """Characters of a column."""
    return {"workload": 20, "interval": 13, "torch_peak_mib": 14}.get(column, 10)
