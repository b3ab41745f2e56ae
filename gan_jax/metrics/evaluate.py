"""Scores of a generator beside a floor and controls, which give the scores a meaning.

A single score says nothing: it depends on the feature space, the number of images and the data. A
record therefore holds several rows, computed alike, and the protocol that they come from:

  real       real images against other real images: the floor, which a perfect generator reaches
  model      the trained generator ("images": a folder of images)
  untrained  the same generator before training
  collapsed  real images of one class only: perfect images without variety

No score depends on the order of the images: what is drawn is drawn by content.
"""

from collections.abc import Callable

import numpy as np

from gan_jax import metrics, plugins
from gan_jax.data import toys
from gan_jax.data.types import Dataset
from gan_jax.metrics import (
    class_accuracy,
    class_balance,
    content_order,
    controls,
    features,
    point_scores,
    precision_recall,
    protocol,
    scoring,
)
from gan_jax.metrics.metric import Views

# Rows that a record is about; it has one of them. The other rows are there for comparison.
SUBJECT_ROWS = ("model", "images")

# (seed, n) -> images uint8 [n, H, W, C]; where the evaluator reads values, (images, the same in the
# data's own units, float32 [n, H, W, C]).
Sampler = Callable[[int, int], np.ndarray | tuple[np.ndarray, np.ndarray]]


def evaluate(
    evaluator: scoring.Evaluator,
    real: Dataset,
    heldout: Dataset | None,
    samplers: dict[str, Sampler],
    n: int,
    repeats: int,
    seed: int,
) -> dict:
    """Score samples against real training images, beside the floor and the controls.

    Args:
      evaluator: feature space and metrics.
      real: training images.
      heldout: images of the test split, or None.
      samplers: {"model" or "images": sampler}, and more rows such as "untrained".
      n: images per sample.
      repeats: number of samples of "model" and "real", with seeds seed, seed + 1, ...; controls are
        sampled once. Repeated floors share reference and pool, so their spread is a bit too small.
      seed: seed of every choice.

    Returns:
      JSON-able finite dict:
        "protocol": see protocol.build.
        "classes": names of the classes; [] without classes.
        "scores": {key: Score as dict} of plug-ins, if there are any.
        "rows": {row: see scoring.make_row}; standard errors are in the subject's row and in "real".
        With classes, "real_fractions": class shares of the reference as classified. For a trained
        classifier also "real_fractions_corrected", by the reference's labels, and "confusion".

    Raises:
      InputError: too few images, features that are not finite, or images unlike the real ones.
    """
    reference, reference_rows = controls.choose_reference(evaluator, real, seed)
    names = ",".join(evaluator.metrics)
    scoring.check_counts(real, n, "n_images", names, reference["features"].shape[1])
    floor_text, floor = controls.floor_pairs(
        evaluator, real, heldout, reference, reference_rows, n, repeats, seed
    )
    collapsed_text, collapsed = controls.collapsed_control(reference, n, seed)

    rows = {"real": scoring.make_row(evaluator, floor, seed)}
    for name, sampler in samplers.items():
        is_subject = name in SUBJECT_ROWS
        seeds = range(seed, seed + (repeats if is_subject else 1))
        pairs = [(reference, _sample_views(evaluator, sampler(i, n), seed)) for i in seeds]
        rows[name] = scoring.make_row(evaluator, pairs, seed if is_subject else None)
    rows["collapsed"] = scoring.make_row(evaluator, [(reference, collapsed)])

    settings = {
        "n_fake": n,
        "repeats": repeats,
        "seed": seed,
        "floor": floor_text,
        "collapsed": collapsed_text,
    }
    if own := [name for name in evaluator.metrics if metrics.TABLE.is_plugin(name)]:
        settings["plugins"] = {name: plugins.describe(name) for name in own}
    scores = {key: score._asdict() for key, score in metrics.plugin_scores(own).items()}
    return {
        "protocol": protocol.build(evaluator.extractor, real, reference, settings),
        "classes": [],
        **({"scores": scores} if scores else {}),
        "rows": rows,
        **_class_fields(evaluator.extractor, real, reference, reference_rows),
    }


def _sample_views(evaluator, sample, seed):
    """Compute the views of what a sampler returns, in an order by content."""
    images, values = sample if isinstance(sample, tuple) else (sample, None)
    rows = content_order.shuffled_rows(images, seed)
    return evaluator(images[rows], None if values is None else values[rows])


