"""Answer for a GPU in one command of some minutes: speed, arithmetic, memory, members, precisions.

Every group is one workload in several programs that take turns in one process:

float32, tf32, bfloat16: products of float32 in full, products as JAX computes them by default on a
  GPU, and nets of bfloat16. The first group is one large matrix product: the rate of this chip.
cpu forms: convolutions in the forms for CPUs (GAN_CONV=cpu), where a GPU has its own.
turns, vmapped: six runs one after another, and in one program; a unit is a step of all six.
torch ...: PyTorch's twin, compiled, channels-last, with and without CUDA graphs; TF32 like ours.

ms: per step. of_first: the first program's time over this one's in the same round, above 1 where
this one is faster; median and 95 % interval. TFLOP/s: the arithmetic of a step as XLA counts it
before optimising, over the time. share: of what the matrix product of the same precision reaches.
MiB: peak memory of a step, as XLA plans it or as PyTorch's allocator sees it.

What does not fit into --minutes is left out and said, in the order of the groups. A program that
fails, for want of memory for example, costs its own row alone.

python -m experiments.benchmarks.gpu --json=gpu.json
"""

import contextlib
import dataclasses
import functools
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp

from experiments.benchmarks import harness, members
from experiments.benchmarks.harness import Column, Program
from experiments.benchmarks.intervals import estimate, ratio
from experiments.benchmarks.jax_programs import Training, planned_mib
from experiments.benchmarks.workloads import TABLE
from gan_jax.commands import command_line, process
from gan_jax.errors import InputError
from gan_jax.settings import setting

TURN = 0.5  # seconds that a program runs in every round, by its first step
N_MEMBERS = 6
# What XLA's default is for products of float32 on a GPU, under the name that it has here.
PRECISIONS = {"float32": "highest", "tf32": "tensorfloat32", "bfloat16": "tensorfloat32"}
RATE = "matrix product"


class Group(NamedTuple):
    """Programs of one workload; the first is what the others are compared with."""

    workload: str  # key of workloads.TABLE
    programs: tuple[str, ...]  # in the order of their worth


_TORCH = ("torch compiled channels_last", "torch compiled channels_last graphs")
# PyTorch comes last: its compiler takes minutes.
GROUPS = {
    "Morpho-GAN, S3's size": Group(
        "morpho_galaxyzoo128", ("tf32", "float32", "bfloat16", "cpu forms")
    ),
    "DCGAN, 64 px": Group("dcgan_original64", ("tf32", "bfloat16")),
    "R3GAN, CIFAR-10": Group("r3gan_cifar10", ("tf32", "bfloat16")),
    "six of MGAN, MNIST": Group("mgan_mnist", ("turns", "vmapped")),
    "six of DCGAN, 64 px": Group("dcgan_original64", ("turns", "vmapped")),
    "Morpho-GAN, PyTorch": Group("morpho_galaxyzoo128", ("tf32", *_TORCH)),
    "DCGAN, PyTorch": Group("dcgan_original64", ("tf32", *_TORCH)),
    "MGAN, PyTorch": Group("mgan_mnist", ("tf32", *_TORCH)),
}


@dataclasses.dataclass(frozen=True)
class Settings(harness.Rounds):
    """Flags of this command."""

    minutes: float = setting(8.0, "how long it may take in all", above=0)
    torch: bool = setting(True, "time PyTorch too (extra: bench)")
    toy: bool = setting(False, "thin nets and few images: shows that it works, on a CPU too")


class Product(Program):
    """One product of square matrices."""

    def __init__(self, side: int, dtype: str):
        """side: rows and columns; dtype: of the factors."""
        began = time.perf_counter()
        factors = [jax.random.normal(jax.random.key(i), (side, side), dtype) for i in (0, 1)]
        self.compiled = jax.jit(jnp.matmul).lower(*factors).compile()
        self.factors, self.out, self.side = factors, factors[0], side
        self.warm_up(began)

    def call(self):
        self.out = self.compiled(*self.factors)

    def wait(self):
        jax.block_until_ready(self.out)

    def memory_mib(self) -> float:
        return planned_mib(self.compiled)

    def gflop(self) -> float:
        """Return 1e9 operations of a product."""
        return 2e-9 * self.side**3


@contextlib.contextmanager
def tracing(form: str) -> Iterator[None]:
    """Give what is traced within the context the precision or the forms of a program's name."""
    forms = {"GAN_CONV": "cpu"} if form == "cpu forms" else {}
    precision = jax.default_matmul_precision(PRECISIONS.get(form, "tensorfloat32"))
    with mock.patch.dict(os.environ, forms), precision:
        yield


@functools.cache  # PyTorch's groups have ours, too
def build(key: str, toy: bool, name: str) -> Program:
    """Build a program; key: of workloads.TABLE, toy: as in Settings, name: of Group.programs."""
    workload = TABLE[key].small() if toy else TABLE[key]
    if name.startswith("torch "):
        from experiments.benchmarks import torch_programs

        words = name.split()
        variant = torch_programs.Variant(
            "compiled" in words, "channels_last" in words, graphs="graphs" in words
        )
        return torch_programs.build(workload, variant)
    if name == "bfloat16":
        workload = workload._replace(options=workload.options | {"precision": "bfloat16"})
    with tracing(name):
        first = Training(workload)
        if name not in ("turns", "vmapped"):
            return first
        runs = [first, *(first.twin() for _ in range(N_MEMBERS - 1))]
        began = time.perf_counter()
        program = members.InTurn(runs) if name == "turns" else members.Vmapped(runs)
        program.warm_up(began)
        return program


