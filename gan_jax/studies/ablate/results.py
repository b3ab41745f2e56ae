"""What became of the runs of a sweep: kept in sweep.json, told in summary.csv (a row per run) and in words."""

import csv
import io
import json
import pathlib
from typing import NamedTuple

import numpy as np

from gan_jax import cache
from gan_jax.errors import InputError
from gan_jax.metrics import significance
from gan_jax.report import score_text
from gan_jax.rundir import log
from gan_jax.studies import jobs
from gan_jax.studies.ablate.grid import Point

SHOWN = (
    "frechet",
    "coverage",
    "total_variation",
    "classes_5pct",
    "modes_covered",
    "registered",
)  # in words
COMPARED = (
    "frechet",
    "total_variation",
    "registered",
)  # by which configurations are told from the first
NOT_SCORED = "not scored: "


class Trial(NamedTuple):
    """One run of a sweep. name: of its folder. words: flags of its command."""

    name: str
    point: Point
    seed: int
    words: list


class Plan(NamedTuple):
    """A sweep, checked.

    trials: [Trial], equal ones once. settings: {name: {flag: value} of all settings, None where refused}. refused: {name: why}.
    same: {name: name of the trial that it equals}.
    """

    trials: list
    settings: dict
    refused: dict
    same: dict

    def varied(self):
        """Flags that any of the points overrides."""
        return list(dict.fromkeys(flag for trial in self.trials for flag in trial.point.overrides))


def load(root):
    """{name of a trial: what sweep.json says of it}; {} for a new sweep. Raises InputError: it cannot be read."""
    try:
        return json.loads((root / "sweep.json").read_text())
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise InputError(
            f"{root / 'sweep.json'} cannot be read ({error}); delete it, and the same command goes on."
        ) from error


class Book:
    """A Plan and, in `known`, what became of each of its trials.

    known: {name: {"code": exit code or None, "reason": one line or "", "words": of its command, "scored": flags by which it is
    scored, or None}}.
    """

    def __init__(self, root, plan):
        self.root, self.plan = pathlib.Path(root), plan
        kept = load(self.root)
        self.known = {
            trial.name: self._stand(trial, kept.get(trial.name, {})) for trial in plan.trials
        }

    def _stand(self, trial, kept):
        """Where a trial stands before this start; code None: to be run. A run that diverged would do so again."""
        new = {"code": None, "reason": "", "words": trial.words, "scored": None}
        if trial.name in self.plan.refused:
            return {**new, "code": jobs.REFUSED, "reason": self.plan.refused[trial.name]}
        if (self.root / trial.name / "DONE").exists():
            return {**new, "code": jobs.DONE, "scored": kept.get("scored")}
        lost = kept.get("code") == jobs.FAILED and kept["words"] == trial.words
        return kept if lost and (self.root / trial.name / "config.json").exists() else new

    def left(self):
        """Trials that are to be run."""
        return [trial for trial in self.plan.trials if self.known[trial.name]["code"] is None]

    def finished(self):
        """Trials that are trained."""
        return [trial for trial in self.plan.trials if self.known[trial.name]["code"] == jobs.DONE]

    def status(self, name):
        """What became of a trial, in a word or two."""
        code = self.known[name]["code"]
        return "not run" if code is None else jobs.status(code)

    def note(self, name, **news):
        """Keeps what became of a trial."""
        self.known[name] |= news
        self.write()

    def write(self):
        """sweep.json and summary.csv, as they stand."""
        cache.write_atomic(self.root / "sweep.json", json.dumps(self.known, indent=1) + "\n")
        cache.write_atomic(self.root / "summary.csv", table(self))

    def scores(self, trial):
        """{key: score, key_se: its standard error} of a scored trial, in the order of tables; {} of another."""
        path = self.root / trial.name / "eval.json"
        if not (self.known[trial.name]["scored"] and path.exists()):
            return {}
        record = json.loads(path.read_text())
        row = record["rows"][score_text.judged(record)]
        return {
            key: row[key]
            for score in score_text.listed(record)
            for key in (score, f"{score}_se")
            if key in row
        }

    def pace(self, trial):
        """(steps trained, minutes of training) of a trial; (0, 0.0) of one that has logged nothing."""
        logged = log.read(self.root / trial.name / "metrics.jsonl")
        return (
            (logged[-1]["step"], logged[-1]["wall"].get("train_s", 0.0) / 60)
            if logged
            else (0, 0.0)
        )


