"""The real images that a generator is compared with: the reference, the floor and a control.

All choices depend on the images and the seed, not on the order of the images.
"""

import numpy as np

from gan_jax.data.types import Dataset
from gan_jax.metrics import class_balance
from gan_jax.metrics.content_order import sort_rows
from gan_jax.metrics.metric import Views, take_rows
from gan_jax.metrics.scoring import Evaluator

MAX_REFERENCE = 10_000  # real training images that everything is compared with
N_REPEATED_IMAGES = 8  # different images in the collapsed control where there are no classes


def choose_reference(evaluator: Evaluator, real: Dataset, seed: int) -> tuple[Views, np.ndarray]:
    """Choose the reference: min(MAX_REFERENCE, N) training images, without replacement.

    Returns:
      (views, int64 rows of `real.images`), in random order.
    """
    rows = np.random.default_rng(seed).permutation(sort_rows(real.images))[:MAX_REFERENCE]
    return evaluator.views_of(real, rows), rows


def floor_pairs(
    evaluator: Evaluator,
    real: Dataset,
    heldout: Dataset | None,
    reference: Views,
    reference_rows: np.ndarray,
    n: int,
    repeats: int,
    seed: int,
) -> tuple[str, list[tuple[Views, Views]]]:
    """Choose disjoint sets of real images, for the row "real".

    The samples are n held-out images if there are so many, else n training images outside the
    reference. Otherwise the reference is cut in two: the counts are smaller then, and the scores a
    little higher.

    Args:
      evaluator: the metrics.
      real: training images.
      heldout: images of the test split, or None.
      reference: views of the reference, see `choose_reference`.
      reference_rows: its rows of `real`.
      n: images per sample.
      repeats: number of pairs.
      seed: seed of the choice.

    Returns:
      (the origin of the samples in words, [(reference, sample) views] of each repeat).
    """
    rngs = [np.random.default_rng([seed, repeat]) for repeat in range(repeats)]
    if heldout is not None and len(heldout.images) >= n:
        order = sort_rows(heldout.images)
        samples = [rng.permutation(order)[:n] for rng in rngs]
        return "held-out images", [
            (reference, evaluator.views_of(heldout, rows)) for rows in samples
        ]
    others = np.setdiff1d(np.arange(len(real.images)), reference_rows)
    if len(others) >= n:
        others = sort_rows(real.images, others)
        samples = [rng.permutation(others)[:n] for rng in rngs]
        return "other training images", [
            (reference, evaluator.views_of(real, rows)) for rows in samples
        ]
    cut = min(n, len(reference_rows) // 2)
    orders = [rng.permutation(len(reference_rows)) for rng in rngs]
    return "disjoint parts of the training images", [
        (take_rows(reference, order[cut:]), take_rows(reference, order[:cut])) for order in orders
    ]


def collapsed_control(reference: Views, n: int, seed: int) -> tuple[str, Views]:
    """Choose n real images without variety from the reference, repeated where it has too few.

    They are of the class that the classifier reports most often; without classes, they are
    N_REPEATED_IMAGES images.

    Returns:
      (what they are in words, their views).
    """
    size = len(reference["features"])
    rng = np.random.default_rng([seed, size])
    if "probs" not in reference:
        pool = rng.permutation(size)[:N_REPEATED_IMAGES]
        description = f"{N_REPEATED_IMAGES} training images, repeated"
    else:
        most_frequent = class_balance.class_counts(reference["probs"]).argmax()
        pool = np.flatnonzero(reference["probs"].argmax(1) == most_frequent)
        description = "most frequent class only"
    return description, take_rows(reference, rng.choice(pool, n, replace=len(pool) < n))
