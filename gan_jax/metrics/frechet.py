"""Frechet distance of features: the FID where the features are Inception's."""

import numpy as np
import scipy

from gan_jax import errors
from gan_jax.metrics import metric


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Compute the squared Frechet (2-Wasserstein) distance of two Gaussian fits.

    d^2 = |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)), in float64, with the means m and
    unbiased covariances S of the two sets. With S = R^T R, the eigenvalues of S_a S_b are those of
    the symmetric product R_a S_b R_a^T, and their square roots are the singular values of R_a
    R_b^T. This needs no matrix root and has no complex residue. R comes from a pivoted Cholesky
    factorisation of the correlations, which serves features of any scale and singular S.

    The estimate is biased upwards, by about 1 / n: distances compare only at equal numbers of
    images, in the same features. Two samples of one distribution do not give 0; their distance is
    the floor.

    Args:
      a: float [N, F] features, N > F.
      b: float [M, F] features, M > F.

    Returns:
      float >= 0, in squared feature units; 0 for equal sets.

    Raises:
      InputError: too few images, or features that are not finite or too large.

    Source: Heusel et al. 2017, eq. 6 (in Inception features).
    """
    (mean_a, root_a), (mean_b, root_b) = _fit_gaussian(a), _fit_gaussian(b)
    cross = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    distance = ((mean_a - mean_b) ** 2).sum() + (root_a**2).sum() + (root_b**2).sum() - 2 * cross
    return max(float(distance), 0.0)


def _fit_gaussian(features):
    """Return the mean [F], and R [F, F] with R^T R = the unbiased covariance."""
    features = np.asarray(features, np.float64)
    n, dim = features.shape
    if n <= dim:
        raise errors.InputError(
            f"A Frechet distance in {dim} features was asked of {n} images; use at least {dim + 1} "
            "images, or --scores=kernel."
        )
    metric.check_finite(features)
    mean = features.mean(0)
    features = features - mean
    sd = np.sqrt(np.einsum("nf,nf->f", features, features) / (n - 1))
    sd[sd == 0] = 1
    features /= sd
    return mean, _root(features.T @ features / (n - 1)) * sd


def _root(correlation):
    """Return R [F, F] with R^T R = a correlation matrix, which may be singular."""
    # Cholesky with pivots: factor^T factor = correlation[order, order].
    factor, order, rank, _ = scipy.linalg.lapack.dpstrf(correlation)
    factor = np.triu(factor)
    factor[rank:] = 0
    root = np.empty_like(factor)
    root[:, order - 1] = factor
    return root


METRIC = metric.Metric(
    scores={
        "frechet": metric.Score(
            "Frechet distance",
            "low",
            "How far the generated images are from the real ones in what a neural net sees, "
            "compared by averages and spreads.",
            least=0,
        )
    },
    needs=("features",),
    compute=lambda real, fake: {"frechet": frechet_distance(real["features"], fake["features"])},
    min_images=lambda n_features: n_features + 1,
)
