"""Scripted ablations: a grid of flags times seeds, a process per run, scored and compared.

  gan-jax sweep --experiment=dcgan --flagfile=dcgan_quick \\
      --vary="penalty=none,dragan;net=dcgan,hdcgan"

trains dcgan with both penalties on both nets, from --seeds seeds each. Every flag of the experiment
may be given too, on the command line or in a flagfile, and holds for all runs. --vary is a grid:
axes with semicolons between them, FLAG=VALUE,VALUE each. A value may bring further flags along:
penalty=none,wgan_gp+penalty_norm=rms+lambda_p=1. A comma that belongs to a value is written behind
a backslash. With several --vary the grids come one after another, and runs that turn out to be the
same are made once: a grid and then one change at a time. A flagfile with these lines is a sweep
that is kept.

All runs are checked by the experiment's own flags before any starts; those that are refused,
diverge or crash are named with their reason, and the others go on. Each run is an ordinary run
folder, --workdir/NAME_SEED. Stopped (Ctrl-C, SIGTERM: code 4), all that ran has saved, and the same
command goes on; finished and diverged runs are not repeated (delete the folder of one to make it
again). Ends with summary.csv (a row per run), summary.md (every configuration, and whether it
differs from the first one) and compare.html in --workdir, where logs/ has what the runs said; with
code 0, whatever became of single runs. --dry_run prints every command and how long all will take,
from steps that it measures (and from compiling, which takes longer the first time).

Seeds are processes of their own; with --members_by they share one, and on a GPU one program
(vmapped). The flagfiles take S3's contribution apart: {none, DRAGAN, WGAN-GP, WGAN-GP in Dist-GAN's
norm} x {DCGAN's nets, HDCGAN's} and single changes to Morpho-GAN.
"""

import shlex
import sys

from gan_jax import cache
from gan_jax.commands import command_line
from gan_jax.errors import counted
from gan_jax.rundir import run_lock
from gan_jax.studies import jobs
from gan_jax.studies.ablate import results
from gan_jax.studies.ablate.estimate import estimate_lines, measure_durations
from gan_jax.studies.ablate.execute import compare_runs, score_runs, train_runs
from gan_jax.studies.ablate.flags import Sweep, read_sweep
from gan_jax.studies.ablate.plan import build_plan, command, list_runs
from gan_jax.studies.ablate.state import SweepState
from gan_jax.training.signals import Signals


def print_preview(sweep: Sweep, state: SweepState) -> None:
    """Print what would be done."""
    flags = sweep.flags
    for run in state.plan.runs:
        outcome = state.outcomes[run.name]
        print(f"# {run.name}: {state.status(run.name)}. {outcome['reason']}".rstrip())
        if outcome["code"] is None:
            print(shlex.join(command(flags.experiment, run.words)), flush=True)
    n_left = len(state.remaining())
    if flags.estimate and flags.slurm:
        print("No estimate: measure on a machine of the cluster, by this command without --slurm.")
    elif flags.estimate and n_left:
        with Signals() as signals:
            durations = measure_durations(sweep, state, signals)
        print("\n".join(estimate_lines(sweep, state, durations)))
    print(f"Dry run: nothing was written. {n_left} of {counted(len(state.plan.runs), 'run')} left.")


def run_sweep(sweep: Sweep, state: SweepState) -> None:
    """Train, score and compare what remains.

    Raises:
      Stopped: a signal came.
    """
    flags, root = sweep.flags, sweep.root
    if flags.slurm:
        together = not flags.members_by
        launch = jobs.cluster(flags.slurm, root / "slurm", together)
        launch_scoring = jobs.cluster(flags.slurm, root / "slurm", one=True)
    else:
        launch = launch_scoring = jobs.local(flags.jobs)
    (root / "logs").mkdir(exist_ok=True)
    state.write()
    for name, why in state.plan.refused.items():
        print(f"{name}: refused. {why}", file=sys.stderr, flush=True)
    with Signals() as signals:
        train_runs(sweep, state, launch, signals)
        if flags.evaluate:
            score_runs(sweep, state, launch_scoring, signals)
    incomparable = "runs are not scored (--noevaluate)."
    if flags.evaluate:
        incomparable = compare_runs(state)
    text = results.summary(state, incomparable)
    cache.write_atomic(root / "summary.md", text)
    print(text)
    page = ", compare.html" if flags.evaluate else ""
    print(f"Written: summary.csv, summary.md{page} in {root}")


def run(argv: list[str]) -> None:
    """Check the runs that a command line asks for, then make, score and compare them."""
    sweep = read_sweep(__doc__, argv)
    if sweep.flags.slurm:
        command_line.need("submitit", "--slurm", "sweep")
    plan = build_plan(sweep, list_runs(sweep))
    if sweep.flags.dry_run:
        print_preview(sweep, SweepState(sweep.root, plan))
        return
    with run_lock.lock_run(sweep.root):
        run_sweep(sweep, SweepState(sweep.root, plan))
