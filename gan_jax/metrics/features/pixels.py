"""`--features=pixels`: no net at all, for images small and aligned enough that a difference of pixels means something."""

import numpy as np

from gan_jax.metrics.features.extractor import Extractor, batched

MAX_SIDE = 32
_BATCH = 250


def load(arg, source, *_):
    """Extractor of F = h * w * C pixels in [0, 1], row by row, channels last.

    A side of more than MAX_SIDE pixels is averaged down to MAX_SIDE boxes of equal width; a pixel that two boxes share counts
    in each with the part that lies in it, so all pixels weigh alike.
    """
    height, width, channels = source.images.shape[1:]
    rows, columns = _boxes(height), _boxes(width)

    def embed(images):
        small = np.einsum(
            "ah,nhwc,bw->nabc", rows, images.astype(np.float32) / 255, columns, optimize=True
        )
        return small.reshape(len(images), -1), None

    h, w = len(rows), len(columns)
    resize = "none" if (h, w) == (height, width) else f"box average to {h}x{w}"
    return Extractor(
        f"pixels-{h}x{w}x{channels}",
        None,
        None,
        (),
        batched(embed, "--features=pixels", _BATCH),
        resize,
    )


def _boxes(side):
    """float32 [n, side], n = min(side, MAX_SIDE): the part of each pixel in the mean of each box; rows sum to 1."""
    n = min(side, MAX_SIDE)
    edges = np.arange(n + 1) * side / n
    pixel = np.arange(side)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return (np.maximum(overlap, 0) * n / side).astype(np.float32)
