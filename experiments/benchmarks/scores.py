"""What the scores of an evaluation cost, by parts: seconds, medians and 95 % intervals.

Images are embedded galaxies, half of them as if they were generated. Parts: what the feature net
sees of all images; measures that scores read, such as shapes of galaxies; every score of the
generated images; the intervals of all scores, from halves of both sets. The classifier, whose
training is not timed, is trained once and kept in the cache.
"""

import dataclasses
import sys
import time

import numpy as np

from experiments.benchmarks import harness
from experiments.benchmarks.harness import Column
from experiments.benchmarks.intervals import estimate
from gan_jax.commands import process
from gan_jax.data import datasets
from gan_jax.data.types import DataOptions
from gan_jax.metrics import features, scoring
from gan_jax.settings import setting, size_setting


@dataclasses.dataclass(frozen=True)
class Settings(harness.Rounds):
    """Flags of this command."""

    n_images: int = setting(10_000, "images of each side", low=200)
    size: int = size_setting(64, "side of the images in pixels")
    features: str = setting("classifier", "what images are seen by, see evaluate")


def parts(evaluator: scoring.Evaluator, images: list[np.ndarray]) -> dict[str, float]:
    """Measure one evaluation: {part: seconds}."""
    seconds: dict[str, float] = {}

    def timed(name, f):
        def call(*args):
            began = time.perf_counter()
            value = f(*args)
            seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - began
            return value

        return call

    apply = timed("features", evaluator.extractor.apply)
    clocked = scoring.Evaluator(
        evaluator.extractor._replace(apply=apply),
        {
            key: metric._replace(views={n: timed(n, view) for n, view in metric.views.items()})
            for key, metric in evaluator.metrics.items()
        },
    )
    views = [clocked(x) for x in images]
    timed("scores", scoring.compute_scores)(evaluator, *views)
    timed("intervals", scoring.standard_errors)(evaluator, *views, 0)
    return {**seconds, "all": sum(seconds.values())}


def run(argv: list[str]) -> None:
    """Print the table that the command line asks for."""
    flags = harness.parse("experiments.benchmarks.scores", __doc__, Settings(), argv)
    dataset = datasets.load(f"galaxies:{2 * flags.n_images}", DataOptions(size=flags.size))
    extractor = features.load(dataset, None, flags.features)
    evaluator = scoring.make_evaluator(extractor, dataset)
    images = np.asarray(dataset.images)
    images = [images[: flags.n_images], images[flags.n_images : 2 * flags.n_images]]
    rounds = [parts(evaluator, images) for _ in range(flags.rounds)]
    table = harness.Table(Column("part", -14), Column("seconds", 22, ".2f"), path=flags.json)
    for part in rounds[0]:
        times = estimate([of[part] for of in rounds])
        table.add({"part": part, "seconds": times._asdict()})
    print(f"{flags.n_images:,} images against {flags.n_images:,} at {flags.size} px")


if __name__ == "__main__":
    sys.exit(process.guarded(run, sys.argv[1:]))
