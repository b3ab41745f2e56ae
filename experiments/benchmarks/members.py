"""Several runs in one vmapped program against the same runs one after another.

throughput: steps of all members per second over those of the runs in turn, from the same round;
median and 95 % interval, above 1 where one program is faster. ms, turns_ms: per step of all
members. `--members_by=auto` of the training commands goes by what this measures.
"""

import dataclasses
import sys
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from experiments.benchmarks import harness
from experiments.benchmarks.harness import Column, Program
from experiments.benchmarks.intervals import estimate, ratio
from experiments.benchmarks.jax_programs import Training
from experiments.benchmarks.workloads import MGAN_MNIST, Workload
from gan_jax.commands import process
from gan_jax.settings import setting
from gan_jax.training import multi_seed

WORKLOADS = {
    "mlp": Workload("gan", {"net": "mlp", "width": 128, "z_dim": 16}, 28, 3, 64),
    "dcgan_mnist": Workload("gan", {"net": "dcgan", "width": 16}, 28, 3, 64),
    "mgan_mnist": Workload("mgan", {**MGAN_MNIST, "width": 32}, 28, 3, 32),
}


@dataclasses.dataclass(frozen=True)
class Settings(harness.Rounds):
    """Flags of this command."""

    workloads: str = setting(",".join(WORKLOADS), "which to run, by comma")
    members: int = setting(6, "runs", low=2, high=64)
    steps: int = setting(5, "steps of every member per round", low=1)


class InTurn(Program):
    """Members one after another; a unit is a step of all of them."""

    def __init__(self, members: Sequence[Training]):
        self._members = members

    def run(self, n: int) -> float:
        return sum(member.run(n) for member in self._members)


class Vmapped(Program):
    """Members in one program; a unit is a step of all of them."""

    def __init__(self, members: Sequence[Training]):
        self._loaders, self._step = [member.loader for member in members], 0
        self._data = tuple(loader.device_data for loader in self._loaders)
        self._carries = tuple(jax.tree.map(jnp.copy, member.carry) for member in members)
        program = multi_seed.build_vmapped_program(members)
        self._program = program.lower(self._carries, self._data, self._leaves()).compile()

    def _leaves(self):
        return tuple(loader.inputs(self._step, 1) for loader in self._loaders)

    def call(self):
        self._carries, _ = self._program(self._carries, self._data, self._leaves())
        self._step += 1

    def wait(self):
        jax.block_until_ready(self._carries)


def measure(name: str, flags: Settings) -> dict:
    """Measure one workload."""
    first = Training(WORKLOADS[name])
    members = [first, *(first.twin() for _ in range(flags.members - 1))]
    programs = {"turns": InTurn(members), "vmapped": Vmapped(members)}
    for program in programs.values():
        program.run(1)
    times = harness.time_programs(programs, flags.rounds, flags.steps)
    return {
        "workload": name,
        "members": flags.members,
        "throughput": ratio(times, "turns", "vmapped")._asdict(),
        "ms": 1000 * estimate(times["vmapped"]).median,
        "turns_ms": 1000 * estimate(times["turns"]).median,
    }


def run(argv: list[str]) -> None:
    """Print the table that the command line asks for."""
    flags = harness.parse("experiments.benchmarks.members", __doc__, Settings(rounds=9), argv)
    names = harness.choose("workloads", flags.workloads, WORKLOADS)
    about = f"{flags.members} members, {flags.rounds} rounds of {flags.steps} steps"
    print(f"{jax.devices()[0].device_kind}; {about}\n{harness.confidence(flags.rounds)}")
    columns = Column("workload", -12), Column("throughput", 22, ".3f")
    table = harness.Table(*columns, Column("ms"), Column("turns_ms"), path=flags.json)
    for name in names:
        table.add(measure(name, flags))


if __name__ == "__main__":
    sys.exit(process.guarded(run, sys.argv[1:]))
