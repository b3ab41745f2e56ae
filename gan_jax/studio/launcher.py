"""The queue of runs: launched, stopped, resumed. It lives in studio.json of the run folders."""

import contextlib
import fcntl
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from gan_jax import cache, plugins
from gan_jax.errors import InputError
from gan_jax.rundir import config_file, run_lock
from gan_jax.studio import files, forms, run_index
from gan_jax.studio.run_state import ACTIVE_STATES, RunState

_PART = "[A-Za-z0-9][A-Za-z0-9._-]{0,79}"
RUN_NAME = re.compile(f"{_PART}(/{_PART}){{0,2}}")
PROJECT = Path(__file__).resolve().parent.parent.parent
DRY_RUN_SECONDS = 120
MAX_OUTPUT = 20_000  # characters of a dry run that are shown
GPU_MEMORY = 0.9  # fraction that all runs share


def check_name(name: str) -> None:
    """Refuse what is no name of a run.

    Raises:
      InputError
    """
    if not RUN_NAME.fullmatch(name):
        raise InputError(
            "A run's name has letters, digits, dot, dash and underscore, and begins with a letter "
            "or digit."
        )


def command_words(
    name: str, flags: list[str], folder: Path | None = None, python: str = sys.executable
) -> list[str]:
    """Return the words that run a command of this package."""
    workdir = [f"--workdir={folder}"] if folder else []
    return [python, "-m", "gan_jax", name, *flags, *workdir]


def command_line(name: str, flags: list[str], folder: Path) -> str:
    """Return the same command as one would type it."""
    return shlex.join(command_words(name, flags, folder, "python"))


def command_environment(jobs: int = 1) -> dict[str, str]:
    """Return the environment of commands: they find this package, and share a GPU's memory.

    Args:
      jobs: runs that may train at a time.
    """
    path = os.pathsep.join([str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])])
    shared = {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{GPU_MEMORY / jobs:.3f}"} if jobs > 1 else {}
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **shared}


