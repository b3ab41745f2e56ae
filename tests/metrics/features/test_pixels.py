import numpy as np
import pytest

from gan_jax.metrics import features
from gan_jax.metrics.features import pixels
from tests.metrics.helpers import random_dataset


@pytest.mark.parametrize(
    "height, width, channels", [(8, 8, 1), (32, 20, 3), (64, 96, 2), (33, 32, 1), (100, 47, 1)]
)
def test_pixels(height, width, channels):
    """Box means by counting: every pixel cut into n pieces, every box made of `side` pieces."""
    real = random_dataset(3, height, width, channels)
    space = features.load(real, None, "pixels")
    h, w = min(height, 32), min(width, 32)
    fine = (real.images / 255).repeat(h, 1).repeat(w, 2)
    expected = fine.reshape(3, h, height, w, width, channels).mean((2, 4)).reshape(3, -1)
    found, probs = space.apply(real.images)
    assert found.dtype == np.float32 and probs is None
    assert features.count_features("pixels", real) == h * w * channels
    np.testing.assert_allclose(found, expected, atol=2e-7)
    assert space.name == f"pixels-{h}x{w}x{channels}"
    assert space.resize == ("none" if max(height, width) <= 32 else f"box average to {h}x{w}")
    if space.resize == "none":
        np.testing.assert_array_equal(found, real.images.reshape(3, -1) / np.float32(255))


def test_in_batches(monkeypatch):
    real = random_dataset(7)
    whole = features.load(real, None, "pixels").apply(real.images)[0]
    monkeypatch.setattr(pixels, "_BATCH", 3)
    np.testing.assert_array_equal(features.load(real, None, "pixels").apply(real.images)[0], whole)
