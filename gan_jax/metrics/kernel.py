"""The kernel distance between two sets of features: the Frechet distance's rival that small sets do not mislead."""

import numpy as np

from gan_jax import errors
from gan_jax.metrics import metric

SUBSETS, SIZE, SEED = 100, 1000, 0


def mmd2(x, y):
    """Unbiased estimate of the squared maximum mean discrepancy, by the kernel k(a, b) = (a.b / F + 1)^3.

    mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j), in float64.

    Args:
      x: float [N, F], N >= 2. y: float [M, F], M >= 2.

    Returns:
      float; 0 on average for two samples of one distribution, so negative for about half of such pairs.

    Source: Gretton et al. 2012, eq. 3; the kernel: Binkowski et al. 2018, section 4.
    """
    x, y = (np.asarray(z, np.float64) for z in (x, y))
    n, m = len(x), len(y)
    return float(
        _off_diagonal(x) / (n * (n - 1))
        + _off_diagonal(y) / (m * (m - 1))
        - 2 * _sum(x @ y.T, x.shape[1]) / (n * m)
    )


def _sum(products, dim):
    """Sum of the kernel's values, of dot products of any shape."""
    base = products / dim + 1
    return np.vdot(base * base, base)


def _off_diagonal(x):
    """Sum of k(x_i, x_j) over i != j."""
    products = x @ x.T
    return _sum(products, x.shape[1]) - _sum(products.diagonal(), x.shape[1])


def kernel(a, b, subsets=SUBSETS, size=SIZE, seed=SEED):
    """Kernel distance (KID where the features are Inception's): the mean of `mmd2` over random subsets of both sets.

    Unlike a Frechet distance it is unbiased, so sets of different sizes, and fewer images than features, are welcome.

    Args:
      a: float [N, F] features, N >= 2. b: float [M, F], M >= 2.
      subsets: pairs of subsets. size: images in each, or the smaller set's number of images if that is less; drawn without
        replacement within a subset. seed: int, of the draws.

    Returns:
      (float mean, which may be slightly negative; float standard error over subsets: sd / sqrt(subsets). The error is of the
      draws alone, 0 where a subset is all there is: it does not know how other images would have scored).

    Raises:
      InputError: fewer than two images, or features that are not finite.

    Source: Binkowski et al. 2018, section 4 and appendix D.
    """
    for x in (a, b):
        if len(x) < 2:
            raise errors.InputError(
                f"A kernel distance was asked of {len(x)} images; use at least 2."
            )
        if not np.isfinite(x).all():
            raise errors.InputError(
                "Features contain infinite or undefined values; check the images and the feature net."
            )
    size = min(size, len(a), len(b))
    rng, values = np.random.default_rng(seed), []
    for _ in range(1 if size == len(a) == len(b) else subsets):  # all subsets of everything are one
        rows_a, rows_b = (rng.choice(len(x), size, replace=False) for x in (a, b))
        values.append(mmd2(a[rows_a], b[rows_b]))
    return float(np.mean(values)), float(np.std(values) / np.sqrt(len(values)))


METRIC = metric.Metric(
    scores={
        "kernel": metric.Score(
            "kernel distance",
            "low",
            "How far the generated images are from the real ones in what a neural net sees; 0 on average if there is no "
            "difference, however few images there are.",
        )
    },
    needs=("features",),
    measure=lambda real, fake: {"kernel": kernel(real["features"], fake["features"])[0]},
)
