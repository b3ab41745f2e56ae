"""The Frechet distance between two sets of features."""

import numpy as np

from gan_jax import errors
from gan_jax.metrics.metric import Metric, Score


def _fit(features):
    """Mean [F], and R [F, F] with R^T R = the unbiased covariance; refuses features no Gaussian can be fitted to."""
    features = np.asarray(features, np.float64)
    n, dim = features.shape
    if n <= dim:
        raise errors.InputError(f"A Frechet distance in {dim} features was asked of {n} images; use at least {dim + 1} images.")
    if not np.isfinite(features).all():
        raise errors.InputError(
            "Features contain infinite or undefined values; no Gaussian fits them: check the images and the feature net."
        )
    mean = features.mean(0)
    return mean, np.linalg.qr((features - mean) / np.sqrt(n - 1), mode="r")


def frechet(a, b):
    """Frechet (2-Wasserstein) distance, squared, between Gaussians fitted to two sets of features.

    d^2 = |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)), in float64. With S = R^T R (R by QR of the centred
    features, so that nothing is squared), S_a S_b has the eigenvalues of the symmetric product R_a S_b R_a^T, whose
    square roots are the singular values of R_a R_b^T: no matrix root, no complex residue, exact for singular S.

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


METRIC = Metric(
    scores={"frechet": Score("Frechet distance", "low", "Distance between real and generated images as clouds of features.")},
    needs=("features",),
    measure=lambda real, fake: {"frechet": frechet(real["features"], fake["features"])},
    least=lambda dim: dim + 1,
)
