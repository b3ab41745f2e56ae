"""What share of the arithmetic in an update step is needed? Counted, not timed.

needed: multiply-adds of the forward passes, weight gradients and input gradients that a step of the
method cannot do without, from the table of passes below and the layers of each net. done: those in
the step as XLA has compiled it for a CPU; matrix products and convolutions alone, which are nearly
all (see products.py). share: needed over done. It is 1 where no pass is computed twice or in vain.
Some of our forms of convolution for CPUs also multiply zeros, for which they are quicker all the
same. GAN_CONV=native has no such forms: what its share lacks are passes.
"""

import dataclasses
import sys
from typing import Any

import jax
import numpy as np

from experiments.benchmarks import harness, naive, products
from experiments.benchmarks.harness import Column
from experiments.benchmarks.workloads import TABLE, Workload
from gan_jax.commands import process
from gan_jax.core.initialize import state_shapes
from gan_jax.core.method import n_minibatches
from gan_jax.core.step import build_step
from gan_jax.errors import InputError
from gan_jax.ops import compiling
from gan_jax.settings import setting

WORKLOADS = {n: w for n, w in TABLE.items() if w.twin and w.kind == "training" and not w.gpu} | {
    "simultaneous": Workload("gan", {"simultaneous": True, "width": 32}, 28, 1, 64),
    "infogan": Workload("infogan", {"net": "s2", "width": 32}, 28, 1, 64),
    "colorize": Workload("colorize", {"width": 16}, 32, 3, 32),
    "distgan_32": Workload("distgan", {"width": 16}, 32, 3, 32),
}

# Passes of one row through one net:
# [forward, weight gradients, input gradients of all layers but the first, of all layers].
FORWARD = np.array([1, 0, 0, 0])
TRAINED = np.array([1, 1, 1, 0])
THROUGH = np.array([1, 0, 0, 1])
# Of a penalty: forward, slope, and the derivatives of the slope in its weights and in what they are
# multiplied by, which is a forward pass again. In a piecewise linear net nothing else changes the
# slope; BatchNorm and curved activations add the derivative through the forward pass.
PIECEWISE_LINEAR = np.array([2, 1, 0, 1])
CURVED = np.array([2, 2, 1, 1])


@dataclasses.dataclass(frozen=True)
class Settings(harness.Output):
    """Flags of this command."""

    workloads: str = setting(",".join(WORKLOADS), "which to count, by comma")


def count_passes(workload: Workload, curved: bool, shared: bool) -> dict[str, np.ndarray | int]:
    """Return {net: rows in each pass} of one step.

    Args:
      workload: Workload; Dist-GAN's reconstruction step trains the encoder alone.
      curved: whether D is not piecewise linear.
      shared: whether both players begin with the same generated images.
    """
    hp, batch = workload.hp, workload.batch
    penalty = (CURVED if curved else PIECEWISE_LINEAR) * (hp.penalty != "none")
    if hp.penalty == "r1":  # at real images, whose forward pass is there
        penalty = penalty - FORWARD
    if workload.method == "distgan":
        disc = 2 * FORWARD + THROUGH + 3 * TRAINED + penalty + FORWARD + THROUGH
        gen = FORWARD + THROUGH + 2 * FORWARD + TRAINED
        return {"enc": batch * (TRAINED + FORWARD), "gen": batch * gen, "disc": batch * disc}
    noise = getattr(hp, "gen_batch", batch)
    fakes = noise * getattr(hp, "n_gens", 1)
    disc = hp.n_disc * ((batch + fakes) * TRAINED + batch * penalty) + fakes * THROUGH
    if shared and hp.simultaneous:
        disc = disc - fakes * FORWARD
    return {"gen": noise * ((0 if shared else hp.n_disc) * FORWARD + TRAINED), "disc": disc}


def count_terms(net: Any, inputs: tuple) -> np.ndarray:
    """Count the multiply-adds of one row in each pass; net: flax module, inputs: two rows."""
    key = jax.random.key(0)

    def forward(*x):
        return net.init_with_output({"params": key, "dropout": key}, *x, train=True)[0]

    with naive.convolutions():
        layers = products.count(jax.jit(forward).lower(*inputs).as_text("hlo"))
    in_all, in_inputs = sum(p.terms for p in layers), [p.terms * (not p.column) for p in layers]
    return np.array([in_all, in_all, sum(in_inputs[1:]), sum(in_inputs)]) / len(inputs[0])


def measure(workload: Workload) -> tuple[float, int]:
    """Count the multiply-adds of one step: (needed, done)."""
    method = workload.build()
    state, n = state_shapes(method), n_minibatches(method)
    passes = count_passes(workload, bool(state.batch_stats["disc"]), n == 1)
    inputs = method.example_inputs
    needed = sum(rows @ count_terms(method.nets[k], inputs[k]) for k, rows in passes.items())
    step = compiling.jit(build_step(method), donate_argnums=0)
    program = step.lower(state, workload.batch_shapes(n)).compile()
    return needed, sum(p.terms for p in products.count(program.as_text()))


def run(argv: list[str]) -> None:
    """Print the table that the command line asks for."""
    flags = harness.parse("experiments.benchmarks.passes", __doc__, Settings(), argv)
    names = harness.choose("workloads", flags.workloads, WORKLOADS)
    if jax.default_backend() != "cpu":
        raise InputError("This counts in programs for a CPU; set JAX_PLATFORMS=cpu.")
    table = harness.Table(
        Column("workload", -14),
        Column("needed", 17, title="needed, millions"),
        Column("done", 15, title="done, millions"),
        Column("share", 6, ".3f"),
        path=flags.json,
    )
    for name in names:
        needed, done = measure(WORKLOADS[name])
        row = {"needed": needed / 1e6, "done": done / 1e6, "share": needed / done}
        table.add({"workload": name, **row})


if __name__ == "__main__":
    sys.exit(process.guarded(run, sys.argv[1:]))
