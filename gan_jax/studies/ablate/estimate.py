"""How long a sweep will take, from short runs of every configuration."""

import pathlib
import tempfile
from typing import NamedTuple

from gan_jax.errors import counted
from gan_jax.rundir import log
from gan_jax.studies import jobs
from gan_jax.studies.ablate.flags import Sweep
from gan_jax.studies.ablate.plan import command
from gan_jax.studies.ablate.state import SweepState
from gan_jax.training.signals import Signals


class Duration(NamedTuple):
    """What a configuration takes."""

    startup: float  # seconds beside the steps: starting and compiling
    per_step: float  # seconds
    failure: str = ""  # why there are no seconds


def measure_durations(sweep: Sweep, state: SweepState, signals: Signals) -> dict[str, Duration]:
    """Measure every configuration that remains, in processes, as many at a time as its runs.

    Returns:
      {name of the configuration: Duration}.

    Raises:
      Stopped: a signal came.
    """
    flags, durations = sweep.flags, {}
    n = flags.estimate_steps
    short = [f"--{name}=0" for name in ("sample_every", "save_every", "eval_every")]
    short += [f"--steps={2 * n}", f"--log_every={n}", "--keep_best=none"]
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch)

        def on_end(job, result):
            if result.code:
                durations[job.name] = Duration(0.0, 0.0, result.reason)
                return
            records = log.read(root / job.name / "metrics.jsonl")
            first, second = (record["wall"]["train_s"] for record in records)
            durations[job.name] = Duration(result.seconds - second, (second - first) / n)

        words = {run.configuration.name: run.words for run in state.remaining()}
        work = [
            jobs.Job(name, command(flags.experiment, [*own, *short, f"--workdir={root / name}"]))
            for name, own in words.items()
        ]
        logs = root / "logs"
        logs.mkdir()
        launch = jobs.local(flags.jobs)
        jobs.run(work, flags.jobs, launch, logs, signals, lambda job: None, on_end)
    return durations


def makespan(seconds: list[float], n_slots: int) -> float:
    """Return the seconds until all jobs are done, so many at a time, in their order."""
    slots = [0.0] * n_slots
    for duration in seconds:
        slots[slots.index(min(slots))] += duration
    return max(slots)


def estimate_lines(sweep: Sweep, state: SweepState, durations: dict[str, Duration]) -> list[str]:
    """Say in lines what every configuration takes, and all that remains."""
    lines, seconds = [], []
    for run in state.remaining():
        duration = durations[run.configuration.name]
        if not duration.failure:
            n_steps = state.plan.settings[run.name]["steps"] - state.progress(run.name)[0]
            seconds.append(duration.startup + duration.per_step * n_steps)
    for name, duration in durations.items():
        if duration.failure:
            lines.append(f"  {name}: no estimate. {duration.failure}")
        else:
            lines.append(
                f"  {name}: start and compiling {duration.startup:.0f} s, "
                f"{1000 * duration.per_step:.1f} ms per step"
            )
    total = log.clock(makespan(seconds, sweep.flags.jobs)) if seconds else "0:00"
    lines.append(
        f"Estimate: {total} for the training of {counted(len(seconds), 'run')}, "
        f"{sweep.flags.jobs} at a time; scoring not included."
    )
    return lines
