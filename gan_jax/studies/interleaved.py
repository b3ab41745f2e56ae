"""Several runs in one process, a few steps of each in turn, for fair comparisons of time.

What disturbs the machine disturbs all runs alike. Runs have equal updates, or equal wall time: the
time of a step is measured first, then the faster systems get as many updates as fit into the time
of the slowest.
"""

import contextlib
import dataclasses
import json
import pathlib
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from gan_jax import config as configs
from gan_jax.config import Prepared
from gan_jax.errors import InputError, NonFiniteError, Stopped
from gan_jax.rundir import run_folder, run_lock, start_weights
from gan_jax.studies import runner
from gan_jax.training.program import steps_per_dispatch
from gan_jax.training.signals import Signals
from gan_jax.training.training_loop import Loop

TABLES = {"updates": "Equal generator updates", "time": "Equal wall time"}
TOLERANCE = 0.05  # a system this close to the slowest is not trained once more for equal time
PACE_TURNS = 13  # in which the time of a step is measured; the first does not count

RunKey = tuple[str, str]  # (table, system)


@contextlib.contextmanager
def open_loops(
    runs: Mapping[Any, Prepared], folders: Mapping[Any, pathlib.Path]
) -> Iterator[dict[Any, Loop]]:
    """Open the Loops of several runs in one process; leave out finished runs.

    A signal saves all of them, whenever it comes.

    Args:
      runs: Prepared of each run.
      folders: run folder of each.

    Yields:
      the Loops, with the keys of `runs`.
    """
    with Signals() as signals, contextlib.ExitStack() as stack:
        loops = {}
        for key, prepared in runs.items():
            folder = folders[key]
            stack.enter_context(run_lock.lock_run(folder))
            prepared = run_folder.as_begun(folder, prepared)
            before = run_folder.status(folder, prepared.config, False, prepared.dataset_info)
            (prepared,) = start_weights.prepare_all([folder], [prepared], [before])
            status = run_folder.prepare_folder(folder, prepared)
            if status != run_folder.RunStatus.FINISHED:
                loop = Loop(prepared, folder, signals, f"{folder.name}: ")
                loops[key] = stack.enter_context(loop)
        try:
            yield loops
        except Stopped:
            for loop in loops.values():
                with contextlib.suppress(Stopped, NonFiniteError):
                    loop.stop()
            raise
        runner.raise_if_signalled(signals)


def train_interleaved(
    runs: Mapping[Any, Prepared], folders: Mapping[Any, pathlib.Path], turns: int
) -> dict[str, str]:
    """Train runs to their ends, each of them an equal part of its steps per turn.

    Args:
      runs, folders: see `open_loops`.
      turns: number of turns.

    Returns:
      {folder name: message} of those that diverged.

    Raises:
      Stopped: a signal came, or the disk is full.
    """
    diverged = {}
    with open_loops(runs, folders) as loops:
        for turn in range(1, turns + 1):
            for loop in loops.values():
                if loop.workdir.name not in diverged:
                    try:
                        loop.advance(-(-loop.run.steps * turn // turns))
                    except NonFiniteError as error:
                        print(error, file=sys.stderr)
                        diverged[loop.workdir.name] = str(error)
        for loop in loops.values():
            if loop.workdir.name not in diverged:
                loop.finish()
    return diverged


def train_seeds(
    prepare_run: Callable[[str, int, int], Prepared],
    root: pathlib.Path,
    lengths: dict[RunKey, int],
    seeds: Iterable[int],
    turns: int,
) -> tuple[dict[RunKey, list[pathlib.Path]], dict[str, str]]:
    """Train the runs of several systems from several seeds, those of one seed interleaved.

    Args:
      prepare_run: function of (system, steps, seed).
      root: the study's folder; a run lies in root / TABLE_SYSTEM_SEED.
      lengths: {(table, system): steps}.
      seeds: training seeds.
      turns: see `train_interleaved`.

    Returns:
      ({(table, system): run folder of each seed}, {folder name: message} of those that diverged).
    """
    folders = {key: [] for key in lengths}
    diverged = {}
    for seed in seeds:
        runs = {key: prepare_run(key[1], steps, seed) for key, steps in lengths.items()}
        folders_of_seed = {key: root / f"{'_'.join(key)}_{seed}" for key in lengths}
        diverged |= train_interleaved(runs, folders_of_seed, turns)
        for key, folder in folders_of_seed.items():
            folders[key].append(folder)
    return folders, diverged


def measure_pace(runs: dict[str, Prepared], folder: pathlib.Path, n_steps: int) -> dict[str, float]:
    """Measure the time of a step of each system, in units of the slowest system's.

    Args:
      runs: {system: Prepared}. Their intervals do not count, nor their lengths if they are too
        short.
      folder: scratch folder for the runs.
      n_steps: steps of each system in a turn.

    Returns:
      {system: median over turns of the ratio to the slowest}.
    """
    shutil.rmtree(folder, ignore_errors=True)
    short = {system: _without_hooks(run, n_steps) for system, run in runs.items()}
    times = []
    with open_loops(short, {system: folder / system for system in runs}) as loops:
        for turn in range(1, PACE_TURNS + 1):
            times.append([])
            for loop in loops.values():
                step_before, seconds_before = loop.t, loop.timer.get("train", 0.0)
                loop.advance(turn * n_steps)
                seconds = loop.timer["train"] - seconds_before
                times[-1].append(seconds / (loop.t - step_before))
    shutil.rmtree(folder)
    times = np.array(times[1:])
    slowest = np.median(times, 0).argmax()
    ratios = np.median(times / times[:, [slowest]], 0)
    return dict(zip(runs, ratios.tolist(), strict=True))


def _without_hooks(prepared, n_steps):
    """Change a run so that it reaches neither its end nor a hook while its pace is measured."""
    config = prepared.config
    length = max(config.run.steps, PACE_TURNS * n_steps + 1)
    run = dataclasses.replace(
        config.run, steps=length, log_every=length + 1, save_every=0, sample_every=0, eval_every=0
    )
    per_dispatch = min(steps_per_dispatch(run), n_steps)  # so that every turn has a dispatch
    run = dataclasses.replace(run, steps_per_dispatch=per_dispatch)
    return configs.prepare(dataclasses.replace(config, run=run), prepared.train)


def load_pace(root: pathlib.Path, runs: dict[str, Prepared], n_steps: int) -> dict[str, float]:
    """Load pace.json of a study's folder; measure the pace first if there is none.

    A study that goes on thus keeps its pace.

    Args:
      root: the study's folder.
      runs, n_steps: see `measure_pace`.

    Raises:
      InputError: the file cannot be read.
    """
    path = root / "pace.json"
    if not path.exists():
        runner.write_json(path, measure_pace(runs, root / "pace", n_steps))
    try:
        stored = json.loads(path.read_text())
        return {system: float(stored[system]) for system in runs}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); delete the study's folder, or use another --workdir."
        ) from error


def plan_runs(pace: dict[str, float], steps: dict[str, int], table: str) -> dict[RunKey, int]:
    """Plan the runs of a study: the lengths that were asked for, and equal wall time.

    Args:
      pace: {system: time of a step, in any unit}.
      steps: {system: its length}.
      table: the table of these lengths.

    Returns:
      {(table, system): steps}. Only systems that are done clearly before the last one have a run of
      their own for "time".
    """
    duration = {system: pace[system] * steps[system] for system in steps}
    longest = max(duration.values())
    lengths = {(table, system): n for system, n in steps.items()}
    for system, time in duration.items():
        if time < (1 - TOLERANCE) * longest:
            lengths["time", system] = round(longest / pace[system])
    return lengths
