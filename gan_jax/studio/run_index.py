"""The run folders below a root, whoever trains in them, and a cheap summary of each."""

import os
import time
from pathlib import Path
from typing import Any

from gan_jax.errors import InputError
from gan_jax.rundir import run_lock
from gan_jax.studio import files
from gan_jax.studio.run_state import ACTIVE_STATES, RunEvidence, RunState, classify

MAX_DEPTH = 4  # folders below the root in which runs are searched
RESCAN_SECONDS = 1.0  # between two searches of the root
# A run folder holds one of these.
RUN_MARKERS = ("config.json", "studio.json", "metrics.jsonl", "checkpoints")
# A published folder holds this, see rundir.published. It is no run.
PUBLISHED_MARKER = "gan_jax.json"
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
)
MAX_WARNINGS, MAX_WARNING_LENGTH = 9, 80
MAX_STEP_DIGITS = 12

Stamp = tuple[int, int]  # (time of change in ns, size in bytes) of a file


class NotFound(InputError):
    """There is no such run, or no such part of it."""


class RunIndex:
    """The runs below a root. A run's name is the path of its folder relative to the root."""

    def __init__(self, root: str | Path):
        self.root = Path(root).expanduser().resolve()
        self._folders: dict[str, Path] = {}
        self._scanned = -RESCAN_SECONDS
        self._cache: dict[str, tuple[dict, dict, dict]] = {}  # {name: (stamps, facts, launch)}

    def names(self) -> dict[str, Path]:
        """Return {name: folder} of all runs, sorted; bytes that are not UTF-8 are replaced."""
        if time.monotonic() - self._scanned > RESCAN_SECONDS:
            folders: dict[str, Path] = {}
            _find_runs(self.root, "", MAX_DEPTH, folders)
            self._folders, self._scanned = dict(sorted(folders.items())), time.monotonic()
            self._cache = {name: entry for name, entry in self._cache.items() if name in folders}
        return self._folders

    def refresh(self) -> None:
        """Search the root again at the next access."""
        self._scanned = -RESCAN_SECONDS

    def folder(self, name: str) -> Path:
        """Return the folder of a run. Only searching finds folders, so no name leads elsewhere.

        Raises:
          NotFound
        """
        if name not in self.names():
            self.refresh()
        if name not in self.names():
            raise NotFound("There is no such run under this root.")
        return self._folders[name]

    def summary(self, name: str) -> dict[str, Any]:
        """Summarize a run for JSON. A damaged folder has the state "unreadable".

        Returns:
          {"name", "state": RunState, "reason", "left": seconds to the end or None} and what
          `_read_facts` returns.

        Raises:
          NotFound
        """
        folder = self.folder(name)
        stamps = {file: _stamp(folder / file) for file in SUMMARY_FILES}
        if name not in self._cache or self._cache[name][0] != stamps:
            self._cache[name] = stamps, *_read_facts(folder, stamps)
        _, facts, launch = self._cache[name]
        log = stamps["metrics.jsonl"]
        evidence = RunEvidence(
            is_locked=run_lock.is_locked(folder),
            is_supervised=run_lock.is_locked(folder, "studio.lock"),
            is_done=stamps["DONE"] is not None,
            launch=launch,
            changed=log[0] / 1e9 if log else 0.0,
            last_line=files.last_line(folder / "console.log") if launch else "",
        )
        state, reason = classify(evidence)
        # A launch that was refused leaves no config.json, which is no damage.
        was_refused = facts["empty"] and launch
        if facts["problem"] and state not in ACTIVE_STATES and not was_refused:
            state, reason = RunState.UNREADABLE, facts["problem"]
        left = None
        if state == RunState.RUNNING and facts["speed"]:
            left = (facts["steps"] - facts["step"]) / facts["speed"]
        return {"name": name, **facts, "state": state, "reason": reason, "left": left}

    def summaries(self) -> list[dict[str, Any]]:
        """Summarize all runs, by name."""
        summaries = []
        for name in self.names():
            try:
                summaries.append(self.summary(name))
            except NotFound:  # removed since the search
                continue
        return summaries


def _find_runs(folder: Path, name: str, depth: int, folders: dict[str, Path]) -> None:
    """Add the run folders at and below a folder to {name: folder}; links are not followed."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    if any(entry.name == PUBLISHED_MARKER for entry in entries):
        return
    if name and any(entry.name in RUN_MARKERS for entry in entries):
        folders[name] = folder
        return
    for entry in entries if depth else ():
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
            text = os.fsencode(entry.name).decode(errors="replace")
            _find_runs(Path(entry.path), f"{name}/{text}" if name else text, depth - 1, folders)


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _read_facts(folder: Path, stamps: dict[str, Stamp | None]) -> tuple[dict, dict]:
    """Read what the files of a run folder say.

    Returns:
      (facts for a summary, what studio.json holds or {}). facts["problem"] says what is damaged,
      and facts["empty"] whether config.json is missing.
    """
    changed = max((stamp[0] for stamp in stamps.values() if stamp), default=0)
    facts: dict[str, Any] = {
        "experiment": "",
        "method": "",
        "data": "",
        "size": 0,
        "seed": 0,
        "step": 0,
        "steps": 0,
        "speed": 0.0,
        "time": 0.0,
        "warnings": [],
        "scores": {},
        "grid": None,
        "problem": "",
        "empty": stamps["config.json"] is None,
        "report": stamps["report.html"] is not None,
        "changed": changed / 1e9,
    }
    launch = {}
    try:
        launch = files.read_json(folder / "studio.json") or {}
        facts["experiment"] = str(launch.get("experiment", ""))[:60]
        facts |= _config_facts(folder)
        facts |= _progress(folder)
        facts |= {"grid": max(sample_steps(folder), default=None), "scores": _scores(folder)}
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
        numbers = {"steps": run["steps"], "size": dataset["size"], "seed": run["seed"]}
    except (KeyError, TypeError) as error:
        raise InputError(
            f"config.json was written by another version, or is damaged: it lacks {error}."
        ) from error
    has_texts = all(isinstance(value, str) for value in texts.values())
    if not has_texts or not all(type(value) is int for value in numbers.values()):
        raise InputError(
            "config.json was written by another version, or is damaged: a value is of another type."
        )
    return texts | numbers


def _progress(folder: Path) -> dict[str, Any]:
    """Read step, speed in steps/s, time in seconds and warnings of the newest record."""
    record = files.newest_record(folder / "metrics.jsonl") or {}
    wall, warnings = record.get("wall"), record.get("warnings")
    if not isinstance(wall, dict):
        wall = {}
    if not isinstance(warnings, list):
        warnings = []
    return {
        "step": record.get("step", 0),
        "speed": files.finite_float(wall.get("steps_per_s")),
        "time": files.finite_float(wall.get("time")),
        "warnings": [str(warning)[:MAX_WARNING_LENGTH] for warning in warnings[:MAX_WARNINGS]],
    }


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


def _scores(folder: Path) -> dict[str, float]:
    """Read the scores of the model in eval.json, without standard errors and deviations."""
    rows = (files.read_json(folder / "eval.json") or {}).get("rows")
    row = rows.get("model") if isinstance(rows, dict) else None
    if not isinstance(row, dict):
        return {}
    return {
        key: value
        for key, value in row.items()
        if type(value) in (int, float) and not key.endswith(("_se", "_std"))
    }
