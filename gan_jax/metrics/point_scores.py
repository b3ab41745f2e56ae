"""Scores of generated points against the toy they should follow: modes found, and the distance to held-out points."""

from typing import NamedTuple

import numpy as np
from scipy import special

from gan_jax import errors
from gan_jax.data import toys
from gan_jax.metrics.metric import Score

RADIUS = (
    2 * np.sqrt(2)
)  # of a mode, in its sd: 0.1414 for the sd 0.05 of Dist-GAN's toys; 98.2 % of a 2-D Gaussian lie inside
SHARE = 0.01  # of all points: a mode with fewer is missed (Dist-GAN: 20 of 2,000)
N_DIRECTIONS = 64
SCORES = {
    "modes_covered": Score("modes covered", "high", "Modes that hold at least 1 % of the points."),
    "registered": Score(
        "registered",
        "high",
        "Share of the points that lie within 2.83 standard deviations of a mode.",
    ),
    "kl_modes": Score(
        "KL of modes (nats)", "low", "Divergence of the shares of the modes from equal shares."
    ),
    "wasserstein": Score(
        "Wasserstein",
        "low",
        "How far points would have to be moved, on average, to lie like held-out ones.",
    ),
    "mean_error": Score(
        "error of the mean",
        "low",
        "Distance of the mean of the points from that of the distribution.",
    ),
    "sd_error": Score(
        "error of the sd",
        "low",
        "Difference between the standard deviations of points and distribution.",
    ),
}


class Coverage(NamedTuple):
    """counts: int64 [M], points within the radius of each mode. covered: bool [M]. registered: share of all points that lie
    within the radius of some mode. kl: in nats, of the registered points' shares of the modes to equal shares; log M, the
    value of a single mode, where no point is registered."""

    counts: np.ndarray
    covered: np.ndarray
    registered: float
    kl: float


def coverage(points, toy):
    """Which modes of a toy some points cover.

    Args:
      points: float [n, D], in the toy's units.
      toy: data.toys.Toy with centres.

    Returns:
      Coverage.

    Source: the metric in Dist-GAN's released code, whose radius and threshold are `RADIUS` and `SHARE`; it prints the number
    of missed modes and of registered points. The KL divergence is added.
    """
    distances = np.linalg.norm(points[:, None] - toy.centers, axis=2)
    n_modes = len(toy.centers)
    inside = distances.min(1) <= RADIUS * toy.sd
    counts = np.bincount(distances.argmin(1)[inside], minlength=n_modes)
    shares = counts / max(counts.sum(), 1)
    kl = (
        float(special.rel_entr(shares, 1 / n_modes).sum())
        if counts.any()
        else float(np.log(n_modes))
    )
    return Coverage(
        counts, counts >= max(SHARE * len(points), 1), float(inside.mean()), max(kl, 0.0)
    )


def wasserstein(a, b):
    """The 1-Wasserstein distance of two sets of points, exact in 1-D and sliced in 2-D.

    Sliced: the mean distance of the projections on 64 directions, evenly spread over half a turn; times pi / 2, so that a
    shift by s costs |s| (to 0.02 %), as in 1-D.

    Args:
      a: float [n, D], D = 1 or 2. b: float [m, D].

    Returns:
      float >= 0 in the points' unit. Two samples of one distribution do not give 0; their distance is the floor.

    Source: Bonneel et al. 2015, with fixed directions.
    """
    from scipy import stats  # half a second, which training need not wait for

    if a.shape[1] == 1:
        return float(stats.wasserstein_distance(a[:, 0], b[:, 0]))
    angles = np.pi * np.arange(N_DIRECTIONS) / N_DIRECTIONS
    directions = np.stack([np.cos(angles), np.sin(angles)])
    slices = [
        stats.wasserstein_distance(*pair)
        for pair in zip((a @ directions).T, (b @ directions).T, strict=True)
    ]
    return float(np.mean(slices) * np.pi / 2)


def score(points, spec):
    """All scores of some points, in the toy's own units.

    Args:
      points: float [n, D] or [n, 1, 1, D], divided by the toy's scale as the source's are.
      spec: name of the source, "toys:NAME".

    Returns:
      Finite floats: "wasserstein" to the 10,000 held-out points (see `wasserstein`; training points of the same number give
      the floor); for a toy with several modes "modes_covered", "registered" and "kl_modes" (see `Coverage`); for a single
      Gaussian in 1-D "mean_error" and "sd_error", absolute, against its true mean and standard deviation.

    Raises:
      InputError: no such toy, another number of coordinates, no points, or points that are not finite.
    """
    toy = toys.geometry(spec)
    points = np.asarray(points, np.float64)
    if not points.size or points.shape[-1] != toy.dim:
        raise errors.InputError(
            f"Points {list(points.shape)} cannot be scored on {spec}; give [n, {toy.dim}]."
        )
    if not np.isfinite(points).all():
        raise errors.InputError(
            "Some points are infinite or undefined and cannot be scored; use an earlier checkpoint."
        )
    points = points.reshape(-1, toy.dim) * toy.scale
    out = {"wasserstein": wasserstein(points, toys.draw(toy, "test")[0])}
    if toy.classes:
        found = coverage(points, toy)
        out |= {
            "modes_covered": float(found.covered.sum()),
            "registered": found.registered,
            "kl_modes": found.kl,
        }
    elif toy.dim == 1:
        out |= {
            "mean_error": float(abs(points.mean() - toy.centers.mean())),
            "sd_error": float(abs(points.std() - toy.sd)),
        }
    return out
