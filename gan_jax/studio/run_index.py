"""The run folders below a root, whoever trains in them, and a cheap summary of each."""

import os
import time
from pathlib import Path
from typing import Any

from gan_jax.errors import InputError
from gan_jax.rundir import run_lock, slurm_record
from gan_jax.studio import files, run_facts, run_notes, slurm_facts, sweeps
from gan_jax.studio.launch_files import TRAINING
from gan_jax.studio.run_state import ACTIVE_STATES, RunEvidence, RunState, classify

MAX_DEPTH = 4  # folders below the root in which runs are searched
RESCAN_SECONDS = 1.0  # between two searches of the root
MTIME_TOLERANCE = 0.05  # seconds by which a time of change may be before the clock
# A run folder holds one of these.
RUN_MARKERS = ("config.json", "studio.json", slurm_record.NAME, "metrics.jsonl", "checkpoints")
# A published folder holds this, see rundir.published. It is no run.
PUBLISHED_MARKER = "gan_jax.json"


class NotFound(InputError):
    """There is no such run, or no such part of it."""


class RunIndex:
    """The runs below a root. A run's name is the path of its folder relative to the root.

    A sweep is found as well; its runs lie in its folder.

    Attributes:
      root: the root.
      stop_asked: {name: when this studio asked the run to stop}.
    """

    def __init__(self, root: str | Path):
        self.root = Path(root).expanduser().resolve()
        self.stop_asked: dict[str, float] = {}
        self._folders: dict[str, Path] = {}
        self._sweeps: dict[str, Path] = {}
        self._scanned = -RESCAN_SECONDS
        self._cache: dict[str, tuple[dict, dict, dict]] = {}  # {name: (stamps, facts, launch)}
        # {sweep: (stamp, outcomes, what is damaged)}
        self._outcome_cache: dict[str, tuple[run_facts.Stamp | None, dict, str]] = {}

    def _scan(self):
        if time.monotonic() - self._scanned <= RESCAN_SECONDS:
            return
        folders: dict[str, Path] = {}
        found_sweeps: dict[str, Path] = {}
        _find_runs(self.root, "", MAX_DEPTH, folders, found_sweeps)
        self._folders, self._sweeps = dict(sorted(folders.items())), found_sweeps
        self._scanned = time.monotonic()
        self._cache = {name: entry for name, entry in self._cache.items() if name in folders}

    def names(self) -> dict[str, Path]:
        """Return {name: folder} of all runs, sorted; bytes that are not UTF-8 are replaced."""
        self._scan()
        return self._folders

    def sweeps(self) -> dict[str, Path]:
        """Return {name: folder} of all sweeps."""
        self._scan()
        return self._sweeps

    def sweep_of(self, name: str) -> str:
        """Return the name of the sweep that a run belongs to, "" if to none."""
        parent = name.rpartition("/")[0]
        return parent if parent in self.sweeps() else ""

    def refresh(self) -> None:
        """Search the root again at the next access."""
        self._scanned = -RESCAN_SECONDS

    def folder(self, name: str) -> Path:
        """Return the folder of a run or a sweep. Only searching finds one: no name leads elsewhere.

        Raises:
          NotFound
        """
        if name not in self.names() and name not in self.sweeps():
            self.refresh()
        found = self.names().get(name) or self.sweeps().get(name)
        if found is None:
            raise NotFound("There is no such run under this root.")
        return found

    def summary(self, name: str) -> dict[str, Any]:
        """Summarize a run or a sweep for JSON. A damaged folder has the state "unreadable".

        Returns:
          {"name", "state": RunState, "reason", "sweep": name of its sweep or "", "phase": what a
          run without a new record does, "since": when that began, "left": seconds to the end or
          None, "evaluation": see run_facts.evaluation, "cluster": see slurm_facts.describe,
          "processes": see slurm_facts.processes} and what run_facts.read_facts returns; of a sweep
          see `sweep_summary`.

        Raises:
          NotFound
        """
        folder = self.folder(name)
        if name in self.sweeps():
            return self.sweep_summary(name)
        stamps = {file: run_facts.stamp(folder / file) for file in run_facts.SUMMARY_FILES}
        if name not in self._cache or self._cache[name][0] != stamps:
            self._cache[name] = stamps, *run_facts.read_facts(folder, stamps)
        _, facts, launch = self._cache[name]
        log, console = stamps["metrics.jsonl"], stamps["console.log"]
        changed = log[0] / 1e9 if log else 0.0
        last_line = files.last_line(folder / TRAINING.console) if launch else ""
        sweep = self.sweep_of(name)
        if sweep and not launch:
            launch = self._launch_by_sweep(sweep, folder.name)
            last_line = launch.get("reason", "")
        state, reason = self._classify(name, folder, launch, changed, last_line, stamps["DONE"])
        job = slurm_facts.newest_job(folder) if stamps[slurm_record.NAME] else None
        by_slurm = None
        if slurm_facts.is_newer(job, launch) and job:
            last_line = files.last_line(folder / job.log)
            by_slurm = slurm_facts.classify(job, bool(stamps["DONE"]), changed, last_line)
            state, reason = by_slurm or (state, reason)
        # A launch that was refused leaves no config.json, which is no damage.
        was_refused = facts["empty"] and (launch or job)
        if facts["problem"] and state not in ACTIVE_STATES and not was_refused:
            state, reason = RunState.UNREADABLE, facts["problem"]
        log_stamp = run_facts.stamp(folder / job.log) if by_slurm and job else console
        since = log_stamp[0] / 1e9 if log_stamp else changed
        now, is_running = time.time(), state == RunState.RUNNING
        phase = ""
        if state == RunState.STARTING or (
            is_running and (stamps["console.log"] or by_slurm) and not sweep
        ):
            phase = run_facts.phase(last_line)
        elif is_running and not facts["step"]:
            phase = "compiling, or at its first steps"
        return {
            "name": name,
            **facts,
            "state": state,
            "reason": reason,
            "sweep": sweep,
            "phase": phase,
            "since": since,
            "left": run_facts.time_left(facts, changed, now) if is_running else None,
            "evaluation": run_facts.evaluation(folder),
            "cluster": slurm_facts.describe(job, by_slurm is not None),
            "processes": slurm_facts.processes(folder) if stamps[slurm_facts.PROCESSES] else None,
        }

    def _classify(self, name, folder, launch, changed, last_line, done):
        """Determine (state, reason) of a run or a sweep."""
        began = files.finite_float(launch.get("began")) if launch else 0.0
        lock = run_facts.stamp(folder / run_lock.NAME)
        evidence = RunEvidence(
            is_locked=run_lock.is_locked(folder),
            is_supervised=run_lock.is_locked(folder, TRAINING.lock),
            is_done=bool(done),
            launch=launch,
            changed=changed,
            last_line=last_line,
            has_trained=lock is not None and lock[0] / 1e9 > began - MTIME_TOLERANCE,
            stop_asked=self.stop_asked.get(name, -1.0) >= began,
        )
        state, reason = classify(evidence)
        if state not in ACTIVE_STATES:
            self.stop_asked.pop(name, None)
        return state, reason

    def _launch_by_sweep(self, sweep, name):
        """Return the record of a run as if the studio and not its sweep had launched it."""
        folder, outcome = self.folder(sweep), self._outcomes(sweep)[0].get(name)
        if outcome and outcome["code"] is None and run_lock.is_locked(folder):
            return {"state": "queued"}
        return sweeps.launch_of(folder, outcome) if outcome else {}

    def _outcomes(self, sweep):
        """Read ({name: outcome} of a sweep, what is damaged or "") when its file has changed."""
        path = self.folder(sweep) / sweeps.RECORD
        stamp = run_facts.stamp(path)
        if sweep not in self._outcome_cache or self._outcome_cache[sweep][0] != stamp:
            try:
                self._outcome_cache[sweep] = stamp, sweeps.read_outcomes(path.parent), ""
            except InputError as error:
                self._outcome_cache[sweep] = stamp, {}, str(error)
        return self._outcome_cache[sweep][1:]

    def sweep_summary(self, name: str) -> dict[str, Any]:
        """Summarize a sweep for JSON.

        Returns:
          {"name", "kind": "sweep", "state", "reason", "experiment", "counts": see
          sweeps.count_outcomes, "documents": names of those that are there, "changed": time of the
          newest change} and the notes.

        Raises:
          NotFound
        """
        folder = self.folder(name)
        outcomes, problem = self._outcomes(name)
        launch, last_line = {}, ""
        try:
            launch = TRAINING.read(folder)
            last_line = files.last_line(folder / TRAINING.console) if launch else ""
        except InputError as error:
            problem = str(error)
        done = sweeps.is_complete(folder, outcomes)
        stamps = [run_facts.stamp(folder / file) for file in (sweeps.RECORD, TRAINING.record)]
        changed = max((stamp[0] / 1e9 for stamp in stamps if stamp), default=0.0)
        state, reason = self._classify(name, folder, launch, changed, last_line, done)
        if problem and state not in ACTIVE_STATES:
            state, reason = RunState.UNREADABLE, problem
        documents = sweeps.DOCUMENTS.items()
        notes = run_notes.read(folder)
        return {
            "name": name,
            "kind": "sweep",
            "state": state,
            "reason": reason,
            "experiment": sweeps.experiment_of(launch),
            "counts": sweeps.count_outcomes(outcomes),
            "documents": [key for key, file in documents if (folder / file).is_file()],
            "changed": changed,
            **{key: notes[key] for key in ("title", "tags", "archived")},
        }

    def with_children(self, name: str) -> list[dict[str, Any]]:
        """Summarize a run, or a sweep and its runs."""
        children = [child for child in self.names() if self.sweep_of(child) == name]
        return [self.summary(one) for one in (name, *children)]

    def summaries(self) -> list[dict[str, Any]]:
        """Summarize all runs, by name."""
        return self._summaries(self.names())

    def sweep_summaries(self) -> list[dict[str, Any]]:
        """Summarize all sweeps."""
        return self._summaries(self.sweeps())

    def _summaries(self, names):
        summaries = []
        for name in list(names):
            try:
                summaries.append(self.summary(name))
            except NotFound:  # removed since the search
                continue
        return summaries


def _find_runs(folder: Path, name: str, depth: int, folders: dict, found_sweeps: dict) -> None:
    """Add the run folders and sweeps at and below a folder to {name: folder}; no link is followed.

    Args:
      folder, name: where to search.
      depth: how many folders deep.
      folders, found_sweeps: {name: folder} of runs and of sweeps.
    """
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    present = {entry.name for entry in entries}
    if PUBLISHED_MARKER in present:
        return
    if name and present & {*RUN_MARKERS, sweeps.RECORD}:
        if not present & {sweeps.RECORD, TRAINING.record} or not sweeps.is_sweep(folder):
            if present & {*RUN_MARKERS}:
                folders[name] = folder
            return
        found_sweeps[name], depth = folder, 1
    for entry in entries if depth else ():
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
            text = os.fsencode(entry.name).decode(errors="replace")
            place = f"{name}/{text}" if name else text
            _find_runs(Path(entry.path), place, depth - 1, folders, found_sweeps)
