"""What the scores say of images that were damaged on purpose: they must get worse, step by step.

Takes real held-out images and adds noise, blurs them, leaves out class after class, or puts copies
of training images in their place; scores each set like a generator's. Each score sees other damage.
Copies are perfect to every score of quality and variety: only the search for nearest training
images sees them. Writes damage.png (a row per score, a column per damage), bias.png (the Frechet
distance of real images against sample count, with the value that it tends to) and damage.json.
"""

import dataclasses
import pathlib
import sys
from typing import Any

import numpy as np
import scipy
from matplotlib.figure import Figure

from gan_jax import metrics
from gan_jax.data.reading_flags import ReadingFlags
from gan_jax.data.types import Dataset
from gan_jax.errors import InputError
from gan_jax.metrics import controls, features, memorization, metric, scoring
from gan_jax.metrics.scoring import Evaluator
from gan_jax.report import score_text
from gan_jax.settings import setting, size_setting
from gan_jax.studies import runner


@dataclasses.dataclass(frozen=True)
class Flags(runner.StudyFlags, ReadingFlags):
    """Flags of this study."""

    workdir: str = setting("runs/damage", "the folder for figures and numbers")
    data: str = setting("galaxies", "images with labels and a test split, see any training command")
    size: int | str = size_setting(32, "side of the images in pixels")
    n_images: int = setting(4000, "images of every set", low=200)
    scores: str = setting("", "which, with commas; empty: all that suit the data")
    seed: int = setting(0, "seed of every draw", low=0, high=2**31 - 1)


GROUPS = (Flags(),)
LEVELS = {  # of damage, in the unit that the title names
    "noise": (0, 4, 8, 16, 32, 64),
    "blur": (0.0, 0.5, 1.0, 2.0, 4.0),
    "classes": (0, 1, 2, 3, 4),
    "copies": (0.0, 0.25, 0.5, 0.75, 1.0),
}
TITLES = {
    "noise": "noise (sd, grey levels)",
    "blur": "blur (sigma, pixels)",
    "classes": "classes left out",
    "copies": "share of training images",
}
N_QUERIES = 256  # images whose nearest training images are searched
N_SAMPLES = 20  # of each count, for the bias
FRACTIONS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0)  # of n_images: counts at which it is measured


