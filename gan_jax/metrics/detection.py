"""Detection of one class among all others, at a fixed rate of false positives.

A survey that looks for a rare kind can follow up so many false alarms and no more. What counts is
how much of the kind it finds within them, whatever threshold that takes.
"""

import numpy as np

RATE = 0.01  # of the images of other classes that may be taken for the rare one


def log_odds(probs: np.ndarray, c: int) -> np.ndarray:
    """Return how sure a classifier is of a class, without the ties of probabilities near 1.

    Args:
      probs: float [N, K], rows that sum to 1.
      c: the class.

    Returns:
      float64 [N], log(p / (1 - p)); infinite where p is 0 or 1.
    """
    probs = np.asarray(probs, np.float64)
    with np.errstate(divide="ignore"):
        return np.log(probs[:, c]) - np.log(np.delete(probs, c, axis=1).sum(1))


def false_alarms(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Count for each positive the negatives that a threshold raises that just lets it pass.

    A negative with the same score passes too, so ties count against the classifier. These counts
    are the whole ROC curve, at every positive.

    Args:
      positives: float [P], scores of images of the class; high is sure.
      negatives: float [N], scores of the others.

    Returns:
      int64 [P], in [0, N], ascending.
    """
    negatives = np.sort(negatives)
    below = np.searchsorted(negatives, positives, side="left")
    return np.sort(len(negatives) - below)


def allowed(n_negatives: int, rate: float = RATE) -> int:
    """Return how many false positives a rate allows; 0 of fewer negatives than 1 / rate."""
    return int(np.floor(rate * n_negatives * (1 + 1e-12)))


def recall_at(alarms: np.ndarray | list[int], n_negatives: int, rate: float = RATE) -> float:
    """Return the largest share of positives that a threshold finds at a rate of false alarms.

    Args:
      alarms: see `false_alarms`; [P], P >= 1.
      n_negatives: images of other classes.
      rate: share of those that may be taken for the class, in [0, 1].

    Returns:
      a share in [0, 1].
    """
    return float(np.mean(np.asarray(alarms) <= allowed(n_negatives, rate)))