class Clock:
    """Time since the command began, of a budget."""

    def __init__(self, seconds: float):
        """seconds: the budget."""
        self._end, self._longest = time.monotonic() + seconds, {}

    def has_time(self, kind: str) -> bool:
        """Say whether as much is left as the longest work of a kind took so far."""
        return time.monotonic() + self._longest.get(kind, 0.0) < self._end

    @contextlib.contextmanager
    def work(self, kind: str) -> Iterator[None]:
        """Measure what runs within the context."""
        began = time.monotonic()
        yield
        self._longest[kind] = max(self._longest.get(kind, 0.0), time.monotonic() - began)


def build_all(
    builders: Mapping[str, Callable[[], Program]], clock: Clock
) -> tuple[dict[str, Program], dict[str, str]]:
    """Build the programs of a group, one after another.

    Returns:
      {name: program}, and {name: why there is none}: out of time, or the first line of its error.
    """
    programs, missing = {}, {}
    for name, builder in builders.items():
        kind = name.split()[0]
        if not clock.has_time(kind):
            missing[name] = "left out: no time is left"
            continue
        print(f"  building {name}", file=sys.stderr, flush=True)
        try:
            with clock.work(kind):
                programs[name] = builder()
        except Exception as error:  # out of memory, or what a compiler cannot do
            missing[name] = f"{type(error).__name__}: {error}".strip().splitlines()[0][:100]
    return programs, missing


def rows(
    group: str, programs: dict[str, Program], flags: Settings, rates: dict[str, float]
) -> Iterator[dict]:
    """Time the programs of a group in turn; yield a row for each.

    Args:
      group: its name.
      programs: {name: program}; the first knows the arithmetic of a step.
      flags: of this command.
      rates: {precision: TFLOP/s of the matrix product}; what is not known has no share.
    """
    runs = {}
    for name, program in programs.items():
        n = max(1, round(TURN / program.run(program.units_per_call)))
        runs[name] = lambda program=program, n=n: program.run(n)
    times = harness.interleave(runs, flags.rounds)
    first = next(iter(programs))
    gflop = getattr(programs[first], "gflop", lambda: None)()
    for name, program in programs.items():
        seconds = estimate(times[name])
        row = {
            "group": group,
            "program": name,
            "ms": {key: 1e3 * value for key, value in seconds._asdict().items()},
            "of_first": ratio(times, first, name)._asdict(),
            "memory_mib": program.memory_mib(),
            "times_s": times[name],
        }
        if gflop:
            row["tflop_s"] = gflop / 1e3 / seconds.median
            kind = name if name in PRECISIONS else "tf32"
            if kind in rates:
                row["share"] = row["tflop_s"] / rates[kind]
        yield row


COLUMNS = (
    Column("group", -22),
    Column("program", -36),
    Column("ms", 24, ".2f", "ms per step"),
    Column("of_first", 20, ".2f", "of first"),
    Column("tflop_s", 8, ".1f", "TFLOP/s"),
    Column("share", 6, ".2f"),
    Column("memory_mib", 9, ".0f", "MiB"),
    Column("problem", -40, title=" "),
)


def groups(flags: Settings) -> Iterator[tuple[str, dict[str, Callable[[], Program]]]]:
    """Yield the name and the builders of each group, that of the matrix product first."""
    side = 256 if flags.toy else 8192
    dtypes = {"tf32": "float32", "float32": "float32", "bfloat16": "bfloat16"}

    def product(name):
        with tracing(name):
            return Product(side, dtypes[name])

    yield RATE, {name: lambda name=name: product(name) for name in dtypes}
    for group, (key, names) in GROUPS.items():
        if flags.torch or not any(n.startswith("torch ") for n in names):
            yield group, {n: functools.partial(build, key, flags.toy, n) for n in names}


def run(argv: list[str]) -> None:
    """Print the table that the command line asks for."""
    flags = harness.parse("experiments.benchmarks.gpu", __doc__, Settings(rounds=6), argv)
    device = jax.devices()[0]
    if device.platform != "gpu" and not flags.toy:
        raise InputError(
            f"This measures a GPU, and JAX's device is {device.device_kind}; use --toy to try the "
            "command here."
        )
    if flags.torch:
        command_line.need("torch", "--torch", "bench")
        from experiments.benchmarks import torch_programs

        torch_programs.prepare()
    clock, rates = Clock(60 * flags.minutes), {}
    about = f"{flags.rounds} rounds, {flags.minutes:g} minutes at most"
    print(f"{device.device_kind}, jax {jax.__version__}; {about}")
    print(harness.confidence(flags.rounds))
    table = harness.Table(*COLUMNS, path=flags.json)
    for group, builders in groups(flags):
        programs, missing = build_all(builders, clock)
        for row in rows(group, programs, flags, rates) if programs else ():
            table.add(row | {"device": device.device_kind, "jax": jax.__version__})
            if group == RATE:
                rates[row["program"]] = row["tflop_s"]
        for name, problem in missing.items():
            table.add({"group": group, "program": name, "problem": problem})


if __name__ == "__main__":
    # JAX and PyTorch share the GPU's memory.
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    sys.exit(process.guarded(run, sys.argv[1:]))
