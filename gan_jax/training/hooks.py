"""What a run does between steps, each at its own interval: evaluate, log, sample, save.

Hooks run in the order of `build_hooks`. Earlier ones pass results to later ones through
`Loop.results`.
"""

import dataclasses
from collections.abc import Callable

import jax

from gan_jax import images
from gan_jax.core import parallel
from gan_jax.core.keys import KeyStream, run_key
from gan_jax.core.method import n_minibatches
from gan_jax.metrics import class_balance, controls, features, photometry, point_scores, scoring
from gan_jax.rundir import log
from gan_jax.training import sampling
from gan_jax.training.monitor import Monitor
from gan_jax.training.program import mean_metrics


@dataclasses.dataclass
class StepResults:
    """Results that the hooks of one step pass on."""

    scores: dict[str, float] = dataclasses.field(default_factory=dict)  # {"eval/NAME": score}
    shares: dict[str, list[float]] | None = None  # {"real", "model": class shares}, if counted


class Hook:
    """Something that a run does at some of its steps."""

    def __init__(self, loop, *intervals: int, at_end: bool = True):
        """Set when the hook runs.

        Args:
          loop: the training_loop.Loop that calls it.
          *intervals: steps between runs, each counted from step 0; 0: never.
          at_end: whether it also runs after the last step.
        """
        self.loop = loop
        self.intervals = [interval for interval in intervals if interval]
        self.at_end = at_end

    def is_due(self, step: int) -> bool:
        """Say whether the hook runs after so many steps."""
        if self.at_end and step == self.loop.run.steps:
            return True
        return any(step % interval == 0 for interval in self.intervals)

    def __call__(self) -> None:
        raise NotImplementedError

    def follow(self) -> None:
        """Do what the hook does to the state, in a process that does not keep the run folder."""


class Evaluate(Hook):
    """Scores generated images, or points, against the training data."""

    def __init__(self, loop, *intervals, **options):
        super().__init__(loop, *intervals, **options)
        # The evaluator, and (vs, key, n) -> what it takes: images, and values where it reads them.
        self._scored_by: tuple[scoring.Evaluator, Callable[..., tuple]] | None = None
        self._reference = {}

    def __call__(self):
        loop = self.loop
        with loop.timer("evaluate"):
            n, train = loop.run.eval_images, loop.prepared.train
            if train.points:
                generated = loop.sampler(loop.sampled_vars(), jax.random.key(0), n)
                scores = point_scores.score_points(generated, train.name)
                loop.results.scores = {f"eval/{name}": value for name, value in scores.items()}
                return
            if self._scored_by is None:
                self._scored_by = self._prepare(train)
            evaluator, sample = self._scored_by
            views = evaluator(*sample(loop.sampled_vars(), jax.random.key(0), n))
            pair = (self._reference, views)
            row = scoring.make_row(evaluator, [pair])
            summary = scoring.summarize_row(row, evaluator)
            loop.results.scores = {f"eval/{name}": value for name, value in summary.items()}
            if "fractions" in row:
                real = class_balance.class_fractions(self._reference["probs"]).tolist()
                loop.results.shares = {"real": real, "model": row["fractions"]}

    def _prepare(self, train):
        """Return the evaluator and the sampler for it; measure the reference."""
        loop = self.loop
        extractor = features.load(train, loop.prepared.test)
        evaluator = scoring.make_evaluator(
            extractor, train, loop.run.eval_scores, values=photometry.has_units(train)
        )
        self._reference, _ = controls.choose_reference(evaluator, train, 0)
        if not evaluator.reads_values:
            return evaluator, lambda *arguments: (loop.sampler(*arguments),)
        return evaluator, sampling.build_sampler(
            loop.method, loop.prepared.pool, units=train.format, also_shown=True
        )


