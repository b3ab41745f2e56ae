"""Shared state of the application: run index, queue, worker, descriptions of the commands."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gan_jax.errors import InputError
from gan_jax.rundir import config_file
from gan_jax.studio import (
    command_lines,
    curve_reader,
    files,
    forms,
    launcher,
    recycle_bin,
    run_facts,
    run_index,
    sweeps,
    worker,
)

POLL_SECONDS = 1.0  # between two checks for changes
IDLE_POLL_SECONDS = 5.0  # between two checks of an empty queue, which another studio may fill
RETRY_SECONDS = 30.0  # after an error
MAX_WAITING_TASKS = 16  # for the worker
MAX_TABLES = 50  # of scores that are kept


class Studio:
    """Shared state of the application.

    Attributes:
      runs: RunIndex of the root.
      launcher: Launcher of the root.
      bin: Bin of the root.
      readers: ReaderCache, used with `reader_lock` held.
      dry_run_lock: allows one dry run at a time.
      data_lock: allows one look at all images of a data set at a time.
      queue_changed: Event, set when a run was queued.
      comparison: (folders, time, HTML) of the last comparison.
    """

    def __init__(
        self, root: str | Path, jobs: int, prepare: Callable[[], Any], trust: bool = False
    ):
        """Set up without starting anything.

        Args:
          root: folder below which run folders lie.
          jobs: runs that train at a time.
          prepare: see worker.Worker.
          trust: whether plug-ins that run folders and forms name may be imported.
        """
        self.runs = run_index.RunIndex(root)
        self.launcher = launcher.Launcher(self.runs, jobs, trust)
        self.bin = recycle_bin.Bin(self.runs)
        self.worker = worker.Worker(prepare, trust=trust)
        self.readers, self.reader_lock = curve_reader.ReaderCache(), asyncio.Lock()
        self.dry_run_lock, self.data_lock = asyncio.Lock(), asyncio.Lock()
        self.queue_changed = asyncio.Event()
        self.comparison: tuple[list[Path] | None, float, str] = (None, 0.0, "")
        self._worker_lock, self._n_waiting = asyncio.Lock(), 0
        self._descriptions: asyncio.Task[dict[str, Any]] | None = None
        self._tables: dict[
            Path, tuple[run_facts.Stamp | None, Any]
        ] = {}  # {folder: (stamp, table)}
        self._summaries: dict[str, tuple[float, dict[str, Any]]] = {}  # {name: (time, summary)}

    def start(self) -> list[asyncio.Task]:
        """Start to describe the commands and to run the queue. Returns the tasks."""
        self._descriptions = asyncio.create_task(asyncio.to_thread(_describe_commands))
        return [self._descriptions, asyncio.create_task(self._run_queue())]

    async def descriptions(self) -> dict[str, Any]:
        """Return what commands.studio.describe returns."""
        assert self._descriptions is not None, "not started"
        return await asyncio.shield(self._descriptions)

    async def experiments(self) -> dict[str, Any]:
        """Return {training command: see forms.describe_command}."""
        return (await self.descriptions())["experiments"]

    async def sweep_command(self, experiment: str) -> dict[str, Any]:
        """Return the description of a sweep that varies a training command.

        Raises:
          NotFound: there is no such training command.
        """
        descriptions = await self.descriptions()
        if experiment not in descriptions["experiments"]:
            raise run_index.NotFound("There is no such training command.")
        sweep = descriptions["sweep"]
        own = {k: v for k, v in sweep["flagfiles"].items() if v["experiment"] == experiment}
        return forms.join_commands(
            {**sweep, "flagfiles": own}, descriptions["experiments"][experiment]
        )

    async def commands(self) -> dict[str, Any]:
        """Return {command that the studio starts: see forms.describe_command}."""
        descriptions = await self.descriptions()
        experiments = descriptions["experiments"]
        fields = {}
        for command in (*experiments.values(), descriptions["sweep"]):
            fields |= forms.fields_by_flag(command)
        fields["experiment"] = {"name": "experiment"}
        sweep = {"groups": [{"title": "", "fields": list(fields.values())}]}
        return {**experiments, "evaluate": descriptions["evaluate"], sweeps.COMMAND: sweep}

    async def score_table(self, name: str) -> dict[str, Any] | None:
        """Return report_tasks.score_table of a run, made once while eval.json stays as it is."""
        folder = self.runs.folder(name)
        stamp = run_facts.stamp(folder / "eval.json")
        if stamp is None:
            return None
        if folder not in self._tables or self._tables[folder][0] != stamp:
            table = await self.run_task("score_table", folder)
            while len(self._tables) >= MAX_TABLES:
                self._tables.pop(next(iter(self._tables)))
            self._tables[folder] = stamp, table
        return self._tables[folder][1]

    async def _run_queue(self):
        while True:
            try:
                commands = await self.commands()
                n_queued = await asyncio.to_thread(self.launcher.start_queued, commands)
            except Exception as error:  # such as a root that is missing for a while
                print(f"The queue does not move: {error}", file=sys.stderr)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            seconds = POLL_SECONDS if n_queued else IDLE_POLL_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.queue_changed.wait(), seconds)
            self.queue_changed.clear()

    async def summary(self, name: str) -> dict[str, Any]:
        """Return RunIndex.summary, shared by all pages that show the run at this moment."""
        when, summary = self._summaries.get(name, (0.0, {}))
        if time.monotonic() - when > 0.8 * POLL_SECONDS:
            summary = await asyncio.to_thread(self.runs.summary, name)
            now = time.monotonic()
            recent = {k: v for k, v in self._summaries.items() if now - v[0] < POLL_SECONDS}
            self._summaries = {**recent, name: (now, summary)}
        return summary

    def forget_summaries(self) -> None:
        """Read all summaries anew, after something has been changed here."""
        self._summaries = {}

    def sampled_folder(self, name: str) -> Path:
        """Return the folder of a run that is to be sampled.

        Raises:
          NotFound
          InputError: it names plug-ins, and the studio was started without --trust.
        """
        folder = self.runs.folder(name)
        self.launcher.refuse_plugins(config_file.plugins_of(files.read_config(folder) or {}))
        return folder

    async def run_task(self, task: str, *args: Any) -> Any:
        """Run a task in the worker, see Worker.run.

        Tasks wait here and not in threads, which all other requests need.

        Raises:
          InputError: the task refuses, or too many tasks wait.
        """
        if self._n_waiting >= MAX_WAITING_TASKS:
            raise InputError("Too much is asked for at the same time; try again in a moment.")
        self._n_waiting += 1
        try:
            async with self._worker_lock:
                return await asyncio.to_thread(self.worker.run, task, *args)
        finally:
            self._n_waiting -= 1


def _describe_commands() -> dict[str, Any]:
    """Run the command that describes all commands, in a process of its own since it imports JAX."""
    env = {**command_lines.command_environment(), "JAX_PLATFORMS": "cpu"}
    words = command_lines.command_words("studio", ["--describe"])
    done = subprocess.run(
        words, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        last = (done.stderr.splitlines() or [""])[-1]
        raise InputError(f"The experiments cannot be described: {last}")
    return json.loads(done.stdout)
