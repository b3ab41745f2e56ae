"""Speed against PyTorch: our programs and PyTorch's in one process, in turn.

PyTorch computes the same. Before a workload is timed, the losses, gradients and weights of one
update of every player are compared in float64, from the same weights, minibatch and noise, with
thin nets. A difference above 1e-8 of an array's largest value ends the command. PyTorch runs eager
and compiled, with contiguous and channels-last images and fused Adam; the variant that is fastest
in these rounds counts.

ratio: PyTorch's time over ours in the same round, above 1 where ours is faster; median and 95 %
interval over the rounds. naive_ms: our program with the convolutions of plain flax layers.
compile_s: until the first step is done, nothing cached. peak_mib: of ours as XLA plans it, of
PyTorch as its profiler sees it; state and 1,024 images included.
"""

import dataclasses
import functools
import os
import statistics
import sys
import tempfile

import jax

from experiments.benchmarks import harness, jax_programs, workloads
from experiments.benchmarks.harness import Column, Program
from experiments.benchmarks.intervals import ratio
from experiments.benchmarks.workloads import Workload
from gan_jax.commands import command_line, process
from gan_jax.settings import setting

TURN = 1.0  # seconds that our program runs at least in every round, unless --steps says otherwise


@dataclasses.dataclass(frozen=True)
class Settings(harness.Rounds):
    """Flags of this command."""

    workloads: str = setting("", "which to run, by comma; empty: all meant for this device")
    steps: int = setting(0, "steps per round; 0: as many as ours makes in a second", low=0)
    torch: bool = setting(True, "time PyTorch too (extra: bench)")
    compiled: bool = setting(True, "time PyTorch also with torch.compile")
    naive: bool = setting(True, "time the convolutions of plain flax layers too")


COLUMNS = (
    Column("workload", 20),
    Column("ratio", form=".2f"),
    Column("interval", 13, ".2f"),
    Column("ours_ms"),
    Column("torch_ms"),
    Column("naive_ms"),
    Column("compile_s"),
    Column("peak_mib"),
    Column("torch_peak_mib", 14),
    Column("torch_variant", -24, title=" fastest PyTorch"),
)


def check_values(name: str, workload: Workload) -> dict:
    """Return the largest difference between our values and PyTorch's; exit if they differ."""
    from experiments.benchmarks import equality

    difference, where = equality.check(workload)
    if not difference <= equality.TOLERANCE:
        raise SystemExit(
            f"{name} is not timed: {where} is {difference:.1e} from PyTorch's, "
            f"above {equality.TOLERANCE:.0e}"
        )
    return {"difference": difference, "difference_where": where}


def build_programs(name: str, workload: Workload, flags: Settings) -> dict[str, Program]:
    """Build {"ours", "naive", "torch VARIANT": Program}.

    There is no naive form of nets without convolutions, and of PyTorch's compiled variants only
    those that it can compile.
    """

    def say(text):
        print(f"{name}: {text}", file=sys.stderr, flush=True)

    say("compiling ours")
    programs = {"ours": jax_programs.build(workload)}
    if flags.naive and workload.convolves:
        say("compiling the naive form")
        programs["naive"] = jax_programs.build(workload, plain=True)
    if flags.torch:
        import torch

        from experiments.benchmarks import torch_programs

        torch.compiler.reset()  # earlier workloads count against a limit per function
        for variant in torch_programs.variants(workload, flags.compiled):
            say(f"PyTorch, {variant}")
            try:
                programs[f"torch {variant}"] = torch_programs.build(workload, variant)
            except Exception as error:  # compilation fails in many ways; eager always runs
                if not variant.compiled:
                    raise
                say(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")
    return programs


def measure(programs: dict[str, Program], rounds: int, steps: int) -> dict[str, list[float]]:
    """Measure seconds per unit; the naive form, many times slower, makes one unit per round."""
    runs = {
        name: functools.partial(program.run, 1 if name == "naive" else steps)
        for name, program in programs.items()
    }
    return harness.interleave(runs, rounds)


def row(name: str, workload: Workload, programs: dict, times: dict) -> dict:
    """Make a workload's row of the table, with PyTorch's variant of the least median time."""
    ms = {n: 1000 * statistics.median(t) for n, t in times.items()}
    ours = programs["ours"]
    out = {"workload": name, "unit": "10,000 images" if workload.kind == "sampling" else "step"}
    out |= {"batch": workload.batch, "ours_ms": ms["ours"], "times_s": times}
    out |= {"compile_s": ours.compile_s, "peak_mib": ours.memory_mib()}
    if "naive" in programs:
        gain = ratio(times, "naive", "ours")
        out |= {"naive_ms": ms["naive"], "naive_gain": gain.median}
        out |= {"naive_gain_interval": [gain.low, gain.high]}
    if variants := [n for n in ms if n.startswith("torch ")]:
        best = min(variants, key=lambda n: ms[n])
        r = ratio(times, best, "ours")
        out |= {
            "ratio": r.median,
            "interval": [r.low, r.high],
            "torch_ms": ms[best],
            "torch_variant": best.removeprefix("torch "),
            "torch_compile_s": programs[best].compile_s,
            "torch_peak_mib": programs[best].memory_mib(),
        }
    return out


def run(argv: list[str]) -> None:
    """Print the table that the command line asks for."""
    flags = harness.parse("experiments.benchmarks", __doc__, Settings(), argv)
    selected = workloads.select(flags.workloads, lambda w: w.twin or not flags.torch)
    if flags.torch:
        command_line.need("torch", "--torch", "bench")
        from experiments.benchmarks import torch_programs

        torch_programs.prepare()
    jax.config.update("jax_enable_compilation_cache", False)
    device = jax.devices()[0].device_kind
    print(f"{device}, {flags.rounds} rounds; {harness.confidence(flags.rounds)}")
    table = harness.Table(*COLUMNS, path=flags.json)
    for name, workload in selected.items():
        checked = check_values(name, workload) if flags.torch else {}
        programs = build_programs(name, workload, flags)
        steps = flags.steps or max(1, round(TURN / programs["ours"].run(1)))
        times = measure(programs, flags.rounds, steps)
        more = {"rounds": flags.rounds, "steps": steps, **checked, "device": device}
        table.add(row(name, workload, programs, times) | more)
    if flags.torch:
        differences = [f"{r['difference']:.0e} ({r['workload']})" for r in table.rows]
        print(f"values: equal to PyTorch's within {', '.join(differences)}")


if __name__ == "__main__":
    process.restart_with_kept_memory()
    # JAX and PyTorch read these when they begin: the two share a GPU's memory, and PyTorch's
    # profiler and compiler print notes.
    os.environ |= {
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "KINETO_LOG_LEVEL": "5",
        "TORCH_CPP_LOG_LEVEL": "ERROR",
    }
    with tempfile.TemporaryDirectory() as scratch:  # PyTorch's cache of compiled code begins empty
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = scratch
        code = process.guarded(run, sys.argv[1:])
    sys.exit(code)
