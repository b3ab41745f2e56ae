"""Variety by eye: how alike two images of one set are, by multi-scale structural similarity (MS-SSIM)."""

import numpy as np

from gan_jax import errors
from gan_jax.metrics import metric

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, the finest first
WINDOW, SIGMA = 11, 1.5  # pixels
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
PAIRS = 1000

_FLOATS = 2**23  # of a block of images: bounds the memory


def ms_ssim(a, b):
    """MS-SSIM of pairs of images: at every scale the contrasts and structures are compared, at the coarsest also the means.

    The windows lie within the image; each scale is the one before averaged over 2 x 2 pixels (an odd last row or column by
    itself). Negative values count as 0. Channels are compared apart, and their values averaged.

    Small images have fewer scales: as many, up to five, as leave the shorter side at least 11 pixels (1 scale from 11 pixels
    on, 2 from 21, 3 from 41, 4 from 81, 5 from 161), with the first weights, scaled to the sum of all. Images below 11 pixels
    have one scale, and as window the largest odd number of pixels that fits. So values compare only at equal sizes of images.

    Args:
      a, b: uint8 [N, H, W, C].

    Returns:
      float64 [N] in [0, 1]; 1 for equal images.

    Source: Wang et al. 2003, eq. 7, with its weights; Gaussian window and constants: Wang et al. 2004.
    """
    step = max(1, _FLOATS // a[0].size)
    blocks = [slice(start, start + step) for start in range(0, len(a), step)]
    return np.concatenate(
        [
            _block(*(np.moveaxis(x[block].astype(np.float64), -1, 1) for x in (a, b)))
            for block in blocks
        ]
    )


def _block(a, b):
    """`ms_ssim` of float64 [N, C, H, W]."""
    side = min(a.shape[2:])
    weights = np.array(WEIGHTS[: scales(side)])
    weights *= sum(WEIGHTS) / weights.sum()
    window = min(WINDOW, side - 1 + side % 2)
    value = 1
    for i, weight in enumerate(weights):
        if i:
            a, b = _halved(a), _halved(b)
        means, structure = _compare(a, b, window)
        kept = means * structure if i == len(weights) - 1 else structure
        value = value * np.maximum(kept.mean((2, 3)), 0) ** weight
    return value.mean(1)


def scales(side):
    """How many scales images have whose shorter side has so many pixels: int in 1 to 5."""
    n = 1
    while n < len(WEIGHTS) and -(-side // 2**n) >= WINDOW:
        n += 1
    return n


def _compare(a, b, window):
    """Maps of the comparison of the means, and of contrast and structure, [N, C, h, w], of images [N, C, H, W]."""
    rows, columns = (_filter(side, window) for side in a.shape[2:])
    mean_a, mean_b, aa, bb, ab = (rows @ x @ columns.T for x in (a, b, a * a, b * b, a * b))
    squares = mean_a**2 + mean_b**2
    structure = (2 * (ab - mean_a * mean_b) + C2) / (aa + bb - squares + C2)
    return (2 * mean_a * mean_b + C1) / (squares + C1), structure


def _filter(side, window):
    """Gaussian means over every window of a line of pixels, as a matrix [side - window + 1, side]."""
    bell = np.exp(-((np.arange(window) - window // 2) ** 2) / (2 * SIGMA**2))
    out = np.zeros((side - window + 1, side))
    for i, row in enumerate(out):
        row[i : i + window] = bell / bell.sum()
    return out


def _halved(x):
    """Means of 2 x 2 pixels of [N, C, H, W]; an odd last row or column counts twice."""
    x = np.pad(x, ((0, 0), (0, 0), *((0, side % 2) for side in x.shape[2:])), mode="edge")
    return (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4


def likeness(images, pairs=PAIRS):
    """Mean `ms_ssim` over pairs of images of one set, the first with the second, the third with the fourth, and so on.

    Images must come in random order. Odena et al. compare images of one class each; here they are of all, so a value is to be
    held against that of real images: above it, the images are too much alike; below it, they are noisy or odd.

    Args:
      images: uint8 [N, H, W, C], N >= 2. pairs: the most that are compared.

    Returns:
      float in [0, 1].

    Raises:
      InputError: fewer than two images.

    Source: Odena et al. 2017, section 4.2.
    """
    n = min(len(images) // 2, pairs)
    if not n:
        raise errors.InputError(
            f"MS-SSIM between images was asked of {len(images)} images; use at least 2."
        )
    return float(ms_ssim(images[: 2 * n : 2], images[1 : 2 * n : 2]).mean())


METRIC = metric.Metric(
    scores={
        "ms_ssim": metric.Score(
            "MS-SSIM",
            "real",
            "How alike two generated images are to the eye, 0 to 1: well above the value of real images, variety is missing.",
        )
    },
    needs=("images",),
    measure=lambda real, fake: {"ms_ssim": likeness(fake["images"])},
)
