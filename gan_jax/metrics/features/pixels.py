"""`--features=pixels`: no net, for small aligned images whose pixel differences mean something."""

import numpy as np

from gan_jax.data.types import Dataset
from gan_jax.metrics.features.extractor import Extractor, batched_apply

MAX_SIDE = 32
_BATCH = 250


def load(arg: str, dataset: Dataset, *_) -> Extractor:
    """Make the space of F = h * w * C pixels in [0, 1], row by row, channels last.

    A side of more than MAX_SIDE pixels is averaged down to MAX_SIDE boxes of equal width. A pixel
    that two boxes share counts in each with the part that lies in it, so all pixels weigh alike.

    Args:
      arg: not used.
      dataset: images of this shape.
    """
    height, width, channels = dataset.images.shape[1:]
    rows, columns = _box_weights(height), _box_weights(width)

    def embed(images):
        x = images.astype(np.float32) / 255
        small = np.einsum("ah,nhwc,bw->nabc", rows, x, columns, optimize=True)
        return small.reshape(len(images), -1), None

    h, w = len(rows), len(columns)
    resize = "none" if (h, w) == (height, width) else f"box average to {h}x{w}"
    apply = batched_apply(embed, "--features=pixels", _BATCH)
    return Extractor(f"pixels-{h}x{w}x{channels}", None, None, (), apply, resize)


def _box_weights(side):
    """Return the weight of each pixel in the mean of each box: float32 [n, side], rows sum to 1.

    n = min(side, MAX_SIDE).
    """
    n = min(side, MAX_SIDE)
    edges = np.arange(n + 1) * side / n
    pixel = np.arange(side)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return (np.maximum(overlap, 0) * n / side).astype(np.float32)
