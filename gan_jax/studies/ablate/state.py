"""What became of the runs of a sweep: kept in sweep.json, and in summary.csv with a row per run."""

import csv
import io
import json
import pathlib
from typing import Any

from gan_jax import cache
from gan_jax.errors import EXIT_DONE, EXIT_FAILED, EXIT_REFUSED, InputError
from gan_jax.report import score_text
from gan_jax.rundir import log
from gan_jax.studies import jobs
from gan_jax.studies.ablate.plan import Plan, SweepRun

Outcome = dict[str, Any]


class SweepState:
    """A Plan, and what became of each of its runs.

    Attributes:
      root: the sweep's folder.
      plan: Plan.
      outcomes: {name: {"code": exit code or None, "reason": one line or "", "words": of its
        command, "scored": flags that it is scored with, or None}}.
    """

    def __init__(self, root: pathlib.Path, plan: Plan):
        """Read sweep.json of a sweep that goes on.

        Raises:
          InputError: it cannot be read.
        """
        self.root, self.plan = root, plan
        self._read = {}  # {path: ((time of its last change, bytes), what it holds)}
        stored = _load(root)
        self.outcomes = {
            run.name: self._outcome_before(run, stored.get(run.name, {})) for run in plan.runs
        }

    def _outcome_before(self, run: SweepRun, stored: Outcome) -> Outcome:
        """Return where a run stands before this start; code None: to be run."""
        new = {"code": None, "reason": "", "words": run.words, "scored": None}
        if run.name in self.plan.refused:
            return {**new, "code": EXIT_REFUSED, "reason": self.plan.refused[run.name]}
        if (self.root / run.name / "DONE").exists():
            return {**new, "code": EXIT_DONE, "scored": stored.get("scored")}
        # A run that diverged would diverge again.
        has_failed = stored.get("code") == EXIT_FAILED and stored["words"] == run.words
        is_there = (self.root / run.name / "config.json").exists()
        return stored if has_failed and is_there else new

    def remaining(self) -> list[SweepRun]:
        """List the runs that are to be run."""
        return [run for run in self.plan.runs if self.outcomes[run.name]["code"] is None]

    def finished(self) -> list[SweepRun]:
        """List the runs that are trained."""
        return [run for run in self.plan.runs if self.outcomes[run.name]["code"] == EXIT_DONE]

    def status(self, name: str) -> str:
        """Say in words what became of a run."""
        code = self.outcomes[name]["code"]
        return "not run" if code is None else jobs.status(code)

    def update(self, name: str, **changes) -> None:
        """Change the outcome of a run, and write it down."""
        self.outcomes[name] |= changes
        self.write()

    def write(self) -> None:
        """Write sweep.json and summary.csv."""
        text = json.dumps(self.outcomes, indent=1)
        cache.write_atomic(self.root / "sweep.json", text + "\n")
        cache.write_atomic(self.root / "summary.csv", summary_csv(self))

    def scores(self, name: str) -> dict[str, float]:
        """Read {key: score, key_se: its standard error} of a scored run; {} of another."""
        if not self.outcomes[name]["scored"]:
            return {}
        return self._read_changed(self.root / name / "eval.json", _parse_scores, {})

    def progress(self, name: str) -> tuple[int, float]:
        """Read (steps trained, minutes of training) of a run; (0, 0.0) if it has logged nothing."""
        return self._read_changed(self.root / name / "metrics.jsonl", _parse_progress, (0, 0.0))

    def _read_changed(self, path, parse, absent):
        """Return parse(path), or `absent` without a file; it is parsed again if it has changed.

        Every run that ends has the files of all runs read.
        """
        try:
            stat = path.stat()
        except OSError:
            return absent
        version = stat.st_mtime_ns, stat.st_size
        if self._read.get(path, (None,))[0] != version:
            self._read[path] = version, parse(path)
        return self._read[path][1]


def _parse_scores(path):
    """Read {key: score, key_se: its standard error} of an eval.json."""
    record = json.loads(path.read_text())
    row = record["rows"][score_text.subject_row(record)]
    keys = [k for score in score_text.score_keys(record) for k in (score, f"{score}_se")]
    return {key: row[key] for key in keys if key in row}


def _parse_progress(path):
    """Read (steps trained, minutes of training) of a metrics.jsonl."""
    records = log.read(path)
    if not records:
        return 0, 0.0
    return records[-1]["step"], records[-1]["wall"].get("train_s", 0.0) / 60


def _load(root):
    try:
        return json.loads((root / "sweep.json").read_text())
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise InputError(
            f"{root / 'sweep.json'} cannot be read ({error}); "
            "delete it, and the same command goes on."
        ) from error


def summary_csv(state: SweepState) -> str:
    """Format summary.csv, a row per run.

    A flag that a run does not override has there the value that it has for all.
    """
    rows = [_csv_row(state, run) for run in state.plan.runs]
    score_columns = [f"{key}{end}" for key in score_text.all_scores() for end in ("", "_se")]
    columns = [
        "run",
        *state.plan.varied_flags(),
        "seed",
        "status",
        "code",
        "reason",
        "steps",
        "minutes",
        *(column for column in score_columns if any(column in row for row in rows)),
    ]
    own = dict.fromkeys(key for row in rows for key in row)  # scores of plug-ins
    columns += [key for key in own if key not in columns]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _csv_row(state, run):
    outcome = state.outcomes[run.name]
    values = state.plan.settings[run.name] or run.configuration.overrides
    is_refused = outcome["code"] == EXIT_REFUSED
    steps, minutes = (0, 0.0) if is_refused else state.progress(run.name)
    return {
        "run": run.name,
        **{flag: values.get(flag, "") for flag in state.plan.varied_flags()},
        "seed": run.seed,
        "status": state.status(run.name),
        "code": "" if outcome["code"] is None else outcome["code"],
        "reason": outcome["reason"],
        "steps": steps,
        "minutes": round(minutes, 2),
        **state.scores(run.name),
    }
