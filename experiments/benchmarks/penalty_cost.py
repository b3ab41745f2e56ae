"""What penalties on D's slope cost in time and memory, with one and with five critic steps.

Morpho-GAN's paper (S3, Abduazimov and Jo) claims that DRAGAN's penalty makes training lighter than
WGAN-GP's (D17 in docs/discrepancies.md). The claim mixes two things: the penalty, and the five
critic steps (updates of D per update of G) that WGAN-GP is usually run with. So every penalty is
timed with one and with five critic steps, all else equal, and the step of Morpho-GAN with DRAGAN's
penalty, with Dist-GAN's and with none. All programs take turns in one process and ratios are taken
within rounds: they hold on a noisy machine, the times do not. Medians and 95 % intervals.

MiB: state, 1,024 random images and scratch of the compiled step. GFLOP: XLA's count before it
optimises. Takes a few minutes on 2 idle cores, and some more the first time, to compile 13
programs. For a GPU: --size=128 --width=128 --batch=64 --steps=50.
"""

import dataclasses
import sys
from collections.abc import Sequence

import jax

from experiments.benchmarks import harness
from experiments.benchmarks.harness import Column
from experiments.benchmarks.intervals import Estimate, estimate, ratio
from experiments.benchmarks.jax_programs import Training
from experiments.benchmarks.workloads import Workload
from gan_jax.commands import presets
from gan_jax.settings import setting

GAN = {"net": "hdcgan", "disc_norm": "batch", "loss": "ns"}
# {step: (method, settings)}; five critic steps are a loop, which costs a CPU a little by itself.
STEPS = {
    "gan_1": ("gan", {**GAN, "n_disc": 1}),
    "gan_5": ("gan", {**GAN, "n_disc": 5}),
    "morpho": (presets.TABLE["morpho"].method, presets.TABLE["morpho"].defaults),
}
PENALTIES = {
    "none": {"penalty": "none"},
    "dragan": {"penalty": "dragan", "penalty_norm": "l2"},
    "wgan_gp": {"penalty": "wgan_gp", "penalty_norm": "l2"},
    "wgan_gp_rms": {"penalty": "wgan_gp", "penalty_norm": "rms"},  # Dist-GAN's
    "r1": {"penalty": "r1"},
}
Name = tuple[str, str]  # of a program: (step, penalty)
PROGRAMS: list[Name] = [(step, penalty) for step in ("gan_1", "gan_5") for penalty in PENALTIES]
PROGRAMS += [("morpho", penalty) for penalty in ("none", "dragan", "wgan_gp_rms")]
# {name: (text, program, program that it is compared with)}
COMPARISONS = {
    "critic_steps": ("WGAN-GP, five critic steps against one",
                     ("gan_5", "wgan_gp"), ("gan_1", "wgan_gp")),
    "both": ("WGAN-GP with five critic steps against DRAGAN with one",
             ("gan_5", "wgan_gp"), ("gan_1", "dragan")),
    "morpho": ("Morpho-GAN against itself with Dist-GAN's penalty",
               ("morpho", "dragan"), ("morpho", "wgan_gp_rms")),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Settings(harness.Rounds):
    """Flags of this command."""

    size: int = setting(32, "side of the images, in pixels", low=8, high=1024)
    width: int = setting(16, "channels next to the image", low=1)
    batch: int = setting(32, "images per minibatch", low=2)
    steps: int = setting(5, "steps per round", low=1)


def compare(times: dict[Name, list[float]]) -> dict[str, Estimate]:
    """Compute the ratio of every comparison whose programs were timed."""
    known = {n: (a, b) for n, (_, a, b) in COMPARISONS.items() if a in times and b in times}
    return {name: ratio(times, *pair) for name, pair in known.items()}


def build(name: Name, flags: Settings) -> Training:
    """Compile one program."""
    print(f"compiling {name[0]} {name[1]}", file=sys.stderr, flush=True)
    method, options = STEPS[name[0]]
    options = {**options, **PENALTIES[name[1]], "width": flags.width}
    return Training(Workload(method, options, flags.size, 3, flags.batch))


def row(name: Name, training: Training, times: dict[Name, list[float]]) -> dict:
    """Make a program's row of the table."""
    n_critic = getattr(training.workload.hp, "n_disc", 1)
    return {
        "step": name[0],
        "penalty": name[1],
        "ms": estimate([1000 * t for t in times[name]])._asdict(),
        "of_none": ratio(times, name, (name[0], "none"))._asdict(),
        "memory_mib": training.memory_mib(),
        # XLA would count one of five critic steps.
        "gflop": training.gflop() if n_critic == 1 else None,
        "times_s": times[name],
    }


COLUMNS = (
    Column("step", -7),
    Column("penalty", -12),
    Column("ms", 27, title="ms per step"),
    Column("of_none", 26, ".3f", "of none"),
    Column("memory_mib", 8, title="MiB"),
    Column("gflop", 8, ".3f", "GFLOP"),
)


def run(argv: list[str], names: Sequence[Name] = PROGRAMS) -> None:
    """Print the table and the comparisons that the command line asks for."""
    flags = harness.parse("experiments.penalty_cost", __doc__, Settings(rounds=9), argv)
    programs = {name: build(name, flags) for name in names}
    times = harness.time_programs(programs, flags.rounds, flags.steps)
    device, about = jax.devices()[0].device_kind, f"{flags.rounds} rounds of {flags.steps} steps"
    print(f"{device}; {flags.size} px, width {flags.width}, batch {flags.batch}; {about}")
    print(f"{harness.confidence(flags.rounds)}; ratios are taken within rounds\n")
    table = harness.Table(*COLUMNS)
    for name, training in programs.items():
        table.add(row(name, training, times))
    ratios = {name: r._asdict() for name, r in compare(times).items()}
    for name, r in ratios.items():
        print(f"{COMPARISONS[name][0]}: {harness.format_value(r, '.3f')}")
    settings = dataclasses.asdict(flags) | {"device": device}
    harness.write_json(flags.json, {**settings, "rows": table.rows, "ratios": ratios})
