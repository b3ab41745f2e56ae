"""From the command to the first step: cold, with nothing cached, and warm, after the same command.

Every training command runs one dispatch of its flagfile in a process of its own, with an empty
GAN_JAX_CACHE and then again with what that left. The parts are the run's own account, which
metrics.jsonl has, too: import (of Python's modules), data (opened or rendered, and brought to the
device), trace (our functions to XLA's language), init (weights, their program included), compile
(the step, by XLA) and the first dispatch. cached: compile warm over compile cold, in percent. Needs
the files of MNIST, Fashion-MNIST and CIFAR-10, see --data.
"""

import dataclasses
import json
import pathlib
import sys
import tempfile

from experiments.benchmarks import harness, processes
from experiments.benchmarks.harness import Column
from gan_jax.commands import command_line, process
from gan_jax.settings import setting

QUICK = (
    "gan", "cgan", "acgan", "mgan", "infogan", "dragan", "wgan_gp", "r3gan",
    "dcgan", "acgan_s1_section4", "colorize", "distgan", "morpho",
)  # fmt: skip
# {name: (command, flagfile, further flags)}
STARTS = {name: (name, f"{name}_quick", ()) for name in QUICK} | {
    "dcgan_mnist": ("dcgan", "dcgan_mnist_quick", ()),
    "morpho_64": ("morpho", "morpho_quick", ("--size=64",)),
}
PARTS = ("import", "data", "trace", "init", "compile", "first step")


@dataclasses.dataclass(frozen=True)
class Settings(harness.Output):
    """Flags of this command."""

    starts: str = setting(",".join(STARTS), "which to run, by comma")
    data: str = setting("data", "folder with mnist, fashion_mnist, ... as the flagfiles name them")


def command_of(name: str, data: str) -> tuple[str, list[str]]:
    """Return (module, words) of a command of one dispatch; data: folder of the data sets."""
    command, flagfile, more = STARTS[name]
    path = command_line.FLAGFILES / f"{flagfile}.flags"
    lines = [line for line in path.read_text().splitlines() if line.startswith("--")]
    options = dict(line.split("=", 1) for line in lines)
    words = [f"--flagfile={flagfile}", *more]
    kind, _, source = options["--data"].partition(":")
    if source.startswith("data/"):
        words.append(f"--data={kind}:{pathlib.Path(data) / source.removeprefix('data/')}")
    steps = options.get("--steps_per_dispatch", 20)  # whole dispatches, of one step or of twenty
    words += [f"--steps={steps}", f"--log_every={steps}"]
    return f"experiments.{command}", words + [f"--{n}_every=0" for n in ("sample", "save", "eval")]


def measure_once(name: str, data: str, folder: pathlib.Path) -> dict[str, float]:
    """Time one start: {part: seconds}, and "command": until its first step by our clock."""
    module, words = command_of(name, data)
    words += [f"--workdir={folder / 'run'}", "--restart"]
    timing = processes.run(module, words, {"GAN_JAX_CACHE": str(folder / "cache")})
    first = json.loads((folder / "run" / "metrics.jsonl").read_text().splitlines()[0])
    return first["wall"]["startup"] | {"command": timing.first_s}


COLUMNS = (
    Column("start", -18, title="seconds"),
    Column("cache", -5),
    Column("command", 7, title="all"),
    *(Column(part, 10, ".2f") for part in PARTS),
    Column("cached", 9),
)


def run(argv: list[str]) -> None:
    """Print the table that the command line asks for."""
    flags = harness.parse("experiments.benchmarks.start", __doc__, Settings(), argv)
    names = harness.choose("starts", flags.starts, STARTS)
    table, results = harness.Table(*COLUMNS), []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            cold, warm = (measure_once(name, flags.data, pathlib.Path(folder)) for _ in range(2))
        cached = warm["compile"] / cold["compile"]
        table.add({"start": name, "cache": "cold", **cold})
        table.add({"start": name, "cache": "warm", **warm, "cached": 100 * cached})
        results.append({"start": name, "cold": cold, "warm": warm, "cached": cached})
        harness.write_json(flags.json, results)


if __name__ == "__main__":
    sys.exit(process.guarded(run, sys.argv[1:], needs_jax=False))
