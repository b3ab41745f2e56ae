"""What the requests share: the runs, the queue, the worker, and what the experiments say of themselves."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time

from gan_jax.errors import InputError
from gan_jax.studio import curve_reader, launcher, run_index, worker

TICK = 1.0  # seconds between looks at what changes
LOOK = 5.0  # seconds between looks for what another studio put into an empty queue
MOST_WAITING = 16  # tasks for the worker


class Studio:
    """What the requests share."""

    def __init__(self, root, jobs, prepare):
        self.library = run_index.Library(root)
        self.launcher = launcher.Launcher(self.library, jobs)
        self.worker = worker.Worker(prepare)
        self.shelf, self.reading = curve_reader.Shelf(), asyncio.Lock()
        self.checking, self.trying, self.waiting = asyncio.Lock(), asyncio.Lock(), 0
        self.asked = asyncio.Event()  # set when a run was put into the queue
        self.known = None  # task whose result is what `experiments.studio --describe` prints
        self.compared = None, 0.0, ""  # (folders, when, page) of the last comparison
        self._recent = {}

    def begin(self):
        """Asks for the descriptions of the experiments, and begins to start what is queued. Returns the tasks."""
        self.known = asyncio.create_task(asyncio.to_thread(_described))
        return [self.known, asyncio.create_task(self._keep_starting())]

    async def experiments(self):
        """See forms.describe, by name of the training command."""
        return (await asyncio.shield(self.known))["experiments"]

    async def _keep_starting(self):
        while True:
            try:
                waiting = await asyncio.to_thread(self.launcher.tick, await self.experiments())
            except (
                Exception
            ) as error:  # such as a root that is not there now; the next look may find it
                print(f"The queue does not move: {error}", file=sys.stderr)
                await asyncio.sleep(30 * TICK)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.asked.wait(), TICK if waiting else LOOK)
            self.asked.clear()

    async def summary(self, name):
        """See Library.summary; shared by all pages that show the run at this moment."""
        when, found = self._recent.get(name, (0.0, None))
        if time.monotonic() - when > 0.8 * TICK:
            found = await asyncio.to_thread(self.library.summary, name)
            self._recent = {k: v for k, v in self._recent.items() if time.monotonic() - v[0] < TICK}
            self._recent[name] = time.monotonic(), found
        return found

    async def ask(self, task, *args):
        """See Worker.ask. Tasks wait here, not in threads, of which all else needs some. Raises InputError: too many wait."""
        if self.waiting >= MOST_WAITING:
            raise InputError("Too much is asked for at the same time; try again in a moment.")
        self.waiting += 1
        try:
            async with self.trying:
                return await asyncio.to_thread(self.worker.ask, task, *args)
        finally:
            self.waiting -= 1


def _described():
    env = {**launcher.environment(), "JAX_PLATFORMS": "cpu"}
    words = launcher.command("studio", ["--describe"])
    done = subprocess.run(
        words, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise InputError(
            f"The experiments cannot be described: {(done.stderr.splitlines() or [''])[-1]}"
        )
    return json.loads(done.stdout)
