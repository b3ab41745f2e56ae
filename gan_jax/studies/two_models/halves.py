"""The data of the study of two models: sets of N images, their halves, unseen real images."""

from typing import NamedTuple

import numpy as np

from gan_jax import metrics
from gan_jax.data import datasets
from gan_jax.data.types import DataOptions, Dataset
from gan_jax.errors import InputError
from gan_jax.metrics.content_order import sort_rows
from gan_jax.nets import classifier
from gan_jax.studies import image_sets, runner

MIN_HALF = 8  # images


class Halves(NamedTuple):
    """A source, sets of its images, and real images that no model sees."""

    source: Dataset  # all training images
    sets: dict[int, Dataset]  # by their number of images, ascending
    unseen: Dataset  # 2 n_images or more
    unseen_text: str  # what they are

    def open(self, count: int, seed: int, options: DataOptions) -> tuple[Dataset, Dataset]:
        """Open the two halves of a set. seed: by which they are dealt."""
        specs = [f"shard:{i}/2/{seed}:{self.sets[count].name}" for i in (1, 2)]
        first, second = (datasets.load(spec, options) for spec in specs)
        return first, second


def open_halves(data: str, counts: str, options: DataOptions, n: int) -> Halves:
    """Open the data, after all checks that precede training.

    Args:
      data: --data of all images.
      counts: --counts.
      options: how the data are read.
      n: images that are scored.

    Raises:
      InputError: the data are points or too few, or --counts cannot be read.
    """
    numbers = image_sets.parse_counts(counts)
    source, heldout = runner.open_splits(data, options)
    if source.points:
        raise InputError(f"--data={data} are points, of which there are no halves; use images.")
    opened = image_sets.open_sets(data, numbers, source, options)
    if min(opened) < 2 * MIN_HALF:
        raise InputError(
            f"--counts={counts}: halves of {min(opened)} images are too small; use "
            f"{2 * MIN_HALF} or more."
        )
    text, unseen = "held-out images", heldout
    if unseen is None or len(unseen.images) < 2 * n:
        most = 0 if unseen is None else len(unseen.images)
        text, unseen = (
            "training images that no model sees",
            image_sets.choose_pool(source, opened, 0)[1],
        )
        most = max(most, len(unseen.images))
        if len(unseen.images) < 2 * n:
            raise InputError(
                f"--n_images={n} needs {2 * n:,} real images that no model sees, and there are "
                f"{most:,} in --data={data}; use {_advice(most, len(source.images), n)}."
            )
    return Halves(source, opened, unseen, text)


def _advice(most, total, n):
    """Say what to type where too few real images are left over.

    Args:
      most: real images that no model sees.
      total: training images of the source.
      n: --n_images.
    """
    if most // 2 >= metrics.TABLE["frechet"].min_images(classifier.WIDTHS[-1]):
        return f"--n_images={most // 2}"
    room = (total - 2 * n) // 2  # a set may have up to twice as many images as --counts asks for
    return f"--counts={room}" if room >= 2 * MIN_HALF else "more images"


def choose_parts(unseen: Dataset, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Choose two disjoint sets of n unseen images: rows, int64 [n] each, by content and seed."""
    order = np.random.default_rng(seed).permutation(sort_rows(unseen.images))
    return order[:n], order[n : 2 * n]
