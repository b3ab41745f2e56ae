"""The training loop of a run. It knows no method by name.

Between hooks the host only sends row numbers. Metrics are summed on the device, inside the carry
that a checkpoint stores, so an interrupted run ends with the same bytes as one that was not
interrupted.
"""

import collections
import contextlib
import os
import pathlib
import time

import jax

from gan_jax import cache, metrics
from gan_jax.config import Prepared
from gan_jax.core import parallel
from gan_jax.core.initialize import state_shapes
from gan_jax.core.method import n_minibatches
from gan_jax.core.state import Vars
from gan_jax.data import loader
from gan_jax.errors import Collapsed, NonFiniteError, Stopped
from gan_jax.rundir import checkpoint, host_state, log, start_weights
from gan_jax.training import follower, hooks, run_place, sampling
from gan_jax.training.lockstep import Lockstep
from gan_jax.training.program import (
    batch_shapes,
    build_program,
    empty_tally,
    is_resident,
    steps_per_dispatch,
)
from gan_jax.training.signals import Signals
from gan_jax.training.timing import Startup, Timer

MAX_IN_FLIGHT = 2  # dispatches that the host may run ahead


def train(prepared: Prepared, workdir: str | os.PathLike, startup: Startup | None = None) -> str:
    """Train a run to its end, from wherever its folder stands.

    Args:
      prepared: Prepared; the folder holds its config.json, see run_folder.prepare_folder.
      workdir: the run folder, which this process has locked.
      startup: time account of the command, or None.

    Returns:
      sha256 hex of the final state.

    Raises:
      Stopped: SIGTERM, Ctrl-C or a full disk; says what is saved.
      NonFiniteError: names the player, the step and the last checkpoint.
      Collapsed: with --stop_on_collapse; says why and where.
    """
    with Signals() as signals, Loop(prepared, workdir, signals, startup=startup) as loop:
        loop.advance(loop.run.steps)
        return loop.finish()


