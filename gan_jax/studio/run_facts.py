"""What the files of a run folder say of it: configuration, progress, scores, notes."""

import os
from pathlib import Path
from typing import Any

from gan_jax.data import titles
from gan_jax.errors import EXIT_DONE, EXIT_STOPPED, InputError
from gan_jax.rundir import run_lock, slurm_record
from gan_jax.settings import Size
from gan_jax.studio import files, run_notes, slurm_facts
from gan_jax.studio.launch_files import SCORING
from gan_jax.studio.run_state import RunState

# Files that a summary depends on.
SUMMARY_FILES = (
    "config.json",
    "metrics.jsonl",
    "eval.json",
    "DONE",
    "studio.json",
    "console.log",
    "samples",
    "report.html",
    run_notes.NAME,
    SCORING.record,
    SCORING.console,
    slurm_record.NAME,
    slurm_facts.PROCESSES,
)
MAX_WARNINGS, MAX_WARNING_LENGTH = 9, 80
MAX_STEP_DIGITS = 12
# Rows of eval.json that a score is held against.
REFERENCES = ("real", "untrained", "collapsed")
# Parts of wall in metrics.jsonl that come between steps, in seconds since the run began.
BETWEEN_STEPS = ("watch_s", "sample_s", "evaluate_s", "checkpoint_s")

Stamp = tuple[int, int]  # (time of change in ns, size in bytes) of a file


