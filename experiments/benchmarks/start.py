"""From the command to the first step: cold, with nothing cached, and warm, when the same command ran before.

Every training command makes one dispatch of its flagfile in a process of its own, with an empty GAN_JAX_CACHE and then again
with what that left. The parts are the run's own account, which metrics.jsonl has, too: import (of Python's modules), data
(opened or rendered, and brought to the device), trace (our functions to XLA's language), init (weights, their program
included), compile (the step, by XLA) and the first dispatch. cached: compile warm over compile cold. Needs MNIST's and
Fashion-MNIST's files, see --data.
"""

import dataclasses
import json
import pathlib
import shutil
import sys
import tempfile

from experiments.benchmarks import measured, results
from gan_jax.commands import command_line, process
from gan_jax.errors import InputError
from gan_jax.settings import setting

# name: (command, flagfile, further flags); the quick settings of every command, and Morpho-GAN at 64 px.
STARTS = {
    **{
        name: (name, f"{name}_quick", ())
        for name in ("gan", "cgan", "acgan", "mgan", "infogan", "dragan", "wgan_gp")
    },
    "dcgan_mnist": ("dcgan", "dcgan_mnist_quick", ()),
    "dcgan": ("dcgan", "dcgan_quick", ()),
    "acgan_s1_section4": ("acgan_s1_section4", "acgan_s1_section4_quick", ()),
    "colorize": ("colorize", "colorize_quick", ()),
    "distgan": ("distgan", "distgan_quick", ()),
    "morpho": ("morpho", "morpho_quick", ()),
    "morpho_64": ("morpho", "morpho_quick", ("--size=64",)),
}
PARTS = ("import", "data", "trace", "init", "compile", "first step")


@dataclasses.dataclass(frozen=True)
class Settings(command_line.Command):
    """Flags of this command."""

    starts: str = setting(",".join(STARTS), "which to make, by comma")
    data: str = setting("data", "folder with mnist, fashion_mnist, ... as the flagfiles name them")
    extra: str = setting("", "further flags of every command, separated by blanks")
    json: str = setting("", "also write the table to this file")


def words_of(name, flags):
    """(module, words) of the command of a start: one dispatch."""
    command, flagfile, more = STARTS[name]
    given = dict(line.split("=", 1) for line in command_line.ROOT.joinpath(f"experiments/flagfiles/{flagfile}.flags")
                 .read_text().splitlines() if line.startswith("--"))  # fmt: skip
    words = [f"--flagfile={flagfile}", *more]
    kind, _, path = given["--data"].partition(":")
    if path.startswith("data/"):
        words.append(f"--data={kind}:{pathlib.Path(flags.data) / path.removeprefix('data/')}")
    steps = given.get(
        "--steps_per_dispatch", 20
    )  # a whole number of dispatches, of one step or of twenty
    words += [
        f"--steps={steps}",
        f"--log_every={steps}",
        "--sample_every=0",
        "--save_every=0",
        "--eval_every=0",
    ]
    return f"experiments.{command}", words + flags.extra.split()


def once(name, flags, folder):
    """{part: seconds} of one start, by the run's account; "command": by ours, of its first step. folder: of cache and run."""
    module, words = words_of(name, flags)
    run = folder / "run"
    ran = measured.run(
        module, [*words, f"--workdir={run}", "--restart"], {"GAN_JAX_CACHE": str(folder / "cache")}
    )
    first = json.loads((run / "metrics.jsonl").read_text().splitlines()[0])
    return first["wall"]["startup"] | {"command": ran.first_s}


def measure(name, flags):
    """The row of one start."""
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        cold, warm = once(name, flags, folder), once(name, flags, folder)
    finally:
        shutil.rmtree(folder)
    return {"start": name, "cold": cold, "warm": warm, "cached": warm["compile"] / cold["compile"]}


def lines(row):
    """A row as two lines of text."""
    out = []
    for how in ("cold", "warm"):
        parts = " ".join(f"{row[how][part]:>10.2f}" for part in PARTS)
        cached = f"{100 * row['cached']:>7.1f} %" if how == "warm" else ""
        out.append(f"{row['start']:<18} {how} {row[how]['command']:>8.1f} {parts} {cached}")
    return out


def run(argv):
    """Command line to table."""
    (flags,), _ = command_line.parse(__doc__, "experiments.benchmarks.start", [Settings()], argv)
    names, out = flags.starts.split(","), results.path(flags.json)
    if unknown := [n for n in names if n not in STARTS]:
        raise InputError(f"--starts={unknown[0]} is not known; use some of: {', '.join(STARTS)}.")
    print(
        f"{'seconds':<18} {'':<4} {'all':>8} "
        + " ".join(f"{part:>10}" for part in PARTS)
        + "    cached",
        flush=True,
    )
    table = []
    for name in names:
        table.append(measure(name, flags))
        print("\n".join(lines(table[-1])), flush=True)
        results.write(out, table)


if __name__ == "__main__":
    sys.exit(process.guarded(run, sys.argv[1:], jax=False))
