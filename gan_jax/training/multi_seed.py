"""Several independent runs of one method at once: seeds of one setting, or nodes of an ensemble.

Each is an ordinary run in its own folder, with the numbers that it has alone, to rounding, and it
can go on alone. Runs that were interrupted and are started again together end with the same bytes:
all go back to their newest common checkpoint.
"""

import collections
import contextlib
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.config import Prepared
from gan_jax.core.step import build_step
from gan_jax.errors import Collapsed, NonFiniteError, Stopped
from gan_jax.ops import compiling
from gan_jax.rundir import run_folder, run_lock
from gan_jax.settings import RunSettings
from gan_jax.training.program import accumulate_metrics, scan_steps
from gan_jax.training.signals import Signals
from gan_jax.training.training_loop import MAX_IN_FLIGHT, Loop


def train_all(
    runs: Sequence[Prepared], folders: Sequence[pathlib.Path], members_by: str = "auto"
) -> dict[str, str]:
    """Train runs of one method and one length to their ends, from wherever their folders stand.

    Args:
      runs: Prepared of each run. Their configurations differ in seed and data alone.
      folders: run folder of each.
      members_by: "vmapped" in one program; "turns" one after another, each with its own program;
        "auto".

    Returns:
      {folder name: message} of those that diverged, or collapsed with --stop_on_collapse.

    Raises:
      Stopped: a signal or a full disk; says what is saved.
    """
    failed, how = {}, choose_execution(members_by, runs[0].config.run)
    with Signals() as signals, contextlib.ExitStack() as stack:
        loops = []
        for prepared, folder in zip(runs, folders, strict=True):
            stack.enter_context(run_lock.lock_run(folder))
            before = run_folder.prepare_folder(folder, prepared)
            if before != run_folder.RunStatus.FINISHED:
                loops.append(Loop(prepared, folder, signals, f"{folder.name}: ", member=True))
        if how == "turns":
            failed |= _train_alone(loops)
        else:
            for loop in loops:
                stack.enter_context(loop)
            failed |= _train_together(loops)
        if signals.name:
            raise Stopped(f"stopped by {signals.name}; all is saved. The same command goes on.")
    return failed


def choose_execution(members_by: str, run: RunSettings) -> str:
    """Resolve "auto": "vmapped" on one accelerator, else "turns".

    On a CPU, convolutions with weights for each member run at 0.4 to 0.6 of the speed.
    """
    if members_by != "auto":
        return members_by
    one_accelerator = (
        jax.default_backend() != "cpu" and len(jax.devices()[: run.devices or None]) == 1
    )
    return "vmapped" if one_accelerator else "turns"


