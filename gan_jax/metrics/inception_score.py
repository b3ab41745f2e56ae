"""The Inception Score, with the probabilities of whatever classifier there is."""

import numpy as np
from scipy import special

from gan_jax import errors
from gan_jax.metrics import metric


def inception(probs, splits=1):
    """How sure the classifier is of each image, and how evenly the images fill its classes, in one number.

    exp(mean over images of KL(p(y|x) || p(y))), p(y) being the mean of p(y|x). The score never looks at real images: a
    generator that makes one perfect image of each class has the highest. It depends on the classifier, and scores compare only
    by the same one; published ones are by Inception-v3, in whose 1,000 classes.

    Args:
      probs: float [N, K], p(y|x), rows >= 0 of sum 1 (to 1e-3; each is divided by its sum).
      splits: parts of equal size, in the order of the images, over whose scores the mean is taken; 10 in most papers.

    Returns:
      float in [1, K]: 1 if all rows are equal, K if every image is certainly of a class and all classes are equally frequent.

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
            "Some class probabilities are negative or do not sum to 1; check the images and the classifier."
        )
    parts = [(probs / sums)[i * n // splits : (i + 1) * n // splits] for i in range(splits)]
    return float(np.mean([np.exp(special.rel_entr(p, p.mean(0)).sum(1).mean()) for p in parts]))


METRIC = metric.Metric(
    scores={
        "inception": metric.Score(
            "Inception Score",
            "high",
            "1 to the number of classes: high if a classifier is sure of what each image shows, and all classes are shown.",
        )
    },
    needs=("probs",),
    measure=lambda real, fake: {"inception": inception(fake["probs"])},
    least=lambda dim: 1,
)
