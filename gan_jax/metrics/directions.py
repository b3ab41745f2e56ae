"""Directions of images: which way galaxies lie, and digits slant.

The other scores hardly see them. Features of a classifier that was trained on turned images are the
same for a galaxy and for the galaxy turned, so a generator whose galaxies all lie one way looks
perfect to them. D is as blind where it sees all images turned (--augment=rotation).
"""

import numpy as np
import scipy

from gan_jax import errors
from gan_jax.metrics import metric


def measure_images(images: np.ndarray) -> np.ndarray:
    """Measure the direction of each image, by the second moments of its brightness gradient.

    With gx and gy the central differences of the mean of the channels, and < > the sum over pixels:
    (<gx^2> - <gy^2>, 2 <gx gy>) / (<gx^2> + <gy^2>). That is the direction along which brightness
    changes most, with its angle doubled, since a direction and its opposite are one. A quarter turn
    changes both signs, a mirror changes that of the second number.

    Args:
      images: [N, H, W, C], of any type, 3 x 3 pixels or more.

    Returns:
      float64 [N, 2], of length 0 (no direction; also an even image) to 1 (stripes).

    Source: the structure tensor of Bigun and Granlund 1987, its orientation and coherence.
    """
    return metric.measure_blocks(images, _measure_block, (2,))


def compare_sets(real: metric.Views, fake: metric.Views) -> dict[str, float]:
    """Compute the distance between the distributions of the directions.

    Args:
      real: {"directions": float64 [N, 2]}, see `measure_images`.
      fake: {"directions": float64 [M, 2]}.

    Returns:
      {"directions": mean over the two numbers of the 1-Wasserstein distance, in [0, 2]}.

    Raises:
      InputError: there are no images on one side.
    """
    a, b = real["directions"], fake["directions"]
    if not (len(a) and len(b)):
        raise errors.InputError(
            f"Directions were asked of {len(a)} real and {len(b)} generated images; use at least 1 "
            "of each."
        )
    columns = zip(a.T, b.T, strict=True)
    distances = [scipy.stats.wasserstein_distance(a, b) for a, b in columns]
    return {"directions": float(np.mean(distances))}


def _measure_block(images):
    """Compute `measure_images` of one block."""
    light = images.mean(3, dtype=np.float64)
    x, y = light[:, 1:-1, 2:] - light[:, 1:-1, :-2], light[:, 2:, 1:-1] - light[:, :-2, 1:-1]
    xx, yy, xy = ((a * b).sum((1, 2)) for a, b in ((x, x), (y, y), (x, y)))
    total = xx + yy
    return np.stack([xx - yy, 2 * xy], 1) / np.where(total > 0, total, 1)[:, None]


METRIC = metric.Metric(
    scores={
        "directions": metric.Score(
            "directions",
            "low",
            "How far the directions in which generated things lie are from those of real ones, 0 "
            "to 2: well above the value of real images, they lie more one way.",
            least=0,
            most=2,
        )
    },
    needs=("directions",),
    compute=compare_sets,
    views={"directions": measure_images},
)
