"""Compares runs: seeds are grouped by system, protocols checked, differences tested."""

import dataclasses
import itertools
import json
import pathlib
from typing import Any, NamedTuple

import numpy as np

from gan_jax import methods
from gan_jax.errors import InputError, counted, typed
from gan_jax.methods.settings import BaseSettings
from gan_jax.metrics import protocol, significance
from gan_jax.metrics.metric import Score
from gan_jax.report import run_files, score_tables, score_text
from gan_jax.report.run_files import RunFiles
from gan_jax.rundir import run_folder
from gan_jax.settings import RunSettings, values_before

MAX_NAME = 40  # characters of the name of a system
# Settings in which the runs of one system may differ. The data are compared by their content.
_FREE = {f.name for f in dataclasses.fields(RunSettings) if f.metadata["free"]}
_IGNORED = {"seed", "data", *_FREE}


class System(NamedTuple):
    """Runs that differ in their seed alone."""

    name: str  # short, unlike those of the other systems
    runs: tuple[RunFiles, ...]  # in the order of their seeds

    @property
    def evaluations(self) -> list[dict]:
        """Evaluations of the runs that are evaluated."""
        return [run.evaluation for run in self.runs if run.evaluation]


def read_run(folder: str | pathlib.Path) -> RunFiles:
    """Read a run that is to be compared.

    Raises:
      InputError: the folder is not a run, or one of its files cannot be read.
    """
    folder = pathlib.Path(folder).expanduser()
    run_folder.check_config(folder)
    try:
        run = run_files.read(folder)
        if run.evaluation is not None:
            score_text.score_keys(run.evaluation)
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration) as error:
        raise InputError(
            f"{folder / 'eval.json'} cannot be read ({error}); run "
            f"`{typed('evaluate', folder)}` again."
        ) from error
    return run


def system_settings(run: RunFiles) -> dict[str, Any]:
    """Return {flag: value} of the settings that all runs of a system share.

    A run from before there was a setting has the value that it was made with. Which settings a
    plug-in has is known only to its code, which is not imported here.
    """
    method = run.config["method"]
    is_known = method in list(methods.TABLE)  # which plug-ins are not
    hp = _values_if_unnamed(methods.TABLE[method].Settings) if is_known else {}
    hp |= values_before(BaseSettings) | run.config["hp"]
    settings = _values_if_unnamed(RunSettings) | run.config["run"]
    settings = {k: v for k, v in settings.items() if k not in _IGNORED}
    digest = run.config["dataset"]["digest"]
    return {"experiment": run.config["experiment"], **settings, **hp, "data": digest}


def _values_if_unnamed(group):
    """Return {name: value of runs whose config.json does not name it}, as JSON has values."""
    values = {f.name: f.default for f in dataclasses.fields(group)} | values_before(group)
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def group_runs(runs: list[RunFiles]) -> list[System]:
    """Group runs that differ in their seed alone.

    Returns:
      Systems in the order of their first runs. They are named by their command and the flags in
      which they differ; where that is long, by their folders.

    Raises:
      InputError: two runs have all settings in common, the seed too.
    """
    groups: dict[str, list[RunFiles]] = {}
    for run in runs:
        groups.setdefault(json.dumps(system_settings(run), sort_keys=True), []).append(run)
    for group in groups.values():
        _refuse_repeated_seed(group)
    names = _system_names(list(groups.values()))
    return [
        System(name, tuple(sorted(group, key=lambda run: run.seed)))
        for name, group in zip(names, groups.values(), strict=True)
    ]


def _refuse_repeated_seed(runs):
    by_seed = {}
    for run in runs:
        other = by_seed.setdefault(run.seed, run)
        if other is not run:
            raise InputError(
                f"{other.folder} and {run.folder} are the same run twice (seed {run.seed}); "
                "name one of them."
            )


def _system_names(groups):
    """Name systems by command, and by the flags in which those of one command differ.

    The systems of a command for which that takes more than MAX_NAME characters are named by their
    folders.

    Args:
      groups: the runs of each system.
    """
    settings = [system_settings(group[0]) for group in groups]
    by_folder, names = _folder_names(groups), []
    for group, own in zip(groups, settings, strict=True):
        same = [other for other in settings if other["experiment"] == own["experiment"]]
        flags = [k for k in own if any(other.get(k) != own[k] for other in same)]
        shown = own | {"data": group[0].config["dataset"]["name"]}
        names.append(" ".join([own["experiment"], *(f"{flag}={shown[flag]}" for flag in flags)]))
    long = {s["experiment"] for s, n in zip(settings, names, strict=True) if len(n) > MAX_NAME}
    return [
        folder if own["experiment"] in long or names.count(name) > 1 else name
        for own, name, folder in zip(settings, names, by_folder, strict=True)
    ]


