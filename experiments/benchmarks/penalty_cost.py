"""What penalties on D's slope cost; whether DRAGAN's makes Morpho-GAN lighter than WGAN-GP and Dist-GAN, as S3 claims (D17).

The claim mixes two things: the penalty, and the five critic steps (updates of D per update of G) that WGAN-GP is usually run
with. So every penalty is timed with one and with five critic steps, all else equal, and the step of Morpho-GAN with
DRAGAN's penalty, with Dist-GAN's and with none. All programs take turns in one process, in a new order each round, and are
compared within rounds: the ratios hold on a noisy machine, the times do not. A ratio is lighter or heavier if its 95 %
interval leaves out 1, level if the interval stays within 10 % of 1, and else unclear. MiB: state, 1,024 random images and
scratch of the compiled step; GFLOP: XLA's count before it optimises. Takes a few minutes on 2 idle cores and some more the
first time, to compile 13 programs. For a GPU: --size=128 --width=128 --batch=64 --steps=50.
"""

import dataclasses
import json
import pathlib
import sys

import numpy as np

from experiments.benchmarks import workload
from experiments.benchmarks.intervals import Estimate, coverage, estimate, rank, ratio
from gan_jax import presets
from gan_jax.commands import command_line, process
from gan_jax.errors import InputError
from gan_jax.settings import setting

GAN = {"net": "hdcgan", "disc_norm": "batch", "loss": "ns"}
# name: (method, settings). Five critic steps are a loop and one is not, which on a CPU costs a little by itself.
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
# A program is (step, penalty).
PROGRAMS = [(step, penalty) for step in ("gan_1", "gan_5") for penalty in PENALTIES]
PROGRAMS += [("morpho", penalty) for penalty in ("none", "dragan", "wgan_gp_rms")]
# name: (what is compared, program, the program it is compared with)
COMPARISONS = {
    "penalty_1": (
        "DRAGAN against WGAN-GP, one critic step each",
        ("gan_1", "dragan"),
        ("gan_1", "wgan_gp"),
    ),
    "penalty_5": (
        "DRAGAN against WGAN-GP, five critic steps each",
        ("gan_5", "dragan"),
        ("gan_5", "wgan_gp"),
    ),
    "critic_steps": (
        "WGAN-GP, five critic steps against one",
        ("gan_5", "wgan_gp"),
        ("gan_1", "wgan_gp"),
    ),
    "both": (
        "WGAN-GP with five critic steps against DRAGAN with one",
        ("gan_5", "wgan_gp"),
        ("gan_1", "dragan"),
    ),
    "morpho": (
        "Morpho-GAN against itself with Dist-GAN's penalty",
        ("morpho", "dragan"),
        ("morpho", "wgan_gp_rms"),
    ),
    "control": (
        "control, the same work: WGAN-GP's two norms",
        ("gan_1", "wgan_gp_rms"),
        ("gan_1", "wgan_gp"),
    ),
}
NEGLIGIBLE = 0.02  # a ratio surely this close to 1 is level, whether or not its interval holds 1
TOLERANCE = 0.1  # how far from 1 the interval of a level ratio may reach


@dataclasses.dataclass(frozen=True)
class Settings(command_line.Command):
    """Flags of this command."""

    size: int = setting(32, "side of the images, in pixels", low=8, high=1024)
    width: int = setting(16, "channels next to the image", low=1)
    batch: int = setting(32, "images per minibatch", low=2)
    rounds: int = setting(9, "turns of each program; intervals at 95 % need 6", low=6)
    steps: int = setting(5, "steps per turn", low=1)
    json: str = setting("", "also write table, ratios, verdict and every time to this file")


def word(r):
    """lighter, level or heavier: where a ratio's interval lies; unclear if it holds 1 and reaches beyond TOLERANCE."""
    if max(r.high - 1, 1 - r.low) <= NEGLIGIBLE:
        return "level"
    if r.high < 1:
        return "lighter"
    if r.low > 1:
        return "heavier"
    return "level" if max(r.high - 1, 1 - r.low) <= TOLERANCE else "unclear"


def ratios(times):
    """{name: Estimate} of the COMPARISONS whose programs were timed."""
    return {
        name: ratio(times, a, b)
        for name, (_, a, b) in COMPARISONS.items()
        if a in times and b in times
    }


def origin(steps, penalty):
    """Where DRAGAN's saving comes from. steps, penalty: the ratios critic_steps and penalty_1."""
    number = "from the number of critic steps"
    if word(steps) == "heavier":
        return {
            "lighter": f"from both the critic steps ({steps.median:.3f}) and the penalty ({1 / penalty.median:.3f})",
            "level": f"{number}, not from the penalty",
            "heavier": f"{number}, not from the penalty",
            "unclear": f"{number}; whether the penalty has a part in it, these rounds cannot tell",
        }[word(penalty)]
    if word(steps) == "level" and word(penalty) == "lighter":
        return f"from the penalty, not {number}"
    return "from neither alone, as far as these rounds can tell"


