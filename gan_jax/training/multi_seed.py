"""Several independent runs of one method in one program: seeds of one setting, or nodes with data of their own.

Each is an ordinary run in its own folder, with the numbers that it has alone to rounding, and goes on alone if it is asked to.
Interrupted and started again together they end with the same bytes: all go back to the newest checkpoint that they share.
"""

import collections
import contextlib
import time

import jax

from gan_jax.core import parallel
from gan_jax.core.step import build_step
from gan_jax.errors import Collapsed, NonFiniteError, Stopped
from gan_jax.ops import cpu
from gan_jax.rundir import run_folder
from gan_jax.training import training_loop


def way(how, run):
    """What "auto" means for runs like this settings.Run, which may share several devices; anything else is itself."""
    if how != "auto":
        return how
    return (
        "turns"
        if jax.default_backend() == "cpu" or len(jax.devices()[: run.devices or None]) > 1
        else "vmapped"
    )


def build_program(loops, how):
    """program(carries, datas, leaves) -> (carries, step): tuples with an entry per member; see training_loop.build_program."""
    one, ways = training_loop.counted(build_step(loops[0].method)), parallel.MEMBERS[how]
    streams = [loop.feed for loop in loops]

    def program(carries, datas, leaves):
        def batches(rows):
            return tuple(
                feed.batch(data, row) for feed, data, row in zip(streams, datas, rows, strict=True)
            )

        each = ways.each(one)
        carries = ways.unpack(
            training_loop.repeated(
                lambda c, rows: each(c, batches(rows)), ways.pack(carries), leaves
            )
        )
        return carries, carries[0][0].step

    return jax.jit(program, donate_argnums=0, compiler_options=cpu.compiler_options())


def align(loops):
    """Takes runs to the newest step at which all have a checkpoint. Returns those that can be; the others go on alone.

    A kill while checkpoints are being written leaves some runs one save behind. One that is further behind was lost, and would
    take all others back with it.
    """
    steps = [_steps(loop) for loop in loops]
    first = max(steps, key=max)
    for step in sorted(first, reverse=True):
        together = [loop for loop, have in zip(loops, steps, strict=True) if step in have]
        if len(together) == sum(bool(first & have) for have in steps):
            break
    for loop in together:
        if loop.t != step:
            loop.restore(step)
    return [
        loop for loop in together if loop.t == step
    ]  # a checkpoint that is damaged may have led further back


def _steps(loop):
    """Steps that a run can go on from. The beginning is forgotten where there are two later ones."""
    found = {step for step in loop.store.steps() if step <= loop.t}
    return found if len(found) > 1 else found | {0}


class Members:
    """Trains entered Loops together; each must have been made with member=True.

    lost: {folder name: message} of those that diverged or collapsed; they stay in the program, and nothing is kept of them.
    """

    def __init__(self, loops, how):
        self._loops, self.lost, self._pending = loops, {}, collections.deque()
        for loop in loops:  # data that members share is in memory once
            same = next(other for other in loops if other.source is loop.source)
            loop.feed = loop.feed._replace(data=same.feed.data)
        loops[0].progress.say(f"compiling {len(loops)} members, {how} ...")
        began, program, t = time.perf_counter(), build_program(loops, how), loops[0].t
        self._programs = {
            n: program.lower(*self._arguments(n)).compile() for n in loops[0].lengths()
        }
        self._spend("compile", time.perf_counter() - began)
        loops[0].progress.say(
            f"compiled in {time.perf_counter() - began:.1f} s; all go on from step {t}"
        )

    def _arguments(self, n):
        parts = [(loop.carry, loop.feed.data, loop.feed.at(loop.t, n)) for loop in self._loops]
        return tuple(zip(*parts, strict=True))

    def _spend(self, what, seconds):
        """The program's seconds, which are every member's."""
        for loop in self._loops:
            loop.timer[what] = loop.timer.get(what, 0.0) + seconds

    def kept(self):
        """The Loops that are not lost."""
        return [loop for loop in self._loops if loop.workdir.name not in self.lost]

    def advance(self, until):
        """Trains all to step `until`, on to the end of a dispatch, not beyond their end. Raises Stopped."""
        lead = self._loops[0]
        until = min(until, lead.run.steps)
        while self.kept() and lead.t < until:
            self._each(training_loop.Loop.refuse_collapse)
            self._dispatch()
            self._each(training_loop.Loop.cadences)
            if lead.signals.name and lead.t < lead.run.steps:
                stop(self.kept())

    def _each(self, action):
        for loop in self.kept():
            try:
                action(loop)
            except (NonFiniteError, Collapsed) as error:
                self.lost[loop.workdir.name] = str(error)

    def _dispatch(self):
        lead = self._loops[0]
        n, began = lead.n_steps(), time.perf_counter()
        with jax.transfer_guard("disallow"):
            carries, done = self._programs[n](*self._arguments(n))
        self._pending.append(done)
        while len(self._pending) > training_loop.IN_FLIGHT:
            jax.block_until_ready(self._pending.popleft())
        for loop, carry in zip(self._loops, carries, strict=True):
            loop.carry, loop.t = carry, loop.t + n
            loop.progress.advance(n)
        if lead.due():
            jax.block_until_ready(done)
        self._spend("train", time.perf_counter() - began)


def stop(loops):
    """Saves all, then raises Stopped."""
    said = []
    for loop in loops:
        try:
            loop.stop()
        except (Stopped, NonFiniteError) as error:
            said.append(str(error))
    raise Stopped("\n".join(said))


def train_all(configs, folders, sources, heldouts, how="auto"):
    """Trains runs of one method and one length to their ends, from wherever their folders stand.

    Args:
      configs, folders, sources, heldouts: lists, an entry per member; see training_loop.train. All configs are alike but for the seed
        and the data.
      how: "vmapped" or "unrolled" in one program, "turns" one after another, each with its own, or "auto".

    Returns:
      {folder name: message} of those that diverged, or collapsed with --stop_on_collapse.

    Raises:
      Stopped: a signal or a full disk; says what is saved.
    """
    lost, how = {}, way(how, configs[0].run)
    with training_loop.Signals() as signals, contextlib.ExitStack() as stack:
        loops = []
        for config, folder, source, heldout in zip(
            configs, folders, sources, heldouts, strict=True
        ):
            stack.enter_context(run_folder.claim(folder))
            if run_folder.begin(folder, config) != run_folder.FINISHED:
                loops.append(
                    training_loop.Loop(
                        config, folder, source, heldout, signals, f"{folder.name}: ", member=True
                    )
                )
        if how == "turns":
            lost |= _alone(loops)
        else:
            for loop in loops:
                stack.enter_context(loop)
            lost |= _together(loops, how)
        if signals.name:
            raise Stopped(f"stopped by {signals.name}; all is saved. The same command goes on.")
    return lost


def _together(loops, how):
    """Trains entered loops, in one program as far as they can be. Returns {folder name: message} of those that are lost."""
    together, lost = align(loops) if loops else [], {}
    if len(together) > 1:
        members = Members(together, how)
        members.advance(together[0].run.steps)
        for loop in members.kept():
            loop.finish()
        lost = members.lost
    else:
        together = []
    return lost | _alone([loop for loop in loops if loop not in together], entered=True)


def _alone(loops, entered=False):
    lost = {}
    for loop in loops:
        with contextlib.nullcontext() if entered else loop:
            try:
                loop.compile()
                loop.advance(loop.run.steps)
                loop.finish()
            except (NonFiniteError, Collapsed) as error:
                lost[loop.workdir.name] = str(error)
    return lost
