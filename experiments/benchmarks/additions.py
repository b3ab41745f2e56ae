"""What additions to a GAN cost in time and memory: losses, penalties, augmentation, nets, heads.

Every program is the plain loss on Morpho-GAN's nets with one addition, or AC-GAN with one head. All
take turns in one process. of_base: the ratio to the program without the addition in the same round,
median and 95 % interval. MiB: state, 1,024 random images and scratch of the compiled step.

python -m experiments.benchmarks.additions --rounds=9
"""

import dataclasses
import sys
from collections.abc import Sequence

import jax

from experiments.benchmarks import harness, penalty_cost
from experiments.benchmarks.harness import Column
from experiments.benchmarks.intervals import estimate, ratio
from experiments.benchmarks.jax_programs import Training
from experiments.benchmarks.workloads import Workload
from gan_jax.commands import presets, process
from gan_jax.settings import setting

BASE = {"net": "hdcgan", "input_noise": 0.05, "pixels": "sigmoid"}
_CRITIC = {"disc_norm": "none"}  # penalties and losses of pairs are for a D without BatchNorm
_ADA = {"augment": "ada", "augment_p": 0.6}
_HEADS = {"net": "s2", "cond_gen": "batchnorm"}
# {name: (method, settings, the name that it is compared with)}
ADDITIONS = {
    "base": ("gan", {}, "base"),
    "upsample=nearest": ("gan", {"upsample": "nearest"}, "base"),
    "flip,rotation": ("gan", {"augment": "flip,rotation"}, "base"),
    "flip,rotation,translation,cutout": (
        "gan",
        {"augment": "flip,rotation,translation,cutout"},
        "base",
    ),
    "ada": ("gan", _ADA, "base"),
    "lecam": ("gan", {"lecam": 0.3}, "base"),
    "consistency": ("gan", {"consistency": 10.0}, "base"),
    "pack=2": ("gan", {"pack": 2}, "base"),
    "pack=4": ("gan", {"pack": 4}, "base"),
    "D without norm": ("gan", _CRITIC, "base"),
    "rp": ("gan", {**_CRITIC, "loss": "rp"}, "D without norm"),
    "ra": ("gan", {**_CRITIC, "loss": "ra"}, "D without norm"),
    "r1": ("gan", {**_CRITIC, "penalty": "r1"}, "D without norm"),
    "r1r2": ("gan", {**_CRITIC, "penalty": "r1r2"}, "D without norm"),
    "r1r2 through ada": (
        "gan",
        {**_CRITIC, **_ADA, "penalty": "r1r2", "penalty_augmented": True},
        "D without norm",
    ),
    "r3gan": ("gan", dict(presets.TABLE["r3gan"].defaults), "base"),
    "acgan ce": ("acgan", _HEADS, "acgan ce"),
    "acgan d2d_ce": ("acgan", {**_HEADS, "class_loss": "d2d_ce"}, "acgan ce"),
    "acgan adc": ("acgan", {**_HEADS, "class_loss": "adc"}, "acgan ce"),
}


@dataclasses.dataclass(frozen=True)
class Settings(penalty_cost.Settings):
    """Flags of this command, those of the cost of penalties."""

    batch: int = setting(32, "images per minibatch, of which packs have 4", low=8)


COLUMNS = (
    Column("addition", -34),
    Column("ms", 27, title="ms per step"),
    Column("of_base", 26, ".3f", "of base"),
    Column("memory_mib", 8, title="MiB"),
    Column("memory_of_base", 10, ".2f", "of base"),
)


def workload(name: str, flags: Settings) -> Workload:
    """Return the workload of an addition."""
    method, options, _ = ADDITIONS[name]
    own = {} if name == "r3gan" or method == "acgan" else BASE
    options = {**own, **options, "width": flags.width}
    n_classes = 10 if method == "acgan" else 0
    return Workload(method, options, flags.size, 3, flags.batch, n_classes)


def build(name: str, flags: Settings) -> Training:
    """Compile one program."""
    print(f"compiling {name}", file=sys.stderr, flush=True)
    return Training(workload(name, flags))


def run(argv: list[str], names: Sequence[str] = tuple(ADDITIONS)) -> None:
    """Print the table that the command line asks for."""
    flags = harness.parse("experiments.benchmarks.additions", __doc__, Settings(rounds=9), argv)
    programs = {name: build(name, flags) for name in names}
    times = harness.time_programs(programs, flags.rounds, flags.steps)
    device, about = jax.devices()[0].device_kind, f"{flags.rounds} rounds of {flags.steps} steps"
    print(f"{device}; {flags.size} px, width {flags.width}, batch {flags.batch}; {about}")
    print(f"{harness.confidence(flags.rounds)}; ratios are taken within rounds\n")
    table = harness.Table(*COLUMNS)
    memory = {name: program.memory_mib() for name, program in programs.items()}
    for name in programs:
        base = ADDITIONS[name][2]
        table.add(
            {
                "addition": name,
                "ms": estimate([1000 * t for t in times[name]])._asdict(),
                "of_base": ratio(times, name, base)._asdict(),
                "memory_mib": memory[name],
                "memory_of_base": memory[name] / memory[base],
                "times_s": times[name],
            }
        )
    settings = dataclasses.asdict(flags) | {"device": device}
    harness.write_json(flags.json, {**settings, "rows": table.rows})


if __name__ == "__main__":
    sys.exit(process.guarded(run, sys.argv[1:]))