class Log(Hook):
    """Writes one record: means of the metrics since the last one, scores, health and speed."""

    def __init__(self, loop, *intervals, **options):
        super().__init__(loop, *intervals, **options)
        self.monitor = None
        if loop.run.watch and loop.peers.leads:
            self.monitor = Monitor(
                loop.prepared, loop.sampler, loop.prepared.pool, loop.log.records, loop.progress.say
            )
        self._last = (loop.t, loop.timer.get("train", 0.0))

    def __call__(self):
        loop = self.loop
        means = mean_metrics(loop.method, jax.device_get(parallel.local(loop.carry[1])))
        self.follow()
        record = {"step": loop.t, **means, **loop.results.scores}
        shares, model_shares = loop.results.shares, None
        if shares:
            record["shares"], model_shares = shares, shares["model"]
        if self.monitor:
            with loop.timer("watch"):
                record |= self.monitor.measure(loop.sampled_vars(), record, model_shares)
        record["wall"] = self._wall()
        loop.log.write(record)
        loop.progress.record(record)

    def follow(self):
        """Begin the sums of metrics anew."""
        loop = self.loop
        empty = parallel.put_replicated(loop.empty_tally, loop.devices)
        loop.carry = (loop.carry[0], empty)

    def _wall(self):
        """Measure the speed since the last record, and list where the time went."""
        loop = self.loop
        (step_before, train_before), train_now = self._last, loop.timer["train"]
        self._last = (loop.t, train_now)
        steps_per_s = (loop.t - step_before) / max(train_now - train_before, 1e-9)
        seconds = {f"{activity}_s": s for activity, s in loop.timer.items()}
        wall = {
            "time": loop.seconds(),
            "steps_per_s": steps_per_s,
            "images_per_s": steps_per_s * loop.run.batch * n_minibatches(loop.method),
            **seconds,
        }
        rounded = {name: round(value, 3) for name, value in wall.items()}
        if loop.startup is not None:
            rounded["startup"] = {part: round(s, 3) for part, s in loop.startup.items()}
            loop.startup = None
        return rounded


class Sample(Hook):
    """Saves a grid of samples of fixed noise."""

    def __call__(self):
        loop = self.loop
        with loop.timer("sample"):
            picture = sampling.picture(
                loop.method,
                loop.sampler,
                loop.sampled_vars(),
                run_key(loop.run.seed, KeyStream.GRID),
                loop.prepared.train,
                loop.prepared.pool,
                loop.run.show,
            )
            path = loop.workdir / "samples" / f"{loop.t:06d}.png"
            try:
                images.save_png(path, picture)
            except OSError as error:
                if not log.disk_full(error):
                    raise
                log.say_full(path.name, path.parent, error, "Training goes on without it.")
            loop.log.write_picture(loop.t, picture)


class Save(Hook):
    """Saves a checkpoint in the background."""

    def __init__(self, loop, *intervals, **options):
        super().__init__(loop, *intervals, **options)
        self.saved_step = -1

    def __call__(self):
        loop = self.loop
        with loop.timer("checkpoint"):
            scores = {name.removeprefix("eval/"): v for name, v in loop.results.scores.items()}
            # A checkpoint ahead of metrics.jsonl would lose the records between when it is resumed.
            otherwise = (
                f"Checkpoint {loop.t} is not saved without it; the newest on disk is "
                f"{loop.store.newest()}."
            )
            if loop.log.flush(otherwise):
                state, tally = parallel.local(loop.carry)
                loop.store.save(loop.t, state, tally, scores or None)
        self.saved_step = loop.t


def build_hooks(loop) -> tuple[Evaluate, Log, Sample, Save]:
    """Build the hooks of a training_loop.Loop, in the order in which they run after a step."""
    run = loop.run
    keep = run.eval_every if run.keep_best != "none" else 0
    return (
        Evaluate(loop, run.eval_every, at_end=False),
        Log(loop, run.log_every, run.eval_every),
        Sample(loop, run.sample_every),
        Save(loop, run.save_every, keep),
    )
