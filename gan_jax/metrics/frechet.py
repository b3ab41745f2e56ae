"""The Frechet distance between two sets of features."""

import numpy as np
from scipy.linalg import lapack

from gan_jax import errors
from gan_jax.metrics import metric


def _fit(features):
    """Mean [F], and R [F, F] with R^T R = the unbiased covariance; refuses features no Gaussian can be fitted to."""
    features = np.asarray(features, np.float64)
    n, dim = features.shape
    if n <= dim:
        raise errors.InputError(
            f"A Frechet distance in {dim} features was asked of {n} images; use at least {dim + 1} images, or --scores=kernel."
        )
    if not np.isfinite(features).all():
        raise errors.InputError(
            "Features contain infinite or undefined values; no Gaussian fits them: check the images and the feature net."
        )
    mean = features.mean(0)
    features = features - mean
    sd = np.sqrt(np.einsum("nf,nf->f", features, features) / (n - 1))
    sd[sd == 0] = 1
    features /= sd
    return mean, _root(features.T @ features / (n - 1)) * sd


def _root(correlation):
    """R [F, F] with R^T R = a correlation matrix, which may be singular: rows past its rank are zero."""
    factor, order, rank, _ = lapack.dpstrf(
        correlation
    )  # Cholesky with pivots: factor^T factor = correlation[order, order]
    factor = np.triu(factor)
    factor[rank:] = 0
    root = np.empty_like(factor)
    root[:, order - 1] = factor
    return root


def frechet(a, b):
    """Frechet (2-Wasserstein) distance, squared, between Gaussians fitted to two sets of features.

    d^2 = |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)), in float64. With S = R^T R (R by a pivoted Cholesky
    factorisation of the correlations, so that features of any scale and singular S are right), S_a S_b has the eigenvalues
    of the symmetric product R_a S_b R_a^T, whose square roots are the singular values of R_a R_b^T: no matrix root, no
    complex residue.

    The estimate is biased upwards, by about 1/n: distances compare only at equal numbers of images, in the same
    features. Two samples of one distribution do not give 0; their distance is the floor.

    Args:
      a: float [N, F] features, N > F.
      b: float [M, F] features, M > F.

    Returns:
      float >= 0, in squared feature units; 0 for equal sets.

    Raises:
      InputError: too few images, or features that are not finite.

    Source: Heusel et al. 2017, eq. 6 (there in Inception features; here in those of the given net).
    """
    (mean_a, root_a), (mean_b, root_b) = _fit(a), _fit(b)
    cross = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    distance = ((mean_a - mean_b) ** 2).sum() + (root_a**2).sum() + (root_b**2).sum() - 2 * cross
    return max(float(distance), 0.0)


METRIC = metric.Metric(
    scores={
        "frechet": metric.Score(
            "Frechet distance",
            "low",
            "How far the generated images are from the real ones in what a neural net sees, compared by averages and spreads.",
        )
    },
    needs=("features",),
    measure=lambda real, fake: {"frechet": frechet(real["features"], fake["features"])},
    least=lambda dim: dim + 1,
)