def _folder_names(groups):
    """Name systems by their folders, without the seed, with as many parents as tell them apart."""
    ends = []
    for group in groups:
        stems = {run.folder.name.removesuffix(f"_{run.seed}") for run in group}
        end = stems.pop() if len(stems) == 1 else group[0].folder.name
        ends.append((*group[0].folder.absolute().parts[1:-1], end))
    for n in range(1, max(map(len, ends)) + 1):
        names = ["/".join(parts[-n:]) for parts in ends]
        if len(set(names)) == len(names):
            return names
    return ["/".join(group[0].folder.absolute().parts[1:]) for group in groups]


def require_one_protocol(systems: list[System]) -> dict | None:
    """Return the protocol of all scores; None where there are no scores.

    Raises:
      InputError: two protocols differ, so that their scores may not share a table. What an
        evaluation can mend is only named where it would help.
    """
    protocols = [
        (run.folder, run.evaluation["protocol"])
        for system in systems
        for run in system.runs
        if run.evaluation
    ]
    for folder, other in protocols[1:]:
        first_folder, first = protocols[0]
        if differences := protocol.training_differences(first, other):
            raise InputError(
                f"{first_folder} and {folder} were trained on different images, so their scores "
                f"cannot share a table: {'; '.join(differences)}. Compare runs whose --data and "
                "--size are equal."
            )
        if differences := protocol.differences(first, other):
            raise InputError(
                f"The scores of {first_folder} and {folder} cannot share a table: "
                f"{'; '.join(differences)}. Evaluate both alike: python -m gan_jax evaluate DIR."
            )
    return protocols[0][1] if protocols else None


def shared_scores(systems: list[System]) -> list[str]:
    """List the keys of the scores that every evaluated run has, in the order of tables."""
    first, *others = [e for system in systems for e in system.evaluations]
    keys = score_text.score_keys(first)
    return [k for k in keys if all(k in e["rows"][score_text.subject_row(e)] for e in others)]


def find_score(systems: list[System], key: str) -> Score:
    """Return what is known of a score; of a plug-in's what the evaluations say."""
    return score_text.all_scores(*(e for system in systems for e in system.evaluations))[key]


def score_values(system: System, key: str) -> np.ndarray:
    """Return a score of the evaluated runs of a system: float64 [seeds]."""
    rows = [e["rows"][score_text.subject_row(e)] for e in system.evaluations]
    return np.array([row[key] for row in rows], float)


def standard_errors(system: System, key: str) -> np.ndarray:
    """Return the sampling errors of the same scores: float64 [seeds], NaN if unknown."""
    rows = [e["rows"][score_text.subject_row(e)] for e in system.evaluations]
    return np.array([row.get(f"{key}_se", np.nan) for row in rows], float)


def score_intervals(system: System, key: str) -> np.ndarray | None:
    """Return the 95 % intervals of the same scores: float64 [seeds, 2]; None if one is unknown."""
    intervals = [score_text.confidence_interval(e, key) for e in system.evaluations]
    return None if None in intervals else np.array(intervals, float)


def verdicts(systems: list[System], key: str) -> list[str]:
    """Say of every pair of systems whether they differ in a score.

    Sentences are about trainings. That of two systems of one seed each is about these two runs.
    """
    score = find_score(systems, key)
    pairs = list(itertools.combinations([s for s in systems if s.evaluations], 2))
    sentences = []
    for a, b in pairs:
        x, y = score_values(a, key), score_values(b, key)
        if max(len(x), len(y)) > 1:
            sentence = significance.compare_seeds(
                a.name, x, b.name, y, score.title, 3, len(pairs), score.better, score.limits()
            )
        else:
            se_x, se_y = standard_errors(a, key)[0], standard_errors(b, key)[0]
            sentence = significance.compare_two_runs(
                *(a.name, x[0], se_x, b.name, y[0], se_y, score.title),
                n_comparisons=len(pairs),
                widest=score.widest(),
            )
        sentences.append(sentence)
    return sentences


def logged_values(system: System, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a logged value at the steps at which all runs of a system logged it.

    Returns:
      (steps int64 [T], values float64 [seeds, T]).
    """
    by_step = [{rec["step"]: rec[name] for rec in run.log if name in rec} for run in system.runs]
    steps = sorted(set.intersection(*map(set, by_step)))
    return np.array(steps, int), np.array([[run[t] for t in steps] for run in by_step], float)


def format_scores(systems: list[System]) -> str:
    """Format the scores for a terminal: a block per score, a line per system."""
    lines = []
    for key in shared_scores(systems):
        score = find_score(systems, key)
        lines += ["", f"{score.title} ({score_text.BETTER[score.better]})"]
        rows = []
        for system in [system for system in systems if system.evaluations]:
            values = score_values(system, key)
            text = significance.mean_std_text(values, 4)
            rows.append([f"  {system.name}", text, counted(len(values), "seed")])
        lines += score_tables.align(rows)
        lines += [f"  {sentence}" for sentence in verdicts(systems, key)]
    return "\n".join(lines[1:])
