"""Several runs in one process, in turns, so that what disturbs the machine disturbs them alike: equal updates, or equal time.

For equal wall time the time of a step is measured first, in turns too; then the faster systems get as many updates as fit into
the time of the slowest.
"""

import contextlib
import dataclasses
import json
import shutil
import sys

import numpy as np

from gan_jax import cache
from gan_jax import config as configs
from gan_jax.errors import InputError, NonFiniteError, Stopped
from gan_jax.rundir import run_folder
from gan_jax.training import training_loop
from gan_jax.training.program import steps_per_dispatch
from gan_jax.training.signals import Signals

TABLES = {"updates": "Equal generator updates", "time": "Equal wall time"}
TOLERANCE = 0.05  # a system this close to the slowest is not trained once more for equal time
PACE_TURNS = 13  # in which the time of a step is measured; the first does not count


@contextlib.contextmanager
def side_by_side(runs, folders):
    """{job: training_loop.Loop} of several runs in one process, each in its own folder; finished runs are left out.

    A signal saves all of them, whenever it comes. runs: {job: config.Prepared}.
    """
    with Signals() as signals, contextlib.ExitStack() as stack:
        loops = {}
        for job, prepared in runs.items():
            stack.enter_context(run_folder.lock_run(folders[job]))
            if run_folder.prepare_folder(folders[job], prepared) != run_folder.RunStatus.FINISHED:
                loop = training_loop.Loop(prepared, folders[job], signals, f"{folders[job].name}: ")
                loops[job] = stack.enter_context(loop)
        try:
            yield loops
        except Stopped:
            for loop in loops.values():
                with contextlib.suppress(Stopped, NonFiniteError):
                    loop.stop()
            raise
        if signals.name:  # at the very end of a run, which then goes on
            raise Stopped(f"stopped by {signals.name}; all is saved. The same command goes on.")


def advance(runs, folders, turns):
    """Trains runs to their ends in so many turns. Returns {folder name: message} of those that diverged.

    Args:
      runs, folders: {job: config.Prepared}, {job: pathlib.Path of its run folder}.

    Raises:
      Stopped: a signal came, or the disk is full.
    """
    diverged = {}
    with side_by_side(runs, folders) as loops:
        for turn in range(1, turns + 1):
            for job, loop in loops.items():
                if folders[job].name not in diverged:
                    try:
                        loop.advance(-(-loop.run.steps * turn // turns))
                    except NonFiniteError as error:
                        print(error, file=sys.stderr)
                        diverged[folders[job].name] = str(error)
        for job, loop in loops.items():
            if folders[job].name not in diverged:
                loop.finish()
    return diverged


def measure_pace(runs, folder, n_steps):
    """{system: time of a step, that of the slowest being 1}: medians of ratios within turns, every system once per turn.

    Args:
      runs: {system: config.Prepared}; their steps, if fewer than are measured, and their cadences do not count.
      folder: where the runs lie meanwhile. n_steps: of each system in a turn.
    """
    shutil.rmtree(folder, ignore_errors=True)
    times = []
    with side_by_side(*_short(runs, folder, n_steps)) as loops:
        for turn in range(1, PACE_TURNS + 1):
            times.append([])
            for loop in loops.values():
                began, before = loop.t, loop.timer.get("train", 0.0)
                loop.advance(turn * n_steps)
                times[-1].append((loop.timer["train"] - before) / (loop.t - began))
    shutil.rmtree(folder)
    times = np.array(times[1:])
    slowest = np.median(times, 0).argmax()
    return dict(zip(runs, np.median(times / times[:, [slowest]], 0).tolist(), strict=True))


def _short(runs, folder, n_steps):
    """({system: run that reaches neither its end nor a cadence while it is measured}, {system: its folder})."""
    out = {}
    for system, prepared in runs.items():
        config = prepared.config
        length = max(config.run.steps, PACE_TURNS * n_steps + 1)
        run = dataclasses.replace(
            config.run,
            steps=length,
            log_every=length + 1,
            save_every=0,
            sample_every=0,
            eval_every=0,
        )
        run = dataclasses.replace(
            run, steps_per_dispatch=min(steps_per_dispatch(run), n_steps)
        )  # so that all turns have some
        out[system] = configs.prepare(dataclasses.replace(config, run=run), prepared.train)
    return out, {system: folder / system for system in runs}


def pace(root, runs, n_steps):
    """`measure_pace`, once: kept in pace.json of the study's folder, so that a study which goes on is the same one.

    Raises:
      InputError: that file cannot be read.
    """
    path = root / "pace.json"
    if not path.exists():
        found = measure_pace(runs, root / "pace", n_steps)
        cache.write_atomic(path, json.dumps(found, indent=1) + "\n")
    try:
        return {system: float(json.loads(path.read_text())[system]) for system in runs}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); delete the study's folder, or use another --workdir."
        ) from error


def plan(pace, steps):
    """{(table, system): steps} of the runs to make; a system without an entry for "time" is as slow as the slowest."""
    faster = {system: share for system, share in pace.items() if share < 1 - TOLERANCE}
    return {("updates", s): steps for s in pace} | {
        ("time", s): round(steps / pace[s]) for s in faster
    }