def verdict(r):
    """What the ratios say about S3's claim, as sentences; of Morpho-GAN and control where they were timed. r: see `ratios`."""
    lines = ["One critic step with DRAGAN is not seen to be lighter than five with WGAN-GP."]
    if word(r["both"]) == "heavier":
        came = origin(r["critic_steps"], r["penalty_1"])
        lines = [
            f"WGAN-GP with five critic steps costs {r['both']} times DRAGAN with one; the saving comes {came}."
        ]
    if "morpho" in r:
        claim = {
            "lighter": "holds here",
            "level": "is not borne out",
            "heavier": "is the wrong way round",
            "unclear": "cannot be judged from these rounds; use more rounds or a quieter machine",
        }[word(r["morpho"])]
        lines.append(
            f"S3's claim, that its penalty makes Morpho-GAN lighter than Dist-GAN's would, {claim}: {r['morpho']}."
        )
    if "control" in r and word(r["control"]) != "level":
        lines.append(
            f"But the control, which must be level, is {word(r['control'])}: small ratios mean nothing in these rounds."
        )
    return lines


def measure(programs, flags):
    """{program: Workload} with its times taken, in rounds of a new order each: nothing always follows the same program."""
    works = {}
    for step, penalty in programs:
        print(
            f"compiling {step} {penalty} ({len(works) + 1} of {len(programs)})",
            file=sys.stderr,
            flush=True,
        )
        method, options = STEPS[step]
        options = {**options, **PENALTIES[penalty], "width": flags.width}
        works[step, penalty] = workload.Workload(method, options, flags.size, flags.batch)
    order = np.random.default_rng(0)
    for _ in range(flags.rounds):
        for i in order.permutation(len(programs)):
            work = works[programs[i]]
            work.times.append(work.run(flags.steps))
    return works


def row(program, works, times):
    """A program's line of the table."""
    step, penalty = program
    n_critic = getattr(works[program].hp, "n_disc", 1)
    ms = estimate(1000 * np.array(times[program]))
    return {
        "step": step,
        "penalty": penalty,
        "ms": ms._asdict(),
        "of_none": ratio(times, program, (step, "none"))._asdict(),
        "ms_per_critic_step": ms.median / n_critic,
        "memory_mib": works[program].memory_mib(),
        "gflop": works[program].gflop()
        if n_critic == 1
        else None,  # XLA would count one of the five
        "times_s": times[program],
    }


def summary(flags, works, device):
    """All that is printed and written, as a dict for JSON. works: see `measure`."""
    times = {program: work.times for program, work in works.items()}
    r = ratios(times)
    return {
        "device": device,
        **{name: getattr(flags, name) for name in ("size", "width", "batch", "rounds", "steps")},
        "coverage": coverage(flags.rounds, rank(flags.rounds)),
        "rows": [row(program, works, times) for program in works],
        "ratios": {name: {**e._asdict(), "word": word(e)} for name, e in r.items()},
        "said": [f"{COMPARISONS[name][0]}: {e}, {word(e)}." for name, e in r.items()],
        "verdict": verdict(r),
    }


def text(record):
    """A summary as the command prints it."""
    lines = [
        "{device}; {size} px, width {width}, batch {batch}; {rounds} rounds of {steps} steps".format(
            **record
        ),
        f"[interval]: holds the median with probability {record['coverage']:.3f}; ratios are taken within rounds",
        "",
        f"{'step':<7} {'penalty':<12} {'ms per step':>27} {'of none':>26} {'ms/critic step':>15} {'MiB':>8} {'GFLOP':>8}",
    ]
    for line in record["rows"]:
        ms, of_none = Estimate(**line["ms"]), Estimate(**line["of_none"])
        spread = f"{ms.median:.1f} [{ms.low:.1f}, {ms.high:.1f}]"
        gflop = "-" if line["gflop"] is None else f"{line['gflop']:.3f}"
        lines.append(
            f"{line['step']:<7} {line['penalty']:<12} {spread:>27} {of_none!s:>26} {line['ms_per_critic_step']:>15.1f}"
            f" {line['memory_mib']:>8.1f} {gflop:>8}"
        )
    return "\n".join([*lines, "", *record["said"], "", *record["verdict"]])


def run(argv, programs=PROGRAMS):
    """Command line to table and verdict."""
    import jax

    from gan_jax import cache

    (flags,), _ = command_line.parse(__doc__, "experiments.penalty_cost", [Settings()], argv)
    out = pathlib.Path(flags.json).expanduser()
    if flags.json and (out.is_dir() or not out.parent.is_dir()):
        raise InputError(
            f"--json={flags.json} cannot be written; name a file in a folder that exists."
        )
    record = summary(flags, measure(programs, flags), jax.devices()[0].device_kind)
    print(text(record))
    if flags.json:
        cache.write_atomic(out, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(process.guarded(run, sys.argv[1:]))
