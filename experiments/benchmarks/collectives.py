"""What a training step sends between devices, counted in the program that XLA compiled for two.

calls: collective operations in a step. kib: bytes that each device puts into them. weights_kib:
bytes of the weights that the step trains, for comparison. ms_10g, ms_100g: time of a ring of many
devices over links of 10 and 100 Gbit/s, each byte sent twice, with 20 microseconds for each call;
a step of fewer milliseconds waits for its network. Loop bodies count once.
"""

import dataclasses
import re
import sys

import jax
import numpy as np

from experiments.benchmarks import harness, workloads
from experiments.benchmarks.harness import Column
from experiments.benchmarks.jax_programs import random_images
from experiments.benchmarks.workloads import Workload
from gan_jax.commands import process
from gan_jax.core import parallel
from gan_jax.core.initialize import init_jitted
from gan_jax.core.method import n_minibatches
from gan_jax.data import loader
from gan_jax.settings import setting
from gan_jax.training import program

LATENCY_S = 20e-6
OPERATION = re.compile(
    r"= (.*?) (?:all-reduce|all-gather|reduce-scatter|collective-permute|all-to-all)(?:-start)?\("
)
SHAPE = re.compile(r"(f64|f32|f16|bf16|s64|s32|u32|s8|u8|pred)\[([\d,]*)\]")
BYTES = {"f64": 8, "s64": 8, "f32": 4, "s32": 4, "u32": 4, "f16": 2, "bf16": 2}


@dataclasses.dataclass(frozen=True)
class Settings(harness.Rounds):
    """Flags of this command."""

    workloads: str = setting("", "which to count, by comma; empty: all that train, for this device")


def count(text: str) -> tuple[int, int]:
    """Count the collectives of a compiled program. Returns (calls, bytes of their results)."""
    results = OPERATION.findall(text)
    n_bytes = 0
    for result in results:
        for kind, shape in SHAPE.findall(result):
            sides = [int(side) for side in shape.split(",") if side]
            n_bytes += BYTES.get(kind, 1) * int(np.prod(sides))
    return len(results), n_bytes


def measure(workload: Workload) -> dict:
    """Compile one workload for two devices, and count."""
    devices, method = parallel.all_devices(2), workload.build()
    n, images = n_minibatches(method), random_images(workload, 256)
    loaded = loader.build_loader(
        images, workload.hp.pixels, 0, n, workload.batch, devices, resident=True
    )
    tally = program.empty_tally(method, workload.batch_shapes(n))
    state = init_jitted(method, 0)
    carry = parallel.put_replicated((state, tally), devices)
    built = program.build_program(method, loaded, devices)
    text = built.lower(carry, loaded.device_data, loaded.inputs(0, 1)).compile().as_text()
    calls, n_bytes = count(text)
    trained = {net for player in method.players for net in player.nets}
    weights = sum(a.nbytes for net in trained for a in jax.tree.leaves(state.params[net]))
    ring = {f"ms_{g}g": 1e3 * (2 * n_bytes * 8 / (g * 1e9) + calls * LATENCY_S) for g in (10, 100)}
    return {"calls": calls, "kib": n_bytes / 1024, "weights_kib": weights / 1024, **ring}


def run(argv: list[str]) -> None:
    """Print the table that the command line asks for."""
    flags = harness.parse("experiments.benchmarks.collectives", __doc__, Settings(), argv)
    jax.config.update("jax_num_cpu_devices", 2)
    selected = workloads.select(flags.workloads, lambda w: w.kind == "training")
    table = harness.Table(
        Column("workload", -20),
        Column("calls", 6, "d"),
        Column("kib", 10, ",.0f"),
        Column("weights_kib", 12, ",.0f"),
        Column("ms_10g", 8, ".2f"),
        Column("ms_100g", 8, ".2f"),
        path=flags.json,
    )
    for name, workload in selected.items():
        table.add({"workload": name, **measure(workload)})


if __name__ == "__main__":
    sys.exit(process.guarded(run, sys.argv[1:]))
