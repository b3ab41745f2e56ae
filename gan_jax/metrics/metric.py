"""What a metric is, and what all metrics share.

A metric compares two sets of images. It does not see the images but *views* of them: arrays whose
first axis is the images, computed once per image. Everything slow belongs in a view: `compute` also
runs on halves of both sets, which gives the intervals.
"""

import concurrent.futures
import math
import os
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from gan_jax import errors
from gan_jax.data.types import Dataset

# Of N images:
#   "images"    uint8 [N, H, W, C]
#   "features"  float32 [N, F], of a feature space (metrics.features)
#   "probs"     float32 [N, K], class probabilities, only where the feature space has classes
# and the views that a metric adds (Metric.views).
Views = dict[str, np.ndarray]
# Random halves of a pair of sets: rows int [n // 2] of the real images, and of the others.
Halves = Sequence[Sequence[np.ndarray]]


class Score(NamedTuple):
    """One number of a metric."""

    title: str  # its name in tables
    better: Literal["low", "high", "real"]  # "real": best where real images have it
    text: str  # what it says, for a newcomer
    # The least and the largest possible value, which intervals stay within; None: no limit.
    least: float | None = None
    most: float | Literal["classes"] | None = None  # "classes": the number of classes

    def limits(self, n_classes: int = 0) -> tuple[float, float]:
        """Return the least and the largest possible value, infinite where there is none.

        n_classes: of the data; 0 where they have none, or it does not matter.
        """
        most = (n_classes or None) if self.most == "classes" else self.most
        return (-math.inf if self.least is None else self.least, math.inf if most is None else most)

    def widest(self, n_classes: int = 0) -> float:
        """Return the largest difference between two values that there can be."""
        least, most = self.limits(n_classes)
        return most - least


def distance_score(title: str, what: str, of: str = "images") -> Score:
    """Return a score that is a distance between distributions, in real standard deviations.

    Args:
      title: of the score.
      what: is distributed, such as "colours".
      of: what has it, such as "galaxies".
    """
    text = f"How much {what} differ from those of real {of}, in their standard deviations."
    return Score(title, "low", text, least=0)


class Metric(NamedTuple):
    """Scores that are computed together."""

    scores: dict[str, Score]  # by the keys of the records
    needs: tuple[str, ...]  # names of the views that `compute` reads
    # (real, fake) -> {key: finite float}. Deterministic; raises InputError where it has no value.
    compute: Callable[[Views, Views], dict[str, float]]
    # Number of features -> number of images that each side needs at least.
    min_images: Callable[[int], int] = lambda n_features: 2
    # {name: images uint8 [N, H, W, C] -> array [N, ...]}, views that only this metric needs. With
    # of_values: {name: float32 [N, H, W, C], in the data's own units -> array [N, ...]}.
    views: dict[str, Callable[[np.ndarray], np.ndarray]] = {}  # noqa: RUF012 - never mutated
    applies_to: Callable[[Dataset], bool] = lambda dataset: True  # whether it means anything there
    of_values: bool = False  # for data with a PixelFormat alone
    # (real, fake, halves) -> {key: standard error}, of what is computed once for all halves; None:
    # the standard deviation of `compute` of each. See scoring.standard_errors.
    standard_errors: Callable[[Views, Views, Halves], dict[str, float]] | None = None


_BLOCK_VALUES = 2**19  # that one thread measures at once: bounds the memory
# The largest value of float32, about. Sixth powers of it, summed, are finite in float64.
MAX_FEATURE = 1e38


def measure_blocks(
    images: np.ndarray, measure: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...]
) -> np.ndarray:
    """Measure images in blocks, on all cores.

    Args:
      images: [N, H, W, C], of any type; may be a memory map.
      measure: images [n, H, W, C] -> float64 [n, *shape].
      shape: of what is measured of one image.

    Returns:
      float64 [N, *shape].
    """
    step = max(1, _BLOCK_VALUES // max(1, images[:1].size))

    def measure_block(start):
        return measure(np.asarray(images[start : start + step]))

    with concurrent.futures.ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        blocks = pool.map(measure_block, range(0, len(images), step))
        return np.concatenate([np.zeros((0, *shape)), *blocks])


def spread(scores: list[dict[str, float]]) -> dict[str, float]:
    """Compute the standard deviation of each score."""
    return {key: float(np.std([of[key] for of in scores], ddof=1)) for key in scores[0]}


def take_rows(views: Views, rows: np.ndarray | slice) -> Views:
    """Return the views of some of the images. rows: int [n] or a slice."""
    return {name: view[rows] for name, view in views.items()}


def check_finite(*features: np.ndarray) -> None:
    """Refuse features that are infinite, undefined, or so large that their products overflow.

    Raises:
      InputError
    """
    if not all(np.isfinite(x).all() for x in features):
        raise errors.InputError(
            "Features contain infinite or undefined values; check the images and the feature net."
        )
    largest = max((np.abs(x).max() for x in features if np.size(x)), default=0)
    if largest > MAX_FEATURE:
        raise errors.InputError(
            f"Features reach {largest:.0e}, too large to be compared; scale them below "
            f"{MAX_FEATURE:.0e}."
        )


def number_text(value: float | None, decimals: int, factor: float = 1) -> str:
    """Format factor * value for a table; "-" for None."""
    return "-" if value is None else f"{factor * value:.{decimals}f}"
