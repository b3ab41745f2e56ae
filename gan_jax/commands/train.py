"""A training command: from flags to finished run folders."""

import dataclasses
import functools
import json
import pathlib
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from absl import flags

from gan_jax import cache
from gan_jax.commands import presets, training_flags
from gan_jax.commands.command_line import (
    CommonFlags,
    define,
    flagfiles_first,
    need,
    parse,
    trust_typed,
    workdir_of,
)
from gan_jax.commands.process import BEGAN, typed
from gan_jax.commands.train_plan import make_plan
from gan_jax.commands.training_flags import TrainingFlags
from gan_jax.errors import InputError, NonFiniteError, Stopped, result_or_error
from gan_jax.settings import RunSettings, Size, values_before
from gan_jax.training import peers
from gan_jax.training.timing import Startup

if TYPE_CHECKING:  # these import JAX, whose start process.prepare_jax has to precede
    import numpy as np

    from gan_jax.config import Config, Prepared
    from gan_jax.data.datasets import Dataset

SAID = "said"  # where the others wait until process 0 has said all that a command has to say


def find_preset(
    command: str, group: CommonFlags, argv: list[str], suited: Iterable[str] = presets.TABLE
) -> str:
    """Return the name of the training command that --experiment names, in a flag or a flagfile.

    Args:
      command: name of the command that is running.
      group: its CommonFlags, with a field `experiment`.
      argv: its words, see `parse`.
      suited: training commands that suit it, for the refusal of others.

    Raises:
      InputError: there is no such training command, or the flags cannot be read.
    """
    files, rest = flagfiles_first(argv, command)
    try:
        values = define([group])
        values([command, *files, *rest], known_only=True)
    except (flags.Error, UnicodeDecodeError) as error:
        text = " ".join(str(error).split())
        raise InputError(f"{text}; see `{typed(command)} --help`.") from error
    trust_typed(rest)
    name = str(values["experiment"].value)
    if not presets.is_training(name):
        raise InputError(
            f"--experiment={name} is not a training command; "
            f"use one of: {', '.join(sorted(suited))}."
        )
    return name


def settings_groups(name: str) -> list:
    """Return [TrainingFlags, RunSettings, the method's Settings] with a command's defaults.

    Args:
      name: key of presets.TABLE, or a method by a plug-in.

    Raises:
      InputError: see presets.find; or a setting of the plug-in has a name that is taken.
    """
    from gan_jax import methods

    method, defaults, _ = presets.find(name)
    names = {f.name for f in dataclasses.fields(RunSettings)}
    run = RunSettings(**{k: v for k, v in defaults.items() if k in names})
    hp = methods.TABLE[method].Settings(**{k: v for k, v in defaults.items() if k not in names})
    names |= {f.name for f in dataclasses.fields(TrainingFlags)}
    for taken in [f.name for f in dataclasses.fields(hp) if f.name in names]:
        raise InputError(f"{name}: its setting {taken} has the name of a flag; rename it.")
    return [TrainingFlags(), run, hp]


def configure(
    name: str, argv: list[str]
) -> tuple[TrainingFlags, pathlib.Path, "Config", flags.FlagValues]:
    """Read a training command line, and make all checks that need no data.

    Args:
      name: key of presets.TABLE.
      argv: words after the command's name.

    Returns:
      (TrainingFlags, path of the run folder, Config, FlagValues).

    Raises:
      InputError
    """
    trust_typed(argv)
    preset = presets.find(name)
    (command, run, hp), values = parse(preset.doc, f"train {name}", settings_groups(name), argv)
    workdir = workdir_of(command.workdir, values, name)
    return command, workdir, make_config(name, run, hp), values


def make_config(name: str, run: RunSettings, hp: Any) -> "Config":
    """Make the Config of a training command, after all checks that need no data.

    Args:
      name: key of presets.TABLE.
      run: RunSettings.
      hp: the method's Settings.

    Raises:
      InputError
    """
    import jax

    from gan_jax import config as configs

    if run.tensorboard:
        need("tensorboardX", "--tensorboard", "log")
    if run.wandb:
        need("wandb", "--wandb", "wandb")
    configs.validate_settings(run, hp, len(jax.devices()), jax.process_count())
    return with_places(name, run, hp)


