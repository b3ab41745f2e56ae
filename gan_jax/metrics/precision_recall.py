"""Precision, recall, density and coverage: fidelity and variety apart, in one feature space.

All four ask which points lie in balls around the points of one set; each ball reaches to the k-th
nearest neighbour of its centre in that set. They depend on k and on both counts, so they compare
only at equal ones.
"""

from collections.abc import Sequence

import numpy as np

from gan_jax import errors
from gan_jax.metrics import metric
from gan_jax.metrics.nearest_neighbours import find_nearest, squared_distances

K = 5  # neighbours

_BLOCK_FLOATS = 2**23  # of a block of distances: bounds the memory


def prdc(real: np.ndarray, fake: np.ndarray, k: int = K) -> dict[str, float]:
    """Compute precision, recall, density and coverage.

    precision: share of the generated points that lie in some real point's ball.
    recall: share of the real points that lie in some generated point's ball.
    density: number of real balls that hold a generated point, on average, divided by k. It measures
      how deep generated points lie among real ones; outliers count little. 1 on average for a
      perfect generator.
    coverage: share of the real balls that hold a generated point.

    Args:
      real: float [N, F] features, N > k.
      fake: float [M, F] features, M > k.
      k: neighbours.

    Returns:
      {"precision", "recall", "density", "coverage"}: in [0, 1], density >= 0.

    Raises:
      InputError: too few points, or values that are not finite or too large.

    Source: precision and recall: Kynkaanniemi et al. 2019, eqs. 1 and 2; density and coverage:
      Naeem et al. 2020, eqs. 4 and 5.
    """
    real, fake = _checked(real, k), _checked(fake, k)
    of_fake, in_real = count_hits(fake, real, ball_radii(real, k))
    of_real, _ = count_hits(real, fake, ball_radii(fake, k))
    return _shares(of_fake, in_real, of_real, k)


def _shares(of_fake, in_real, of_real, k):
    return {
        "precision": float((of_fake > 0).mean()),
        "recall": float((of_real > 0).mean()),
        "density": float(of_fake.mean() / k),
        "coverage": float((in_real > 0).mean()),
    }


def prdc_of_subsets(
    real: np.ndarray, fake: np.ndarray, subsets: metric.Halves, k: int = K
) -> list[dict[str, float]]:
    """Compute `prdc` of many subsets of both sets; each distance is computed once.

    Args:
      real: float [N, F] features.
      fake: float [M, F] features.
      subsets: [(rows of real, rows of fake), ...], each of more than k rows.
      k: neighbours.

    Returns:
      As `prdc`, of each subset, up to the rounding of distances.
    """
    real, fake = _checked(real, k), _checked(fake, k)
    of_real, of_fake = zip(*subsets, strict=True)
    real_radii, fake_radii = _radii_within(real, of_real, k), _radii_within(fake, of_fake, k)
    hits = count_hits_of_subsets(fake, real, real_radii, of_fake, of_real)
    back = count_hits_of_subsets(real, fake, fake_radii, of_real, of_fake)
    return [
        _shares(of_fake, in_real, of_real, k)
        for (of_fake, in_real), (of_real, _) in zip(hits, back, strict=True)
    ]


def _radii_within(x, subsets, k):
    """Compute the `ball_radii` of each subset, of those of its rows alone: float64 [n] each."""
    # Of a subset of half of the points, nearly all have k neighbours among their nearest 4 k.
    nearest = find_nearest(x, x, 4 * k, own=np.arange(len(x)))
    radii = []
    for rows in subsets:
        inside = np.zeros(len(x), bool)
        inside[rows] = True
        place = inside[nearest.rows[rows]].cumsum(1) == k
        of_rows = nearest.distances[rows, place.argmax(1)]
        rest = np.flatnonzero(~place.any(1))
        if rest.size:
            of_rows[rest] = find_nearest(x[rows[rest]], x[rows], k, own=rest).distances[:, -1]
        radii.append(of_rows)
    return radii


def coverage(real: np.ndarray, fake: np.ndarray, k: int = K) -> float:
    """Compute coverage alone, see `prdc`; here M may be 1 or more."""
    _, in_real = count_hits(_checked(fake, k=0), real, ball_radii(real, k))
    return float((in_real > 0).mean())


def expected_coverage(n_real: int, n_fake: int, k: int = K) -> float:
    """Compute the expected coverage of a perfect generator, for any distribution.

    It is below 1, as balls are finite. With N balls and M points of one distribution, a ball stays
    empty if the k nearest of the N + M - 1 other points are all real:
    1 - prod_{i=1..k} (N - i) / (N + M - i), about 1 - 2^-k at equal counts.

    Source: Naeem et al. 2020, proposition 2.
    """
    i = np.arange(1, k + 1)
    return float(1 - np.prod((n_real - i) / (n_real + n_fake - i)))


def ball_radii(x: np.ndarray, k: int = K) -> np.ndarray:
    """Compute the distance from each point float [N, F] to its k-th nearest other: float64 [N].

    Raises:
      InputError: N <= k, or values that are not finite or too large.
    """
    x = _checked(x, k)
    return find_nearest(x, x, k, own=np.arange(len(x))).distances[:, -1]


