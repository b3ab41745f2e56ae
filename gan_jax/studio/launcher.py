"""Runs started, queued, stopped and resumed. What is asked for lies in studio.json of the run folder, so nothing is lost."""

import contextlib
import fcntl
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time

from gan_jax import cache
from gan_jax.errors import InputError
from gan_jax.rundir import run_lock
from gan_jax.studio import files, forms, health, run_index

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}(/[A-Za-z0-9][A-Za-z0-9._-]{0,79}){0,2}")
PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent
DRY_SECONDS = 120


def command(experiment, flags, folder=None, executable=sys.executable):
    """The words of a training command."""
    workdir = [f"--workdir={folder}"] if folder else []
    return [executable, "-m", f"experiments.{experiment}", *flags, *workdir]


def line(experiment, flags, folder):
    """The equal command line, as one would type it."""
    return shlex.join(command(experiment, flags, folder, "python"))


def environment(jobs=1):
    """Of the commands: they find this project wherever they are started, and leave room on a GPU for `jobs` - 1 others."""
    path = os.pathsep.join([str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])])
    shared = {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{0.9 / jobs:.3f}"} if jobs > 1 else {}
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **shared}


def dry_run(experiment, flags, folder):
    """(exit code, what it says) of a command that checks everything and trains nothing."""
    words = [*command(experiment, flags, folder), "--dry_run"]
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(),
        start_new_session=True, text=True, errors="replace",
    )  # fmt: skip
    try:
        said, _ = process.communicate(timeout=DRY_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return (
            1,
            f"It was not done after {DRY_SECONDS} s. Reading large data for the first time takes long: try a terminal.",
        )
    return process.returncode, said[-20000:]


class Launcher:
    """Runs of one root, at most `jobs` at a time, those that were started elsewhere counted."""

    def __init__(self, library, jobs):
        self.library, self.jobs = library, jobs
        self._duty = None  # the open file whose lock says that this studio starts what is queued; other studios look on

    def ask(self, name, experiment, flags):
        """Puts a new run into the queue.

        Args:
          name: its folder below the root, which may not hold a run. experiment: training command. flags: checked words.

        Raises:
          InputError: the name cannot be used.
        """
        if not NAME.fullmatch(name):
            raise InputError(
                "A run's name has letters, digits, dot, dash and underscore, and begins with a letter or digit."
            )
        folder = self.library.root / name
        above = [folder, *folder.parents][: name.count("/") + 1]
        if any(path.is_symlink() or (path.exists() and not path.is_dir()) for path in above):
            raise InputError(f"{name} leads out of the root, or is a file; choose another name.")
        if any((path / mark).exists() for path in above[1:] for mark in run_index.MARKS):
            raise InputError(f"{name} lies inside another run; choose another name.")
        try:
            folder.mkdir(parents=True)
            self._queue(folder, experiment, flags)
        except FileExistsError as error:
            raise InputError(
                f"{name} is taken; choose another name, or resume that run."
            ) from error
        except OSError as error:
            raise InputError(f"{folder} cannot be made ({error.strerror}).") from error
        self.library.refresh()

    def again(self, name, experiments):
        """Puts a run that stands still into the queue, by the command that it was started with.

        Raises:
          InputError: it runs, is finished, or was not started by a training command.
        """
        folder, stands = self.library.folder(name), self.library.summary(name)["health"]
        if stands in (*health.ACTIVE, health.FINISHED):
            raise InputError(f"{name} is {stands}; there is nothing to resume.")
        self._queue(folder, *self.origin(folder, experiments))

    def origin(self, folder, experiments):
        """(training command, flags) that a run goes on with. experiments: see forms.describe. Raises InputError."""
        launch = files.read_json(folder / "studio.json") or {}
        if launch.get("experiment") in experiments and isinstance(launch.get("flags"), list):
            forms.refuse_unknown(experiments[launch["experiment"]], launch["flags"])
            return launch["experiment"], launch["flags"]
        config = files.read_json(folder / "config.json") or {}
        if config.get("experiment") not in experiments:
            raise InputError(
                "This run was not made by a training command alone; resume it by the command that began it."
            )
        if not (folder / "flags.txt").is_file():
            raise InputError("The folder lacks flags.txt, so its command is not known.")
        return config["experiment"], [f"--flagfile={folder / 'flags.txt'}"]

    def _queue(self, folder, experiment, flags):
        wanted = {"state": "queued", "experiment": experiment, "flags": flags, "asked": time.time()}
        with self._sole(folder):
            cache.write_atomic(folder / "studio.json", json.dumps(wanted))

    @contextlib.contextmanager
    def _sole(self, folder):
        """studio.lock of a run folder, held. Raises InputError: something that was started there holds it."""
        with open(folder / "studio.lock", "w") as lock:
            try:
                run_lock.lock_file(lock)
            except BlockingIOError as error:
                raise InputError(
                    f"{folder.name} is being started or ended; try again in a moment."
                ) from error
            yield lock

    def stop(self, name):
        """Asks a run to save and end, or takes it out of the queue. Returns what was done, in words.

        Raises:
          InputError: it does not run, or its process cannot be reached.
        """
        folder, stands = self.library.folder(name), self.library.summary(name)["health"]
        if stands == health.QUEUED:
            with self._sole(folder):
                launch = files.read_json(folder / "studio.json") | {"state": "withdrawn"}
                cache.write_atomic(folder / "studio.json", json.dumps(launch))
            return "taken out of the queue"
        if stands not in health.ACTIVE:
            raise InputError(f"{name} does not run.")
        pid = self._process(folder)
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

    def _process(self, folder):
        """The id of the process that trains in a folder, or is about to: of the one that the lock or its parent names."""
        for _ in range(20):
            if found := run_lock.lock_owner_pid(folder):
                return found
            launch = files.read_json(folder / "studio.json") or {}
            if not run_lock.is_locked(folder, "studio.lock"):
                return None
            if (
                launch.get("state") == "launched"
                and type(launch.get("pid")) is int
                and launch["pid"] > 1
            ):
                return launch["pid"]
            time.sleep(0.1)  # it has just been started
        return None

    def tick(self, experiments):
        """Starts what is queued and fits. One studio of a root does; another if that ends.

        Args:
          experiments: see forms.describe.

        Returns:
          how many runs were queued.
        """
        if not self._on_duty():
            return 0
        runs = self.library.all()
        free = self.jobs - sum(run["health"] in (health.RUNNING, health.STARTING) for run in runs)
        queued = [run["name"] for run in runs if run["health"] == health.QUEUED]
        folders = {name: self.library.folder(name) for name in queued}
        asked = {
            n: run_index.number((files.read_json(f / "studio.json") or {}).get("asked"))
            for n, f in folders.items()
        }
        for name in sorted(queued, key=asked.get)[: max(free, 0)]:
            with contextlib.suppress(InputError):  # withdrawn, or seized, at this moment
                self._start(folders[name], experiments)
        return len(queued)

    def _on_duty(self):
        if self._duty is None:
            self.library.root.mkdir(parents=True, exist_ok=True)
            file = open(self.library.root / ".studio.lock", "w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                return False
            self._duty = file
        return True

    def _start(self, folder, experiments):
        with self._sole(folder) as lock:
            launch = files.read_json(folder / "studio.json") or {}
            if launch.get("state") != "queued":
                return
            try:
                words = command(*self.origin(folder, experiments), folder)
            except InputError as error:
                ended = {"state": "ended", "code": 2, "ended": time.time()}
                (folder / "console.log").write_text(f"{error}\n")
                cache.write_atomic(folder / "studio.json", json.dumps(launch | ended))
                return
            cache.write_atomic(
                folder / "studio.json",
                json.dumps(launch | {"state": "launched", "began": time.time()}),
            )
            # In a session of its own: what ends the studio does not reach it. The lock is the child's from here on.
            subprocess.Popen(
                [sys.executable, "-m", "gan_jax.studio.supervisor", str(folder), "--", *words], env=environment(self.jobs),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                pass_fds=(lock.fileno(),),
            )  # fmt: skip

    def close(self):
        """Leaves the duty to another studio."""
        if self._duty:
            self._duty.close()
