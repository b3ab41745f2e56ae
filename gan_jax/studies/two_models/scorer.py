"""Comparison of two models: pairs of images, distributions, scores, copies; floors and controls."""

import dataclasses
import json
import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_jax import images
from gan_jax.data.types import DataOptions, Dataset
from gan_jax.metrics import features, memorization, pair_agreement, scoring
from gan_jax.metrics.metric import Views
from gan_jax.rundir import run_folder
from gan_jax.settings import Size
from gan_jax.studies import run_outputs, runner
from gan_jax.studies.few_images.scorer import repeat_images
from gan_jax.studies.two_models import halves
from gan_jax.studies.two_models.halves import Halves
from gan_jax.training import sampling

METRICS = "frechet,kernel,coverage,classes"
DISTANCES = ("frechet", "kernel")  # between two sets of images
VIEWS = {"pixel": "images", "feature": "features"}  # {how pairs are compared: their view}
FLOOR_REPEATS = 8  # pairs of disjoint sets of real images
SCORED = "pair.json"  # in the folder of the first model: what `score_pair` returned
PICTURE = "pairs.png"  # there, too: images of both models of the same noise
SHOWN = 10  # of them


@dataclasses.dataclass(frozen=True)
class Judge:
    """Compares two models with each other and with unseen real images."""

    evaluator: scoring.Evaluator
    reference: Views  # of n real images
    n: int  # images of each model
    neighbours: int  # of them, whose nearest training images are searched

    def distance(self, a: Views, b: Views) -> dict[str, float]:
        """Compute the distances between two sets of images, as many in each."""
        metrics = self.evaluator.metrics
        return {name: metrics[name].compute(a, b)[name] for name in DISTANCES if name in metrics}

    def score_pair(
        self, folders: tuple[pathlib.Path, pathlib.Path], trained_on: tuple[Dataset, Dataset]
    ) -> dict[str, Any]:
        """Compare two finished runs, once: the result is kept as long as nothing has changed.

        Args:
          folders: of the two runs.
          trained_on: their training images, disjoint.

        Returns:
          JSON values:
            "pixel", "feature": see pair_agreement.measure, of images of the same noise.
            "between": `distance` between the models, from noise of its own for each.
            "own": the same between two samples of the first model.
            "models": of each, scores against the reference; "steps", "train_s", "passes" over its
            half; and what `search_copies` returns.
        """
        key = {
            "runs": [(folder / "DONE").read_text() for folder in folders],
            "net": self.evaluator.extractor.name,
            "scores": list(self.evaluator.metrics),
            "n": self.n,
            "neighbours": self.neighbours,
        }
        path = folders[0] / SCORED
        try:
            stored = json.loads(path.read_text())
        except (OSError, ValueError):
            stored = {}
        if stored.get("key") == key and (folders[0] / PICTURE).exists():
            return stored["pair"]
        (first, more), (second, others) = generate(folders, self.n)
        draw_pairs(first, second, folders[0] / PICTURE)
        views = [self.evaluator(array) for array in (first, second, more, others)]
        pair: dict[str, Any] = {
            name: pair_agreement.measure(views[0][view], views[1][view])
            for name, view in VIEWS.items()
        }
        pair["between"] = self.distance(views[0], views[3])
        pair["own"] = self.distance(views[0], views[2])
        pair["models"] = [
            self._score_model(folders[i], views[i], trained_on[i], trained_on[1 - i])
            for i in (0, 1)
        ]
        runner.write_json(path, {"key": key, "pair": pair}, indent=None)
        return pair

    def _score_model(self, folder, views, train, other):
        row = scoring.make_row(self.evaluator, [(self.reference, views)])
        steps = run_folder.load(folder).step
        row |= {"steps": steps, "train_s": run_outputs.train_seconds(folder)}
        row["passes"] = steps * run_outputs.read_batch(folder) / len(train.images)
        return row | self.search_copies(train, other, views["images"][: self.neighbours])

    def search_copies(
        self, train: Dataset, other: Dataset, generated: np.ndarray
    ) -> dict[str, Any]:
        """Search the nearest images in a model's own half, and in the other half.

        Returns:
          {"copied": share of the images that match one image of the own half, "copied_real": the
          same share of real images, "copying": whether that is a sign of copying, None where it
          cannot be told, "nearest_own": {"pixel", "feature": share of the images whose nearest
          real image is in the own half, of which as many are searched as of the other}; half of
          them for a model that copies nothing}.
        """
        record, _ = memorization.detect_copies(self.evaluator.extractor, train, other, generated, 0)
        copied, real = memorization.row_scores(record)
        nearest = {name: record[name]["nearer_training"] for name in memorization.DISTANCES}
        return {
            **copied,
            "copied_real": real["copied"],
            "copying": record["copying"],
            "nearest_own": nearest,
        }


