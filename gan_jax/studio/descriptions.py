"""What the pages have to know of the commands, for JSON; imports JAX, so the server does not.

`gan-jax studio --describe` prints it.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from gan_jax import plugins
from gan_jax.commands import command_line, presets, train
from gan_jax.errors import InputError
from gan_jax.report import score_text, training_curves
from gan_jax.rundir import health
from gan_jax.settings import changed
from gan_jax.studies.ablate import flags as sweep_flags
from gan_jax.studio import forms, sweeps

# Flags that the forms of sweeps and of evaluate leave out, beside forms.HIDDEN_FLAGS.
HIDDEN_OF_SWEEPS = ("experiment", "estimate", "estimate_steps", "slurm")
HIDDEN_OF_SCORING = ("images", "size", "crop", "patches", "out", "download", "data")

# (command) -> [(name of a flagfile, its summary, its time)]
ListFlagfiles = Callable[[str], Sequence[tuple[str, str, str]]]


def describe(list_flagfiles: ListFlagfiles, evaluate: tuple[str, Any]) -> dict[str, Any]:
    """Describe everything.

    Args:
      list_flagfiles: lists the flagfiles of a command.
      evaluate: docstring and flags of the command that scores.

    Returns:
      {"experiments": {training command: see forms.describe_command}, "sweep": the same of sweeps,
      with "flagfiles" of all training commands, "evaluate": the same, "captions": {value: text},
      "meanings": {value: see `_meaning`}, "scores": {key: {"title", "better", "text"}}, "better":
      {word: what it says}, "rows": {row of eval.json: its name}}.
    """
    doc, flags = evaluate
    return {
        "experiments": _experiments(list_flagfiles),
        "sweep": _sweep(list_flagfiles),
        "evaluate": forms.describe_command(
            doc, {"Scoring": flags}, {}, hidden=(*forms.HIDDEN_FLAGS, *HIDDEN_OF_SCORING)
        ),
        "captions": training_curves.CAPTIONS,
        "meanings": {name: _meaning(healthy) for name, healthy in health.RANGES.items()},
        "warmup": {"records": health.WARMUP_RECORDS, "memories": health.WARMUP_MEMORIES},
        "scores": {key: score._asdict() for key, score in score_text.all_scores().items()},
        "better": score_text.BETTER,
        "rows": score_text.LABELS,
    }


def _meaning(healthy: health.HealthyRange) -> dict[str, Any]:
    """Describe a healthy range.

    Returns:
      {"low", "high": what it means to lie outside, "bounds": [low, high] with None for infinity,
      "unit": of the bounds: "absolute", "median" or "best"}.
    """
    bounds = [bound if math.isfinite(bound) else None for bound in (healthy.low, healthy.high)]
    unit = healthy.unit.__name__.strip("_")
    return {"low": healthy.below, "high": healthy.above, "bounds": bounds, "unit": unit}


def _experiments(list_flagfiles):
    """Describe the training commands, last those of installed plug-ins that can be imported."""
    experiments = {}
    for name in [*presets.TABLE, *plugins.entry_names("methods")]:
        try:
            _, run, hp = groups = train.settings_groups(name)
            titled = {"The run": run, "The method": hp}
            files = list_flagfiles(name)
            values = {file: flagfile_values(name, groups, file) for file, *_ in files}
            doc = presets.find(name).doc
        except InputError:
            if name in presets.TABLE:
                raise
            continue
        experiments[name] = forms.describe_command(doc, titled, values, _about(files))
    return experiments


def _about(files):
    return {name: {"summary": summary, "time": time} for name, summary, time in files}


def _sweep(list_flagfiles):
    own = {"The sweep": sweep_flags.Flags(), "Scores of its runs": sweep_flags.ScoringFlags()}
    values = {}
    for file, *_ in list_flagfiles(sweeps.COMMAND):
        words = [f"--flagfile={file}"]
        experiment = train.find_preset(sweeps.COMMAND, sweep_flags.Flags(), words)
        groups = [*own.values(), *train.settings_groups(experiment)[1:]]
        values[file] = flagfile_values(sweeps.COMMAND, groups, file) | {"experiment": experiment}
    about = _about(list_flagfiles(sweeps.COMMAND))
    hidden = (*forms.HIDDEN_FLAGS, *HIDDEN_OF_SWEEPS)
    hidden = [name for name in hidden if name != "members_by"]
    doc = "Sweep: a grid of flags times seeds; every run is scored, and all are compared."
    return forms.describe_command(doc, own, values, about, hidden)


def flagfile_values(command: str, groups: Sequence, flagfile: str) -> dict[str, Any]:
    """Return {flag: value} where a flagfile differs from the defaults.

    Args:
      command: name of the command.
      groups: its settings, see train.settings_groups.
      flagfile: its name.
    """
    parsed, _ = command_line.parse("", command, groups, [f"--flagfile={flagfile}"])
    return changed(parsed, groups)
