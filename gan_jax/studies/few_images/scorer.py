"""Scores of the study of few images: distances, variety, copies; for runs, a floor and controls."""

import dataclasses
import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_jax.data.types import Dataset
from gan_jax.metrics import controls, memorization, scoring
from gan_jax.metrics.metric import Views
from gan_jax.studies import run_outputs
from gan_jax.studies.reference import open_reference

METRICS = "frechet,kernel,coverage,classes,directions"
FLOOR_REPEATS = 3
FLOOR, COPIES, COLLAPSED = "real (floor)", "copies", "collapsed"  # rows of controls


@dataclasses.dataclass(frozen=True)
class Scorer:
    """Scores generated images against one large set of real ones."""

    evaluator: scoring.Evaluator
    reference: Views  # of real images
    heldout: Dataset | None  # real images that no run has seen
    n: int  # images that are scored
    neighbours: int  # of them, whose nearest training images are searched

    def score_run(self, folder: pathlib.Path, train: Dataset, batch: int) -> dict[str, Any]:
        """Score a finished run, once.

        Args:
          folder: the run folder.
          train: its training images.
          batch: images of a minibatch.

        Returns:
          its scores, "steps", "train_s", "passes" over the training images, and what
          `search_copies` returns.
        """
        more = run_outputs.More(
            {"neighbours": self.neighbours}, lambda images: self.search_copies(train, images)
        )
        row = run_outputs.score_run(folder, self.evaluator, self.reference, self.n, more)
        return row | {"passes": row["steps"] * batch / len(train.images)}

    def score(self, images: np.ndarray) -> dict[str, Any]:
        """Score images uint8 [n, H, W, C]; see scoring.make_row."""
        return scoring.make_row(self.evaluator, [(self.reference, self.evaluator(images))])

    def search_copies(self, train: Dataset, images: np.ndarray) -> dict[str, Any]:
        """Search training images that generated ones copy.

        Returns:
          {"copied": share of the generated images that match a training image, "copied_real": the
          same share of real ones, "copying": whether that is a sign of copying, None where it
          cannot be told}.
        """
        record, _ = memorization.detect_copies(
            self.evaluator.extractor, train, self.heldout, images[: self.neighbours], 0
        )
        generated, real = memorization.row_scores(record)
        return {**generated, "copied_real": real["copied"], "copying": record["copying"]}


class Judged(NamedTuple):
    """What generated images are compared with, and what it scores itself."""

    scorer: Scorer
    controls: dict[int, dict[str, dict]]  # by images of the training set: {row: its scores}
    classes: list[str]  # names; [] without classes
    protocol: str  # all of this in words


def judge(
    source: Dataset, heldout: Dataset | None, sets: dict[int, Dataset], n: int, neighbours: int
) -> Judged:
    """Build the Scorer of a study, and score the floor and the controls.

    Args:
      source: the training split of the source.
      heldout: its test split, or None.
      sets: training sets, see sets.open_sets.
      n: images that are scored.
      neighbours: of them, whose nearest training images are searched.
    """
    one = open_reference(source, heldout, sets, n, METRICS, FLOOR_REPEATS)
    evaluator, reference, floor = one.evaluator, one.views, one.floor
    collapsed_words, collapsed = controls.collapsed_control(reference, n, 0)
    scorer = Scorer(evaluator, reference, heldout, n, neighbours)
    one_class = scoring.make_row(evaluator, [(reference, collapsed)])
    of_sets = {}
    for size, train in sets.items():
        images = repeat_images(train.images, n)
        copied = scorer.search_copies(train, images)
        of_sets[size] = {
            FLOOR: floor | {"copied": copied["copied_real"]},
            COPIES: scorer.score(images) | {"copied": copied["copied"]},
            COLLAPSED: one_class,
        }
    protocol = (
        f"{one.protocol} Copies: the nearest training images of {neighbours:,} generated ones. "
        f"Control copies: the training set, repeated. Control collapsed: {collapsed_words}. Times "
        f"are of training alone, on {jax.devices()[0].device_kind}."
    )
    return Judged(scorer, of_sets, one.classes, protocol)


def repeat_images(images: np.ndarray, n: int) -> np.ndarray:
    """Choose n images uint8 [n, H, W, C] of a training set, each nearly equally often."""
    rng = np.random.default_rng(len(images))
    rounds = [rng.permutation(len(images)) for _ in range(-(-n // len(images)))]
    return np.asarray(images[np.concatenate(rounds)[:n]])
