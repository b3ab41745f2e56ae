"""What it costs to train in several processes: whole runs, in turns.

together: two processes with one core each, connected by gloo. alone: one process with two virtual
devices on the same two cores. steps_per_s: of the second half of each run, so without compilation.
ratio: together over alone in the same round, median and 95 % interval. first_s: seconds from the
command to the first step.
"""

import dataclasses
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

from experiments.benchmarks import harness
from experiments.benchmarks.harness import Column
from experiments.benchmarks.intervals import estimate, ratio
from gan_jax.commands import process
from gan_jax.errors import InputError
from gan_jax.rundir import log
from gan_jax.settings import setting

COMMANDS = {  # {name: (words of the training command, steps)}
    "mlp": (["gan", "--flagfile=gan_smoke", "--net=mlp", "--width=256", "--batch=64"], 400),
    "dcgan_16": (["dcgan", "--flagfile=dcgan_smoke", "--batch=32", "--width=32"], 100),
    "morpho_16": (["morpho", "--flagfile=morpho_smoke", "--batch=32"], 100),
}


@dataclasses.dataclass(frozen=True)
class Settings(harness.Rounds):
    """Flags of this command."""

    workloads: str = setting("", f"which to run, by comma, of {', '.join(COMMANDS)}; empty: all")


def train(words: list[str], steps: int, folder: pathlib.Path, together: bool) -> dict:
    """Train one run. Returns {"step": seconds per step of its second half, "first": seconds}."""
    command = [sys.executable, "-m", "gan_jax", "train", *words, f"--workdir={folder}"]
    command += [f"--steps={steps}", f"--log_every={steps // 2}", "--save_every=0"]
    command += ["--sample_every=0", "--nowatch"]
    flags, ways = os.environ.get("XLA_FLAGS", ""), [[]]
    cores = sorted(os.sched_getaffinity(0))[:2]
    if together:
        with socket.socket() as s:
            s.bind(("localhost", 0))
            port = s.getsockname()[1]
        shared = [f"--coordinator=localhost:{port}", "--processes=2"]
        ways = [[*shared, f"--process={p}"] for p in range(2)]
    else:
        flags += " --xla_force_host_platform_device_count=2"
    started = []
    for p, way in enumerate(ways):
        own = cores[p : p + 1] if together else cores
        pinned = ["taskset", "-c", ",".join(map(str, own))]
        started.append(
            subprocess.Popen(
                [*pinned, *command, *way],
                env=os.environ | {"XLA_FLAGS": flags},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    said = [one.communicate()[1] for one in started]
    if any(one.returncode for one in started):
        raise InputError(f"{' '.join(command)} failed: {said[0][-300:]}")
    first, last = log.read(folder / "metrics.jsonl")[-2:]
    seconds = last["wall"]["train_s"] - first["wall"]["train_s"]
    return {
        "step": seconds / (last["step"] - first["step"]),
        "first": sum(first["wall"]["startup"].values()),
    }


def run(argv: list[str]) -> None:
    """Print the table that the command line asks for."""
    flags = harness.parse("experiments.benchmarks.hosts", __doc__, Settings(), argv)
    names = [name for name in flags.workloads.split(",") if name] or list(COMMANDS)
    if unknown := [name for name in names if name not in COMMANDS]:
        raise InputError(f"--workloads={unknown[0]} is none of: {', '.join(COMMANDS)}.")
    table = harness.Table(
        Column("workload", -12),
        Column("together_per_s", 15, ".1f"),
        Column("alone_per_s", 12, ".1f"),
        Column("ratio", 20),
        Column("together_first_s", 17, ".1f"),
        Column("alone_first_s", 14, ".1f"),
        path=flags.json,
    )
    for name in names:
        words, steps = COMMANDS[name]
        times: dict[str, list] = {"together": [], "alone": []}
        firsts: dict[str, list] = {"together": [], "alone": []}
        for _ in range(flags.rounds):
            for way in times:
                with tempfile.TemporaryDirectory() as root:
                    one = train(words, steps, pathlib.Path(root) / "run", way == "together")
                times[way].append(one["step"])
                firsts[way].append(one["first"])
        row: dict = {f"{way}_per_s": 1 / estimate(t).median for way, t in times.items()}
        row |= {f"{way}_first_s": estimate(t).median for way, t in firsts.items()}
        table.add({"workload": name, **row, "ratio": ratio(times, "alone", "together")._asdict()})


if __name__ == "__main__":
    sys.exit(process.guarded(run, sys.argv[1:], needs_jax=False))
