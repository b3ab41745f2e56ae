"""Scores of the models of a study of curves, while they train."""

import json
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_jax.config import Prepared
from gan_jax.data.types import Dataset
from gan_jax.errors import InputError, NonFiniteError
from gan_jax.metrics import point_scores, scoring
from gan_jax.studies import interleaved, runner
from gan_jax.studies.curves.flags import Flags
from gan_jax.studies.reference import open_reference

FLOOR_REPEATS = 3
SCORED = "points.json"  # in a run folder: {step that was asked for: scores there}


class Measure(NamedTuple):
    """How images, or points, are scored."""

    compute: Callable[[np.ndarray], dict[str, float]]
    floor: dict[str, float]  # the same of real ones
    classes: list[str]  # names; [] without classes
    protocol: str  # in words


def build_measure(
    source: Dataset, heldout: Dataset | None, sets: dict[int, Dataset], flags: Flags
) -> Measure:
    """Build the Measure of the study's data.

    Args:
      source: the training split of the source.
      heldout: its test split, or None.
      sets: training sets, see image_sets.open_sets.
      flags: the study's.
    """
    n = flags.n_images
    if source.points:
        compute = lambda points: point_scores.score_points(points, source.name)
        rows = np.random.default_rng(0).permutation(len(source.images))[:n]
        text = f"Scores of {n:,} points of {source.name}. Floor: as many training points."
        return Measure(compute, compute(source.images[rows]), [], text)
    reference = open_reference(source, heldout, sets, n, flags.scores, FLOOR_REPEATS)

    def score(generated):
        pair = (reference.views, reference.evaluator(generated))
        return scoring.summarize_row(
            scoring.make_row(reference.evaluator, [pair]), reference.evaluator
        )

    floor = scoring.summarize_row(reference.floor, reference.evaluator)
    return Measure(score, floor, reference.classes, reference.protocol)


def spread_points(steps: int, n: int) -> list[int]:
    """Return the steps at which a run is scored, ascending: its end, and each half of the next."""
    return sorted({max(1, round(steps / 2**k)) for k in range(n)})


def train_and_score(
    prepared: Prepared, folder: pathlib.Path, points: list[int], measure: Measure, n: int
) -> tuple[list[dict[str, Any]], str]:
    """Train a run and score it on its way; what is there already is not done again.

    A point is scored before training goes on from it, so a run that was stopped lacks none.

    Args:
      prepared: the run.
      folder: its folder.
      points: see `spread_points`.
      measure: Measure.
      n: images that are generated each time.

    Returns:
      ([scores at each point, with "step" and "train_s", seconds of training up to there], "" or
      why the run diverged).

    Raises:
      Stopped: a signal came, or the disk is full.
      InputError: the run is finished, and its scores are lost.
    """
    path = folder / SCORED
    rows = json.loads(path.read_text()) if path.exists() else {}
    with interleaved.open_loops({"run": prepared}, {"run": folder}) as loops:
        for loop in loops.values():
            try:
                for point in points:
                    loop.advance(point)
                    if str(point) not in rows:
                        images = loop.sampler(loop.sampled_vars(), jax.random.key(0), n)
                        at = {"step": loop.t, "train_s": round(loop.timer.get("train", 0.0), 3)}
                        rows[str(point)] = at | measure.compute(images)
                        runner.write_json(path, rows)
                loop.finish()
            except NonFiniteError as error:
                return [], str(error)
    if missing := [point for point in points if str(point) not in rows]:
        raise InputError(
            f"{folder} is finished and has no scores of step {missing[0]}; delete that folder."
        )
    return [rows[str(point)] for point in points], ""
