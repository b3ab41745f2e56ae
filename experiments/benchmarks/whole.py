"""Whole runs: our training command against an ordinary PyTorch loop with a DataLoader, each a process, in turns.

Both train the same nets from an .npz file of 60,000 random images, with logging, grids and checkpoints at the same cadences
(our defaults), ours with everything else it does: the watch, gradient norms, checksums, the report. all: time from the command
to its end, imports and compiling included, nothing cached; steps: from the end of the first dispatch to the end of the process,
per step. Ratios are PyTorch's time over ours in the same round; median and interval at 95 %. outside: our share of time that is
not steps, compiling left out, in the last round.
"""

import dataclasses
import json
import pathlib
import re
import shutil
import sys
import tempfile

import numpy as np

from experiments.benchmarks import measured, results
from experiments.benchmarks.intervals import estimate, ratio
from gan_jax.commands import command_line, process
from gan_jax.settings import RunSettings, setting

N_IMAGES = 60_000
STEPS, LIGHT = 500, 20  # of a run; so many times as many without convolutions


@dataclasses.dataclass(frozen=True)
class Settings(command_line.Command):
    """Flags of this command."""

    workloads: str = setting(
        "mlp,dcgan_mnist,dragan_28", "which to run, by comma: those of GANs without labels"
    )
    rounds: int = setting(7, "runs of each side; intervals at 95 % need 6", low=6)
    steps: int = setting(
        0, f"steps of a run; 0: {STEPS}, without convolutions {STEPS * LIGHT:,}", low=0
    )
    images: int = setting(N_IMAGES, "images of the data set", low=2)
    json: str = setting("", "also write the table to this file")


def fits(spec):
    """Whether the ordinary loop is that of a workloads.Spec: it trains a GAN without labels, D and G in turn."""
    return spec.method == "gan" and spec.kind == "training" and spec.hp.n_disc == 1


def prepare(folder, spec, steps, n_images):
    """Writes images.npz, weights.npz and job.json for both sides into a folder."""
    import jax
    from flax import traverse_util

    from gan_jax import methods
    from gan_jax.core.state import init_jitted

    images = np.random.default_rng(0).integers(
        0, 256, (n_images, spec.size, spec.size, spec.colors), dtype=np.uint8
    )
    np.savez(folder / "images.npz", images=images)
    state = init_jitted(methods.TABLE[spec.method].build(spec.hp, spec.shape, steps), 0)
    weights = {"params": state.params, "stats": state.batch_stats}
    np.savez(
        folder / "weights.npz",
        **jax.tree.map(np.asarray, traverse_util.flatten_dict(weights, sep="/")),
    )
    run = RunSettings()
    job = {
        "method": spec.method,
        "hp": vars(spec.hp),
        "shape": spec.shape._asdict(),
        "batch": spec.batch,
        "steps": steps,
    }
    job |= {name: getattr(run, name) for name in ("log_every", "sample_every", "save_every")}
    (folder / "job.json").write_text(json.dumps(job))


def ours(folder, spec, steps):
    """measured.Ran of our command, with nothing cached."""
    shutil.rmtree(folder / "cache", ignore_errors=True)
    words = measured.flags(spec.hp)
    words += [
        f"--data=npz:{folder / 'images.npz'}",
        f"--size={spec.size}",
        f"--batch={spec.batch}",
        f"--steps={steps}",
    ]
    words += [f"--steps_per_dispatch={spec.dispatch}", f"--workdir={folder / 'run'}", "--restart"]
    return measured.run(f"experiments.{spec.method}", words, {"GAN_JAX_CACHE": folder / "cache"})


def theirs(folder, spec, steps):
    """measured.Ran of PyTorch's loop."""
    return measured.run("experiments.benchmarks.torch_whole", [folder])


SIDES = {"ours": ours, "torch": theirs}


def measure(spec, flags):
    """The row of one workload."""
    steps = flags.steps or STEPS * (1 if spec.convolves else LIGHT)
    whole, after, order = {n: [] for n in SIDES}, {n: [] for n in SIDES}, np.random.default_rng(0)
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        prepare(folder, spec, steps, flags.images)
        for _ in range(flags.rounds):
            for side in order.permutation(list(SIDES)):
                ran = SIDES[side](folder, spec, steps)
                first = spec.dispatch if side == "ours" else 1
                whole[side].append(ran.whole_s)
                after[side].append((ran.whole_s - ran.first_s) / max(1, steps - first))
                if side == "ours":
                    outside = float(re.search(r"([\d.]+) % outside of steps", ran.text)[1]) / 100
    finally:
        shutil.rmtree(folder)
    out = {
        "steps": steps,
        "rounds": flags.rounds,
        "outside": outside,
        "whole_s": whole,
        "step_s": after,
    }
    for name, times in (("all", whole), ("steps", after)):
        out[name] = ratio(times, "torch", "ours")._asdict()
        out[name] |= {f"{side}_s": estimate(times[side]).median for side in SIDES}
    return out


def line(row):
    """A row as text."""
    parts = [f"{row['workload']:<14}"]
    for name, unit, scale in (("all", "s", 1), ("steps", "ms", 1000)):
        r = row[name]
        parts.append(
            f"{name} {r['median']:.2f} [{r['low']:.2f}, {r['high']:.2f}] "
            f"(ours {scale * r['ours_s']:.1f} {unit}, PyTorch {scale * r['torch_s']:.1f} {unit})"
        )
    return "  ".join(parts) + f"  outside {100 * row['outside']:.1f} %"


def run(argv):
    """Command line to table."""
    import jax

    from experiments.benchmarks import workloads

    (flags,), _ = command_line.parse(__doc__, "experiments.benchmarks.whole", [Settings()], argv)
    specs, out = (
        workloads.chosen(flags.workloads, jax.default_backend() == "gpu", fits),
        results.path(flags.json),
    )
    command_line.need("torch", "this command", "bench")
    table = []
    for name, spec in specs.items():
        table.append({"workload": name, **measure(spec, flags)})
        print(line(table[-1]), flush=True)
        results.write(out, table)


if __name__ == "__main__":
    sys.exit(process.guarded(run, sys.argv[1:]))
