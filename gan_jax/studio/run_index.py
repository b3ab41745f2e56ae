"""The run folders under a root, whoever trains in them: found, summed up, and read no further than that needs."""

import os
import pathlib
import time

from gan_jax.errors import InputError
from gan_jax.rundir import run_lock
from gan_jax.studio import files, health

DEPTH = 4  # folders below the root in which runs are looked for
MARKS = (
    "config.json",
    "studio.json",
    "metrics.jsonl",
    "checkpoints",
)  # of which a run folder has one
WATCHED = (
    "config.json",
    "metrics.jsonl",
    "eval.json",
    "DONE",
    "studio.json",
    "console.log",
    "samples",
    "report.html",
)
AGAIN = 1.0  # seconds before the root is searched again


class Missing(InputError):
    """There is no such run, or no such part of it."""


class Library:
    """Runs by name: the path of their folder below the root."""

    def __init__(self, root):
        self.root = pathlib.Path(root).expanduser().resolve()
        self._found, self._searched, self._facts = {}, -AGAIN, {}

    def names(self):
        """{name: folder} of all runs, by name; what is not UTF-8 in a name is replaced."""
        if time.monotonic() - self._searched > AGAIN:
            found = {}
            _search(self.root, "", DEPTH, found)
            self._found, self._searched = dict(sorted(found.items())), time.monotonic()
            self._facts = {name: facts for name, facts in self._facts.items() if name in found}
        return self._found

    def refresh(self):
        """Searches the root again at the next look: something was just added."""
        self._searched = -AGAIN

    def folder(self, name):
        """The folder of a run that was found by searching, so that no name leads anywhere else. Raises Missing."""
        if name not in self.names():
            self.refresh()
        if name not in self.names():
            raise Missing("There is no such run under this root.")
        return self._found[name]

    def summary(self, name):
        """What the list of runs shows of one: a JSON-able dict; a damaged folder is one whose health is "unreadable".

        Raises:
          Missing
        """
        folder = self.folder(name)
        seen = {file: _stamp(folder / file) for file in WATCHED}
        if self._facts.get(name, (None,))[0] != seen:
            self._facts[name] = seen, _facts(folder, seen)
        facts, launch = self._facts[name][1]
        signs = health.Signs(
            claimed=run_lock.is_locked(folder),
            supervised=run_lock.is_locked(folder, "studio.lock"),
            done=seen["DONE"] is not None,
            launch=launch,
            changed=(seen["metrics.jsonl"] or (0, 0))[0] / 1e9,
            said=files.last_line(folder / "console.log") if launch else "",
        )
        stands, why = health.judge(signs)
        if facts["problem"] and stands not in health.ACTIVE:
            # A launch that was refused leaves no config.json, and is no damage.
            stands, why = (
                (stands, why)
                if facts["empty"] and launch
                else (health.UNREADABLE, facts["problem"])
            )
        left = (
            (facts["steps"] - facts["step"]) / facts["speed"]
            if stands == health.RUNNING and facts["speed"]
            else None
        )
        return {"name": name, **facts, "health": stands, "why": why, "left": left}

    def all(self):
        """The summaries of all runs, by name."""
        out = []
        for name in self.names():
            try:
                out.append(self.summary(name))
            except Missing:  # it has just gone
                continue
        return out


def _search(folder, name, depth, found):
    """Adds the run folders at and below a folder to {name: folder}; links are not followed."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    if name and any(entry.name in MARKS for entry in entries):
        found[name] = folder
        return
    for entry in entries if depth else ():
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
            shown = os.fsencode(entry.name).decode(errors="replace")
            _search(
                pathlib.Path(entry.path), f"{name}/{shown}" if name else shown, depth - 1, found
            )


def _stamp(path):
    """(time of change in ns, size) of a file, or None."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _facts(folder, seen):
    """(what the files say: a dict as in `summary`, without how the run stands; studio.json or {})."""
    facts = {"experiment": "", "method": "", "data": "", "size": 0, "seed": 0, "step": 0, "steps": 0, "speed": 0.0, "time": 0.0,
             "warnings": [], "scores": {}, "grid": None, "problem": "", "empty": seen["config.json"] is None,
             "report": seen["report.html"] is not None,
             "changed": max((stamp[0] for stamp in seen.values() if stamp), default=0) / 1e9}  # fmt: skip
    launch = {}
    try:
        launch = files.read_json(folder / "studio.json") or {}
        facts["experiment"] = str(launch.get("experiment", ""))[:60]
        facts |= _configured(folder)
        facts |= _newest(folder)
        facts |= {"grid": max(steps(folder), default=None), "scores": _scores(folder)}
    except InputError as error:
        facts["problem"] = str(error)
    return facts, launch


def _configured(folder):
    config = files.read_json(folder / "config.json")
    if config is None:
        raise InputError("config.json is missing, so it is not known what this run is.")
    try:
        run, source = config["run"], config["source"]
        out = {
            "experiment": config["experiment"],
            "method": config["method"],
            "data": source["name"],
        }
        numbers = {"steps": run["steps"], "size": source["size"], "seed": run["seed"]}
    except (KeyError, TypeError) as error:
        raise InputError(
            f"config.json was written by another version, or is damaged: it lacks {error}."
        ) from error
    if not all(isinstance(v, str) for v in out.values()) or not all(
        type(v) is int for v in numbers.values()
    ):
        raise InputError(
            "config.json was written by another version, or is damaged: a value is of another type."
        )
    return out | numbers


def _newest(folder):
    record = files.newest_record(folder / "metrics.jsonl") or {}
    wall = record.get("wall") if isinstance(record.get("wall"), dict) else {}
    warnings = record.get("warnings") if isinstance(record.get("warnings"), list) else []
    speed, spent = (number(wall.get(key)) for key in ("steps_per_s", "time"))
    return {
        "step": record.get("step", 0),
        "speed": speed,
        "time": spent,
        "warnings": [str(w)[:80] for w in warnings[:9]],
    }


def number(value):
    """A value that should be a finite number, as float; 0.0 for anything else."""
    return float(value) if type(value) in (int, float) and abs(value) < files.HUGE else 0.0


def steps(folder):
    """Steps of the sample grids of a run, in order."""
    if (folder / "samples").is_symlink():
        return []
    try:
        names = [entry.name for entry in os.scandir(folder / "samples")]
    except OSError:
        return []
    stems = (name.removesuffix(".png") for name in names if name.endswith(".png"))
    return sorted(
        {int(stem) for stem in stems if stem.isascii() and stem.isdigit() and len(stem) < 12}
    )


def _scores(folder):
    """{score: value} of the judged row of eval.json."""
    rows = (files.read_json(folder / "eval.json") or {}).get("rows")
    if not isinstance(rows, dict):
        return {}
    row = rows.get("model") if isinstance(rows.get("model"), dict) else {}
    return {
        key: value
        for key, value in row.items()
        if type(value) in (int, float) and not key.endswith(("_se", "_std"))
    }
