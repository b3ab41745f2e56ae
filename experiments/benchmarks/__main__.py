"""Speed of the training step: every workload in one process, turn by turn, so that their ratios hold on a noisy machine.

Prints for each workload the median time of a step over the rounds with its range, steps/s, images/s (real images drawn, by
all minibatches of a step), and the time to the first step: building, compiling without any cache, and running it once.
"""

import dataclasses
import json
import pathlib
import sys

import numpy as np

from experiments import common, dcgan, distgan, morpho
from experiments.benchmarks import workload
from gan_jax.errors import InputError
from gan_jax.settings import setting

EXPERIMENTS = {"morpho": morpho, "distgan": distgan, "dcgan": dcgan}
# name: (experiment, size, width, batch)
WORKLOADS = {f"{name}_{size}": (name, size, width, 32) for name in ("morpho", "dcgan") for size, width in ((32, 16), (64, 16))}


@dataclasses.dataclass(frozen=True)
class Settings(common.Command):
    """Flags of this command."""

    workloads: str = setting(",".join(WORKLOADS), "which to run, by comma")
    rounds: int = setting(5, "turns of each workload", low=1)
    steps: int = setting(10, "steps per turn", low=1)
    json: str = setting("", "also write the table to this file")


def build(name):
    """The Workload of that name."""
    experiment, size, width, batch = WORKLOADS[name]
    module = EXPERIMENTS[experiment]
    return workload.Workload(module.METHOD, {**module.DEFAULTS, "width": width}, size, batch)


def row(name, work):
    """The line of the table for a Workload whose times are taken."""
    ms = 1000 * np.array(work.times)
    median = float(np.median(ms))
    return {
        "workload": name,
        "width": work.hp.width,
        "batch": work.batch,
        "ms": median,
        "ms_min": float(ms.min()),
        "ms_max": float(ms.max()),
        "steps_per_s": 1000 / median,
        "images_per_s": 1000 / median * work.images,
        "first_step_s": work.first_step,
    }


def run(argv):
    """Command line to table."""
    import jax

    (flags,), _ = common.parse(__doc__, "experiments.benchmarks", [Settings()], argv)
    names = flags.workloads.split(",")
    if unknown := [n for n in names if n not in WORKLOADS]:
        raise InputError(f"--workloads={unknown[0]} is not known; use some of: {', '.join(WORKLOADS)}.")
    jax.config.update("jax_enable_compilation_cache", False)
    workloads = {name: build(name) for name in names}
    for _ in range(flags.rounds):
        for work in workloads.values():
            work.times.append(work.run(flags.steps))
    table = [row(name, work) for name, work in workloads.items()]
    print(f"{jax.devices()[0].device_kind}, {flags.rounds} rounds of {flags.steps} steps, interleaved")
    columns = ("workload", "width", "batch", "ms", "ms_min", "ms_max", "steps_per_s", "images_per_s", "first_step_s")
    print(" ".join(f"{c:>12}" for c in columns))
    for line in table:
        print(" ".join(f"{line[c]:12.1f}" if isinstance(line[c], float) else f"{line[c]:>12}" for c in columns))
    if flags.json:
        pathlib.Path(flags.json).write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(common.guarded(run, sys.argv[1:]))
