"""Which classes a set of images holds, and how far that is from another set."""

import numpy as np
from scipy import optimize

from gan_jax.metrics.metric import Metric, Score


def counts(probs):
    """Images per class, each image counted for its most probable class.

    Args:
      probs: float [N, K], rows sum to 1.

    Returns:
      int64 [K], sum N.
    """
    return np.bincount(np.argmax(probs, axis=1), minlength=probs.shape[1])


def fractions(probs):
    """`counts` over their sum: float64 [K], sum 1."""
    return counts(probs) / len(probs)


def corrected(observed, confusion):
    """The class fractions that best explain what an imperfect classifier reports.

    A classifier with confusion matrix C turns true fractions p into C^T p. The p sought is the one nearest to that in
    least squares, with p >= 0 and sum 1 (a heavy row in the non-negative problem, then divided by its sum).

    Args:
      observed: float [K], fractions reported by the classifier, sum 1.
      confusion: float [K, K]; entry [i, j] is the probability that an image of class i is reported as j.

    Returns:
      float64 [K], >= 0, sum 1. Noisier than `observed`: the worse the classifier, the more.

    Source: Buck and Gart 1966 (the inverted confusion matrix), with the constraints added.
    """
    weight = 1e3
    left = np.vstack([np.asarray(confusion, np.float64).T, np.full(len(observed), weight)])
    solution, _ = optimize.nnls(left, np.append(observed, weight))
    return solution / solution.sum()


def total_variation(p, q):
    """Half the summed absolute difference of two distributions [K]: 0 equal, 1 disjoint.

    It is the share of images that would have to change class to make p into q.
    """
    return float(np.abs(np.subtract(p, q)).sum() / 2)


def kl(observed, reference, smoothing=1e-3):
    """KL(observed || reference) in nats, finite also where a class is empty.

    Both distributions are first mixed with the uniform one: p -> (1 - smoothing) p + smoothing / K. So equal
    distributions stay at 0, and the largest possible value is about log(K / smoothing).

    Args:
      observed, reference: float [K], sum 1.
      smoothing: weight of the uniform distribution, in (0, 1).

    Returns:
      float >= 0.
    """
    p, q = (
        np.asarray(x, np.float64) * (1 - smoothing) + smoothing / len(x)
        for x in (observed, reference)
    )
    return max(float((p * np.log(p / q)).sum()), 0.0)


def n_holding(p, share=0.05):
    """Number of classes that hold at least `share` of a distribution [K]."""
    return int((np.asarray(p) >= share).sum())


def _measure(real, fake):
    p, q = fractions(fake["probs"]), fractions(real["probs"])
    return {
        "total_variation": total_variation(p, q),
        "kl": kl(p, q),
        "classes_5pct": float(n_holding(p)),
    }


METRIC = Metric(
    scores={
        "total_variation": Score(
            "total variation",
            "low",
            "Share of the images that would have to change class for the classes to be as in data.",
        ),
        "kl": Score(
            "KL (nats)",
            "low",
            "Divergence of the class shares from the data's; a class that is lost weighs most.",
        ),
        "classes_5pct": Score(
            "classes >= 5 %", "real", "Number of classes that hold at least 5 % of the images."
        ),
    },
    needs=("probs",),
    measure=_measure,
    least=lambda dim: 1,
)
