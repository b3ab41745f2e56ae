"""Speed against PyTorch: ours and PyTorch's variants in one process, in turns, so that ratios hold on a noisy machine.

PyTorch computes the same: before a workload is timed, losses, gradients and weights of one update of every player, from the
same weights, minibatch and noise, are compared in float64, with thin nets; a difference above 1e-8 of an array's largest value
ends the command. PyTorch runs eager and compiled, with contiguous and channels-last images, with fused Adam; the variant that
is the fastest in these rounds counts. ratio: its time over ours in the same round, above 1 where ours is faster; median and
interval at 95 % over the rounds. naive: our program with the convolutions of plain flax layers. compile_s: until the first step
is done, nothing cached. peak_mib: of ours as XLA plans it, of PyTorch as its profiler sees it; state and 1,024 images included.
"""

import dataclasses
import os
import sys
import tempfile

from experiments.benchmarks import results, timing
from experiments.benchmarks.intervals import coverage, rank
from gan_jax.commands import command_line, process
from gan_jax.settings import setting


@dataclasses.dataclass(frozen=True)
class Settings(command_line.Command):
    """Flags of this command."""

    workloads: str = setting(
        "", "which to run, by comma; empty: all that are meant for this device"
    )
    rounds: int = setting(7, "turns of each program; intervals at 95 % need 6", low=6)
    steps: int = setting(0, "steps per turn; 0: as many as ours makes in a second", low=0)
    torch: bool = setting(True, "time PyTorch too (extra: bench)")
    compiled: bool = setting(True, "of PyTorch also what torch.compile makes")
    naive: bool = setting(True, "time the naive form too")
    json: str = setting("", "also write the table to this file, a row as soon as it is there")


def checked(name, spec):
    """The largest difference between ours and PyTorch's values, and where it is, for the table. Exits if it is too large."""
    from experiments.benchmarks import equality

    difference, where = equality.check(spec)
    if not difference <= equality.TOLERANCE:
        raise SystemExit(
            f"{name} is not timed: {where} is {difference:.1e} from PyTorch's, above {equality.TOLERANCE:.0e}"
        )
    return {"difference": difference, "difference_where": where}


def run(argv):
    """Command line to table."""
    import jax

    from experiments.benchmarks import workloads

    (flags,), _ = command_line.parse(__doc__, "experiments.benchmarks", [Settings()], argv)
    out = results.path(flags.json)
    specs = workloads.chosen(flags.workloads, jax.default_backend() == "gpu")
    if flags.torch:
        command_line.need("torch", "--torch", "bench")
        from experiments.benchmarks import torch_runs

        torch_runs.prepare()
    jax.config.update("jax_enable_compilation_cache", False)
    sure = coverage(flags.rounds, rank(flags.rounds))
    print(
        f"{jax.devices()[0].device_kind}, {flags.rounds} rounds; [interval] holds the median with probability {sure:.3f}"
    )
    print(timing.header(), flush=True)
    table = []
    for name, spec in specs.items():
        say = lambda text, name=name: print(f"{name}: {text}", file=sys.stderr, flush=True)
        found = checked(name, spec) if flags.torch else {}
        table.append(
            timing.measure(name, spec, flags, say)
            | found
            | {"device": jax.devices()[0].device_kind}
        )
        print(timing.line(table[-1]), flush=True)
        results.write(out, table)
    if flags.torch:
        print(
            "values: equal to PyTorch's within "
            + ", ".join(f"{r['difference']:.0e} ({r['workload']})" for r in table)
        )


if __name__ == "__main__":
    process.keep_memory()
    # Before JAX and PyTorch are there: they share a GPU's memory, and the profiler of the one would tell of its own affairs.
    os.environ |= {
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "KINETO_LOG_LEVEL": "5",
        "TORCH_CPP_LOG_LEVEL": "ERROR",
    }
    with tempfile.TemporaryDirectory() as scratch:  # nothing compiled is found again
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = scratch
        code = process.guarded(run, sys.argv[1:])
    sys.exit(code)
