"""Sweeps of studies.ablate as folders: what sweep.json says of their runs; imports no JAX."""

import contextlib
import os
from pathlib import Path
from typing import Any

from gan_jax.errors import EXIT_DONE, EXIT_REFUSED, InputError
from gan_jax.studio import files, launch_files

COMMAND = "ablate"  # its alias is sweep
RECORD = "sweep.json"  # {name of a run: {"code", "reason", "words", "scored"}}
# Pages and tables that a sweep writes: {name in an address: file}.
DOCUMENTS = {"comparison": "compare.html", "table": "summary.csv", "text": "summary.md"}
MAX_RUNS = 2000  # of a sweep that is shown


def is_sweep(folder: Path) -> bool:
    """Return whether a folder is a sweep's, begun or queued."""
    if os.path.lexists(folder / RECORD):
        return not os.path.lexists(folder / "config.json")
    with contextlib.suppress(InputError):
        return launch_files.TRAINING.read(folder).get("experiment") == COMMAND
    return False


def read_outcomes(folder: Path) -> dict[str, dict[str, Any]]:
    """Read what became of the runs of a sweep: {name: {"code": int or None, "reason"}}.

    Raises:
      InputError: sweep.json is damaged.
    """
    outcomes = {}
    for name, outcome in list((files.read_json(folder / RECORD) or {}).items())[:MAX_RUNS]:
        if not isinstance(outcome, dict):
            raise InputError(f"{RECORD} was written by another version, or is damaged.")
        code = outcome.get("code")
        words = outcome.get("words")
        outcomes[name] = {
            "code": code if type(code) is int else None,
            "reason": str(outcome.get("reason", ""))[:500],
            "words": [str(word)[:200] for word in words] if isinstance(words, list) else [],
            "scored": bool(outcome.get("scored")),
        }
    return outcomes


def experiment_of(launch: dict[str, Any]) -> str:
    """Return the training command that a sweep varies, "" where it is not known."""
    flags = launch.get("flags")
    words = [str(word) for word in flags] if isinstance(flags, list) else []
    named = [word.partition("=")[2] for word in words if word.startswith("--experiment=")]
    return named[-1][:60] if named else ""


def is_complete(folder: Path, outcomes: dict[str, dict[str, Any]]) -> bool:
    """Return whether a sweep has ended by itself: every run has, and the summary is written."""
    has_ended = all(outcome["code"] is not None for outcome in outcomes.values())
    return bool(outcomes) and has_ended and (folder / DOCUMENTS["text"]).is_file()


def launch_of(folder: Path, outcome: dict[str, Any]) -> dict[str, Any]:
    """Return the record of a run of a sweep as if the studio had launched it; {} if none ended."""
    code = outcome["code"]
    if code in (None, EXIT_DONE):
        return {}
    with contextlib.suppress(OSError):
        ended = os.stat(folder / RECORD).st_mtime
        return {"state": "ended", "code": code, "ended": ended, "reason": outcome["reason"]}
    return {}


def count_outcomes(outcomes: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Count the runs of a sweep: {"runs", "done", "refused", "failed", "scored"}."""
    codes = [outcome["code"] for outcome in outcomes.values()]
    n_done, n_refused = codes.count(EXIT_DONE), codes.count(EXIT_REFUSED)
    return {
        "runs": len(codes),
        "done": n_done,
        "refused": n_refused,
        "failed": sum(code is not None for code in codes) - n_done - n_refused,
        "scored": sum(outcome["scored"] for outcome in outcomes.values()),
    }
