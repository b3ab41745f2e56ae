"""Several runs in one program against the same runs in turn, each with a program of its own: which is faster on this device?

In every round all ways take the same steps of all members, in a new order; ratios are taken within rounds. A way above 1 makes
more steps of all members per second than turns do. Compile: seconds until the programs are ready, nothing cached; in turns the
one program of a run serves all. `--members_by=auto` of the training commands goes by what this measures.
"""

import dataclasses
import sys
import time

import numpy as np

from experiments.benchmarks import results, workload
from experiments.benchmarks.intervals import coverage, estimate, rank, ratio
from gan_jax.commands import command_line, process
from gan_jax.errors import InputError
from gan_jax.settings import setting

# name: (method, settings, size, batch)
WORKLOADS = {
    "mlp": ("gan", {"net": "mlp", "width": 128, "z_dim": 16}, 28, 64),
    "dcgan_mnist": ("gan", {"net": "dcgan", "width": 16}, 28, 64),
    "mgan_mnist": (
        "mgan",
        {"net": "mgan_mnist", "width": 32, "n_gens": 10, "gen_batch": 6},
        28,
        32,
    ),
}


@dataclasses.dataclass(frozen=True)
class Settings(command_line.Command):
    """Flags of this command."""

    workloads: str = setting(",".join(WORKLOADS), "which to run, by comma")
    members: int = setting(6, "runs", low=2, high=64)
    rounds: int = setting(9, "turns of each way; intervals at 95 % need 6", low=6)
    steps: int = setting(5, "steps of every member per turn", low=1)
    json: str = setting("", "also write the table to this file")


class Turns:
    """Members one after another."""

    def __init__(self, works):
        self._works = works

    def run(self, n_steps):
        """Seconds for n_steps of all members."""
        began = time.perf_counter()
        for work in self._works:
            work.run(n_steps)
        return time.perf_counter() - began


class Together:
    """Members in one program."""

    def __init__(self, works, how):
        import jax

        from gan_jax.training import multi_seed

        began = time.perf_counter()
        self._feeds, self._data = (
            [work.feed for work in works],
            tuple(work.feed.data for work in works),
        )
        self._carries = jax.tree.map(lambda a: a.copy(), tuple(work.carry for work in works))
        program = multi_seed.build_program(works, how)
        self._program = program.lower(self._carries, self._data, self._leaves(0)).compile()
        self.compile_s = time.perf_counter() - began

    def _leaves(self, step):
        return tuple(feed.at(step, 1) for feed in self._feeds)

    def run(self, n_steps):
        """Seconds for n_steps of all members."""
        import jax

        began = time.perf_counter()
        for step in range(n_steps):
            self._carries, _ = self._program(self._carries, self._data, self._leaves(step))
        jax.block_until_ready(self._carries)
        return time.perf_counter() - began


def measure(name, flags):
    """(table rows of a workload, one per way that is not turns)."""
    from gan_jax.core import parallel

    first = workload.Workload(*WORKLOADS[name])
    works = [first, *(first.twin() for _ in range(flags.members - 1))]
    ways = {"turns": Turns(works), **{how: Together(works, how) for how in parallel.MEMBERS}}
    times, order = {how: [] for how in ways}, np.random.default_rng(0)
    for how in ways:
        ways[how].run(1)
    for _ in range(flags.rounds):
        for how in order.permutation(list(ways)):
            times[how].append(ways[how].run(flags.steps))
    turn_ms = 1000 * float(np.median(times["turns"])) / flags.steps
    return [
        {
            "workload": name,
            "members": flags.members,
            "way": how,
            "throughput": ratio(times, "turns", how)._asdict(),
            "turns_ms": turn_ms,
            "ms": 1000 * estimate(times[how]).median / flags.steps,
            "compile_s": ways[how].compile_s,
            "compile_turns_s": first.first_step,
        }
        for how in parallel.MEMBERS
    ]


def run(argv):
    """Command line to table."""
    import jax

    (flags,), _ = command_line.parse(__doc__, "experiments.benchmarks.members", [Settings()], argv)
    names, out = flags.workloads.split(","), results.path(flags.json)
    if unknown := [n for n in names if n not in WORKLOADS]:
        raise InputError(
            f"--workloads={unknown[0]} is not known; use some of: {', '.join(WORKLOADS)}."
        )
    jax.config.update("jax_enable_compilation_cache", False)
    sure = coverage(flags.rounds, rank(flags.rounds))
    print(
        f"{jax.devices()[0].device_kind}; {flags.members} members, {flags.rounds} rounds of {flags.steps} steps, interleaved"
    )
    print(f"[interval]: holds the median with probability {sure:.3f}")
    print(
        f"{'workload':<12} {'way':<9} {'throughput of turns':>24} {'ms':>9} {'turns, ms':>10} {'compile, s':>11} {'once, s':>8}"
    )
    table = []
    for name in names:
        for row in measure(name, flags):
            table.append(row)
            r = row["throughput"]
            print(f"{name:<12} {row['way']:<9} {r['median']:>8.3f} [{r['low']:.3f}, {r['high']:.3f}] {row['ms']:>9.1f} "
                  f"{row['turns_ms']:>10.1f} {row['compile_s']:>11.1f} {row['compile_turns_s']:>8.1f}", flush=True)  # fmt: skip
    results.write(out, table)


if __name__ == "__main__":
    sys.exit(process.guarded(run, sys.argv[1:]))