def damage(
    kind: str,
    level: float,
    clean: np.ndarray,
    labels: np.ndarray,
    train_images: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Damage a set of images.

    Args:
      kind: key of LEVELS.
      level: how much.
      clean: uint8 [N, H, W, C].
      labels: int [N].
      train_images: uint8 [M, H, W, C].
      rng: random numbers.

    Returns:
      uint8 [N, H, W, C].
    """
    if not level:
        return clean
    if kind == "noise":
        noisy = clean + rng.normal(0, level, clean.shape)
        return noisy.round().clip(0, 255).astype(np.uint8)
    if kind == "blur":
        blurred = scipy.ndimage.gaussian_filter(clean.astype(np.float32), (0, level, level, 0))
        return blurred.round().astype(np.uint8)
    if kind == "classes":
        by_frequency = np.argsort(-np.bincount(labels[labels >= 0]), kind="stable")
        rows = np.flatnonzero(np.isin(labels, by_frequency[level:]))
        return clean[np.resize(rng.permutation(rows), len(clean))]
    damaged = clean.copy()
    rows = rng.permutation(len(clean))[: round(level * len(clean))]
    damaged[rows] = train_images[np.resize(rng.permutation(len(train_images)), len(rows))]
    return damaged


def score_damage(
    evaluator: Evaluator, train: Dataset, test: Dataset, n: int, seed: int
) -> dict[str, list[dict[str, float]]]:
    """Score test images with every damage.

    Returns:
      {kind: [{"level", score: value} at each level]}; the first level is no damage.
    """
    rng = np.random.default_rng(seed)
    reference, _ = controls.choose_reference(evaluator, train, seed)
    rows = rng.permutation(len(test.images))[:n]
    clean, labels = np.asarray(test.images)[rows], test.labels[rows]
    train_images = np.asarray(train.images)
    n_classes = len(np.unique(labels[labels >= 0]))
    scores = {}
    for kind, levels in LEVELS.items():
        scores[kind] = []
        for level in levels:
            if kind == "classes" and level >= n_classes:
                break
            print(f"{TITLES[kind]}: {level}", file=sys.stderr, flush=True)
            same_rng = np.random.default_rng([seed, 1])
            damaged = damage(kind, level, clean, labels, train_images, same_rng)
            pair = (reference, evaluator(damaged))
            row = scoring.summarize_row(scoring.make_row(evaluator, [pair]))
            queries = damaged[rng.permutation(n)[:N_QUERIES]]
            record, _ = memorization.detect_copies(evaluator.extractor, train, test, queries, seed)
            row |= memorization.row_scores(record)[0]
            scores[kind].append({"level": level, **row})
    return scores


def measure_bias(
    evaluator: Evaluator, train: Dataset, test: Dataset, n: int, seed: int
) -> dict[str, Any]:
    """Measure the Frechet distance of real images from other real ones at several counts.

    A line in 1 / count is fitted; it ends at the distance of unlimited counts. Distances scatter by
    about as much as they are biased, so a count weighs as much as it is.

    Returns:
      {"counts", "distances": [counts][N_SAMPLES], "slope", "limit": where the line ends}.
    """
    frechet = metrics.TABLE["frechet"]
    train_images = np.asarray(train.images)
    # More than a sample has, so that samples differ.
    rows = np.random.default_rng(seed).permutation(len(train_images))[: 4 * n]
    sets = evaluator(train_images[rows]), evaluator(np.asarray(test.images)[:n])
    most = min(len(views["features"]) for views in sets)
    least = frechet.min_images(sets[0]["features"].shape[1])
    counts = sorted({max(round(fraction * most), least) for fraction in FRACTIONS})
    distances = []
    for count in counts:
        distances.append([])
        for i in range(N_SAMPLES):
            rng = np.random.default_rng([seed, count, i])
            pair = [
                metric.take_rows(views, rng.permutation(len(views["features"]))[:count])
                for views in sets
            ]
            distances[-1].append(frechet.compute(*pair)["frechet"])
    weights = np.repeat(np.array(counts, float), N_SAMPLES)
    slope, limit = np.polyfit(1 / weights, np.ravel(distances), 1, w=weights)
    return {"counts": counts, "distances": distances, "slope": float(slope), "limit": float(limit)}


def draw_damage(scores: dict[str, list[dict[str, float]]], path: pathlib.Path) -> None:
    """Draw a row of small plots per score, a column per damage; dashed: undamaged images.

    Args:
      scores: see `score_damage`.
      path: of the PNG.
    """
    keys = [key for key in score_text.all_scores() if key in scores["noise"][0]]
    figure = Figure(figsize=(10, 1.25 * len(keys)), layout="constrained")
    panels = figure.subplots(len(keys), len(LEVELS), sharey="row", squeeze=False)
    for key, row_of_panels in zip(keys, panels, strict=True):
        for (kind, rows), axes in zip(scores.items(), row_of_panels, strict=True):
            values = [row[key] for row in rows]
            axes.plot(range(len(rows)), values, marker="o", ms=3, lw=1.2, color="#3b82d6")
            axes.axhline(values[0], color="#80858d", lw=0.8, ls="--")
            axes.set_xticks(range(len(rows)), [f"{row['level']:g}" for row in rows], fontsize=7)
            axes.tick_params(axis="y", labelsize=7)
            axes.spines[["top", "right"]].set_visible(False)
            if key == keys[-1]:
                axes.set_xlabel(TITLES[kind], fontsize=8)
        score = score_text.all_scores()[key]
        row_of_panels[0].set_ylabel(
            f"{score.title}\n({score.better})", fontsize=7.5, rotation=0, ha="right", va="center"
        )
    figure.savefig(path, dpi=90)


def draw_bias(bias: dict[str, Any], path: pathlib.Path) -> None:
    """Draw distances over 1 / count, the line through them and where it ends.

    Args:
      bias: see `measure_bias`.
      path: of the PNG.
    """
    counts, distances = np.array(bias["counts"]), np.array(bias["distances"])
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.subplots()
    dots = {"ms": 3, "alpha": 0.4, "mew": 0, "color": "#3b82d6", "label": "draws"}
    axes.plot(np.repeat(1 / counts, N_SAMPLES), distances.ravel(), "o", **dots)
    axes.plot(1 / counts, distances.mean(1), "_", ms=14, mew=2, color="#1f4e8c", label="their mean")
    ends = np.array([0, 1 / counts.min()])
    label = f"{bias['limit']:.3g} + {bias['slope']:.3g} / images"
    axes.plot(ends, bias["limit"] + bias["slope"] * ends, color="#e8833a", lw=1.2, label=label)
    axes.set_xticks([0, *1 / counts[:4]], ["unlimited", *(f"{count:,}" for count in counts[:4])])
    axes.set_xticks(1 / counts, minor=True)
    axes.set_xlabel("images on each side (spaced as 1 / images)")
    axes.set_ylabel("Frechet distance of real images")
    axes.set_ylim(min(0, bias["limit"]), 1.1 * np.quantile(distances, 0.98))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def run(argv: list[str]) -> None:
    """Damage, score and draw as a command line says."""
    (flags,), root = runner.parse("damage", __doc__, GROUPS, argv)
    train, test = runner.open_splits(flags.data, flags.data_options(flags.size))
    if test is None or test.labels is None or len(test.images) < flags.n_images:
        raise InputError(
            f"--data={flags.data} has no {flags.n_images} labelled test images to damage; "
            "use other data or a lower --n_images."
        )
    scoring.check_values(flags.scores, False)
    scoring.check_counts(train, flags.n_images, "n_images", flags.scores)
    extractor = features.load(train, test)
    all_scores = scoring.make_evaluator(extractor, train, flags.scores)
    frechet = scoring.make_evaluator(extractor, train, "frechet")
    root.mkdir(parents=True, exist_ok=True)
    scores = score_damage(all_scores, train, test, flags.n_images, flags.seed)
    bias = measure_bias(frechet, train, test, len(test.images), flags.seed)
    draw_damage(scores, root / "damage.png")
    draw_bias(bias, root / "bias.png")
    runner.write_json(root / "damage.json", {"damage": scores, "bias": bias})
    print(f"Written: damage.png, bias.png, damage.json in {root}")