def stack_trees(trees: Sequence) -> Any:
    """Stack equal trees along a new first axis of every leaf."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def unstack_tree(tree) -> tuple:
    """Invert stack_trees."""
    n = jax.tree.leaves(tree)[0].shape[0]
    return tuple(jax.tree.map(lambda a, i=i: a[i], tree) for i in range(n))


def build_vmapped_program(loops: Sequence[Loop]) -> Callable:
    """Build program(carries, datas, leaves) -> (carries, step) over a vmapped step.

    Arguments are tuples with an entry per member; see program.build_program.
    """
    vmapped_step = jax.vmap(accumulate_metrics(build_step(loops[0].method)))
    loaders = [loop.loader for loop in loops]

    def program(carries, datas, leaves):
        def one_step(stacked, rows):
            batches = [
                loader.make_batch(data, row)
                for loader, data, row in zip(loaders, datas, rows, strict=True)
            ]
            return vmapped_step(stacked, stack_trees(batches))

        carries = unstack_tree(scan_steps(one_step, stack_trees(carries), leaves))
        return carries, carries[0][0].step

    return compiling.jit(program, donate_argnums=0)


def align(loops: Sequence[Loop]) -> list[Loop]:
    """Roll runs back to their newest common checkpoint.

    A kill while checkpoints are being written leaves some runs one save behind. A run that lags by
    more has lost its checkpoints. It is left out, since it would take all others back with it.

    Returns:
      the runs that are aligned; the others go on alone.
    """
    steps = [_restorable_steps(loop) for loop in loops]
    most_advanced = max(steps, key=max)
    for step in sorted(most_advanced, reverse=True):
        aligned = [loop for loop, have in zip(loops, steps, strict=True) if step in have]
        if len(aligned) == sum(bool(most_advanced & have) for have in steps):
            break
    for loop in aligned:
        if loop.t != step:
            loop.restore(step)
    # A damaged checkpoint may have led further back.
    return [loop for loop in aligned if loop.t == step]


def _restorable_steps(loop):
    """Steps that a run can go on from; step 0 does not count where there are two later ones."""
    steps = {step for step in loop.store.steps() if step <= loop.t}
    return steps if len(steps) > 1 else steps | {0}


class VmappedLoop:
    """Trains entered Loops in one program; each was made with member=True.

    Attributes:
      failed: {folder name: message} of those that diverged or collapsed. They stay in the program,
        and nothing more of them is saved.
    """

    def __init__(self, loops: Sequence[Loop]):
        """Compile the program."""
        self.failed = {}
        self._loops, self._in_flight = loops, collections.deque()
        for loop in loops:  # data that members share is in memory once
            same = next(o for o in loops if o.prepared.train is loop.prepared.train)
            loop.loader = loop.loader._replace(device_data=same.loader.device_data)
        lead = loops[0]
        lead.progress.say(f"compiling {len(loops)} members, vmapped ...")
        began, program = time.perf_counter(), build_vmapped_program(loops)
        with lead.stopping_at_once():
            self._programs = {
                n: program.lower(*self._arguments(n)).compile() for n in lead.dispatch_lengths()
            }
        seconds = time.perf_counter() - began
        self._add_seconds("compile", seconds)
        lead.progress.say(f"compiled in {seconds:.1f} s; all go on from step {lead.t}")

    def _arguments(self, n):
        parts = [
            (loop.carry, loop.loader.device_data, loop.loader.inputs(loop.t, n))
            for loop in self._loops
        ]
        return tuple(zip(*parts, strict=True))

    def _add_seconds(self, activity, seconds):
        """Add the program's seconds to every member's account."""
        for loop in self._loops:
            loop.timer.add(activity, seconds)

    def remaining(self) -> list[Loop]:
        """List the Loops that have not failed."""
        return [loop for loop in self._loops if loop.workdir.name not in self.failed]

    def advance(self, until: int) -> None:
        """Train all to step `until`, on to the end of a dispatch, not beyond their end.

        Raises:
          Stopped
        """
        lead = self._loops[0]
        until = min(until, lead.run.steps)
        while self.remaining() and lead.t < until:
            self._for_each(Loop.refuse_collapse)
            self._dispatch()
            self._for_each(Loop.run_hooks)
            if lead.signals.name and lead.t < lead.run.steps:
                stop_all(self.remaining())

    def _for_each(self, action):
        for loop in self.remaining():
            try:
                action(loop)
            except (NonFiniteError, Collapsed) as error:
                self.failed[loop.workdir.name] = str(error)

    def _dispatch(self):
        lead = self._loops[0]
        n, began = lead.next_dispatch(), time.perf_counter()
        with jax.transfer_guard("disallow"):
            carries, done = self._programs[n](*self._arguments(n))
        self._in_flight.append(done)
        while len(self._in_flight) > MAX_IN_FLIGHT:
            jax.block_until_ready(self._in_flight.popleft())
        for loop, carry in zip(self._loops, carries, strict=True):
            loop.carry, loop.t = carry, loop.t + n
            loop.progress.advance(n)
        if lead.due_hooks():
            jax.block_until_ready(done)
        self._add_seconds("train", time.perf_counter() - began)


def stop_all(loops: Sequence[Loop]) -> None:
    """Save all runs, then raise Stopped."""
    messages = []
    for loop in loops:
        try:
            loop.stop()
        except (Stopped, NonFiniteError) as error:
            messages.append(str(error))
    raise Stopped("\n".join(messages))


def _train_together(loops):
    """Train entered loops in one program as far as they align. Returns {folder name: message}."""
    aligned, failed = align(loops) if loops else [], {}
    if len(aligned) > 1:
        together = VmappedLoop(aligned)
        together.advance(aligned[0].run.steps)
        for loop in together.remaining():
            loop.finish()
        failed = together.failed
    else:
        aligned = []
    rest = [loop for loop in loops if loop not in aligned]
    return failed | _train_alone(rest, entered=True)


def _train_alone(loops, entered=False):
    failed = {}
    for loop in loops:
        with contextlib.nullcontext() if entered else loop:
            try:
                loop.compile()
                loop.advance(loop.run.steps)
                loop.finish()
            except (NonFiniteError, Collapsed) as error:
                failed[loop.workdir.name] = str(error)
    return failed
