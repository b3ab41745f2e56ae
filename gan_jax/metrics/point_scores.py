"""Scores of generated points against the toy that they should follow.

They count the modes that are covered, and measure the distance to held-out points. Modes are
counted twice: by the rule of Dist-GAN's code (`mode_coverage`), and by the rules of the papers on
collapse (`literature_coverage`).
"""

from typing import NamedTuple

import numpy as np
import scipy

from gan_jax import errors
from gan_jax.data import toys
from gan_jax.metrics.metric import MAX_FEATURE, Score

# Radius of a mode in its standard deviations: 0.1414 for the sd 0.05 of Dist-GAN's toys. 98.2 % of
# a 2-D Gaussian lie inside.
MODE_RADIUS = 2 * np.sqrt(2)
MIN_MODE_SHARE = 0.01  # of all points; a mode with fewer is missed (Dist-GAN: 20 of 2,000)
# The same radius in the papers on collapse. 1 - exp(-4.5) = 98.9 % of a 2-D Gaussian lie inside.
HIGH_QUALITY_RADIUS = 3.0
N_DIRECTIONS = 64
SCORES = {
    "modes_covered": Score(
        "modes covered", "high", "Modes that hold at least 1 % of the points.", least=0
    ),
    "registered": Score(
        "registered",
        "high",
        "Share of the points that lie within 2.83 standard deviations of a mode.",
        least=0,
        most=1,
    ),
    "kl_modes": Score(
        "KL of modes (nats)",
        "low",
        "Divergence of the shares of the modes from equal shares.",
        least=0,
    ),
    "modes_3sd": Score(
        "modes (3 sd)",
        "high",
        "Modes with at least one high-quality point, as papers on collapse count them.",
        least=0,
    ),
    "high_quality": Score(
        "high quality",
        "high",
        "Share of the points that lie within 3 standard deviations of a mode.",
        least=0,
        most=1,
    ),
    "reverse_kl": Score(
        "reverse KL (nats)",
        "low",
        "Divergence of the shares of the modes from equal shares; every point counts for the "
        "nearest mode.",
        least=0,
    ),
    "wasserstein": Score(
        "Wasserstein",
        "low",
        "How far points would have to be moved, on average, to lie like held-out ones.",
        least=0,
    ),
    "mean_error": Score(
        "error of the mean",
        "low",
        "Distance of the mean of the points from that of the distribution.",
        least=0,
    ),
    "sd_error": Score(
        "error of the sd",
        "low",
        "Difference between the standard deviations of points and distribution.",
        least=0,
    ),
}


def score_points(points: np.ndarray, spec: str) -> dict[str, float]:
    """Compute all scores of points, in the toy's own units.

    Args:
      points: float [n, D] or [n, 1, 1, D], divided by the toy's scale as those of the data set.
      spec: name of the data set, "toys:NAME".

    Returns:
      Finite floats. "wasserstein" to the held-out points; training points of the same number give
      the floor. For a toy with several modes "modes_covered", "registered" and "kl_modes", see
      `ModeCoverage`, and "modes_3sd", "high_quality" and "reverse_kl", see `LiteratureCoverage`.
      For a single Gaussian in 1-D "mean_error" and "sd_error", absolute, against its true mean and
      standard deviation.

    Raises:
      InputError: no such toy, another number of coordinates, no points, or points that are not
        finite or too large.
    """
    toy = toys.toy_from_spec(spec)
    points = np.asarray(points, np.float64)
    if not points.size or points.shape[-1] != toy.dim:
        raise errors.InputError(
            f"Points {list(points.shape)} cannot be scored on {spec}; give [n, {toy.dim}]."
        )
    if not (np.abs(points) <= MAX_FEATURE).all():
        raise errors.InputError(
            f"Some points are infinite or undefined, or beyond {MAX_FEATURE:.0e}, and cannot be "
            "scored; use an earlier checkpoint."
        )
    points = points.reshape(-1, toy.dim) * toy.scale
    out = {"wasserstein": wasserstein(points, toys.sample_points(toy, "test")[0])}
    if toy.classes:
        modes = mode_coverage(points, toy)
        out["modes_covered"] = float(modes.covered.sum())
        out["registered"] = modes.registered
        out["kl_modes"] = modes.kl
        literature = literature_coverage(points, toy)
        out["modes_3sd"] = float((literature.counts > 0).sum())
        out["high_quality"] = literature.high_quality
        out["reverse_kl"] = literature.reverse_kl
    elif toy.dim == 1:
        out["mean_error"] = float(abs(points.mean() - toy.centers.mean()))
        out["sd_error"] = float(abs(points.std() - toy.sd))
    return out


