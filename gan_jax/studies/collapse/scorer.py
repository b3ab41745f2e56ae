"""Scores of a study of mode collapse: which modes a run covers, and how far it is from the data.

The data are of one of three kinds: images with classes, points with modes, and stacks, images
whose channels have a class each. A class is covered that holds 5 % of the images, a mode that holds
1 % of the points, and a combination of classes that a single stack has.
"""

import pathlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from gan_jax import metrics
from gan_jax.data import toys
from gan_jax.data.datasets import Dataset
from gan_jax.errors import InputError
from gan_jax.metrics import class_balance, features, point_scores, scoring
from gan_jax.metrics import controls as image_controls
from gan_jax.rundir import log, run_folder
from gan_jax.studies import run_outputs
from gan_jax.studies.collapse.systems import kind_of
from gan_jax.training import sampling


class Kind(NamedTuple):
    """Scores of one kind of data."""

    scores: dict[str, str]  # {key: name in tables}
    covered: str  # key of the score that counts modes
    distance: str  # key of the distance from the data
    compared: tuple[str, ...]  # scores that systems are compared by, all of them better when low
    noun: str  # what is covered
    metrics: str = ""  # of images, as --eval_scores has them


KINDS = {
    "images": Kind(
        {k: metrics.SCORES[k].title for k in ("frechet", "total_variation", "kl", "classes_5pct")},
        "classes_5pct",
        "frechet",
        ("total_variation", "frechet"),
        "classes",
        metrics.TRAINING_METRICS,
    ),
    "stacks": Kind(
        {k: metrics.SCORES[k].title for k in ("modes", "modes_kl", "frechet")},
        "modes",
        "modes_kl",
        ("modes_kl", "frechet"),
        "combinations of classes",
        "frechet,modes",
    ),
    "points": Kind(
        {
            k: point_scores.SCORES[k].title
            for k in (
                "modes_covered",
                "registered",
                "kl_modes",
                "modes_3sd",
                "high_quality",
                "reverse_kl",
                "wasserstein",
            )
        },
        "modes_covered",
        "wasserstein",
        ("kl_modes", "wasserstein"),
        "modes",
    ),
}


class Scorer(NamedTuple):
    """Scores generated data, and says what real data and the controls score."""

    kind: str  # key of KINDS
    n: int  # images or points that are scored
    score: Callable  # (n images or points) -> {score: value}
    controls: dict[str, dict]  # {name: scores}
    n_modes: int  # that real data cover
    classes: list[str]  # their names, none for points
    fractions: list[float]  # of the classes in real data, as classified
    protocol: str  # all of this in words


def check_data(source: Dataset, counts: dict[str, int]) -> None:
    """Refuse data without modes, and counts too small to be scored.

    Args:
      source: the training data.
      counts: {flag: images or points}.

    Raises:
      InputError
    """
    labels = None if source.labels is None else source.labels[source.labels >= 0]
    if labels is None or len(np.unique(labels)) < 2:
        instead = "--data with a folder per class"
        if source.points:
            instead = "toys with several modes, such as toys:gaussians25"
        raise InputError(
            f"--data={source.name} has no two classes, so no modes to count; use {instead}."
        )
    kind = kind_of(source.name)
    if kind == "points":
        return
    if kind == "images" and class_balance.n_classes_holding(np.bincount(labels) / len(labels)) < 2:
        raise InputError(
            f"--data={source.name} has no two classes with 5 % of the images each; use data with "
            "fewer classes."
        )
    for flag, n in counts.items():
        n_features = features.count_features("auto", source)
        scoring.check_counts(source, n, flag, KINDS[kind].metrics, n_features, scores_flag="")


def build_scorer(source: Dataset, heldout: Dataset | None, n: int) -> Scorer:
    """Build the Scorer for n images or points.

    Args:
      source: the training data.
      heldout: the test data, or None.
      n: images or points.
    """
    return _point_scorer(source, n) if source.points else _image_scorer(source, heldout, n)


