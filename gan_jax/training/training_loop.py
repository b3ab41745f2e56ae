"""The training loop. There is one; it knows no method by name.

Between cadences the host only sends row numbers: metrics are summed on the device, inside the state that a checkpoint
stores, and fetched once per log interval. That is also why an interrupted run ends with the same bytes as one that never was.
"""

import collections
import contextlib
import os
import pathlib
import signal
import time

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_jax import cache, images, metrics
from gan_jax.core import parallel
from gan_jax.core.state import fresh, init, shapes
from gan_jax.core.step import build_step, n_draws
from gan_jax.data import loader
from gan_jax.errors import Collapsed, NonFiniteError, Stopped
from gan_jax.metrics import class_balance, evaluate, features, point_scores
from gan_jax.ops import cpu
from gan_jax.report import point_plots, run_page
from gan_jax.rundir import checkpoint, log
from gan_jax.training import monitor, sampling

GRID = 64  # what the key of the sample grids is folded with
IN_FLIGHT = 2  # dispatches the host may run ahead


class Timer(dict):
    """Seconds by activity, summed over all invocations of a run."""

    @contextlib.contextmanager
    def __call__(self, name):
        start = time.perf_counter()
        try:
            yield
        finally:
            self[name] = self.get(name, 0.0) + time.perf_counter() - start


class Signals:
    """Notes SIGTERM and SIGINT instead of dying of them; a second SIGINT does interrupt."""

    def __init__(self):
        self.name = None
        self._old = {}

    def __enter__(self):
        for s in (signal.SIGTERM, signal.SIGINT):
            self._old[s] = signal.signal(s, self._note)
        return self

    def _note(self, number, _):
        self.name = signal.Signals(number).name
        os.write(2, b"\nstopping after this step; Ctrl-C again to stop at once\n")
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def __exit__(self, *_):
        for s, handler in self._old.items():
            signal.signal(s, handler)


def empty_tally(method, batch):
    """Zeros for the sums of every metric, and the number of steps summed. batch: shapes as build_step wants them."""
    step = build_step(method)
    metrics = jax.eval_shape(
        lambda: step(
            init(method, jax.random.key(0)),
            jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), batch),
        )[1]
    )
    return {name: np.zeros((), np.float32) for name in (*metrics, "steps")}


def averages(method, tally):
    """{"player/term": mean over the updates that ran}, from fetched sums; a player that never ran is left out."""
    out = {}
    for player in method.players:
        ran = float(tally[f"{player.name}/ran"])
        for name in sorted(
            n for n in tally if n.startswith(f"{player.name}/") and not n.endswith("/ran")
        ):
            if ran:
                out[name] = float(tally[name]) / ran
        if player.gate:
            out[f"{player.name}/ran"] = ran / float(tally["steps"])
    return out


def counted(step):
    """(carry, batch) -> carry of a step: carry is (GanState, tally), and the tally sums every metric."""

    def one(carry, batch):
        state, metrics = step(carry[0], batch)
        metrics = {**metrics, "steps": jnp.float32(1)}
        return state, {name: carry[1][name] + metrics[name] for name in carry[1]}

    return one


def repeated(one, carry, leaves):
    """The carry after one(carry, leaves of a step) for every step that the leaves' first axis holds."""
    if jax.tree.leaves(leaves)[0].shape[0] == 1:
        return one(carry, jax.tree.map(lambda a: a[0], leaves))
    return lax.scan(lambda c, x: (one(c, x), None), carry, leaves)[0]


def build_program(method, stream, devices):
    """program(carry, data, leaves) -> (carry, step): as many steps as leaves' first axis says, in one compiled call.

    carry: see `counted`; donated. data, leaves: see data.loader.Feed.
    """
    one = counted(build_step(method, parallel.AXIS if len(devices) > 1 else None))

    def program(carry, data, leaves):
        carry = repeated(lambda c, x: one(c, stream.batch(data, x)), carry, leaves)
        return carry, carry[0].step

    options = {"compiler_options": cpu.compiler_options()}
    if len(devices) > 1:
        return parallel.pmapped(program, devices, batch_axis=2, **options)
    return jax.jit(program, donate_argnums=0, **options)