class Judged(NamedTuple):
    """What models are compared with."""

    judge: Judge
    floor: list[dict[str, float]]  # `Judge.distance` between disjoint sets of unseen real images
    # By number of images: the same between the two halves, each repeated. Two models that know
    # their halves by heart, and nothing else, are as far apart.
    copies: dict[int, dict[str, float]]
    classes: list[str]  # names; [] without classes
    protocol: str  # all of this in words


def judge(opened: Halves, options: DataOptions, seed: int, n: int, neighbours: int) -> Judged:
    """Build the Judge of a study, and measure the floor and the control.

    Args:
      opened: Halves.
      options: how the data are read.
      seed: of the halves that are repeated.
      n: images of each model.
      neighbours: of them, whose nearest training images are searched.
    """
    source, unseen = opened.source, opened.unseen
    extractor = features.load(source, unseen if opened.unseen_text == "held-out images" else None)
    evaluator = scoring.make_evaluator(extractor, source, METRICS)
    parts = [
        [evaluator.views_of(unseen, rows) for rows in halves.choose_parts(unseen, n, i)]
        for i in range(FLOOR_REPEATS)
    ]
    comparison = Judge(evaluator, parts[0][0], n, neighbours)
    copies = {}
    for count in opened.sets:
        both = [
            evaluator(repeat_images(half.images, n)) for half in opened.open(count, seed, options)
        ]
        copies[count] = comparison.distance(*both)
    accuracy = extractor.accuracy
    known = "" if accuracy is None else f" (balanced accuracy {100 * accuracy:.1f} %)"
    protocol = (
        f"Scores: {n:,} generated images of each model, in "
        f"{parts[0][0]['features'].shape[1]} features of {extractor.name}{known}; {source.name} at "
        f"{Size.of(source.images.shape[1:3])} px. Floor: {n:,} real images against {n:,} others, "
        f"{FLOOR_REPEATS} times, {opened.unseen_text}; the first {n:,} are also what each model is "
        f"scored against. Copies: the nearest training images of {neighbours:,} generated ones. "
        f"Control: the two halves, each repeated to {n:,} images. Times are of training alone, on "
        f"{jax.devices()[0].device_kind}."
    )
    classes = list(extractor.classes) if "probs" in comparison.reference else []
    return Judged(
        comparison, [comparison.distance(*pair) for pair in parts], copies, classes, protocol
    )


def generate(
    folders: tuple[pathlib.Path, pathlib.Path], n: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Generate images of two runs, of the same noise and condition; and n more of each.

    Args:
      folders: of the runs, of one method.
      n: images.

    Returns:
      [(uint8 [n, H, W, C] from noise that both share, the same from other noise)] of each. Those of
      other noise are of the same noise again in both.
    """
    runs = [run_folder.load(folder) for folder in folders]
    keys = [jax.random.key(seed) for seed in (0, 1)]
    # A class-conditional method draws classes by their counts, which differ by one at most.
    conditions = [sampling.drawn_conditions(runs[0].method, key, n) for key in keys]
    out = []
    for run in runs:
        sampler, vs = sampling.build_sampler(run.method), run.state.vars(ema=True)
        first, more = (
            sampler(vs, key, n, condition) for key, condition in zip(keys, conditions, strict=True)
        )
        out.append((first, more))
    return out


def draw_pairs(a: np.ndarray, b: np.ndarray, path: pathlib.Path) -> None:
    """Draw images of two models of the same noise, one above the other, as PNG."""
    tiles = np.concatenate([a[:SHOWN], b[:SHOWN]])
    images.save_png(path, images.grid(tiles, min(SHOWN, len(a))))
