"""Bins of the real images, and how differently the generated ones fill them: finds missing and over-full kinds of images."""

import numpy as np
from scipy import special

from gan_jax import errors
from gan_jax.metrics import metric

BINS, PER_BIN = 100, 20
LEVEL = 1.959963984540054  # |z| that a standard normal exceeds with probability 0.05
SEED = 0
ITERATIONS = 100  # of Lloyd's algorithm, at most; it stops where it stands still


def bins(n):
    """Number of bins for n real images: 100, or one for every 20 images if that is less, so that the test of a bin holds."""
    return min(BINS, n // PER_BIN)


def kmeans(x, k, seed=SEED):
    """Centres of k clusters: greedy k-means++ to start from, then Lloyd's algorithm, in float32.

    Args:
      x: float [N, F]. k: int in [1, N]. seed: int, of the start.

    Returns:
      float32 [k, F]. A cluster that loses all its points keeps its centre, as do the spare ones where fewer than k points
      differ.

    Source: Arthur and Vassilvitskii 2007, with the best of 2 + log k candidates at each step, as they propose at the end.
    """
    x = np.asarray(x, np.float32)
    middle = x.mean(0)
    x = x - middle
    centers = _start(x, k, np.random.default_rng(seed))
    labels = None
    for _ in range(ITERATIONS):
        last, labels = labels, assign(x, centers)
        if np.array_equal(last, labels):
            break
        members = (labels == np.arange(k)[:, None]).astype(np.float32)
        sizes = members.sum(1, keepdims=True)
        centers = np.where(sizes > 0, members @ x / np.maximum(sizes, 1), centers)
    return centers + middle


def _start(x, k, rng):
    """k-means++: each centre drawn by the squared distance to those before it, the best of a few draws."""
    norms, draws = np.einsum("nf,nf->n", x, x), 2 + int(np.log(k))
    rows, nearest = [rng.integers(len(x))], np.full(len(x), np.inf, np.float32)
    nearest = np.minimum(nearest, _squares(x, norms, rows)[:, 0])
    while len(rows) < k:
        steps = np.cumsum(nearest, dtype=np.float64)
        chosen = np.minimum(
            np.searchsorted(steps, rng.random(draws) * steps[-1], side="right"), len(x) - 1
        )
        left = np.minimum(nearest[:, None], _squares(x, norms, chosen))
        best = left.sum(0, dtype=np.float64).argmin()
        rows.append(chosen[best])
        nearest = left[:, best]
    return x[rows]


def _squares(x, norms, rows):
    """Squared distances float32 [N, n] of all points to some of them."""
    return np.maximum(norms[:, None] + norms[rows] - 2 * x @ x[rows].T, 0)


def assign(x, centers):
    """The nearest centre of each point, the first of equal ones: int64 [N]. x: float [N, F]. centers: float32 [k, F]."""
    x = np.asarray(x, np.float32)
    return (np.einsum("kf,kf->k", centers, centers) / 2 - x @ centers.T).argmin(1)


def different(real, fake):
    """Bins that the two sets fill differently, by the test of two proportions at the 5 % level, whose variance is pooled.

    Args:
      real, fake: int [k], images in each bin.

    Returns:
      bool [k]; False where both are 0. About 5 % are True where there is no difference.

    Source: Richardson and Weiss 2018, section 3.
    """
    n, m = real.sum(), fake.sum()
    pooled = (real + fake) / (n + m)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return np.abs(real / n - fake / m) > LEVEL * error


def ndb(real, fake, k=None, seed=SEED):
    """Share of statistically different bins, and the Jensen-Shannon divergence of the bins.

    The bins are the clusters of the real features (`kmeans`); each image is in the bin of the nearest centre. For two samples
    of one distribution neither number is 0. The divergence is about (k - 1) (1 / N + 1 / M) / 8. The share is 0.05 if the
    clusters are well apart; less if they cut up a cloud (about 0.02), as that evens out the real counts; and far more in
    features that are noise in thousands of dimensions (0.9 in 2,048), where clusters fit only the images that they were found
    in. So both compare at equal counts, k and features, and with the value of other real images.

    Args:
      real: float [N, F] features. fake: float [M, F]. k: bins; None: as many as `bins` says. seed: int, of the clustering.

    Returns:
      {"ndb": share in [0, 1]; "js": nats in [0, log 2]}.

    Raises:
      InputError: too few images for two bins, or features that are not finite.

    Source: Richardson and Weiss 2018, section 3; the divergence is in their released code.
    """
    if min(len(real), len(fake)) < 2 * PER_BIN:
        raise errors.InputError(
            f"Bins were asked of {len(real)} real and {len(fake)} generated images; use at least {2 * PER_BIN} of each."
        )
    if not (np.isfinite(real).all() and np.isfinite(fake).all()):
        raise errors.InputError(
            "Features contain infinite or undefined values; check the images and the feature net."
        )
    k = bins(len(real)) if k is None else k
    centers = kmeans(real, k, seed)
    counts = [np.bincount(assign(x, centers), minlength=k) for x in (real, fake)]
    p, q = (count / count.sum() for count in counts)
    js = sum(special.rel_entr(x, (p + q) / 2).sum() for x in (p, q)) / 2
    return {"ndb": float(different(*counts).mean()), "js": max(float(js), 0.0)}


METRIC = metric.Metric(
    scores={
        "ndb": metric.Score(
            "different bins",
            "low",
            "Share of the kinds of real images (clusters) that are made too rarely or too often; about 0.05 by chance alone.",
        ),
        "js": metric.Score(
            "JS of bins (nats)",
            "low",
            "How unlike the generated images' shares of these kinds are to the real ones: 0 equal, 0.69 nothing in common.",
        ),
    },
    needs=("features",),
    measure=lambda real, fake: ndb(real["features"], fake["features"]),
    least=lambda dim: 2 * PER_BIN,
)
