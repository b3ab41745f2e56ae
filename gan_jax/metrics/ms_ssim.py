"""Multi-scale structural similarity (MS-SSIM) between images of one set: variety to the eye."""

import numpy as np

from gan_jax import errors
from gan_jax.metrics import metric

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, the finest first
WINDOW, SIGMA = 11, 1.5  # pixels
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
MAX_PAIRS = 1000

_BLOCK_FLOATS = 2**23  # of a block of images: bounds the memory


def mean_pair_similarity(images: np.ndarray, pairs: int = MAX_PAIRS) -> float:
    """Compute the mean `ms_ssim` of pairs: the first and second image, the third and fourth, ...

    Images must come in random order. Odena et al. compare images of one class; here pairs are of
    all classes, so the value is to be compared with that of real images: above it, images are too
    much alike; below it, they are noisy or odd.

    Args:
      images: uint8 [N, H, W, C], N >= 2.
      pairs: number of pairs, at most.

    Returns:
      float in [0, 1].

    Raises:
      InputError: fewer than two images.

    Source: Odena et al. 2017, section 4.2.
    """
    return float(_of_pairs(images, pairs).mean())


def _of_pairs(images, pairs=MAX_PAIRS):
    n = min(len(images) // 2, pairs)
    if not n:
        raise errors.InputError(
            f"MS-SSIM between images was asked of {len(images)} images; use at least 2."
        )
    return ms_ssim(images[: 2 * n : 2], images[1 : 2 * n : 2])


def _standard_errors(real, fake, halves):
    """Compute the standard error of the mean: no image is in two pairs."""
    values = _of_pairs(fake["images"])
    return {"ms_ssim": float(values.std(ddof=1) / np.sqrt(len(values)))}


def ms_ssim(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compute the MS-SSIM of pairs of images.

    Contrast and structure are compared at every scale, means at the coarsest. Windows lie within
    the image; each scale is the one before, averaged over 2 x 2 pixels (an odd last row or column
    by itself). Negative values count as 0. Channels are compared separately and their values
    averaged.

    Small images have fewer scales: as many, up to five, as leave the shorter side at least 11
    pixels (1 scale from 11 pixels, 2 from 21, 3 from 41, 4 from 81, 5 from 161), with the first
    weights, scaled to the sum of all. Images below 11 pixels have one scale, and the largest odd
    window that fits. So values compare only at equal image sizes.

    Args:
      a: uint8 [N, H, W, C].
      b: uint8 [N, H, W, C].

    Returns:
      float64 [N] in [0, 1]; 1 for equal images.

    Source: Wang et al. 2003, eq. 7, with its weights; Gaussian window and constants: Wang et al.
    2004.
    """
    step = max(1, _BLOCK_FLOATS // a[0].size)
    values = []
    for start in range(0, len(a), step):
        block = slice(start, start + step)
        pair = (np.moveaxis(x[block].astype(np.float64), -1, 1) for x in (a, b))
        values.append(_ms_ssim_of_block(*pair))
    return np.concatenate(values)


def _ms_ssim_of_block(a, b):
    """Compute `ms_ssim` of float64 [N, C, H, W]."""
    side = min(a.shape[2:])
    weights = np.array(WEIGHTS[: n_scales(side)])
    weights *= sum(WEIGHTS) / weights.sum()
    window = min(WINDOW, side - 1 + side % 2)
    value = np.ones(a.shape[:2])
    for i, weight in enumerate(weights):
        if i:
            a, b = _halve(a), _halve(b)
        means, structure = _compare(a, b, window)
        similarity = means * structure if i == len(weights) - 1 else structure
        value = value * np.maximum(similarity.mean((2, 3)), 0) ** weight
    return value.mean(1)


def n_scales(side: int) -> int:
    """Return the number of scales for images with this shorter side in pixels: 1 to 5."""
    n = 1
    while n < len(WEIGHTS) and -(-side // 2**n) >= WINDOW:
        n += 1
    return n


def _compare(a, b, window):
    """Map the similarity of means, and of contrast and structure, of images [N, C, H, W]."""
    rows, columns = (_window_means(side, window) for side in a.shape[2:])
    mean_a, mean_b, aa, bb, ab = (rows @ x @ columns.T for x in (a, b, a * a, b * b, a * b))
    squares = mean_a**2 + mean_b**2
    structure = (2 * (ab - mean_a * mean_b) + C2) / (aa + bb - squares + C2)
    return (2 * mean_a * mean_b + C1) / (squares + C1), structure


def _window_means(side, window):
    """Make the matrix [side - window + 1, side] of Gaussian means over each window of a line."""
    bell = np.exp(-((np.arange(window) - window // 2) ** 2) / (2 * SIGMA**2))
    out = np.zeros((side - window + 1, side))
    for i, row in enumerate(out):
        row[i : i + window] = bell / bell.sum()
    return out


def _halve(x):
    """Average [N, C, H, W] over 2 x 2 pixels; an odd last row or column counts twice."""
    x = np.pad(x, ((0, 0), (0, 0), *((0, side % 2) for side in x.shape[2:])), mode="edge")
    return (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4


METRIC = metric.Metric(
    scores={
        "ms_ssim": metric.Score(
            "MS-SSIM",
            "real",
            "How alike two generated images are to the eye, 0 to 1: well above the value of "
            "real images, variety is missing.",
            least=0,
            most=1,
        )
    },
    needs=("images",),
    compute=lambda real, fake: {"ms_ssim": mean_pair_similarity(fake["images"])},
    standard_errors=_standard_errors,
)
