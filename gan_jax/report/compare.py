"""Several runs beside each other: which are seeds of one system, what they score, and whether differences are real."""

import dataclasses
import itertools
import json
import pathlib
from typing import NamedTuple

import numpy as np

from gan_jax.errors import InputError
from gan_jax.metrics import protocol, significance
from gan_jax.report import run_page, score_text
from gan_jax.rundir import run_folder
from gan_jax.settings import RunSettings

_NOT_NAMED = ("seed", *(f.name for f in dataclasses.fields(RunSettings) if f.metadata["free"]))


class Member(NamedTuple):
    """One run. folder: path. config: dict of config.json. rows: records of metrics.jsonl by step. record: eval.json or None.
    samples: the newest grid's path, or None. finished: whether it is."""

    folder: pathlib.Path
    config: dict
    rows: list
    record: dict | None
    samples: pathlib.Path | None
    finished: bool


class System(NamedTuple):
    """Runs that differ in their seed alone. name: short, unlike the others'. members: in the order of their seeds."""

    name: str
    members: tuple


def read(folder):
    """The Member in a run folder. Raises InputError: it is none, or what is there cannot be read."""
    folder = pathlib.Path(folder).expanduser()
    run_folder.load_config(folder)  # says what is wrong
    try:
        config, rows, grids, record = run_page.read(folder)
        if record is not None:
            score_text.judged(record)
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise InputError(
            f"{folder / 'eval.json'} cannot be read ({error}); run experiments.evaluate --workdir={folder} again."
        ) from error
    return Member(
        folder, config, rows, record, grids[-1][1] if grids else None, (folder / "DONE").exists()
    )


def settings(member):
    """{flag: value} of all that makes a run the system it is: everything but the seed and what may change on resuming."""
    run = {
        name: value
        for name, value in member.config["run"].items()
        if name not in (*_NOT_NAMED, "data")
    }
    source = {"data": member.config["dataset"]["digest"]}
    return {"experiment": member.config["experiment"], **run, **member.config["hp"], **source}


def group(members):
    """Systems out of Members, in the order in which they come; named by experiment and the flags in which they differ.

    Raises:
      InputError: two of the runs have all settings in common, the seed too.
    """
    found = {}
    for member in members:
        found.setdefault(json.dumps(settings(member), sort_keys=True), []).append(member)
    for alike in found.values():
        by_seed = {}
        for member in alike:
            other = by_seed.setdefault(member.config["run"]["seed"], member)
            if other is not member:
                raise InputError(
                    f"{other.folder} and {member.folder} are the same run twice (seed {member.config['run']['seed']}); "
                    "name one of them."
                )
    kinds = [settings(alike[0]) for alike in found.values()]
    named = _names(kinds)
    return [
        System(name, tuple(sorted(alike, key=lambda m: m.config["run"]["seed"])))
        for name, alike in zip(named, found.values(), strict=True)
    ]


def _names(kinds):
    """A name for each dict of settings: its experiment, and where several share that, the flags in which they differ."""
    out = []
    for kind in kinds:
        alike = [other for other in kinds if other["experiment"] == kind["experiment"]]
        differing = [k for k in kind if any(other.get(k) != kind[k] for other in alike)]
        shown = [f"{k}={str(kind[k])[:12]}" for k in differing]
        out.append(" ".join([kind["experiment"], *shown]))
    return out


def require_one_protocol(systems):
    """The protocol of all scores, or None where none was scored.

    Raises:
      InputError: two protocols differ, so that their scores may not share a table.
    """
    scored = [m for system in systems for m in system.members if m.record]
    for member in scored[1:]:
        first, this = scored[0].record["protocol"], member.record["protocol"]
        if found := protocol.differences(first, this):
            raise InputError(
                f"The scores of {scored[0].folder} and {member.folder} cannot share a table: {'; '.join(found)}. Evaluate both "
                "alike with experiments.evaluate."
            )
    return scored[0].record["protocol"] if scored else None


def common(systems):
    """Keys of the scores that every evaluated run has, in the order of tables."""
    records = [m.record for system in systems for m in system.members if m.record]
    return [
        key
        for key in score_text.listed(records[0])
        if all(key in r["rows"][score_text.judged(r)] for r in records)
    ]


def values(system, key):
    """The scores of a system's evaluated runs: float64 [seeds]."""
    return np.array(
        [m.record["rows"][score_text.judged(m.record)][key] for m in system.members if m.record],
        float,
    )


def errors_of(system, key):
    """Standard errors from sampling of the same runs: float64 [seeds], NaN where unknown."""
    found = [
        m.record["rows"][score_text.judged(m.record)].get(f"{key}_se")
        for m in system.members
        if m.record
    ]
    return np.array([np.nan if value is None else value for value in found], float)


def verdicts(systems, key):
    """Sentences on one score, a pair of systems each: a difference between trainings, if there are seeds; else between these
    two runs."""
    score = score_text.known()[key]
    scored = [system for system in systems if len(values(system, key))]
    pairs = list(itertools.combinations(scored, 2))
    out = []
    for a, b in pairs:
        x, y = values(a, key), values(b, key)
        if min(len(x), len(y)) > 1:
            out.append(
                significance.verdict(a.name, x, b.name, y, score.title, 3, len(pairs), score.better)
            )
        else:
            out.append(
                significance.of_two_runs(
                    a.name,
                    x[0],
                    errors_of(a, key)[0],
                    b.name,
                    y[0],
                    errors_of(b, key)[0],
                    score.title,
                )
            )
    return out


def series(system, name):
    """A logged value over training: (steps int64 [T], values float64 [seeds, T]), where all runs of a system logged it."""
    by_step = [{row["step"]: row[name] for row in m.rows if name in row} for m in system.members]
    steps = sorted(set.intersection(*(set(found) for found in by_step)))
    return np.array(steps, int), np.array(
        [[found[step] for step in steps] for found in by_step], float
    )


def text(systems):
    """The table of scores for a terminal: a block per score, a line per system."""
    lines = []
    for key in common(systems):
        score = score_text.known()[key]
        lines += ["", f"{score.title} ({score_text.BETTER[score.better]})"]
        for system in systems:
            found = values(system, key)
            lines.append(
                f"  {system.name:40} {significance.text(found, 4) if len(found) else '-':>24}   {len(found)} seed(s)"
            )
        lines += [f"  {sentence}" for sentence in verdicts(systems, key)]
    return "\n".join(lines[1:])