def table(book):
    """summary.csv as text: a row per run. A flag that a run does not override has there the value that it has for all."""
    rows = [_row(book, trial) for trial in book.plan.trials]
    known = [f"{key}{end}" for key in score_text.known() for end in ("", "_se")]
    columns = [key for key in known if any(key in row for row in rows)]
    head = [
        "run",
        *book.plan.varied(),
        "seed",
        "status",
        "code",
        "reason",
        "steps",
        "minutes",
        *columns,
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, head, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _row(book, trial):
    known, settings = book.known[trial.name], book.plan.settings[trial.name]
    steps, minutes = (0, 0.0) if known["code"] == jobs.REFUSED else book.pace(trial)
    return {
        "run": trial.name,
        **{flag: (settings or trial.point.overrides).get(flag, "") for flag in book.plan.varied()},
        "seed": trial.seed,
        "status": book.status(trial.name),
        "code": "" if known["code"] is None else known["code"],
        "reason": known["reason"],
        "steps": steps,
        "minutes": round(minutes, 2),
        **book.scores(trial),
    }


def text(book, incomparable=""):
    """summary.md: a table of configurations, whether they differ from the first, what was lost and why.

    incomparable: why the scores may not share a table; "" if they may.
    """
    parts = [_configurations(book, incomparable)]
    said = [] if incomparable else verdicts(book)
    said += [f"No comparison: {incomparable}"] if incomparable else []
    said += [
        f"{name}: {book.status(name)}. {known['reason']}"
        for name, known in book.known.items()
        if known["reason"]
    ]
    said += [
        f"{name} is the same run as {first}, and made once."
        for name, first in book.plan.same.items()
    ]
    return "\n\n".join([*parts, "\n".join(f"- {line}" for line in said)] if said else parts) + "\n"


def _by_point(book):
    """{name of a point: [(Trial, scores)]}."""
    out = {}
    for trial in book.plan.trials:
        out.setdefault(trial.point.name, []).append((trial, book.scores(trial)))
    return out


def _configurations(book, incomparable):
    found = _by_point(book)
    scored = [scores for runs in found.values() for _, scores in runs if scores]
    keys = (
        []
        if incomparable
        else [key for key in SHOWN if scored and all(key in scores for scores in scored)]
    )
    lines = [
        [
            "configuration",
            "runs",
            "done",
            "minutes",
            *(score_text.known()[key].title for key in keys),
        ]
    ]
    lines.append(["---"] * len(lines[0]))
    for name, runs in found.items():
        done = [trial for trial, _ in runs if book.status(trial.name) == "done"]
        minutes = significance.text([book.pace(trial)[1] for trial in done], 1) if done else "-"
        values = [[scores[key] for _, scores in runs if scores] for key in keys]
        lines.append(
            [
                name,
                str(len(runs)),
                str(len(done)),
                minutes,
                *(significance.text(v, 3) if v else "-" for v in values),
            ]
        )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def verdicts(book):
    """Sentences: every configuration against the first of the sweep, by Welch's t over seeds; the intervals hold together."""
    found = {
        name: [scores for _, scores in runs if scores] for name, runs in _by_point(book).items()
    }
    (first, base), *others = found.items()
    pairs = [
        (name, runs, key)
        for name, runs in others
        if runs and base
        for key in COMPARED
        if key in base[0] and key in runs[0]
    ]
    out = []
    for name, runs, key in pairs:
        score, (a, b) = (
            score_text.known()[key],
            ([np.float64(run[key]) for run in part] for part in (runs, base)),
        )
        out.append(
            significance.verdict(name, a, first, b, score.title, 3, len(pairs), score.better)
        )
    return out