def with_places(name: str, run: RunSettings, hp: Any) -> "Config":
    """Make the Config of a training command whose settings were checked; its paths are absolute.

    Args:
      name, run, hp: see `make_config`.
    """
    from gan_jax import config as configs
    from gan_jax.data import datasets, table_labels
    from gan_jax.rundir import start_weights

    run = dataclasses.replace(
        run,
        data=datasets.absolute_spec(run.data),
        labels=table_labels.absolute(run.labels),
        init_from=start_weights.absolute(run.init_from),
    )
    return configs.Config(name, presets.find(name).method, run, hp)


def run(name: str, argv: list[str]) -> None:
    """Train from a command line to finished run folders.

    Args:
      name: key of presets.TABLE.
      argv: words after the command's name.

    Raises:
      InputError, NonFiniteError, Collapsed, Stopped: see process.guarded.
    """
    startup = Startup(BEGAN)
    training_flags.join(f"train {name}", argv)
    command, workdir, config, values = configure(name, argv)
    startup.done("import")
    if command.check_data:
        if peers.current().leads:
            _check_data(command, workdir, config)
        peers.current().meet(SAID)
        return
    try:
        execute(command, workdir, config, values, startup)
    except Stopped as error:
        if not command.restart or not str(error):
            raise
        raise Stopped(f"{error} Leave out --restart, which would begin again.") from error


def execute(
    command: TrainingFlags,
    workdir: pathlib.Path,
    config: "Config",
    values: flags.FlagValues,
    startup: Startup,
) -> None:
    """Train what a configuration says, to finished run folders; print what is done.

    Args:
      command, workdir, config, values: see `configure`.
      startup: time account of the command.

    Raises:
      InputError, NonFiniteError, Collapsed, Stopped: see process.guarded.
    """
    from gan_jax.rundir import start_weights
    from gan_jax.training import peer_start, training_loop

    plan = make_plan(command, workdir, config)
    prepared, folders, config = plan.runs[0], plan.folders, plan.runs[0].config
    startup.done("data")
    if not peers.current().leads:
        if command.dry_run:
            peers.current().meet(SAID)
        elif peers.current().share("begin"):
            peer_start.describe(workdir)
            training_loop.train(prepared, workdir, startup)
        return
    _say_data(prepared.train)
    for folder, one in zip(folders, plan.runs, strict=True):
        if one.start and one.start.vs is not None:
            print(f"{folder} {start_weights.sentence(one.start.record)}.", flush=True)
    for remark in _remarks(prepared):
        print(remark, file=sys.stderr)
    if command.dry_run:
        print(json.dumps(prepared.to_dict(), indent=1))
        for folder, status in zip(folders, plan.statuses, strict=True):
            print(f"Dry run: nothing was written. The run folder {folder} {status}.")
        peers.current().meet(SAID)
        return
    for name in ("data", "init_from", *values_before(type(config.hp))):
        group = config.run if hasattr(config.run, name) else config.hp
        values[name].value = getattr(group, name)
    if command.members == 1:
        _train(prepared, workdir, command.restart, values, startup)
    else:
        _train_members(plan.runs, folders, command, values)


def _begin(workdir, prepared, restart, values):
    """Prepare a locked folder. Returns whether there is anything to train."""
    from gan_jax.rundir import log, run_folder, ways_out

    with log.stopping_if_full(workdir):
        before = run_folder.prepare_folder(workdir, prepared, restart)
        run = prepared.config.run
        if before == run_folder.RunStatus.FINISHED:
            print(ways_out.of_finished(workdir, run.steps))
            return False
        values["seed"].value = run.seed
        cache.write_atomic(workdir / "flags.txt", _flags_text(values))
    return True


def _train(prepared, workdir, restart, values, startup):
    """Train one run to its end."""
    from gan_jax.rundir import log, run_lock
    from gan_jax.training import peer_start, remarks, training_loop

    startup.done("import")
    with run_lock.lock_run(workdir):
        begun = _begin(workdir, prepared, restart, values)
        if peers.current().share("begin", begun):
            peer_start.describe(workdir)
            training_loop.train(prepared, workdir, startup)
            steps = prepared.config.run.steps
            log.say(f"finished at step {steps}. Report: {workdir / 'report.html'}")
            if not remarks.scores_refused(prepared.train):
                log.say(f"Scores: {typed('evaluate', workdir)}")


