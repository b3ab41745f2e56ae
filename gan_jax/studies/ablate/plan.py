"""The runs of a sweep, checked before any starts: which are refused, and which are equal."""

import concurrent.futures
import dataclasses
import json
import multiprocessing
import signal
import sys
from typing import Any, NamedTuple

from gan_jax import config, plugins
from gan_jax.commands import presets
from gan_jax.commands.train import configure
from gan_jax.errors import InputError, counted
from gan_jax.metrics import features, memorization, scoring
from gan_jax.rundir import run_folder, start_weights
from gan_jax.studies.ablate import grid
from gan_jax.studies.ablate.flags import ScoringFlags, Sweep
from gan_jax.studies.ablate.grid import Configuration

# Flags that no axis may set.
FIXED = (
    "workdir",
    "seed",
    "flagfile",
    "dry_run",
    "check_data",
    "restart",
    "help",
    "debug",
    "trust",
)


class SweepRun(NamedTuple):
    """One run of a sweep."""

    name: str  # of its folder
    configuration: Configuration
    seed: int
    words: list[str]  # flags of its command


class Plan(NamedTuple):
    """The runs of a sweep, checked."""

    runs: list[SweepRun]  # equal ones once
    settings: dict[str, dict[str, Any] | None]  # {name: {flag: value}}, None where refused
    refused: dict[str, str]  # {name: why}
    duplicates: dict[str, str]  # {name: name of the run that it equals}

    def varied_flags(self) -> list[str]:
        """List the flags that any configuration overrides."""
        flags = [flag for run in self.runs for flag in run.configuration.overrides]
        return list(dict.fromkeys(flags))


def list_runs(sweep: Sweep) -> list[SweepRun]:
    """List all runs of a sweep, all configurations of a seed before those of the next.

    Raises:
      InputError: --vary cannot be read, sets a flag that it must not set, or names plug-ins in a
        flagfile that are not trusted.
    """
    configurations = grid.expand(sweep.flags.vary)
    for configuration in configurations:
        for name in configuration.overrides:
            if name in FIXED:
                instead = "say how many with --seeds" if name == "seed" else "leave it out"
                raise InputError(
                    f"--vary sets --{name}, which every run has its own way; {instead}."
                )
    # The commands of the runs would trust what stands in their words.
    named = [sweep.flags.experiment, *sweep.flags.vary, *sweep.scoring.words()]
    named += map(str, sweep.base.values())
    plugins.refuse_foreign(plugins.names_in(named), "The sweep")
    first = sweep.base.get("seed", 0)
    runs = []
    for seed in range(first, first + sweep.flags.seeds):
        for configuration in configurations:
            name = f"{configuration.name}_{seed}"
            values = {**sweep.base, **configuration.overrides, "seed": seed}
            words = [f"--{flag}={value}" for flag, value in values.items()]
            words.append(f"--workdir={sweep.root / name}")
            runs.append(SweepRun(name, configuration, seed, words))
    return runs


def command(name: str, words: list[str], opens: SweepRun | None = None) -> list[str]:
    """Return a command line of the project.

    Args:
      name: of the command.
      words: its flags.
      opens: the run whose folder it opens; its plug-ins were allowed here. None: it opens none.
    """
    trust = plugins.is_trusted(plugins.ANY) or (opens and plugins.names_in(opens.words))
    names = ["train", name] if presets.is_training(name) else [name]
    return [sys.executable, "-m", "gan_jax", *names, *words, *(["--trust"] if trust else [])]


def check_run(
    experiment: str, words: list[str], scoring_flags: ScoringFlags | None
) -> tuple[dict[str, Any] | None, str]:
    """Check that a run can be made, and scored unless scoring_flags is None.

    Returns:
      ({flag: value} of all its settings, ""), or (None, why not).
    """
    plugins.trust([experiment, *words, *(scoring_flags.words() if scoring_flags else [])])
    try:
        training, workdir, one, _ = configure(experiment, words)
        before = run_folder.status(workdir, one, training.restart)
        prepared = config.prepare(one)
        start_weights.prepare_all([workdir], [prepared], [before])
        train = prepared.train
        if scoring_flags:
            memorization.check_queries(scoring_flags.neighbours, "neighbours")
        if scoring_flags and not train.points:
            n_features = features.count_features(scoring_flags.features, train)
            n, names = scoring_flags.n_images, scoring_flags.scores
            scoring.check_counts(train, n, "n_images", names, n_features)
    except InputError as error:
        return None, str(error)
    return {**dataclasses.asdict(one.run), **dataclasses.asdict(one.hp)}, ""


def build_plan(sweep: Sweep, runs: list[SweepRun]) -> Plan:
    """Check all runs, in another process: this one must never hold a GPU, which the runs need.

    Raises:
      InputError: all of them are refused.
    """
    scoring_flags = sweep.scoring if sweep.flags.evaluate else None
    arguments = [(sweep.flags.experiment, run.words, scoring_flags) for run in runs]
    with concurrent.futures.ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
    ) as pool:
        checked = list(pool.map(check_run, *zip(*arguments, strict=True)))
    plan = Plan([], {}, {}, {})
    names = {}  # {settings: name of the first run that has them}
    for run, (settings, why) in zip(runs, checked, strict=True):
        if settings:
            first = names.setdefault(json.dumps(settings, sort_keys=True), run.name)
            if first != run.name:
                plan.duplicates[run.name] = first
                continue
        plan.runs.append(run)
        plan.settings[run.name] = settings
        if why:
            plan.refused[run.name] = why
    if len(plan.refused) == len(plan.runs):
        raise InputError(
            f"{counted(len(plan.runs), 'run')} planned, all refused; "
            f"the first ({plan.runs[0].name}): {checked[0][1]}"
        )
    return plan
