"""Inception Score, by the class probabilities of whatever classifier there is."""

import numpy as np
import scipy

from gan_jax import errors
from gan_jax.metrics import metric


def inception_score(probs: np.ndarray, splits: int = 1) -> float:
    """Compute the Inception Score: high if each image has a clear class and all classes occur.

    exp(mean over images of KL(p(y|x) || p(y))), where p(y) is the mean of p(y|x). The score ignores
    real images: a generator of one perfect image per class has the highest. Scores compare only by
    the same classifier; published ones are by Inception-v3 and its 1,000 classes.

    Args:
      probs: float [N, K], p(y|x); rows >= 0 that sum to 1 (to 1e-3; each is divided by its sum).
      splits: parts of equal size, in the order of the images; the result is the mean of their
        scores. Most papers use 10.

    Returns:
      float in [1, K]: 1 if all rows are equal; K if every image certainly has a class and all
      classes are equally frequent.

    Raises:
      InputError: fewer images than splits, or rows that are no probabilities.

    Source: Salimans et al. 2016, section 4.
    """
    probs = np.asarray(probs, np.float64)
    n = len(probs)
    if not 1 <= splits <= n:
        raise errors.InputError(
            f"An Inception Score in {splits} splits was asked of {n} images; use 1 to {n} splits."
        )
    sums = probs.sum(1, keepdims=True)
    if not (np.abs(sums - 1) < 1e-3).all() or (probs < 0).any():
        raise errors.InputError(
            "Some class probabilities are negative or do not sum to 1; check the images and the "
            "classifier."
        )
    parts = [(probs / sums)[i * n // splits : (i + 1) * n // splits] for i in range(splits)]
    return float(
        np.mean([np.exp(scipy.special.rel_entr(p, p.mean(0)).sum(1).mean()) for p in parts])
    )


METRIC = metric.Metric(
    scores={
        "inception": metric.Score(
            "Inception Score",
            "high",
            "1 to the number of classes: high if a classifier is sure of what each image shows, "
            "and all classes are shown.",
            least=1,
            most="classes",
        )
    },
    needs=("probs",),
    compute=lambda real, fake: {"inception": inception_score(fake["probs"])},
    min_images=lambda n_features: 1,
)
