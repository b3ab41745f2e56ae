"""Kernel distance (MMD) of features: the KID where the features are Inception's."""

import numpy as np

from gan_jax import errors
from gan_jax.metrics import metric

N_SUBSETS = 100  # random subsets
SUBSET_SIZE = 1000  # images of each set in a subset
SEED = 0

_BLOCK_FLOATS = 2**22  # of a block of kernel values: bounds the memory


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
    rng = np.random.default_rng(seed)
    rows = [[rng.choice(len(x), size, replace=False) for x in (a, b)] for _ in range(subsets)]
    pairs = len(a) ** 2 + len(b) ** 2 + len(a) * len(b)
    if pairs <= 3 * subsets * size**2:
        values = _mmd2_of_subsets(a, b, rows)
    else:
        values = [mmd2(a[rows_a], b[rows_b]) for rows_a, rows_b in rows]
    return float(np.mean(values)), float(np.std(values) / np.sqrt(len(values)))


def _mmd2_of_subsets(a, b, rows):
    """Compute `mmd2` of many subsets; the kernel of each pair of images is evaluated once.

    Args:
      a: float [N, F]; b: float [M, F].
      rows: [(rows of a, rows of b), ...], of one number for each side.

    Returns:
      float64 [subsets].
    """
    sets = [np.asarray(x, np.float64) for x in (a, b)]
    chosen = [np.zeros((len(x), len(rows))) for x in sets]  # 1 where a subset has an image
    for i, of_subset in enumerate(rows):
        for of_set, own in zip(chosen, of_subset, strict=True):
            of_set[own, i] = 1
    n, m = (len(own) for own in rows[0])
    within_a, within_b = (_sums_within(x, own) for x, own in zip(sets, chosen, strict=True))
    between = _sums_between(*sets, *chosen)
    return within_a / (n * (n - 1)) + within_b / (m * (m - 1)) - 2 * between / (n * m)


def standard_error(a: np.ndarray, b: np.ndarray, halves: metric.Halves) -> float:
    """Estimate the standard error of `kernel_distance`.

    That of all images comes from `mmd2` of the halves; the choice of subsets adds its own.

    Args:
      a: float [N, F] features.
      b: float [M, F] features.
      halves: see scoring.standard_errors.
    """
    of_images = np.std(_mmd2_of_subsets(a, b, halves), ddof=1)
    n = 10  # subsets are enough to tell their spread
    _, of_few = kernel_distance(a, b, subsets=n)
    of_subsets = of_few * np.sqrt(n / (n - 1) * n / N_SUBSETS)
    return float(np.hypot(of_images, of_subsets))


def _sums_between(x, y, of_x, of_y):
    """Sum k(x_i, y_j) over the pairs of each subset; of_x [N, S], of_y [M, S]: 0 or 1."""
    out = np.zeros(of_x.shape[1])
    for block in _blocks(len(x), len(y)):
        sums = _kernel(x[block] @ y.T, x.shape[1]) @ of_y
        out += np.einsum("ns,ns->s", of_x[block], sums)
    return out


def _sums_within(x, of_x):
    """Sum k(x_i, x_j) over the pairs i != j of each subset; of_x [N, S]: 0 or 1."""
    out = -(_kernel(np.einsum("nf,nf->n", x, x), x.shape[1]) @ of_x)
    for block in _blocks(len(x), len(x)):
        # The kernel is symmetric: pairs of the block, and twice those with later images.
        values = _kernel(x[block] @ x[block.start :].T, x.shape[1])
        sums = 2 * (values @ of_x[block.start :]) - values[:, : len(values)] @ of_x[block]
        out += np.einsum("ns,ns->s", of_x[block], sums)
    return out


def _blocks(n, m):
    """Cut n rows of m values into slices of bounded memory."""
    step = max(1, _BLOCK_FLOATS // m)
    return [slice(start, start + step) for start in range(0, n, step)]


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


def _kernel(products, dim):
    """Compute the kernel from dot products of any shape."""
    base = products / dim
    base += 1
    values = base * base
    values *= base
    return values


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
    standard_errors=lambda real, fake, halves: {
        "kernel": standard_error(real["features"], fake["features"], halves)
    },
)
