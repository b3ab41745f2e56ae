"""What share of the arithmetic in an update step is needed? By counting, not by timing, so also on a busy machine.

needed: multiply-adds of the forward passes, weight gradients and input gradients that a step of the method cannot do without,
from the table of passes below and the layers of each net. done: those in the step as XLA has compiled it for a CPU; matrix
products and convolutions alone, which are nearly all (see products.py). share: needed over done. It is 1 where no pass is made
twice and none for nothing; some of our forms of convolution for CPUs also multiply zeros, for which they are quicker all the
same. GAN_CONV=native has no such forms: what its share lacks is passes.
"""

import dataclasses
import sys

import numpy as np

from experiments.benchmarks.workloads import TABLE, Spec
from gan_jax.commands import command_line, process
from gan_jax.errors import InputError
from gan_jax.settings import setting

WORKLOADS = {
    name: spec for name, spec in TABLE.items() if spec.kind == "training" and not spec.gpu
} | {
    "simultaneous": Spec("gan", {"simultaneous": True, "width": 32}, 28, 1, 64),
    "infogan": Spec("infogan", {"net": "s2", "width": 32}, 28, 1, 64),
    "colorize": Spec("colorize", {"width": 16}, 32, 3, 32),
    "distgan_32": Spec("distgan", {"width": 16}, 32, 3, 32),
}

# Passes of one row through one net: [forward, weight gradients, input gradients of all layers but the first, of all layers].
FORWARD = np.array([1, 0, 0, 0])
TRAINED = np.array([1, 1, 1, 0])
THROUGH = np.array([1, 0, 0, 1])
# Of a penalty: forward, slope, and the derivatives of the slope in its weights and in what they are multiplied by, which is
# a forward pass again. In a net of straight pieces nothing else changes the slope; BatchNorm and curved activations add
# the derivative through the forward pass.
STRAIGHT = np.array([2, 1, 0, 1])
CURVED = np.array([2, 2, 1, 1])


@dataclasses.dataclass(frozen=True)
class Settings(command_line.Command):
    """Flags of this command."""

    workloads: str = setting(",".join(WORKLOADS), "which to count, by comma")


def _penalty(hp, curved):
    if hp.penalty == "none":
        return 0 * FORWARD
    # R1 is taken at real images, whose forward pass is there.
    return (CURVED if curved else STRAIGHT) - (FORWARD if hp.penalty == "r1" else 0)


def of_gan(hp, batch, curved, shared):
    """{net: rows of each pass}: D's turns and G's. shared: whether both begin with the same generated images."""
    noise = getattr(hp, "gen_batch", batch)
    fakes = noise * getattr(hp, "n_gens", 1)
    disc = hp.n_disc * ((batch + fakes) * TRAINED + batch * _penalty(hp, curved)) + fakes * THROUGH
    if shared and hp.simultaneous:
        disc = disc - fakes * FORWARD
    return {"gen": noise * ((0 if shared else hp.n_disc) * FORWARD + TRAINED), "disc": disc}


def of_distgan(hp, batch, curved, shared):
    """The same of Dist-GAN whose reconstruction step trains the encoder alone: recon's, disc's and gen's."""
    disc = 2 * FORWARD + THROUGH + 3 * TRAINED + _penalty(hp, curved) + FORWARD + THROUGH
    gen = FORWARD + THROUGH + 2 * FORWARD + TRAINED
    return {"enc": batch * (TRAINED + FORWARD), "gen": batch * gen, "disc": batch * disc}


PASSES = {
    "gan": of_gan,
    "acgan": of_gan,
    "mgan": of_gan,
    "infogan": of_gan,
    "colorize": of_gan,
    "distgan": of_distgan,
}


def terms(net, dummies):
    """Multiply-adds of one row in each of the four passes through a flax module, from its layers. dummies: two rows."""
    import jax

    from experiments.benchmarks import naive, products

    def forward(*x):
        key = jax.random.key(0)
        return net.init_with_output({"params": key, "dropout": key}, *x, train=True)[0]

    with naive.convolutions():
        layers = products.count(jax.jit(forward).lower(*dummies).as_text("hlo"))
    all_rows, inputs = sum(p.terms for p in layers), [0 if p.column else p.terms for p in layers]
    return np.array([all_rows, all_rows, sum(inputs[1:]), sum(inputs)]) / len(dummies[0])


def measure(spec):
    """(needed, done): multiply-adds of one step."""
    import jax

    from experiments.benchmarks import products
    from gan_jax import methods
    from gan_jax.core.state import state_shapes
    from gan_jax.core.method import n_minibatches
    from gan_jax.core.step import build_step
    from gan_jax.ops import cpu

    method = methods.TABLE[spec.method].build(spec.hp, spec.shape, 1000)
    state, draws = state_shapes(method), n_minibatches(method)
    passes = PASSES[spec.method](spec.hp, spec.batch, bool(state.batch_stats["disc"]), draws == 1)
    needed = sum(
        rows @ terms(method.nets[net], method.example_inputs[net]) for net, rows in passes.items()
    )
    batch = {
        "image": jax.ShapeDtypeStruct(
            (draws, spec.batch, spec.size, spec.size, spec.colors), np.float32
        )
    }
    batch |= (
        {"label": jax.ShapeDtypeStruct((draws, spec.batch), np.int32)} if spec.n_classes else {}
    )
    step = jax.jit(build_step(method), donate_argnums=0, compiler_options=cpu.compiler_options())
    return needed, sum(
        p.terms for p in products.count(step.lower(state, batch).compile().as_text())
    )


def run(argv):
    """Command line to table."""
    import jax

    (flags,), _ = command_line.parse(__doc__, "experiments.benchmarks.passes", [Settings()], argv)
    names = flags.workloads.split(",")
    if unknown := [n for n in names if n not in WORKLOADS]:
        raise InputError(
            f"--workloads={unknown[0]} is not known; use some of: {', '.join(WORKLOADS)}."
        )
    if jax.default_backend() != "cpu":
        raise InputError("This counts in programs for a CPU; set JAX_PLATFORMS=cpu.")
    print(f"{'workload':<14} {'needed, millions':>17} {'done, millions':>15} {'share':>6}")
    for name in names:
        needed, done = measure(WORKLOADS[name])
        print(
            f"{name:<14} {needed / 1e6:>17.1f} {done / 1e6:>15.1f} {needed / done:>6.3f}",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(process.guarded(run, sys.argv[1:]))
