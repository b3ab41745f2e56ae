"""Number of statistically different bins (NDB): kinds of images that are missing or too frequent.

The bins are clusters of the real images' features.
"""

import numpy as np
import scipy

from gan_jax import errors
from gan_jax.metrics import metric

MAX_BINS, IMAGES_PER_BIN = 100, 20
LEVEL = 0.05  # of significance, for each bin
SEED = 0
ITERATIONS = 100  # of Lloyd's algorithm, at most; it stops when no point changes its cluster


def ndb(
    real: np.ndarray, fake: np.ndarray, k: int | None = None, seed: int = SEED
) -> dict[str, float]:
    """Compute the share of statistically different bins, and the divergence of the bins.

    The bins are the clusters of the real features by `kmeans`; each image is in the bin of the
    nearest centre. Neither number is 0 for two samples of one distribution. The divergence is then
    about (k - 1) (1 / N + 1 / M) / 8. The share is 0.05 if the clusters are well apart; about 0.02
    if they cut up one cloud, which evens out the real counts; and far more (0.9) in features that
    are noise in 2,048 dimensions, where clusters fit only the images that they are computed from.
    So both compare at equal counts, k and features, and with the value of other real images.

    Args:
      real: float [N, F] features.
      fake: float [M, F] features.
      k: number of bins; None for `n_bins`.
      seed: seed of the clustering.

    Returns:
      {"ndb": share of the bins in [0, 1]; "js": Jensen-Shannon divergence in [0, log 2], in nats}.

    Raises:
      InputError: too few images for two bins, or features that are not finite or too large.

    Source: Richardson and Weiss 2018, section 3; the divergence is in their released code.
    """
    if min(len(real), len(fake)) < 2 * IMAGES_PER_BIN:
        raise errors.InputError(
            f"Bins were asked of {len(real)} real and {len(fake)} generated images; use at least "
            f"{2 * IMAGES_PER_BIN} of each."
        )
    metric.check_finite(real, fake)
    k = n_bins(len(real)) if k is None else k
    centers = kmeans(real, k, seed)
    counts = [np.bincount(assign_bins(x, centers), minlength=k) for x in (real, fake)]
    p, q = (count / count.sum() for count in counts)
    js = sum(scipy.special.rel_entr(x, (p + q) / 2).sum() for x in (p, q)) / 2
    return {"ndb": float(differing_bins(*counts).mean()), "js": max(float(js), 0.0)}


def n_bins(n: int) -> int:
    """Return the number of bins for n real images: at most 100, with 20 images or more in each."""
    return min(MAX_BINS, n // IMAGES_PER_BIN)


def differing_bins(real: np.ndarray, fake: np.ndarray) -> np.ndarray:
    """Test in which bins the two sets differ: two proportions, 5 % level, pooled variance.

    Args:
      real: int [k], images in each bin.
      fake: int [k].

    Returns:
      bool [k]; False where both are 0. About 5 % are True where there is no difference.

    Source: Richardson and Weiss 2018, section 3.
    """
    n, m = real.sum(), fake.sum()
    pooled = (real + fake) / (n + m)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return np.abs(real / n - fake / m) > scipy.special.ndtri(1 - LEVEL / 2) * error


def assign_bins(x: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Return the nearest centre of each point, of equal ones the first: int64 [N].

    In float64, about the mean of the centres.

    Args:
      x: float [N, F].
      centers: float [k, F].
    """
    middle = np.mean(centers, 0, np.float64)
    return _nearest(np.subtract(x, middle, dtype=np.float64), centers - middle)


def kmeans(x: np.ndarray, k: int, seed: int = SEED) -> np.ndarray:
    """Cluster points by Lloyd's algorithm after greedy k-means++.

    In float32, about the mean of the points and in units of the largest deviation from it.

    Args:
      x: float [N, F].
      k: number of clusters, in [1, N].
      seed: seed of the start.

    Returns:
      Centres float64 [k, F]. A cluster that loses all its points keeps its centre; so do the spare
      ones where fewer than k points differ.

    Source: Arthur and Vassilvitskii 2007, with the best of 2 + log k candidates at each step, as
      they propose at the end.
    """
    middle = np.mean(x, 0, np.float64)
    x = np.subtract(x, middle, dtype=np.float64)
    unit = np.abs(x).max() or 1.0
    x = (x / unit).astype(np.float32)
    centers = _initial_centers(x, k, np.random.default_rng(seed))
    labels = _nearest(x, centers)
    for _ in range(ITERATIONS):
        members = (labels == np.arange(k)[:, None]).astype(np.float32)
        sizes = members.sum(1, keepdims=True)
        centers = np.where(sizes > 0, members @ x / np.maximum(sizes, 1), centers)
        last, labels = labels, _nearest(x, centers)
        if np.array_equal(last, labels):
            break
    return centers * unit + middle


def _nearest(x, centers):
    """Return the nearest centre of each point, by products: both should be about 0."""
    return (np.einsum("kf,kf->k", centers, centers) / 2 - x @ centers.T).argmin(1)


def _initial_centers(x, k, rng):
    """Choose centres by k-means++: by the squared distance to those before, the best of a few."""
    norms, n_candidates = np.einsum("nf,nf->n", x, x), 2 + int(np.log(k))
    rows, nearest = [rng.integers(len(x))], np.full(len(x), np.inf, np.float32)
    nearest = np.minimum(nearest, _squared_distances(x, norms, rows)[:, 0])
    while len(rows) < k:
        steps = np.cumsum(nearest, dtype=np.float64)
        places = np.searchsorted(steps, rng.random(n_candidates) * steps[-1], side="right")
        candidates = np.minimum(places, len(x) - 1)
        remaining = np.minimum(nearest[:, None], _squared_distances(x, norms, candidates))
        best = remaining.sum(0, dtype=np.float64).argmin()
        rows.append(candidates[best])
        nearest = remaining[:, best]
    return x[rows]


def _squared_distances(x, norms, rows):
    """Compute squared distances float32 [N, n] of all points to some of them."""
    return np.maximum(norms[:, None] + norms[rows] - 2 * x @ x[rows].T, 0)


METRIC = metric.Metric(
    scores={
        "ndb": metric.Score(
            "different bins",
            "low",
            "Share of the kinds of real images (clusters) that are made too rarely or too "
            "often; about 0.05 by chance alone.",
            least=0,
            most=1,
        ),
        "js": metric.Score(
            "JS of bins (nats)",
            "low",
            "How unlike the generated images' shares of these kinds are to the real ones: 0 "
            "equal, 0.69 nothing in common.",
            least=0,
            most=float(np.log(2)),
        ),
    },
    needs=("features",),
    compute=lambda real, fake: ndb(real["features"], fake["features"]),
    min_images=lambda n_features: 2 * IMAGES_PER_BIN,
)