def _class_fields(
    extractor: features.Extractor, real: Dataset, reference: Views, reference_rows: np.ndarray
) -> dict:
    """Return the fields of a record that describe the classes; {} without classes."""
    if "probs" not in reference:
        return {}
    n_classes = reference["probs"].shape[1]
    fractions = class_balance.class_fractions(reference["probs"])
    out = {
        "classes": list(extractor.classes or [f"class {i}" for i in range(n_classes)]),
        "real_fractions": fractions.tolist(),
    }
    if extractor.confusion is None:
        return out
    labels = None if real.labels is None else real.labels[reference_rows]
    if labels is not None and extractor.labels:
        labels = extractor.class_indices(labels)
    if labels is not None and (labels >= 0).any():
        # The classifier was trained on these images: its confusions do not apply to them.
        counts = np.bincount(labels[labels >= 0], minlength=len(extractor.confusion))
        corrected = counts / counts.sum()
    else:
        corrected = class_balance.correct_fractions(fractions, extractor.confusion)
    out["confusion"] = np.asarray(extractor.confusion).tolist()
    out["real_fractions_corrected"] = corrected.tolist()
    return out


def evaluate_class_accuracy(
    evaluator: scoring.Evaluator,
    real: Dataset,
    heldout: Dataset | None,
    sampler: Callable[[int, np.ndarray], np.ndarray],
    n: int,
    seed: int,
) -> dict:
    """Score whether images show their requested classes, and all variety of each class.

    Args:
      evaluator: its feature space has those of the generator's classes that have images, see
        Extractor.labels; no image is requested of the others.
      real: training images with labels.
      heldout: images of the test split, or None.
      sampler: (seed, int [n] classes) -> images uint8 [n, H, W, C].
      n: images in all; class_accuracy.N_PER_CLASS per class are enough.
      seed: seed of every choice.

    Returns:
      As class_accuracy.score_classes, over the classes with images; and "n_per_class", "k",
      "control" in words, and for the classifier on real held-out images "intended_real" (balanced
      accuracy) and "intended_real_per_class" (recalls, None of a class without held-out images).
    """
    extractor = evaluator.extractor
    features_only = scoring.Evaluator(extractor, {})
    rng, classes = np.random.default_rng(seed), np.array(extractor.labels)
    n_per_class = max(1, min(n // len(classes), class_accuracy.N_PER_CLASS))

    def choose_images(dataset, n):
        """Choose up to n images of each class, in random order: (views, labels)."""
        rows_of_class = [np.flatnonzero(dataset.labels == c) for c in classes]
        orders = [content_order.sort_rows(dataset.images, rows) for rows in rows_of_class]
        rows = np.concatenate([rng.permutation(order)[:n] for order in orders])
        labels = extractor.class_indices(dataset.labels[rows])
        return features_only.views_of(dataset, rows), labels

    # Classes alternate, for generators that normalise over the batch.
    requested = np.tile(np.arange(len(classes)), n_per_class)
    generated = features_only(sampler(seed, classes[requested]))
    use_heldout = (
        heldout is not None and heldout.labels is not None and bool((heldout.labels >= 0).any())
    )
    control = choose_images(heldout, n_per_class) if use_heldout else None
    views, labels = choose_images(real, n_per_class if use_heldout else 2 * n_per_class)
    return {
        **class_accuracy.score_classes(generated, requested, views, labels, control),
        "intended_real": extractor.accuracy,
        "intended_real_per_class": list(extractor.recall),
        "n_per_class": n_per_class,
        "k": precision_recall.K,
        "control": "as many held-out images" if use_heldout else "as many other training images",
    }


def evaluate_points(
    real: Dataset, samplers: dict[str, Sampler], n: int, repeats: int, seed: int
) -> dict:
    """Score points against the held-out points of a toy, see `point_scores`.

    Args:
      real: training points.
      samplers: as in `evaluate`, but of points float [n, 1, 1, D].
      n: points per sample.
      repeats: number of samples of "model" and "real".
      seed: seed of every choice.

    Returns:
      JSON-able finite dict: "protocol", "classes" (none) and "rows"; the row "real" is of training
      points.

    Raises:
      InputError: see point_scores.score_points.
    """

    def sample_training_points(seed, n):
        return real.images[np.random.default_rng(seed).permutation(len(real.images))[:n]]

    n_test = len(toys.sample_points(toys.toy_from_spec(real.name), "test")[0])
    rows = {}
    for name, sampler in {"real": sample_training_points, **samplers}.items():
        n_samples = repeats if name in ("model", "real") else 1
        samples = [sampler(seed + i, n) for i in range(n_samples)]
        scores = [point_scores.score_points(points, real.name) for points in samples]
        rows[name] = scoring.average_repeats(scores, n_test, len(samples[0]))
    settings = {
        "n_real": n_test,
        "n_fake": n,
        "repeats": repeats,
        "seed": seed,
        "split": "test",
        "data": real.name,
        "digest": real.digest,
        "net": None,
    }
    return {"protocol": settings, "classes": [], "rows": rows}