def dry_run(
    experiment: str, flags: list[str], folder: Path, trust: bool = False
) -> tuple[int, str]:
    """Run a training command with --dry_run. Returns (exit code, output)."""
    process = subprocess.Popen(
        [*command_words(experiment, flags, folder), "--dry_run", *["--trust"] * trust],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=command_environment(),
        start_new_session=True,
        text=True,
        errors="replace",
    )
    try:
        output, _ = process.communicate(timeout=DRY_RUN_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return 1, (
            f"It was not done after {DRY_RUN_SECONDS} s. Reading large data for the first time "
            "takes long: try a terminal."
        )
    return process.returncode, output[-MAX_OUTPUT:]


def _read_launch(folder: Path) -> dict[str, Any]:
    return files.read_json(folder / "studio.json") or {}


def _write_launch(folder: Path, launch: dict[str, Any]) -> None:
    cache.write_atomic(folder / "studio.json", json.dumps(launch))


@contextlib.contextmanager
def _lock_launch(folder: Path) -> Iterator[TextIO]:
    """Hold studio.lock of a run folder.

    Raises:
      InputError: a supervisor, or another studio, holds it.
    """
    with open(folder / "studio.lock", "w") as lock:
        try:
            run_lock.lock_file(lock)
        except BlockingIOError as error:
            raise InputError(
                f"{folder.name} is being started or ended; try again in a moment."
            ) from error
        yield lock


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

    def enqueue(self, name: str, experiment: str, flags: list[str]) -> None:
        """Put a new run into the queue.

        Args:
          name: its folder below the root, which may not exist.
          experiment: training command.
          flags: its flags, see forms.build_flags.

        Raises:
          InputError: the name cannot be used.
        """
        check_name(name)
        folder = self.runs.root / name
        above = [folder, *folder.parents][: name.count("/") + 1]
        if any(path.is_symlink() or (path.exists() and not path.is_dir()) for path in above):
            raise InputError(f"{name} leads out of the root, or is a file; choose another name.")
        if any((path / mark).exists() for path in above[1:] for mark in run_index.RUN_MARKERS):
            raise InputError(f"{name} lies inside another run; choose another name.")
        try:
            folder.mkdir(parents=True)
            self._write_queued(folder, experiment, flags)
        except FileExistsError as error:
            raise InputError(
                f"{name} is taken; choose another name, or resume that run."
            ) from error
        except OSError as error:
            raise InputError(f"{folder} cannot be made ({error.strerror}).") from error
        self.runs.refresh()

    def resume(self, name: str, experiments: dict[str, Any]) -> None:
        """Put a run that was stopped into the queue, with the command that began it.

        Args:
          name: its name.
          experiments: {training command: see forms.describe_command}.

        Raises:
          InputError: it is active, finished, or was not begun by a training command.
        """
        folder, state = self.runs.folder(name), self.runs.summary(name)["state"]
        if state in (*ACTIVE_STATES, RunState.FINISHED):
            raise InputError(f"{name} is {state}; there is nothing to resume.")
        self._write_queued(folder, *self.resume_command(folder, experiments))

    def resume_command(self, folder: Path, experiments: dict[str, Any]) -> tuple[str, list[str]]:
        """Return the training command and the flags that resume a run.

        Args:
          folder: run folder.
          experiments: {training command: see forms.describe_command}.

        Raises:
          InputError: they are not known, or are not flags of the command.
        """
        launch = _read_launch(folder)
        config = files.read_config(folder) or {}
        launched = plugins.names_in([launch.get("experiment"), launch.get("flags")])
        self.refuse_plugins(dict.fromkeys([*launched, *config_file.plugins_of(config)]))
        if launch.get("experiment") in experiments and isinstance(launch.get("flags"), list):
            forms.refuse_unknown(experiments[launch["experiment"]], launch["flags"])
            return launch["experiment"], launch["flags"]
        is_plugin = plugins.is_name("methods", str(config.get("experiment")))
        if config.get("experiment") not in experiments and not is_plugin:
            raise InputError(
                "This run was not made by a training command alone; resume it by the command that "
                "began it."
            )
        if not (folder / "flags.txt").is_file():
            raise InputError("The folder lacks flags.txt, so its command is not known.")
        return config["experiment"], [f"--flagfile={folder / 'flags.txt'}"]

    def _write_queued(self, folder, experiment, flags):
        launch = {"state": "queued", "experiment": experiment, "flags": flags, "asked": time.time()}
        with _lock_launch(folder):
            _write_launch(folder, launch)

    def stop(self, name: str) -> str:
        """Ask a run to save and end, or take it out of the queue. Returns what was done.

        Raises:
          InputError: it is not active, or its process cannot be reached.
        """
        folder, state = self.runs.folder(name), self.runs.summary(name)["state"]
        if state == RunState.QUEUED:
            with _lock_launch(folder):
                _write_launch(folder, _read_launch(folder) | {"state": "withdrawn"})
            return "taken out of the queue"
        if state not in ACTIVE_STATES:
            raise InputError(f"{name} does not run.")
        pid = self._training_pid(folder)
        if not pid:
            raise InputError(
                f"The process of {name} cannot be seen from here; stop it where it was started."
            )
        try:
            os.kill(pid, signal.SIGTERM)
        except (ProcessLookupError, PermissionError) as error:
            raise InputError(
                f"The process of {name} cannot be reached ({error.strerror})."
            ) from error
        return "asked to save and end"

    def _training_pid(self, folder: Path) -> int | None:
        """Return the id of the process that trains in a folder, or is about to.

        The run lock names it; before training has taken that, studio.json does.
        """
        for _ in range(20):
            if pid := run_lock.lock_owner_pid(folder):
                return pid
            launch = _read_launch(folder)
            if not run_lock.is_locked(folder, "studio.lock"):
                return None
            pid = launch.get("pid")
            if launch.get("state") == "launched" and type(pid) is int and pid > 1:
                return pid
            time.sleep(0.1)  # the supervisor has only just been started
        return None

    def start_queued(self, experiments: dict[str, Any]) -> int:
        """Start queued runs as far as `jobs` allows, if this studio is the one to do so.

        Args:
          experiments: {training command: see forms.describe_command}.

        Returns:
          number of runs that were queued.
        """
        if not self._owns_queue():
            return 0
        runs = self.runs.summaries()
        busy = sum(run["state"] in (RunState.RUNNING, RunState.STARTING) for run in runs)
        queued = [run["name"] for run in runs if run["state"] == RunState.QUEUED]
        folders = {name: self.runs.folder(name) for name in queued}
        times = {
            name: files.finite_float(_read_launch(folder).get("asked"))
            for name, folder in folders.items()
        }
        for name in sorted(queued, key=lambda name: times[name])[: max(self.jobs - busy, 0)]:
            with contextlib.suppress(InputError):  # withdrawn, or locked, at this moment
                self._start(folders[name], experiments)
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

    def _start(self, folder, experiments):
        with _lock_launch(folder) as lock:
            launch = _read_launch(folder)
            if launch.get("state") != "queued":
                return
            try:
                words = command_words(*self.resume_command(folder, experiments), folder)
                words += ["--trust"] * self.trust
            except InputError as error:
                ended = {"state": "ended", "code": 2, "ended": time.time()}
                (folder / "console.log").write_text(f"{error}\n")
                _write_launch(folder, launch | ended)
                return
            _write_launch(folder, launch | {"state": "launched", "began": time.time()})
            # In a session of its own, so that a signal that ends the studio does not reach it. The
            # supervisor inherits the open lock, which it holds while it lives.
            subprocess.Popen(
                [sys.executable, "-m", "gan_jax.studio.supervisor", str(folder), "--", *words],
                env=command_environment(self.jobs),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(lock.fileno(),),
            )

    def close(self) -> None:
        """Leave the queue to another studio."""
        if self._queue_lock:
            self._queue_lock.close()
