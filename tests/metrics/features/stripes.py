"""A small labelled data set that a classifier learns in seconds."""

import numpy as np

from gan_jax.metrics import features
from tests.metrics.helpers import make_dataset

CLASSES = ("across", "down", "flat")
TINY = features.Settings(steps=2, batch=8, widths=(4,))
QUICK = features.Settings(steps=60, batch=16, learning_rate=1e-2, widths=(4, 8, 12))


def stripes(n, seed, size=8):
    """Draw noisy stripes across, stripes down, and neither; every tenth image has no label."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n).astype(np.int32)
    wave = np.where(np.arange(size) % 4 < 2, 60, -60)
    across, down = np.tile(wave[:, None], size), np.tile(wave, (size, 1))
    pattern = np.stack([across, down, np.zeros((size, size))])
    images = 128 + pattern[labels][..., None] + rng.normal(0, 20, (n, size, size, 1))
    labels[::10] = -1
    images = images.clip(0, 255).astype(np.uint8)
    return make_dataset(images, labels, CLASSES, "stripes", f"stripes-{n}-{seed}")
