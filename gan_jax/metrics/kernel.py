"""Kernel distance (MMD) of features: the KID where the features are Inception's."""

import numpy as np

from gan_jax import errors
from gan_jax.metrics import metric

N_SUBSETS = 100  # random subsets
SUBSET_SIZE = 1000  # images of each set in a subset
SEED = 0


def kernel_distance(
    a: np.ndarray,
    b: np.ndarray,
    subsets: int = N_SUBSETS,
    size: int = SUBSET_SIZE,
    seed: int = SEED,
) -> tuple[float, float]:
    """Compute the mean of `mmd2` over random subsets of both sets.

    Unlike a Frechet distance it is unbiased: sets of different sizes, and fewer images than
    features, are fine.

    Args:
      a: float [N, F] features, N >= 2.
      b: float [M, F] features, M >= 2.
      subsets: number of subsets.
      size: images of each set in a subset, without replacement; at most the size of the smaller
        set.
      seed: seed of the subsets.

    Returns:
      (mean, standard error over subsets). The mean may be slightly negative. The error is that of
      the choice of subsets alone, sd / sqrt(subsets), and 0 where a subset is the whole set; it
      does not know how other images would score.

    Raises:
      InputError: fewer than two images, or features that are not finite or too large.

    Source: Binkowski et al. 2018, section 4 and appendix D.
    """
    for x in (a, b):
        if len(x) < 2:
            raise errors.InputError(
                f"A kernel distance was asked of {len(x)} images; use at least 2."
            )
    metric.check_finite(a, b)
    size = min(size, len(a), len(b))
    if size == len(a) == len(b):
        subsets = 1  # all subsets are the whole sets
    rng, values = np.random.default_rng(seed), []
    for _ in range(subsets):
        rows_a, rows_b = (rng.choice(len(x), size, replace=False) for x in (a, b))
        values.append(mmd2(a[rows_a], b[rows_b]))
    return float(np.mean(values)), float(np.std(values) / np.sqrt(len(values)))


def mmd2(x: np.ndarray, y: np.ndarray) -> float:
    """Estimate the squared maximum mean discrepancy, without bias.

    mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j), in float64,
    with the kernel k(a, b) = (a.b / F + 1)^3.

    Args:
      x: float [N, F], N >= 2.
      y: float [M, F], M >= 2.

    Returns:
      float. Its mean is 0 for two samples of one distribution, so about half of those are negative.

    Source: Gretton et al. 2012, eq. 3; the kernel: Binkowski et al. 2018, section 4.
    """
    x, y = (np.asarray(z, np.float64) for z in (x, y))
    n, m = len(x), len(y)
    return float(
        _sum_off_diagonal(x) / (n * (n - 1))
        + _sum_off_diagonal(y) / (m * (m - 1))
        - 2 * _sum_kernel(x @ y.T, x.shape[1]) / (n * m)
    )


def _sum_kernel(products, dim):
    """Sum the kernel over dot products of any shape."""
    base = products / dim + 1
    return np.vdot(base * base, base)


def _sum_off_diagonal(x):
    """Sum k(x_i, x_j) over i != j."""
    products = x @ x.T
    return _sum_kernel(products, x.shape[1]) - _sum_kernel(products.diagonal(), x.shape[1])


METRIC = metric.Metric(
    scores={
        "kernel": metric.Score(
            "kernel distance",
            "low",
            "How far the generated images are from the real ones in what a neural net sees; 0 on "
            "average if there is no difference, however few images there are.",
        )
    },
    needs=("features",),
    compute=lambda real, fake: {"kernel": kernel_distance(real["features"], fake["features"])[0]},
)