def _point_scorer(source, n):
    rng = np.random.default_rng(0)
    n_test = len(toys.sample_points(toys.toy_from_spec(source.name), "test")[0])

    def score(*samples):
        scores = [point_scores.score_points(sample, source.name) for sample in samples]
        return scoring.average_repeats(scores, n_test, n)

    floors = [source.images[rng.permutation(len(source.images))[:n]] for _ in range(3)]
    one_mode = source.images[rng.choice(np.flatnonzero(source.labels == 0), n)]
    protocol = (
        f"{n} points against {n_test} held-out ones of {source.name}. A point is registered "
        f"within {point_scores.MODE_RADIUS:.2f} standard deviations of a mode; "
        f"{100 * point_scores.MIN_MODE_SHARE:g} % of the points cover a mode. By the literature's "
        f"rules it is of high quality within {point_scores.HIGH_QUALITY_RADIUS:g}, and one such "
        "point covers a mode. Floor: training points. Collapsed: points of one mode."
    )
    controls = {"real (floor)": score(*floors), "collapsed": score(one_mode)}
    return Scorer("points", n, score, controls, len(source.classes), [], [], protocol)


def _image_scorer(source, heldout, n):
    kind = kind_of(source.name)
    extractor = features.load(source, heldout)
    evaluator = scoring.make_evaluator(extractor, source, KINDS[kind].metrics)
    reference, rows = image_controls.choose_reference(evaluator, source, 0)
    where, floors = image_controls.floor_pairs(evaluator, source, heldout, reference, rows, n, 3, 0)
    what, collapsed = image_controls.collapsed_control(reference, n, 0)
    fractions = class_balance.class_fractions(reference["probs"])
    classes, n_modes = list(extractor.classes), class_balance.n_classes_holding(fractions)
    if kind == "stacks":
        classes, fractions, n_modes = [], fractions[:0], len(extractor.classes)

    def row(pairs):
        """Score; leave out the shares of so many combinations."""
        scores = scoring.make_row(evaluator, pairs)
        hidden = ("fractions", "fractions_std") if kind == "stacks" else ()
        return {key: value for key, value in scores.items() if key not in hidden}

    seen = "the classifier of each channel" if kind == "stacks" else extractor.name
    protocol = (
        f"{n} images against {len(rows)} real ones of {source.name} at {source.images.shape[1]} "
        f"px in {reference['features'].shape[1]} features of {seen} (balanced accuracy "
        f"{100 * extractor.accuracy:.1f} %). Floor: {where}. Collapsed: {what}."
    )
    controls = {"real (floor)": row(floors), "collapsed": row([(reference, collapsed)])}
    return Scorer(
        kind,
        n,
        lambda images: row([(reference, evaluator(images))]),
        controls,
        n_modes,
        classes,
        fractions.tolist(),
        protocol,
    )


def score_run(folder: pathlib.Path, scorer: Scorer) -> tuple[dict, np.ndarray]:
    """Score a finished run.

    Returns:
      (its scores, steps, updates of G and seconds of training; the images or points that were
      scored).
    """
    run = run_folder.load(folder)
    sampler = sampling.build_sampler(run.method)
    sample = sampler(run.state.vars(ema=True), jax.random.key(0), scorer.n)
    seconds = log.read(folder / "metrics.jsonl")[-1]["wall"]["train_s"]
    own = {"steps": run.step, "updates": count_updates(folder), "train_s": seconds}
    return scorer.score(sample) | own, sample


def count_updates(folder: pathlib.Path) -> int:
    """Count the updates of G of a run: fewer than steps where a rule skips some."""
    records = log.read(folder / "metrics.jsonl")
    steps = np.diff([0, *(record["step"] for record in records)])
    fractions = [record.get("gen/ran", 1.0) for record in records]
    return round(sum(n * fraction for n, fraction in zip(steps, fractions, strict=True)))


def read_curve(folder: pathlib.Path, kind: Kind) -> dict[str, list]:
    """Read the scores that a run took while training.

    Returns:
      {"step", "train_s", and the keys of the kind's covered and distance: list}.
    """
    curve = {}
    for key in (kind.covered, kind.distance):
        step, seconds, values = run_outputs.read_logged(folder, f"eval/{key}")
        curve |= {"step": step.tolist(), "train_s": seconds.tolist(), key: values.tolist()}
    return curve