class Loop:
    """One invocation of a run: restores, compiles, trains, keeps the run folder.

    Use as a context manager. Entering restores or initialises, and compiles unless the run is one
    of several in one program (see multi_seed). Leaving waits for the last save.

    Attributes:
      t: int, steps done.
      carry: (GanState, tally of metrics) on the devices.
      results: hooks.StepResults of this step.
    """

    def __init__(
        self,
        prepared: Prepared,
        workdir: str | os.PathLike,
        signals: Signals,
        name: str = "",
        member: bool = False,
        startup: Startup | None = None,
    ):
        """Set up without touching the disk.

        Args:
          prepared, workdir, startup: see `train`.
          signals: Signals that ask the run to stop.
          name: prefix of its lines on the terminal, where several runs share it.
          member: whether the run is one of several in one program.
        """
        self.prepared, self.method, self.run = prepared, prepared.method, prepared.config.run
        self.workdir, self.signals, self.name = pathlib.Path(workdir), signals, name
        self.startup, self.member = startup, member
        self.devices = parallel.all_devices(self.run.devices)
        self.lockstep = Lockstep(signals, self.devices)
        self.peers = self.lockstep.peers
        self.steps_per_dispatch = min(
            steps_per_dispatch(self.run), self.run.steps, *self._intervals()
        )
        self.sampler = sampling.build_sampler(self.method, prepared.pool)
        self.programs = {}
        self.results = hooks.StepResults()

    def __enter__(self) -> "Loop":
        with log.stopping_if_full(self.workdir), contextlib.ExitStack() as stack:
            self.store = stack.enter_context(self._open_store())
            self.peers.before_end = self.store.wait
            self._open_loader()
            self.restore()
            self._passed("init")
            if not self.member:
                self.compile()
            self.store.prepare()
            self._open = stack.pop_all()
        return self

    def __exit__(self, *exc):
        try:
            with self._open:
                self.log.close()
                self.progress.close()
                spent = dict(self.timer)
                spent["other"] = max(self.seconds() - sum(spent.values()), 0.0)
                listed = ", ".join(f"{name} {log.clock(s)}" for name, s in spent.items())
                self.progress.say(f"time over all starts: {listed}")
        except Exception:  # the last save was not written
            with self._in_place():
                raise

    def advance(self, until: int) -> None:
        """Train to step `until`, or past it to the end of a dispatch; never past the run's end.

        Raises:
          Stopped, NonFiniteError, Collapsed: see `train`.
        """
        until = min(until, self.run.steps)
        while self.t < until:
            self.refuse_collapse()
            self._meet()
            self._dispatch()
            self.run_hooks()
            if self.lockstep.signal_name() and self.t < self.run.steps:
                self.stop()
        self.wait()

    def finish(self) -> str:
        """Write the report and DONE after the last step.

        Returns:
          sha256 hex of the final state.
        """
        self.peers.agreed = True
        digest = host_state.digest(host_state.to_host(parallel.local(self.carry[0])))
        if not self.peers.leads:
            return digest
        with self._in_place():
            self._require_saved("trained to its end")
        with self._in_place(), log.stopping_if_full(self.workdir):
            run_place.write_page(self.workdir, film=self.prepared.train.points)
            done = f"step {self.run.steps}\nstate sha256: {digest}\n"
            cache.write_atomic(self.workdir / "DONE", done)
        return digest

    def restore(self, upto: int | None = None) -> None:
        """Go to the newest checkpoint, or to step 0 without one; cut the log back to it.

        Args:
          upto: last step that may be restored; later checkpoints are deleted. None: no limit.
        """
        if upto is not None:
            self.store.forget_after(upto)
            self.log.close()
            self.progress.close()
        restored = self.store.load_newest(state_shapes(self.method), self.empty_tally)
        self.t = self.peers.share("step", restored[0] if restored else 0)
        self.log = follower.NoLog()
        if self.peers.leads:
            self.log = log.Log(self.workdir, self.t, self.run.tensorboard, self.run.wandb)
        self.timer = Timer(self._logged_seconds())
        self._seconds_before, self._began = self.log.wall.get("time", 0.0), time.perf_counter()
        with self.timer("compile"):
            carry = restored[1:] if restored else None
            carry = carry or (start_weights.first_state(self.prepared), self.empty_tally)
            self.carry = self.lockstep.place(carry, (state_shapes(self.method), self.empty_tally))
        self._in_flight, self._first = collections.deque(), self.t
        self.progress = follower.NoProgress()
        if self.peers.leads:
            run_place.remove_later_files(self.workdir, self.t)
            self.progress = log.Progress(self.t, self.run.steps, self.name)
        verb = "resumed" if restored else "started"
        self.progress.say(f"{verb} at step {self.t} of {self.run.steps}")
        self.hooks = hooks.build_hooks(self)
        self._log_hook = next(hook for hook in self.hooks if isinstance(hook, hooks.Log))
        self._save_hook = next(hook for hook in self.hooks if isinstance(hook, hooks.Save))

    def compile(self) -> None:
        """Compile the program of this run alone."""
        with self.stopping_at_once(), self.timer("compile"):
            self.progress.say("compiling ...")
            program = build_program(self.method, self.loader, self.devices, self.lockstep.voting)
            lowered = {
                n: program.lower(self.carry, self.loader.device_data, self._inputs(n))
                for n in self.dispatch_lengths()
            }
            self._passed("trace")
            self.programs = {n: one.compile() for n, one in lowered.items()}
            self._passed("compile")
        seconds = self.timer["compile"] - self._logged_seconds().get("compile", 0.0)
        self.progress.say(f"compiled in {seconds:.1f} s for {self._where()}")

    def stopping_at_once(self) -> contextlib.AbstractContextManager[None]:
        """Let a signal end what is within at once: this step is on disk, or nothing is done yet."""
        saved = f"step {self.t} is saved" if self.t else "nothing was trained yet"
        return self.signals.stopping_at_once(f"while compiling; {saved}. The same command resumes.")

    def dispatch_lengths(self) -> tuple[int, ...]:
        """List the numbers of steps that this run dispatches at a time from here on."""
        n = self.steps_per_dispatch
        if self.t >= self.run.steps:
            return ()
        if all(step % n == 0 for step in (self.t, self.run.steps, *self._intervals())):
            return (n,)
        return (1, n) if n > 1 else (1,)

    def next_dispatch(self) -> int:
        """Return the length of the next dispatch.

        It is a function of the step alone, so that a resumed run dispatches the same programs.
        """
        n, t = self.steps_per_dispatch, self.t
        crosses = any(t // every != (t + n - 1) // every for every in self._intervals())
        return n if t % n == 0 and t + n <= self.run.steps and not crosses else 1

    def _dispatch(self):
        n = self.next_dispatch()
        with self.timer("train"):
            leaves = self._inputs(n)
            with jax.transfer_guard("disallow"):
                self.carry, done = self.programs[n](self.carry, self.loader.device_data, leaves)
            self._in_flight.append(done)
            # Virtual CPU devices deadlock when dispatches queue up.
            virtual = len(self.devices) > 1 and self.devices[0].platform == "cpu"
            while len(self._in_flight) > (0 if virtual else MAX_IN_FLIGHT):
                self.lockstep.note(self._in_flight.popleft())
        if self.startup is not None and "first step" not in self.startup:
            jax.block_until_ready(done)
            self.startup.done("first step")
            self.progress.say(self.startup.line())
        self.t += n
        self.progress.advance(n)

    def due_hooks(self) -> list[hooks.Hook]:
        """List the hooks that run after this step, in order."""
        return [hook for hook in self.hooks if hook.is_due(self.t)]

    def run_hooks(self) -> None:
        """Run the hooks that are due.

        Raises:
          NonFiniteError
        """
        due = self.due_hooks()
        if due:
            self.wait()
            self._refuse_non_finite()
        with self._in_place() if due else contextlib.nullcontext():
            for hook in due:
                hook() if self.peers.leads else hook.follow()
        self.results = hooks.StepResults()

    def wait(self) -> None:
        """Wait for the devices."""
        with self.timer("train"):
            jax.block_until_ready(self.carry)

    def stop(self) -> None:
        """Save, then raise Stopped."""
        self.wait()
        self._refuse_non_finite()
        self.peers.agreed = True
        if not self.peers.leads:
            raise Stopped("")
        stopped = f"stopped by {self.lockstep.signal_name()} at step {self.t}"
        with self._in_place():
            if self._save_hook.saved_step != self.t:
                self._save_hook()
            self._require_saved(stopped)
        raise Stopped(f"{self.name}{stopped}; saved. The same command resumes.")

    def refuse_collapse(self) -> None:
        """Stop where the monitor has found a collapse and the run is to stop at one.

        Raises:
          Collapsed: this step is saved.
        """
        monitor = self._log_hook.monitor
        why = monitor.health.collapse() if monitor and self.run.stop_on_collapse else ""
        if not why:
            return
        if self.t not in self.store.steps():
            self._save_hook()
        self._require_saved(why)
        with log.stopping_if_full(self.workdir):
            run_place.write_page(self.workdir)
        raise Collapsed(
            f"{self.name}{why} Stopped at step {self.t} of {self.run.steps}; saved. The same "
            "command would end here again; with --nostop_on_collapse it goes on, and with "
            "--restart it begins anew."
        )

    def sampled_vars(self) -> Vars:
        """Return the variables that are sampled: averaged ones where the method keeps them."""
        return parallel.local(self.carry[0].vars(ema=True))

    def seconds(self) -> float:
        """Return the seconds since this run began, over all starts."""
        return self._seconds_before + time.perf_counter() - self._began

    def _open_loader(self):
        n = n_minibatches(self.method)
        self.loader = loader.build_loader(
            self.prepared.train,
            self.method.hp.pixels,
            self.run.seed,
            n,
            self.run.batch,
            self.devices,
            all(self.peers.gather("resident", is_resident(self.run, self.prepared.train))),
        )
        self._passed("data")
        shapes = batch_shapes(self.prepared.train, n, self.run.batch)
        self.empty_tally = empty_tally(self.method, shapes)
        self._passed("trace")

    def _open_store(self):
        if not self.peers.leads:
            return follower.NoStore()
        (self.workdir / "samples").mkdir(parents=True, exist_ok=True)
        ranking = metrics.ranking_key(self.run.keep_best, self.run.eval_scores)
        return checkpoint.Store(self.workdir, ranking)

    def _meet(self):
        """Wait for process 0 after its hooks: a collective would lose patience."""
        if self.t == self._first or self.due_hooks():
            self.peers.meet("hooks")

    def _inputs(self, n):
        return self.lockstep.with_vote(self.loader.inputs(self.t, n))

    def _logged_seconds(self):
        """{activity: seconds} up to the record that this invocation resumes from."""
        wall = self.log.wall.items()
        return {k[:-2]: v for k, v in wall if k.endswith("_s") and not k.endswith("per_s")}

    def _passed(self, part):
        if self.startup is not None:
            self.startup.done(part)

    def _where(self):
        kind, n = self.devices[0].device_kind, len(self.devices)
        where = "on the device" if self.loader.device_data else "streamed"
        return f"{n} x {kind}, {self.run.batch // n} images each per minibatch; data {where}"

    def _intervals(self):
        run = self.run
        everies = [run.log_every, run.sample_every, run.save_every, run.eval_every]
        return [every for every in everies if every]

    def _in_place(self):
        if not self.peers.leads:
            return contextlib.nullcontext()
        return run_place.required(self.workdir, f"{self.name}stopped at step {self.t}")

    def _refuse_non_finite(self):
        state = parallel.local(self.carry[0])
        step, player = int(state.bad_step), int(state.bad_player)
        if step < 0:
            return
        self.peers.agreed = True
        steps = self.store.steps()
        last_good = "no checkpoint was saved yet"
        if steps:
            last_good = f"checkpoint {steps[-1]} is the last good one"
        raise NonFiniteError(
            f"{self.name}Player {self.method.players[player].name!r} had a non-finite loss or "
            f"gradient at step {step}; {last_good}."
        )

    def _require_saved(self, what):
        """Raise Stopped if the checkpoint of this step is not on disk. what: what the run did."""
        if self.t not in self.store.steps():
            raise Stopped(
                f"{self.name}{what}, but step {self.t} was NOT saved, because the disk of "
                f"{self.workdir} is full. The newest on disk is {self.store.newest()}; make room, "
                "and the same command goes on from there."
            )
