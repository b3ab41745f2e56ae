"""Speed of the training step: every workload in one process, turn by turn, so that their ratios hold on a noisy machine.

Prints for each workload the median time of a step over the rounds with its range, steps/s, images/s (real images drawn, by
all minibatches of a step), and the time to the first step: building, compiling without any cache, and running it once.
"""

import dataclasses
import json
import pathlib
import sys
import time

import numpy as np

from experiments import common, dcgan, distgan, morpho
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


class Workload:
    """One training program on random images, ready to run."""

    def __init__(self, name):
        import jax

        from gan_jax import methods, train
        from gan_jax.data import feed
        from gan_jax.data.source import Source
        from gan_jax.methods import base
        from gan_jax.state import fresh
        from gan_jax.step import n_draws

        experiment, size, self.width, self.batch = WORKLOADS[name]
        module = EXPERIMENTS[experiment]
        method = methods.TABLE[module.METHOD]
        hp = dataclasses.replace(method.Settings(**module.DEFAULTS), width=self.width)
        began, devices = time.perf_counter(), jax.devices()[:1]
        self.method = method.build(hp, base.Shape(size, 3), 1000)
        images = np.random.default_rng(0).integers(0, 256, (1024, size, size, 3), dtype=np.uint8)
        self.feed = feed.build(
            Source(images, None, (), name, ""), hp.pixels, 0, n_draws(self.method), self.batch, devices, True
        )
        tally = train.empty_tally(
            self.method, {"image": jax.ShapeDtypeStruct((n_draws(self.method), self.batch, size, size, 3), np.float32)}
        )
        self.carry = jax.device_put((fresh(self.method, 0), tally), devices[0])
        program = train.build_program(self.method, self.feed, devices)
        self.program = program.lower(self.carry, self.feed.data, self.feed.at(0, 1)).compile()
        self.run(1)
        self.first_step = time.perf_counter() - began
        self.times, self.images = [], self.batch * n_draws(self.method)

    def run(self, n_steps):
        """Seconds per step over n_steps."""
        import jax

        began = time.perf_counter()
        for step in range(n_steps):
            self.carry, _ = self.program(self.carry, self.feed.data, self.feed.at(step, 1))
        jax.block_until_ready(self.carry)
        return (time.perf_counter() - began) / n_steps

    def row(self, name):
        """The workload's line of the table."""
        ms = 1000 * np.array(self.times)
        median = float(np.median(ms))
        return {
            "workload": name,
            "width": self.width,
            "batch": self.batch,
            "ms": median,
            "ms_min": float(ms.min()),
            "ms_max": float(ms.max()),
            "steps_per_s": 1000 / median,
            "images_per_s": 1000 / median * self.images,
            "first_step_s": self.first_step,
        }


def run(argv):
    """Command line to table."""
    import jax

    (flags,), _ = common.parse(__doc__, "experiments.benchmarks", [Settings()], argv)
    names = flags.workloads.split(",")
    if unknown := [n for n in names if n not in WORKLOADS]:
        raise InputError(f"--workloads={unknown[0]} is not known; use some of: {', '.join(WORKLOADS)}.")
    jax.config.update("jax_enable_compilation_cache", False)
    workloads = {name: Workload(name) for name in names}
    for _ in range(flags.rounds):
        for workload in workloads.values():
            workload.times.append(workload.run(flags.steps))
    table = [workload.row(name) for name, workload in workloads.items()]
    print(f"{jax.devices()[0].device_kind}, {flags.rounds} rounds of {flags.steps} steps, interleaved")
    columns = ("workload", "width", "batch", "ms", "ms_min", "ms_max", "steps_per_s", "images_per_s", "first_step_s")
    print(" ".join(f"{c:>12}" for c in columns))
    for row in table:
        print(" ".join(f"{row[c]:12.1f}" if isinstance(row[c], float) else f"{row[c]:>12}" for c in columns))
    if flags.json:
        pathlib.Path(flags.json).write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(common.guarded(run, sys.argv[1:]))