def count_hits(
    points: np.ndarray, centers: np.ndarray, radii: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Count which balls hold which points.

    The edge of a ball belongs to it, in spite of rounding: squared radii are increased by 2 (F + 4)
    machine epsilons times the squared distances of point and centre from the mean centre. So a ball
    of radius 0 holds copies of its centre.

    Args:
      points: float [M, F].
      centers: float [N, F].
      radii: float [N].

    Returns:
      (int64 [M], number of balls that hold each point; int64 [N], number of points in each ball).
    """
    in_ball, of_point = np.zeros(len(centers), np.int64), []
    blocks, slack = _blocks_of_squares(points, centers)
    reach = radii**2 + slack
    for _, squares in blocks:
        inside = squares <= reach
        in_ball += np.count_nonzero(inside, 0)
        of_point.append(np.count_nonzero(inside, 1))
    return np.concatenate(of_point), in_ball


def count_hits_of_subsets(
    points: np.ndarray,
    centers: np.ndarray,
    radii: Sequence[np.ndarray],
    of_points: Sequence[np.ndarray],
    of_centers: Sequence[np.ndarray],
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Do what `count_hits` does for many subsets of the points and of the balls.

    Args:
      points: float [M, F].
      centers: float [N, F].
      radii: of each subset float [n], of the balls `of_centers`.
      of_points: of each subset int [m], rows of points.
      of_centers: of each subset int [n], rows of centers.
    """
    n_subsets = len(radii)
    blocks, slack = _blocks_of_squares(points, centers)
    reach = np.full((n_subsets, len(centers)), -np.inf)  # no point is in a ball of no subset
    chosen = np.zeros((n_subsets, len(points)), bool)
    for i, (own, rows, balls) in enumerate(zip(radii, of_points, of_centers, strict=True)):
        reach[i, balls] = own**2 + slack[balls]
        chosen[i, rows] = True
    widest = reach.max(0)
    in_ball = np.zeros((n_subsets, len(centers)), np.int64)
    of_point = np.zeros((n_subsets, len(points)), np.int64)
    for start, squares in blocks:
        rows, columns = np.nonzero(squares <= widest)
        near = squares[rows, columns]
        for i in range(n_subsets):
            inside = (near <= reach[i, columns]) & chosen[i, start + rows]
            in_ball[i] += np.bincount(columns[inside], minlength=len(centers))
            of_point[i, start : start + len(squares)] = np.bincount(
                rows[inside], minlength=len(squares)
            )
    return [
        (of_point[i, rows], in_ball[i, balls])
        for i, (rows, balls) in enumerate(zip(of_points, of_centers, strict=True))
    ]


def _blocks_of_squares(points, centers):
    """Compute squared distances in blocks of points, for the comparison with squared radii.

    Returns:
      (iterator of (first point, float64 [m, N] squared distances less what rounding may have added
      for the point); float64 [N], what it may have added for the centre).
    """
    middle = np.mean(centers, 0, np.float64)
    points = np.asarray(points, np.float64) - middle
    centers = np.asarray(centers, np.float64) - middle
    rounding = 2 * (points.shape[1] + 4) * np.finfo(np.float64).eps
    step = max(1, _BLOCK_FLOATS // len(centers))

    def blocks():
        for start in range(0, len(points), step):
            block = points[start : start + step]
            squares = squared_distances(block, centers)
            squares -= rounding * np.einsum("nf,nf->n", block, block)[:, None]
            yield start, squares

    return blocks(), rounding * np.einsum("nf,nf->n", centers, centers)


def _checked(x, k):
    """Return points as float64; refuse fewer than k + 1, and what metric.check_finite refuses."""
    x = np.asarray(x, np.float64)
    if len(x) <= k:
        raise errors.InputError(
            f"Balls that reach to the nearest image number {k} were asked of {len(x)} images; "
            f"use {k + 1} or more."
        )
    metric.check_finite(x)
    return x


def _standard_errors(real, fake, halves):
    return metric.spread(prdc_of_subsets(real["features"], fake["features"], halves))


METRIC = metric.Metric(
    scores={
        "precision": metric.Score(
            "precision",
            "high",
            "Share of the generated images that look real: some real image has them among its "
            "neighbours.",
            least=0,
            most=1,
        ),
        "recall": metric.Score(
            "recall",
            "high",
            "Share of the real images that the generator could have made: they lie among "
            "generated ones.",
            least=0,
            most=1,
        ),
        "density": metric.Score(
            "density",
            "high",
            "How deep the generated images lie among the real ones, 1 for perfect images; "
            "outliers count little.",
            least=0,
        ),
        "coverage": metric.Score(
            "coverage",
            "high",
            "Share of the real images that have a generated one among their neighbours: variety.",
            least=0,
            most=1,
        ),
    },
    needs=("features",),
    compute=lambda real, fake: prdc(real["features"], fake["features"]),
    standard_errors=_standard_errors,
    min_images=lambda n_features: K + 1,
)