def is_resident(run, source):
    """Whether the data is kept on the device: a matter of its size and the device's memory, not of what is free now."""
    gib = run.resident_gib
    if gib < 0:
        gib = 0.4 * parallel.memory_gib()
    return source.images.nbytes <= gib * 2**30


def per_dispatch(run):
    """Steps in one compiled call that a settings.Run asks for, or that suit this machine."""
    return run.steps_per_dispatch or (1 if jax.default_backend() == "cpu" else 20)


class Loop:
    """One invocation of a run: builds, restores, trains, keeps the run folder.

    Use as a context manager; entering restores or initialises, and compiles unless the run is a member of several in one
    program (see members.py); leaving waits for the last save.
    """

    def __init__(
        self, config, workdir, source, heldout, signals, name="", member=False, startup=None
    ):
        """name: what its lines on the terminal begin with, where several runs share it. startup: a startup.Startup."""
        self.name, self.startup = name, startup
        self.config, self.run, self.workdir = config, config.run, pathlib.Path(workdir)
        self.source, self.heldout, self.signals = source, heldout, signals
        self.devices = jax.devices()[: self.run.devices or None]
        self.method = config.build()
        self.per_dispatch = min(per_dispatch(self.run), self.run.steps, *self._everies())
        self.see, self.scores, self.shares, self.saved = None, {}, None, -1
        self.programs, self.member = {}, member
        self.pool = (heldout or source).images if self.method.by == "image" else None
        self.sampler = sampling.build_sampler(self.method, self.pool)

    def __enter__(self):
        with log.stopping_if_full(self.workdir), contextlib.ExitStack() as stack:
            (self.workdir / "samples").mkdir(parents=True, exist_ok=True)
            self.store = stack.enter_context(
                checkpoint.Store(self.workdir, metrics.ranking(self.run.keep_best))
            )
            self._open_feed()
            self.restore()
            self._passed("init")
            if not self.member:
                self.compile()
            self._open = stack.pop_all()
        return self

    def __exit__(self, *exc):
        with self._open:
            self.log.close()
            self.progress.close()
            spent = ", ".join(f"{name} {log.clock(s)}" for name, s in self.timer.items())
            log.say(
                f"{self.name}time over all starts: {spent}; {100 * self.outside():.1f} % outside of steps"
            )

    def advance(self, until):
        """Trains to step `until`, on to the end of a dispatch, not beyond the run's end.

        Raises:
          Stopped, NonFiniteError, Collapsed
        """
        until = min(until, self.run.steps)
        while self.t < until:
            self.refuse_collapse()
            self._dispatch()
            self.cadences()
            if self.signals.name and self.t < self.run.steps:
                self.stop()
        with self.timer("train"):
            jax.block_until_ready(self.carry)

    def finish(self):
        """After the last step: the report, and DONE with the digest of the final state, which is returned."""
        self._require_saved("trained to its end")
        digest = checkpoint.digest(checkpoint.to_host(self.carry[0]))
        with log.stopping_if_full(self.workdir):
            if self.source.points:
                frames = [p for p in (self.workdir / "samples").glob("*.png") if p.stem.isdigit()]
                point_plots.animate(
                    sorted(frames, key=lambda p: int(p.stem)), self.workdir / "density.webp"
                )
            run_page.write(self.workdir)
            cache.write_atomic(
                self.workdir / "DONE", f"step {self.run.steps}\nstate sha256: {digest}\n"
            )
        return digest

    def _passed(self, part):
        """Books the time since the last part of a start, where somebody keeps the account."""
        if self.startup is not None:
            self.startup.done(part)

    def outside(self):
        """Share in [0, 1] of the time over all starts that was not spent in steps, compiling and evaluation left out. What the
        first grid compiles does count."""
        whole = self._seconds() - self.timer.get("compile", 0.0) - self.timer.get("evaluate", 0.0)
        return max(0.0, 1 - self.timer.get("train", 0.0) / max(whole, 1e-9))

    def _seconds(self):
        """Since this run began, over all starts."""
        return self.wall0 + time.perf_counter() - self.began

    def _open_feed(self):
        draws = n_draws(self.method)
        self.feed = loader.build(
            self.source,
            self.method.hp.pixels,
            self.run.seed,
            draws,
            self.run.batch,
            self.devices,
            is_resident(self.run, self.source),
        )
        self._passed("data")
        self.empty = empty_tally(self.method, self._abstract_batch(draws))
        self._passed("trace")

    def restore(self, upto=None):
        """Goes to the newest checkpoint, or to the newest that is not after a step, or to the beginning; cuts the log back."""
        if upto is not None:
            self.store.forget_after(upto)
            self.log.close()
            self.progress.close()
        found = self.store.load_newest(shapes(self.method), self.empty)
        self.t = found[0] if found else 0
        self.log = log.Log(self.workdir, self.t, self.run.tensorboard)
        self.timer, self.wall0, self.began = (
            Timer(self._past_seconds()),
            self.log.wall.get("time", 0.0),
            time.perf_counter(),
        )
        with self.timer("compile"):
            carry = found[1:] if found else (fresh(self.method, self.run.seed), self.empty)
            self.carry = jax.device_put(carry, parallel.replicated(self.devices))
        self.last = (self.t, self.timer.get("train", 0.0))
        self.pending = collections.deque()
        for path in [*self.workdir.glob(".tmp-*"), *(self.workdir / "samples").iterdir()]:
            if path.name.startswith(".tmp-") or (path.stem.isdigit() and int(path.stem) > self.t):
                path.unlink()
        self.progress = log.Progress(self.t, self.run.steps, self.name)
        self.progress.say(
            f"resumed at step {self.t} of {self.run.steps}"
            if found
            else f"started at step 0 of {self.run.steps}"
        )
        self.watch = None
        if self.run.watch:
            self.watch = monitor.Watch(
                self.config,
                self.method,
                self.sampler,
                self.source,
                self.pool,
                self.log.kept,
                self.progress.say,
            )

    def compile(self):
        """The program of this run alone."""
        self.progress.say("compiling ...")
        with self.timer("compile"):
            program = build_program(self.method, self.feed, self.devices)
            lowered = {
                n: program.lower(self.carry, self.feed.data, self.feed.at(self.t, n))
                for n in self.lengths()
            }
            self._passed("trace")
            self.programs = {n: one.compile() for n, one in lowered.items()}
            self._passed("compile")
        self.progress.say(
            f"compiled in {self.timer['compile'] - self._past_seconds().get('compile', 0.0):.1f} s for {self._where()}"
        )

    def _past_seconds(self):
        return {
            k[:-2]: v
            for k, v in self.log.wall.items()
            if k.endswith("_s") and not k.endswith("per_s")
        }

    def _where(self):
        kind, n = self.devices[0].device_kind, len(self.devices)
        where = "on the device" if self.feed.data else "streamed"
        return f"{n} x {kind}, {self.run.batch // n} images each per minibatch; data {where}"

    def _abstract_batch(self, draws):
        leaves = (draws, self.run.batch)
        image = jax.ShapeDtypeStruct((*leaves, *self.source.images.shape[1:]), np.float32)
        label = (
            {} if self.source.labels is None else {"label": jax.ShapeDtypeStruct(leaves, np.int32)}
        )
        return {"image": image, **label}

    def lengths(self):
        """Numbers of steps that this run dispatches at a time from here on."""
        n = self.per_dispatch
        aligned = all(step % n == 0 for step in (self.t, self.run.steps, *self._everies()))
        return () if self.t >= self.run.steps else (n,) if aligned else (1, n) if n > 1 else (1,)

    def _everies(self):
        run = self.run
        return [
            every
            for every in (run.log_every, run.sample_every, run.save_every, run.eval_every)
            if every
        ]

    def _due(self, every, t):
        return t == self.run.steps or (every > 0 and t % every == 0)

    def n_steps(self):
        """Length of the next dispatch: a function of the step alone, so that a resumed run dispatches the same programs."""
        n, t = self.per_dispatch, self.t
        crosses = any(t // every != (t + n - 1) // every for every in self._everies())
        return n if t % n == 0 and t + n <= self.run.steps and not crosses else 1

    def _dispatch(self):
        n = self.n_steps()
        with self.timer("train"):
            leaves = self.feed.at(self.t, n)
            with jax.transfer_guard("disallow"):
                self.carry, done = self.programs[n](self.carry, self.feed.data, leaves)
            self.pending.append(done)
            # Virtual CPU devices deadlock when dispatches queue up.
            limit = 0 if len(self.devices) > 1 and self.devices[0].platform == "cpu" else IN_FLIGHT
            while len(self.pending) > limit:
                jax.block_until_ready(self.pending.popleft())
        if self.startup is not None and "first step" not in self.startup:
            jax.block_until_ready(done)
            self.startup.done("first step")
            self.progress.say(self.startup.line())
        self.t += n
        self.progress.advance(n)

    def due(self):
        """What is to be done at this step, in order: methods without arguments."""
        run, t = self.run, self.t
        evaluate_now = run.eval_every > 0 and t % run.eval_every == 0
        keep = evaluate_now and run.keep_best != "none"
        every = [
            (evaluate_now, self._evaluate),
            (evaluate_now or self._due(run.log_every, t), self._log),
            (self._due(run.sample_every, t), self._sample),
            (self._due(run.save_every, t) or keep, self._save),
        ]
        return [action for now, action in every if now]

    def cadences(self):
        """Does what is due. Raises NonFiniteError."""
        due = self.due()
        if due:
            with self.timer("train"):
                jax.block_until_ready(self.carry)
            self._refuse_bad()
        for action in due:
            action()
        self.scores, self.shares = {}, None

    def _refuse_bad(self):
        bad, player = int(self.carry[0].bad_step), int(self.carry[0].bad_player)
        if bad >= 0:
            kept = (
                f"checkpoint {self.store.steps()[-1]} is the last good one"
                if self.store.steps()
                else "no checkpoint was saved yet"
            )
            raise NonFiniteError(
                f"{self.name}Player {self.method.players[player].name!r} had a non-finite loss or gradient at step {bad}; "
                f"{kept}."
            )

    def _log(self):
        state, tally = self.carry
        means = averages(self.method, jax.device_get(tally))
        self.carry = (state, jax.device_put(self.empty, parallel.replicated(self.devices)))
        record = {"step": self.t, **means, **self.scores}
        if self.shares:
            record["shares"] = self.shares
        if self.watch:
            with self.timer("watch"):
                record |= self.watch.look(
                    self._vars(), record, self.shares and self.shares["model"]
                )
        (t0, s0), now = self.last, self.timer["train"]
        self.last = (self.t, now)
        speed = (self.t - t0) / max(now - s0, 1e-9)
        per_step = self.run.batch * n_draws(self.method)
        wall = {
            "time": self._seconds(),
            "steps_per_s": speed,
            "images_per_s": speed * per_step,
            **{f"{k}_s": v for k, v in self.timer.items()},
        }
        record["wall"] = {k: round(v, 3) for k, v in wall.items()}
        if self.startup is not None:
            record["wall"]["startup"] = {k: round(v, 3) for k, v in self.startup.items()}
            self.startup = None
        self.log.write(record)
        self.progress.record(record)

    def _vars(self):
        return self.carry[0].vars(ema=True)

    def _sample(self):
        with self.timer("sample"):
            key = jax.random.fold_in(jax.random.key(self.run.seed), GRID)
            path = self.workdir / "samples" / f"{self.t:06d}.png"
            picture = sampling.picture(
                self.method, self.sampler, self._vars(), key, self.source, self.pool
            )
            try:
                images.save_png(path, picture)
            except OSError as error:
                if not log.disk_full(error):
                    raise
                log.say_full(path.name, path.parent, error, "Training goes on without it.")

    def _evaluate(self):
        with self.timer("evaluate"):
            if self.source.points:
                made = self.sampler(self._vars(), jax.random.key(0), self.run.eval_images)
                self.scores = {
                    f"eval/{k}": v for k, v in point_scores.score(made, self.source.name).items()
                }
                return
            if self.see is None:
                extractor = features.load(self.source, self.heldout)
                self.see = evaluate.look(extractor, self.source, self.run.eval_scores)
                self.reference, _ = evaluate.reference(self.see, self.source, 0)
            fakes = self.sampler(self._vars(), jax.random.key(0), self.run.eval_images)
            row = evaluate.row(self.see, [(self.reference, self.see(fakes))])
            self.scores = {f"eval/{name}": value for name, value in evaluate.summary(row).items()}
            if "fractions" in row:
                real = class_balance.fractions(self.reference["probs"]).tolist()
                self.shares = {"real": real, "model": row["fractions"]}

    def _save(self):
        with self.timer("checkpoint"):
            scores = {k.removeprefix("eval/"): v for k, v in self.scores.items()} or None
            # Resuming from a checkpoint that is ahead of metrics.jsonl would lose the records between.
            if self.log.flush(
                f"Checkpoint {self.t} is not saved without it; the newest on disk is {self.store.newest()}."
            ):
                self.store.save(self.t, *self.carry, scores)
        self.saved = self.t

    def stop(self):
        """Saves, then raises Stopped."""
        with self.timer("train"):
            jax.block_until_ready(self.carry)
        self._refuse_bad()
        if self.saved != self.t:
            self._save()
        stopped = f"stopped by {self.signals.name} at step {self.t}"
        self._require_saved(stopped)
        raise Stopped(f"{self.name}{stopped}; saved. The same command resumes.")

    def refuse_collapse(self):
        """Raises Collapsed where the watch has found one, and the run is to stop at it; what is saved then is this step."""
        why = self.watch.collapse() if self.watch and self.run.stop_on_collapse else ""
        if not why:
            return
        if self.t not in self.store.steps():
            self._save()
        self._require_saved(why)
        with log.stopping_if_full(self.workdir):
            run_page.write(self.workdir)
        raise Collapsed(
            f"{self.name}{why} Stopped at step {self.t} of {self.run.steps}; saved. The same command would end here again; "
            "with --nostop_on_collapse it goes on, and with --restart it begins anew."
        )

    def _require_saved(self, done):
        """Raises Stopped if the checkpoint of this step is not on disk. done: what the run did, in words."""
        if self.t not in self.store.steps():
            raise Stopped(
                f"{self.name}{done}, but step {self.t} was NOT saved, because the disk of {self.workdir} is full. The newest "
                f"on disk is {self.store.newest()}; make room, and the same command goes on from there."
            )


def train(config, workdir, source, heldout=None, startup=None):
    """Trains a run to its end, from wherever its folder stands.

    Args:
      config: config.Config, already validated; its folder holds config.json.
      workdir: the run folder.
      source, heldout: data.datasets.Source of training and (or None) held-out images.
      startup: startup.Startup of what preceded; None where nobody counts.

    Returns:
      sha256 hex of the final state.

    Raises:
      Stopped: SIGTERM, Ctrl-C or a full disk; says what is saved. NonFiniteError: names player, step and the last checkpoint.
      Collapsed: with --stop_on_collapse; says why and where.
    """
    with (
        Signals() as signals,
        Loop(config, workdir, source, heldout, signals, startup=startup) as loop,
    ):
        loop.advance(config.run.steps)
        return loop.finish()
