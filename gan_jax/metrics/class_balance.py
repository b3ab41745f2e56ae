"""Class shares of a set of images, and their distance from those of another set."""

import numpy as np
import scipy

from gan_jax import errors
from gan_jax.metrics.metric import Metric, Score


def class_counts(probs: np.ndarray) -> np.ndarray:
    """Count the images of each class, each image in its most probable class.

    Args:
      probs: float [N, K], rows sum to 1.

    Returns:
      int64 [K], sum N.
    """
    return np.bincount(np.argmax(probs, axis=1), minlength=probs.shape[1])


def class_fractions(probs: np.ndarray) -> np.ndarray:
    """Divide `class_counts` by the number of images: float64 [K], sum 1.

    Raises:
      InputError: no images.
    """
    if not len(probs):
        raise errors.InputError("Class shares were asked of 0 images; use at least 1.")
    return class_counts(probs) / len(probs)


def correct_fractions(observed: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    """Estimate the true class fractions behind those that an imperfect classifier reports.

    A classifier with the confusion matrix C turns true fractions p into C^T p. The result is the p
    with p >= 0 and sum 1 that minimises |C^T p - observed|; the sum is enforced by a heavy row in
    the non-negative least squares, and by a division at the end.

    Args:
      observed: float [K], fractions that the classifier reports, sum 1.
      confusion: float [K, K]; entry [i, j] is the probability that an image of class i is reported
        as j.

    Returns:
      float64 [K], >= 0, sum 1. Its noise exceeds that of `observed`, the more the worse the
      classifier.

    Source: Buck and Gart 1966 (the inverted confusion matrix); the constraints are added.
    """
    weight = 1e3
    left = np.vstack([np.asarray(confusion, np.float64).T, np.full(len(observed), weight)])
    solution, _ = scipy.optimize.nnls(left, np.append(observed, weight))
    return solution / solution.sum()


def total_variation(p: np.ndarray, q: np.ndarray) -> float:
    """Compute the total variation distance of two distributions [K]: 0 equal, 1 disjoint.

    sum |p - q| / 2: the share of images that would have to change class to turn p into q.
    """
    return float(np.abs(np.subtract(p, q)).sum() / 2)


def kl(observed: np.ndarray, reference: np.ndarray, smoothing: float = 1e-3) -> float:
    """Compute KL(observed || reference) in nats, finite also where a class is empty.

    Both distributions are first mixed with the uniform one: p -> (1 - smoothing) p + smoothing / K.
    Equal distributions stay at 0, and the largest possible value is about log(K / smoothing).

    Args:
      observed: float [K], sum 1.
      reference: float [K], sum 1.
      smoothing: weight of the uniform distribution, in (0, 1).

    Returns:
      float >= 0.
    """
    p, q = (
        np.asarray(x, np.float64) * (1 - smoothing) + smoothing / len(x)
        for x in (observed, reference)
    )
    return max(float((p * np.log(p / q)).sum()), 0.0)


def n_classes_holding(p: np.ndarray, share: float = 0.05) -> int:
    """Count the classes that hold at least `share` of a distribution [K]."""
    return int((np.asarray(p) >= share).sum())


def _compute(real, fake):
    p, q = class_fractions(fake["probs"]), class_fractions(real["probs"])
    return {
        "total_variation": total_variation(p, q),
        "kl": kl(p, q),
        "classes_5pct": float(n_classes_holding(p)),
    }


METRIC = Metric(
    scores={
        "total_variation": Score(
            "total variation",
            "low",
            "Share of the images that would have to change class for the classes to be as in data.",
            least=0,
            most=1,
        ),
        "kl": Score(
            "KL (nats)",
            "low",
            "Divergence of the class shares from the data's; a class that is lost weighs most.",
            least=0,
        ),
        "classes_5pct": Score(
            "classes >= 5 %",
            "real",
            "Number of classes that hold at least 5 % of the images.",
            least=0,
            most="classes",
        ),
    },
    needs=("probs",),
    compute=_compute,
    min_images=lambda n_features: 1,
)
