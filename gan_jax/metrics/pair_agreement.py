"""Agreement of pairs: do two generators make the same image of the same noise?

The i-th array of one set belongs to the i-th of the other. Pairs are compared with arrays that do
not belong together, which have the same means and spreads.
"""

import numpy as np

N_SHUFFLES = 100  # of the pairs, by which chance is measured
QUANTILE = 0.975  # of the shuffled values: a larger agreement is no chance


def concordance(a: np.ndarray, b: np.ndarray) -> float:
    """Compute 1 - (mean squared distance of the pairs) / (the same of all with all).

    That is 2 tr Cov(a, b) / (tr Var(a) + tr Var(b) + |mean(a) - mean(b)|^2): 1 for equal pairs, 0
    where the arrays of a pair have no more in common than any two, -1 at the least. Half of a set's
    variance is noise of its own where it is 0.5 at equal means and spreads.

    Args:
      a: float or uint8 [n, ...].
      b: the same shape.

    Returns:
      float in [-1, 1]; 1 where all arrays of both sets are equal.

    Source: Lin 1989, the concordance correlation coefficient; summed over the coordinates.
    """
    (a, mean_a), (b, mean_b) = _centered(a), _centered(b)
    whole = _whole(a, mean_a, b, mean_b)
    return float(2 * np.vdot(a, b) / len(a) / whole) if whole else 1.0


def chance(a: np.ndarray, b: np.ndarray, seed: int) -> float:
    """Return the concordance that chance exceeds in 2.5 % of the cases, by shuffling the pairs.

    Args:
      a, b: see `concordance`.
      seed: seed of the shuffles.
    """
    (a, mean_a), (b, mean_b) = _centered(a), _centered(b)
    whole, rng = _whole(a, mean_a, b, mean_b), np.random.default_rng(seed)
    if not whole:
        return 1.0
    products = [np.vdot(a, b[rng.permutation(len(b))]) for _ in range(N_SHUFFLES)]
    return float(np.quantile(products, QUANTILE) * 2 / len(a) / whole)


def distances(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Compute mean distances: of the pairs, and of arrays of both sets that are no pair.

    Args:
      a, b: see `concordance`; n >= 2. Images uint8 have the root mean squared difference in grey
        levels, features the Euclidean distance.

    Returns:
      (of pairs, of others). The others are every array with its eight successors, or fewer.
    """
    scale = np.sqrt(a[0].size) if a.dtype == np.uint8 else 1.0
    a, b = (np.asarray(x, np.float32).reshape(len(x), -1) for x in (a, b))

    def mean_distance(shift):
        return np.linalg.norm(a - np.roll(b, -shift, 0), axis=1).mean(dtype=np.float64) / scale

    others = [mean_distance(shift) for shift in range(1, min(9, len(a)))]
    return float(mean_distance(0)), float(np.mean(others))


def measure(a: np.ndarray, b: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Measure the agreement of pairs.

    Args:
      a, b: see `concordance`.
      seed: see `chance`.

    Returns:
      {"paired", "unpaired": see `distances`; "concordance", "chance"}.
    """
    paired, unpaired = distances(a, b)
    return {
        "paired": paired,
        "unpaired": unpaired,
        "concordance": concordance(a, b),
        "chance": chance(a, b, seed),
    }


def _centered(x):
    """Return (x minus its mean, float64 [n, D]; its mean)."""
    x = np.asarray(x, np.float64).reshape(len(x), -1)
    mean = x.mean(0)
    return x - mean, mean


def _whole(a, mean_a, b, mean_b):
    """Compute the mean squared distance of all with all."""
    return (np.vdot(a, a) + np.vdot(b, b)) / len(a) + ((mean_a - mean_b) ** 2).sum()