def _train_members(runs, folders, command, values):
    """Train runs that differ in their seed to their ends.

    Raises:
      NonFiniteError: some did not reach their end; raised after the others have.
    """
    from gan_jax.rundir import log, run_lock
    from gan_jax.training import multi_seed

    for prepared, folder in zip(runs, folders, strict=True):
        with run_lock.lock_run(folder):
            _begin(folder, prepared, command.restart, values)
    failed = multi_seed.train_all(runs, folders, command.members_by)
    n, steps = len(runs), runs[0].config.run.steps
    log.say(f"{n - len(failed)} of {n} finished at step {steps}.")
    log.say(f"Beside each other: {typed('compare', *folders)}")
    if failed:
        raise NonFiniteError("\n".join(failed.values()))


def _check_data(command, workdir, config):
    """Print what the data are like; raise what training would raise."""
    from gan_jax.data import data_check, data_report, datasets

    spec, options = config.run.data, config.data_options

    splits, name = data_check.inspect(spec, options), spec
    shown = splits
    if isinstance(splits["train"], InputError) and not options.skip_bad_images:
        # What is refused as a whole is described as far as it can be, too.
        shown = data_check.inspect(spec, options._replace(skip_bad_images=True))
        name = f"{spec} --skip_bad_images"
    histogram = None
    if isinstance(shown["train"], data_check.InspectedSplit):
        histogram = shown["train"].pixels.histogram
        report = data_report.format_report(name, shown["train"], shown["test"])
        print(report + "\n", flush=True)
        _draw_values(shown["train"].dataset, workdir)
    open_split = functools.partial(data_check.open_inspected, spec, splits)
    plan = result_or_error(make_plan, command, workdir, config, open_split)
    if isinstance(plan, InputError):
        print("Verdict: training would refuse this command, in these words:", flush=True)
        raise plan
    for remark in _remarks(plan.runs[0], histogram):
        print(f"Note: {remark}")
    unscored = result_or_error(datasets.open_heldout, plan.runs[0].train, open_split)
    more = f" Scoring would not: {unscored}" if isinstance(unscored, InputError) else ""
    print(f"Verdict: training would accept this command.{more}")


def _draw_values(dataset, workdir):
    """Draw the values of data with a format, before and after the stretch."""
    from gan_jax.report import value_histograms

    if dataset is None:
        return
    path = workdir.with_name(f"{workdir.name}-values.png")
    value_histograms.draw(path, dataset)
    print(f"Values before and after the stretch: {path}\n", flush=True)


def _say_data(dataset: "Dataset"):
    """Print one line on the data."""
    from gan_jax.data import array_files

    n, *sides, channels = dataset.images.shape
    named = [
        f"{name} {int((dataset.labels == i).sum()):,}"
        for i, name in enumerate(dataset.classes[:12])
    ]
    classes = f"classes: {', '.join(named)}" if named else "no classes"
    if dataset.points:
        what = f"points of {channels} coordinate(s)"
    else:
        colors = {1: "gray", 3: "colour"}.get(channels, f"{channels} channels")
        what = f"images of {Size.of(sides)} px, {colors}"
    print(f"{array_files.title(dataset.name)}: {n:,} {what}; {classes}", flush=True)
    if dataset.format:
        print(f"Values: {dataset.format.describe()}.", flush=True)


def _remarks(prepared: "Prepared", histogram: "np.ndarray | None" = None) -> list[str]:
    """List lines on what is unlike what the user may expect, see remarks.all_remarks."""
    from gan_jax.training import remarks

    average = _remark_of_average(prepared.config)
    return remarks.all_remarks(prepared, histogram) + ([average] if average else [])


def _remark_of_average(config: "Config") -> str:
    """Say whether the averaged generator, which is sampled, will still be in part the first."""
    ema, steps = getattr(config.hp, "ema", 0.0), config.run.steps
    # An average by images always warms up.
    warmed_up = (
        getattr(config.hp, "ema_warmup", False)
        or getattr(config.hp, "ema_images", 0)
        or config.run.init_from
    )
    untrained = 0.0 if warmed_up else ema**steps  # weight of the start in the average
    if untrained <= 0.1:
        return ""
    return (
        f"Samples will look untrained: with --ema={ema} and --steps={steps} the averaged "
        f"generator is {100 * untrained:.0f} % the one before training. Leave out "
        "--noema_warmup, or use more steps."
    )


def _flags_text(values):
    """Write the flags that make this run again, one per line."""
    skip = ("flagfile", "help", "debug", *(f.name for f in dataclasses.fields(TrainingFlags)))
    return "".join(
        f"{line}\n"
        for line in sorted(values.flags_into_string().splitlines())
        if line and line.lstrip("-").partition("=")[0].removeprefix("no") not in skip
    )
