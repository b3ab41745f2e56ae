"""Fidelity and variety apart: precision and density, recall and coverage, in the features of one net.

All four ask which points lie in balls around the points of one set, each ball reaching to its centre's k-th nearest neighbour
in that set. They depend on k and on both counts, so they compare only at equal ones.
"""

import numpy as np

from gan_jax import errors
from gan_jax.metrics import memorization, metric

K = 5  # neighbours

_FLOATS = 2**23  # of a block of distances: bounds the memory


def radii(x, k=K):
    """Distance from each point float [N, F] to its k-th nearest among the others: float64 [N].

    Raises:
      InputError: N <= k, or values that are not finite.
    """
    x = _checked(x, k)
    return memorization.nearest(x, x, k, own=np.arange(len(x))).distances[:, -1]


def hits(points, centers, radii):
    """Counts over pairs of a point and a ball that holds it.

    The edge of a ball belongs to it, in spite of rounding: squared radii count as larger by 2 (F + 4) times machine epsilon
    times the squared distances of point and centre from the mean centre. So a ball of no width holds copies of its centre.

    Args:
      points: float [M, F]. centers: float [N, F]. radii: float [N].

    Returns:
      (int64 [M], balls that hold each point; int64 [N], points in each ball).
    """
    middle = np.mean(centers, 0, np.float64)
    points, centers = (
        np.asarray(points, np.float64) - middle,
        np.asarray(centers, np.float64) - middle,
    )
    slack = 2 * (points.shape[1] + 4) * np.finfo(np.float64).eps
    reach = radii**2 + slack * np.einsum("nf,nf->n", centers, centers)
    in_ball, of_point = np.zeros(len(centers), np.int64), []
    step = max(1, _FLOATS // len(centers))
    for start in range(0, len(points), step):
        block = points[start : start + step]
        squares = memorization.squares(block, centers)
        squares -= slack * np.einsum("nf,nf->n", block, block)[:, None]
        inside = squares <= reach
        in_ball += np.count_nonzero(inside, 0)
        of_point.append(np.count_nonzero(inside, 1))
    return np.concatenate(of_point), in_ball


def covered(real, fake, k=K):
    """Coverage alone: the share of real points with a generated one in their ball, float in [0, 1]; M may be 1 or more."""
    return float((hits(_checked(fake, k=0), real, radii(real, k))[1] > 0).mean())


def scores(real, fake, k=K):
    """Precision, recall, density and coverage.

    precision: share of generated points in some real point's ball. recall: share of real points in some generated point's ball.
    density: real balls that hold a generated point, on average, over k; it counts how deep generated points lie among the real
    ones, 1 for a perfect generator on average, and may exceed 1. coverage: share of real balls that hold a generated point.

    Args:
      real: float [N, F] features, N > k. fake: float [M, F], M > k.

    Returns:
      {"precision", "recall", "density", "coverage"}: floats; in [0, 1], except for density, which is >= 0.

    Raises:
      InputError: too few points, or values that are not finite.

    Source: precision and recall: Kynkaanniemi et al. 2019, eqs. 1 and 2. Density and coverage: Naeem et al. 2020, eqs. 4 and 5.
    """
    of_fake, in_real = hits(fake, real, radii(real, k))
    of_real, _ = hits(real, fake, radii(fake, k))
    return {
        "precision": float((of_fake > 0).mean()),
        "recall": float((of_real > 0).mean()),
        "density": float(of_fake.mean() / k),
        "coverage": float((in_real > 0).mean()),
    }


def expected(n_real, n_fake, k=K):
    """Coverage expected of a perfect generator, whatever the distribution: below 1, as balls are finite.

    For N balls and M points drawn alike, a ball stays empty if the k nearest of the N + M - 1 other points are all real:
    1 - prod_{i=1..k} (N - i) / (N + M - i), about 1 - 2^-k at equal counts.

    Source: Naeem et al. 2020, proposition 2.
    """
    i = np.arange(1, k + 1)
    return float(1 - np.prod((n_real - i) / (n_real + n_fake - i)))


def _checked(x, k):
    x = np.asarray(x, np.float64)
    if len(x) <= k:
        raise errors.InputError(
            f"Balls that reach to the nearest image number {k} were asked of {len(x)} images; use {k + 1} or more."
        )
    if not np.isfinite(x).all():
        raise errors.InputError(
            "Features contain infinite or undefined values; check the images and the feature net."
        )
    return x


METRIC = metric.Metric(
    scores={
        "precision": metric.Score(
            "precision",
            "high",
            "Share of the generated images that look real: some real image has them among its neighbours.",
        ),
        "recall": metric.Score(
            "recall",
            "high",
            "Share of the real images that the generator could have made: they lie among generated ones.",
        ),
        "density": metric.Score(
            "density",
            "high",
            "How deep the generated images lie among the real ones, 1 for perfect images; outliers count little.",
        ),
        "coverage": metric.Score(
            "coverage",
            "high",
            "Share of the real images that have a generated one among their neighbours: variety.",
        ),
    },
    needs=("features",),
    measure=lambda real, fake: scores(real["features"], fake["features"]),
    least=lambda dim: K + 1,
)