class ModeCoverage(NamedTuple):
    """How points cover the modes of a toy."""

    counts: np.ndarray  # int64 [M], points within the radius of each mode
    covered: np.ndarray  # bool [M], modes that hold MIN_MODE_SHARE of the points
    # Share of the points that lie within the radius of some mode: the high-quality samples.
    registered: float
    # KL divergence in nats of the modes' shares of the registered points from equal shares; log M,
    # the value of a single mode, where no point is registered.
    kl: float


def mode_coverage(points: np.ndarray, toy: toys.Toy) -> ModeCoverage:
    """Compute which modes of a toy the points cover.

    Args:
      points: float [n, D], in the toy's units.
      toy: a toy with centres.

    Source: the metric in Dist-GAN's released code, whose radius and threshold are `MODE_RADIUS` and
      `MIN_MODE_SHARE`; it prints the numbers of missed modes and of registered points. The KL
      divergence is added.
    """
    nearest, inside = _assign(points, toy, MODE_RADIUS)
    counts = np.bincount(nearest[inside], minlength=len(toy.centers))
    covered = counts >= max(MIN_MODE_SHARE * len(points), 1)
    return ModeCoverage(counts, covered, float(inside.mean()), _divergence(counts))


class LiteratureCoverage(NamedTuple):
    """How points cover the modes of a toy, by the definitions of the papers on collapse."""

    counts: np.ndarray  # int64 [M], high-quality points of each mode; one is enough to cover it
    high_quality: float  # share of the points within HIGH_QUALITY_RADIUS sd of the nearest mode
    # KL divergence in nats of the shares of the modes from equal shares, which the toy has; each
    # point, of high quality or not, counts for its nearest mode.
    reverse_kl: float


def literature_coverage(points: np.ndarray, toy: toys.Toy) -> LiteratureCoverage:
    """Compute which modes of a toy the points cover, as the papers on collapse do.

    They take 2,500 points of each of 10 trainings. The count grows with the number of points, and
    the divergence of real ones is about (M - 1) / 2 n.

    Args:
      points: float [n, D], in the toy's units.
      toy: a toy with centres.

    Source: Srivastava et al. 2017 (VEEGAN), section 4.1; Lin et al. 2018 (PacGAN), section 4.1, who
      add the reverse KL divergence. Their released code counts a point inside 3 standard deviations
      and logs divergences of the high-quality points alone; the shares of the real data are those
      of a sample there.
    """
    nearest, inside = _assign(points, toy, HIGH_QUALITY_RADIUS)
    high_quality, shares = (
        np.bincount(modes, minlength=len(toy.centers)) for modes in (nearest[inside], nearest)
    )
    return LiteratureCoverage(high_quality, float(inside.mean()), _divergence(shares))


def _assign(points, toy, radius):
    """Assign points to modes: (the nearest, int [n]; whether it lies within `radius` sd, bool)."""
    distances = np.linalg.norm(points[:, None] - toy.centers, axis=2)
    return distances.argmin(1), distances.min(1) <= radius * toy.sd


def _divergence(counts):
    """Compute the KL divergence in nats of counts [M] from equal shares; log M of no count."""
    if not counts.any():
        return float(np.log(len(counts)))
    divergence = scipy.special.rel_entr(counts / counts.sum(), 1 / len(counts)).sum()
    return max(float(divergence), 0.0)


def wasserstein(a: np.ndarray, b: np.ndarray) -> float:
    """Compute the 1-Wasserstein distance of two sets of points, exact in 1-D and sliced in 2-D.

    Sliced: the mean distance of the projections on 64 directions, evenly spread over half a turn;
    times pi / 2, so that a shift by s costs |s| (to 0.02 %), as in 1-D.

    Args:
      a: float [n, D], D = 1 or 2.
      b: float [m, D].

    Returns:
      float >= 0 in the points' unit. Two samples of one distribution do not give 0; their distance
      is the floor.

    Source: Bonneel et al. 2015, with fixed directions.
    """
    if a.shape[1] == 1:
        return float(scipy.stats.wasserstein_distance(a[:, 0], b[:, 0]))
    angles = np.pi * np.arange(N_DIRECTIONS) / N_DIRECTIONS
    directions = np.stack([np.cos(angles), np.sin(angles)])
    projections = zip((a @ directions).T, (b @ directions).T, strict=True)
    slices = [scipy.stats.wasserstein_distance(*pair) for pair in projections]
    return float(np.mean(slices) * np.pi / 2)
