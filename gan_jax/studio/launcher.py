"""The queue of runs: launched, scored, stopped, resumed. It lives in files of the run folders."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from gan_jax import plugins
from gan_jax.errors import InputError, typed
from gan_jax.rundir import config_file, run_lock, slurm_record
from gan_jax.studio import files, forms, run_index, sweeps
from gan_jax.studio.command_lines import check_name, command_environment, command_words
from gan_jax.studio.launch_files import SCORING, TRAINING, LaunchFiles
from gan_jax.studio.run_state import ACTIVE_STATES, BUSY_STATES, RunState


class Launcher:
    """The queue of one root. Of several studios of a root, one starts what is queued."""

    def __init__(self, runs: run_index.RunIndex, jobs: int, trust: bool = False):
        """Set up without starting anything.

        Args:
          runs: RunIndex of the root.
          jobs: runs that train at a time, those that were started elsewhere included.
          trust: whether commands may import plug-ins that run folders and forms name.
        """
        self.runs, self.jobs, self.trust = runs, jobs, trust
        self._queue_lock: TextIO | None = None  # held by the studio that starts what is queued

    def refuse_plugins(self, names: Iterable[str]) -> None:
        """Refuse Python code that a run folder or a form names, unless this studio trusts it.

        Raises:
          InputError
        """
        foreign = [name for name in names if name.startswith(plugins.PREFIX)]
        if foreign and not self.trust:
            raise InputError(
                f"{', '.join(foreign)} is Python code from outside of gan_jax; read it, then start "
                "the studio with --trust."
            )

    def check_place(self, name: str) -> Path:
        """Return the folder of a new run.

        Raises:
          InputError: the name cannot be used.
        """
        check_name(name)
        folder = self.runs.root / name
        above = [folder, *folder.parents][: name.count("/") + 1]
        if any(path.is_symlink() or (path.exists() and not path.is_dir()) for path in above):
            raise InputError(f"{name} leads out of the root, or is a file; choose another name.")
        marks = (*run_index.RUN_MARKERS, sweeps.RECORD)
        if any((path / mark).exists() for path in above[1:] for mark in marks):
            raise InputError(f"{name} lies inside another run; choose another name.")
        if folder.exists():
            raise InputError(f"{name} is taken; choose another name, or resume that run.")
        return folder

    def enqueue(self, name: str, experiment: str, flags: list[str]) -> None:
        """Put a new run, or a sweep, into the queue.

        Args:
          name: its folder below the root, which may not exist.
          experiment: training command, or sweeps.COMMAND.
          flags: its flags, see forms.build_flags.

        Raises:
          InputError: the name cannot be used.
        """
        folder = self.check_place(name)
        try:
            folder.mkdir(parents=True)
            _write_queued(folder, TRAINING, experiment, flags)
        except FileExistsError as error:
            raise InputError(
                f"{name} is taken; choose another name, or resume that run."
            ) from error
        except OSError as error:
            raise InputError(f"{folder} cannot be made ({error.strerror}).") from error
        self.runs.refresh()

    def enqueue_scoring(self, name: str, flags: list[str]) -> None:
        """Put the evaluation of a run into the queue.

        Args:
          name: the run's name.
          flags: of commands.evaluate.

        Raises:
          InputError: it has trained no step, or is evaluated already.
        """
        folder, summary = self.runs.folder(name), self.runs.summary(name)
        if not summary.get("step"):
            raise InputError(f"{name} has no checkpoint yet, so there is nothing to score.")
        if (summary["evaluation"] or {}).get("state") in ACTIVE_STATES:
            raise InputError(f"{name} is being scored already.")
        self.refuse_plugins(
            [*plugins.names_in(flags), *config_file.plugins_of(files.read_config(folder) or {})]
        )
        _write_queued(folder, SCORING, "evaluate", flags)

    def resume(self, name: str, commands: dict[str, Any]) -> None:
        """Put a run that was stopped into the queue, with the command that began it.

        Args:
          name: its name.
          commands: {training command, or sweeps.COMMAND: see forms.describe_command}.

        Raises:
          InputError: it is active, finished, or was not begun by a training command.
        """
        folder, state = self.runs.folder(name), self.runs.summary(name)["state"]
        if state in (*ACTIVE_STATES, RunState.FINISHED):
            raise InputError(f"{name} is {state}; there is nothing to resume.")
        sweep = self.runs.sweep_of(name)
        self._refuse_slurm(name, "look at it")
        if sweep and self.runs.summary(sweep)["state"] in ACTIVE_STATES:
            raise InputError(f"{name} belongs to {sweep}, which is active and makes it in turn.")
        _write_queued(folder, TRAINING, *self.resume_command(folder, commands))

    def resume_command(self, folder: Path, commands: dict[str, Any]) -> tuple[str, list[str]]:
        """Return the command and the flags that resume a run or a sweep.

        Args:
          folder: its folder.
          commands: {training command, or sweeps.COMMAND: see forms.describe_command}.

        Raises:
          InputError: they are not known, or are not flags of the command.
        """
        launch = TRAINING.read(folder)
        config = files.read_config(folder) or {}
        launched = plugins.names_in([launch.get("experiment"), launch.get("flags")])
        self.refuse_plugins(dict.fromkeys([*launched, *config_file.plugins_of(config)]))
        if launch.get("experiment") in commands and isinstance(launch.get("flags"), list):
            forms.refuse_unknown(commands[launch["experiment"]], launch["flags"])
            return launch["experiment"], launch["flags"]
        is_plugin = plugins.is_name("methods", str(config.get("experiment")))
        if config.get("experiment") not in commands and not is_plugin:
            raise InputError(
                "This run was not made by a training command alone; resume it by the command that "
                "began it."
            )
        if not (folder / "flags.txt").is_file():
            raise InputError("The folder lacks flags.txt, so its command is not known.")
        return config["experiment"], [f"--flagfile={folder / 'flags.txt'}"]

    def stop(self, name: str) -> str:
        """Ask a run to save and end, or take it out of the queue. Returns what was done.

        Raises:
          InputError: it is not active, or its process cannot be reached.
        """
        folder, state = self.runs.folder(name), self.runs.summary(name)["state"]
        self._refuse_slurm(name, "end it")
        if state == RunState.QUEUED:
            if sweep := self.runs.sweep_of(name):
                raise InputError(f"{name} waits for its turn in {sweep}; stop that.")
            return _withdraw(folder, TRAINING)
        if state not in ACTIVE_STATES:
            raise InputError(f"{name} does not run.")
        pid = supervised_pid(folder, TRAINING)
        if not pid and self.runs.summary(name)["state"] not in ACTIVE_STATES:  # it ended meanwhile
            raise InputError(f"{name} does not run.")
        _terminate(name, pid)
        self.runs.stop_asked[name] = time.time()
        return "asked to save and end"

    def _refuse_slurm(self, name, what):
        """Refuse what only the cluster can do with a run.

        Raises:
          InputError: a SLURM job trains the run, or may do so.
        """
        folder = self.runs.folder(name)
        if by_slurm(self.runs.summary(name)):
            command = "cancel" if what == "end it" else "status"
            raise InputError(
                f"A SLURM job trains {name}; {what} by `{typed(f'cluster {command}', folder)}`, "
                "where the cluster takes jobs."
            )

    def stop_scoring(self, name: str) -> str:
        """End the evaluation of a run, or take it out of the queue. Returns what was done.

        Raises:
          InputError: there is none, or its process cannot be reached.
        """
        folder = self.runs.folder(name)
        state = (self.runs.summary(name).get("evaluation") or {}).get("state")
        if state == RunState.QUEUED:
            return _withdraw(folder, SCORING)
        if state != RunState.RUNNING:
            raise InputError(f"{name} is not being scored.")
        _terminate(name, supervised_pid(folder, SCORING))
        return "its evaluation ends"

    def start_queued(self, commands: dict[str, Any]) -> int:
        """Start queued runs as far as `jobs` allows, if this studio is the one to do so.

        Runs of a sweep count by the sweep. Evaluations wait for the same places.

        Args:
          commands: {training command, or sweeps.COMMAND: see forms.describe_command}.

        Returns:
          number of runs that were queued.
        """
        if not self._owns_queue():
            return 0
        busy, queued = 0, []
        for one in [*self.runs.summaries(), *self.runs.sweep_summaries()]:
            folder, in_sweep = self.runs.folder(one["name"]), one.get("sweep", "")
            is_part = in_sweep and self.runs.summary(in_sweep)["state"] in BUSY_STATES
            is_here = not is_part and not by_slurm(one)
            busy += one["state"] in BUSY_STATES and is_here
            if one["state"] == RunState.QUEUED and is_here:
                queued.append((folder, TRAINING))
            scoring = (one.get("evaluation") or {}).get("state")
            busy += scoring == RunState.RUNNING
            if scoring == RunState.QUEUED:
                queued.append((folder, SCORING))
        asked = lambda item: files.finite_float(item[1].read(item[0]).get("asked"))
        for folder, place in sorted(queued, key=asked)[: max(self.jobs - busy, 0)]:
            with contextlib.suppress(InputError):  # withdrawn, or locked, at this moment
                self._start(folder, commands, place)
        return len(queued)

    def _owns_queue(self) -> bool:
        """Take the lock of the root's queue if it is free. Returns whether this studio holds it."""
        if self._queue_lock is None:
            self.runs.root.mkdir(parents=True, exist_ok=True)
            file = open(self.runs.root / ".studio.lock", "w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                return False
            self._queue_lock = file
        return True

    def _start(self, folder, commands, place: LaunchFiles = TRAINING):
        with place.locked(folder) as lock:
            launch = place.read(folder)
            if launch.get("state") != "queued":
                return
            try:
                words = self._words(folder, commands, place, launch)
            except InputError as error:
                ended = {"state": "ended", "code": 2, "ended": time.time()}
                (folder / place.console).write_text(f"{error}\n")
                place.write(folder, launch | ended)
                return
            place.write(folder, launch | {"state": "launched", "began": time.time()})
            kind = "train" if place is TRAINING else "evaluate"
            supervise = [sys.executable, "-m", "gan_jax.studio.supervisor", str(folder), kind]
            # In a session of its own, so that a signal that ends the studio does not reach it. The
            # supervisor inherits the open lock, which it holds while it lives.
            subprocess.Popen(
                [*supervise, "--", *words],
                env=command_environment(self.jobs),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(lock.fileno(),),
            )

    def _words(self, folder, commands, place, launch):
        """Return the words of a queued command; they are checked again, since files may change."""
        if place is TRAINING:
            words = command_words(*self.resume_command(folder, commands), folder)
        else:
            flags = launch.get("flags")
            if not isinstance(flags, list):
                raise InputError(f"{place.record} holds no flags.")
            forms.refuse_unknown(commands["evaluate"], flags)
            words = command_words("evaluate", flags, folder)
        return words + ["--trust"] * self.trust

    def close(self) -> None:
        """Leave the queue to another studio."""
        if self._queue_lock:
            self._queue_lock.close()


def by_slurm(summary: dict[str, Any]) -> bool:
    """Say whether a run is trained by a SLURM job now, waits for one or may still have one."""
    job = summary.get("cluster") or {}
    return job.get("state") in (*slurm_record.ACTIVE, "lost")


def _write_queued(folder, place, experiment, flags):
    launch = {"state": "queued", "experiment": experiment, "flags": flags, "asked": time.time()}
    with place.locked(folder):
        place.write(folder, launch)


def _withdraw(folder, place):
    with place.locked(folder):
        place.write(folder, place.read(folder) | {"state": "withdrawn"})
    return "taken out of the queue"


def _terminate(name, pid):
    if not pid:
        raise InputError(
            f"The process of {name} cannot be seen from here; stop it where it was started."
        )
    try:
        os.kill(pid, signal.SIGTERM)
    except (ProcessLookupError, PermissionError) as error:
        raise InputError(f"The process of {name} cannot be reached ({error.strerror}).") from error


def supervised_pid(folder: Path, place: LaunchFiles) -> int | None:
    """Return the id of the process that works in a folder, or is about to.

    The run lock names one that trains; before it has taken that, the record does.
    """
    for _ in range(20):
        if place is TRAINING and (pid := run_lock.lock_owner_pid(folder)):
            return pid
        launch = place.read(folder)
        if not run_lock.is_locked(folder, place.lock):
            return None
        pid = launch.get("pid")
        if launch.get("state") == "launched" and type(pid) is int and pid > 1:
            return pid
        time.sleep(0.1)  # the supervisor has only just been started
    return None