def stamp(path: Path) -> Stamp | None:
    """Return the stamp of a file, None where there is none."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def read_facts(folder: Path, stamps: dict[str, Stamp | None]) -> tuple[dict, dict]:
    """Read what the files of a run folder say.

    Returns:
      (facts for a summary, what studio.json holds or {}). facts["problem"] says what is damaged,
      and facts["empty"] whether config.json is missing.
    """
    changed = max((stamp[0] for stamp in stamps.values() if stamp), default=0)
    notes = run_notes.read(folder)
    facts: dict[str, Any] = {
        "experiment": "",
        "method": "",
        "data": "",
        "size": 0,
        "seed": 0,
        "step": 0,
        "steps": 0,
        "speed": 0.0,
        "seconds_per_step": 0.0,
        "time": 0.0,
        "warnings": [],
        "scores": {},
        "references": {},
        "scored_step": None,
        "grid": None,
        "problem": "",
        "empty": stamps["config.json"] is None,
        "report": stamps["report.html"] is not None,
        "changed": changed / 1e9,
        **{key: notes[key] for key in ("title", "tags", "archived")},
    }
    launch = {}
    try:
        launch = files.read_json(folder / "studio.json") or {}
        facts["experiment"] = str(launch.get("experiment", ""))[:60]
        facts |= _config_facts(folder)
        facts |= _progress(folder)
        facts |= {"grid": max(sample_steps(folder), default=None), **_scores(folder)}
    except InputError as error:
        facts["problem"] = str(error)
    return facts, launch


def _config_facts(folder: Path) -> dict[str, Any]:
    config = files.read_config(folder)
    if config is None:
        raise InputError("config.json is missing, so it is not known what this run is.")
    try:
        run, dataset = config["run"], config["dataset"]
        texts = {
            "experiment": config["experiment"],
            "method": config["method"],
            "data": dataset["name"],
        }
        numbers = {"steps": run["steps"], "seed": run["seed"]}
        size = Size.of(dataset["size"]).value
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"config.json was written by another version, or is damaged: it lacks {error}."
        ) from error
    has_texts = all(isinstance(value, str) for value in texts.values())
    if not has_texts or not all(type(value) is int for value in numbers.values()):
        raise InputError(
            "config.json was written by another version, or is damaged: a value is of another type."
        )
    return texts | numbers | {"size": size, "data": titles.title(texts["data"])}


def _progress(folder: Path) -> dict[str, Any]:
    """Read step, speed in steps/s, times in seconds and warnings of the newest record."""
    record = files.newest_record(folder / "metrics.jsonl") or {}
    wall, warnings = record.get("wall"), record.get("warnings")
    if not isinstance(wall, dict):
        wall = {}
    if not isinstance(warnings, list):
        warnings = []
    step, speed = record.get("step", 0), files.finite_float(wall.get("steps_per_s"))
    between = sum(files.finite_float(wall.get(name)) for name in BETWEEN_STEPS)
    return {
        "step": step,
        "speed": speed,
        "seconds_per_step": 1 / speed + between / step if speed > 0 and step > 0 else 0.0,
        "time": files.finite_float(wall.get("time")),
        "warnings": [str(warning)[:MAX_WARNING_LENGTH] for warning in warnings[:MAX_WARNINGS]],
    }


def time_left(facts: dict[str, Any], changed: float, now: float) -> float | None:
    """Estimate the seconds until a run that trains is done; None before its first record.

    Steps take as long as those of the newest record. Evaluations, samples, checkpoints and the
    monitor take their mean share of a step so far.

    Args:
      facts: see `read_facts`.
      changed: time of the newest record, in seconds since the epoch.
      now: time, as `changed`.
    """
    if not facts["seconds_per_step"]:
        return None
    left = (facts["steps"] - facts["step"]) * facts["seconds_per_step"]
    return max(left - max(now - changed, 0.0), 0.0)


def phase(last_line: str) -> str:
    """Say what a run that has no new record does, from the last line of its console."""
    if not last_line or last_line.startswith("$ "):
        return "starting, and reading the data"
    return "" if last_line.startswith("step ") else last_line


def is_step(text: str) -> bool:
    """Return whether a text is the number of a step."""
    return text.isascii() and text.isdigit() and len(text) < MAX_STEP_DIGITS


def sample_steps(folder: Path) -> list[int]:
    """List the steps of the sample grids of a run, in order."""
    if (folder / "samples").is_symlink():
        return []
    try:
        names = [entry.name for entry in os.scandir(folder / "samples")]
    except OSError:
        return []
    stems = (name.removesuffix(".png") for name in names if name.endswith(".png"))
    return sorted({int(stem) for stem in stems if is_step(stem)})


def _scores(folder: Path) -> dict[str, Any]:
    """Read the scores in eval.json, without standard errors and deviations.

    Returns:
      {"scores": of the model, "references": {row of REFERENCES: its scores}, "scored_step"}.
    """
    record = files.read_json(folder / "eval.json") or {}
    rows = record.get("rows")
    rows = rows if isinstance(rows, dict) else {}
    step = record.get("step")
    scores = _row(rows.get("model"))
    references = {name: _row(rows.get(name), scores) for name in REFERENCES if name in rows}
    return {
        "scores": scores,
        "references": references,
        "scored_step": step if type(step) is int else None,
    }


def _row(row: Any, names: dict[str, float] | None = None) -> dict[str, float]:
    """Return the scores of a row of eval.json; names: those to keep, or None for all."""
    if not isinstance(row, dict):
        return {}
    return {
        key: value
        for key, value in row.items()
        if type(value) in (int, float)
        and not key.endswith(("_se", "_std"))
        and (names is None or key in names)
    }


def evaluation(folder: Path) -> dict[str, str] | None:
    """Return {"state", "reason"} of an evaluation that the studio started; None without one.

    States: queued, running, stopped, crashed, finished; a refusal is "refused".
    """
    try:
        launch = SCORING.read(folder)
    except InputError as error:
        return {"state": RunState.UNREADABLE, "reason": str(error)}
    if not launch:
        return None
    last = files.last_line(folder / SCORING.console)
    if run_lock.is_locked(folder, SCORING.lock):
        return {"state": RunState.RUNNING, "reason": "" if last.startswith("$ ") else last}
    if launch.get("state") == "queued":
        return {"state": RunState.QUEUED, "reason": ""}
    if launch.get("state") == "withdrawn":
        return None
    code = launch.get("code")
    if code == EXIT_DONE:
        return {"state": RunState.FINISHED, "reason": ""}
    if launch.get("state") == "launched":
        return {"state": RunState.CRASHED, "reason": "its process ended without a word"}
    if code == EXIT_STOPPED:
        return {"state": RunState.STOPPED, "reason": last}
    if isinstance(code, int) and code < 0:
        return {"state": RunState.STOPPED, "reason": f"ended by signal {-code}"}
    return {"state": RunState.REFUSED if code == 2 else RunState.CRASHED, "reason": last}
