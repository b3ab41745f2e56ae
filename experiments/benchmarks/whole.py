"""Whole runs: our training command against an ordinary PyTorch loop with a DataLoader, in turn.

Each run is a process. Both train the same nets from a file of 60,000 random images, with logging,
grids and checkpoints at the same intervals (our defaults), ours with everything else that a run
does: the monitor, gradient norms, checksums, the report. all: time from the command to its end,
imports and compiling included, nothing cached. steps: from the end of the first dispatch to the end
of the process, per step. Ratios are PyTorch's time over ours in the same round; median and 95 %
interval.
"""

import dataclasses
import functools
import pathlib
import pickle
import shutil
import sys
import tempfile
from collections.abc import Callable

import jax
import numpy as np

from experiments.benchmarks import harness, processes, workloads
from experiments.benchmarks.harness import Column
from experiments.benchmarks.intervals import estimate, ratio
from experiments.benchmarks.jax_programs import random_images
from experiments.benchmarks.workloads import Workload
from gan_jax.commands import command_line, process
from gan_jax.core.initialize import init_jitted
from gan_jax.settings import RunSettings, setting

N_IMAGES = 60_000
STEPS = {True: 500, False: 10_000}  # of a run with convolutions and without


@dataclasses.dataclass(frozen=True)
class Settings(harness.Rounds):
    """Flags of this command."""

    workloads: str = setting("mlp,dcgan_mnist,dragan_28", "GANs without labels to run, by comma")
    steps: int = setting(0, "steps of a run; 0: 500, without convolutions 10,000", low=0)


def fits(workload: Workload) -> bool:
    """Whether the PyTorch loop can train it: a GAN without labels, D and G in turn."""
    known = workload.twin and workload.method == "gan" and workload.kind == "training"
    return known and workload.hp.n_disc == 1


def write_job(folder: pathlib.Path, workload: Workload, steps: int, n: int = N_IMAGES) -> None:
    """Write n images, images.npz, and PyTorch's job with our weights, job.pickle."""
    np.savez(folder / "images.npz", images=random_images(workload, n).images)
    state, run = init_jitted(workload.build(steps), 0), RunSettings()
    trees = {"params": state.params, "batch_stats": state.batch_stats}
    job = {name: getattr(run, name) for name in ("log_every", "sample_every", "save_every")}
    job |= {"method": workload.method, "batch": workload.batch, "steps": steps}
    spec = workload.data_spec
    job |= {"hp": vars(workload.hp), "data_spec": spec._asdict() | {"size": spec.size}}
    (folder / "job.pickle").write_bytes(pickle.dumps(job | jax.tree.map(np.asarray, trees)))


def run_ours(folder: pathlib.Path, workload: Workload, steps: int) -> processes.Timing:
    """Time our command, with nothing cached."""
    shutil.rmtree(folder / "cache", ignore_errors=True)
    flags = vars(workload.hp) | {
        "data": f"npz:{folder / 'images.npz'}",
        "size": workload.size,
        "batch": workload.batch,
        "steps": steps,
        "steps_per_dispatch": workload.dispatch,
        "workdir": folder / "run",
    }
    words = [f"--{name}={value}" for name, value in flags.items()]
    cache = {"GAN_JAX_CACHE": str(folder / "cache")}
    return processes.run(f"experiments.{workload.method}", [*words, "--restart"], cache)


def run_theirs(folder: pathlib.Path, workload: Workload, steps: int) -> processes.Timing:
    """Time PyTorch's loop."""
    return processes.run("experiments.benchmarks.torch_whole", [folder])


SIDES: dict[str, Callable[..., processes.Timing]] = {"ours": run_ours, "torch": run_theirs}


def measure(workload: Workload, flags: Settings) -> dict:
    """Measure one workload."""
    steps = flags.steps or STEPS[workload.convolves]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_job(folder, workload, steps)
        runs = {n: functools.partial(side, folder, workload, steps) for n, side in SIDES.items()}
        timings = harness.interleave(runs, flags.rounds)
    whole, later = {}, {}
    for side, of_side in timings.items():
        n = max(1, steps - (workload.dispatch if side == "ours" else 1))
        whole[side] = [t.whole_s for t in of_side]
        later[side] = [(t.whole_s - t.first_s) / n for t in of_side]
    row: dict = {"n_steps": steps, "rounds": flags.rounds}
    for key, times, unit, scale in (("all", whole, "s", 1), ("steps", later, "ms", 1000)):
        row[key] = ratio(times, "torch", "ours")._asdict()
        for side in SIDES:
            row[f"{key}_{side}_{unit}"] = scale * estimate(times[side]).median
    return row | {"whole_s": whole, "step_s": later}


COLUMNS = (
    Column("workload", -14),
    Column("all", 18, ".2f"),
    Column("all_ours_s", 7, title="ours, s"),
    Column("all_torch_s", 10, title="PyTorch, s"),
    Column("steps", 18, ".2f"),
    Column("steps_ours_ms", 8, title="ours, ms"),
    Column("steps_torch_ms", 11, title="PyTorch, ms"),
)


def run(argv: list[str]) -> None:
    """Print the table that the command line asks for."""
    flags = harness.parse("experiments.benchmarks.whole", __doc__, Settings(), argv)
    selected = workloads.select(flags.workloads, fits)
    command_line.need("torch", "this command", "bench")
    table = harness.Table(*COLUMNS, path=flags.json)
    for name, workload in selected.items():
        table.add({"workload": name, **measure(workload, flags)})


if __name__ == "__main__":
    sys.exit(process.guarded(run, sys.argv[1:]))
