"""Small sets with known classes and feature spaces, for the tests of metrics."""

import numpy as np
import pytest

from gan_jax import errors
from gan_jax.data.types import Dataset
from gan_jax.metrics import features

CLASSES = ("dark", "grey", "bright")
LEVELS = np.array([40, 120, 210])  # of the classes
ORIENTATIONS = [(turns, flip) for turns in range(4) for flip in (False, True)]


def turn(images, turns, flip):
    """Turn images [N, H, W, C] by quarters, then mirror them left to right."""
    images = np.rot90(images, turns, (1, 2))
    return images[:, :, ::-1] if flip else images


def normal_points(n, seed=0, dim=4, shift=0.0):
    """Draw points of a normal distribution with standard deviation 1: float32 [n, dim]."""
    return np.random.default_rng(seed).normal(shift, 1, (n, dim)).astype(np.float32)


def to_uint8(x):
    return x.round().clip(0, 255).astype(np.uint8)


def make_dataset(images, labels=None, classes=(), name="small", digest="digest"):
    return Dataset(images, labels, classes, name, digest)


def random_dataset(n=6, height=8, width=8, channels=3, labels=None, classes=()):
    """Images of random pixels."""
    shape = (n, height, width, channels)
    images = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    return make_dataset(images, labels, classes, "some")


def brightness_images(seed, n, shares=(1 / 3,) * 3, channels=3):
    """Draw images of the three classes: (uint8 [n, 4, 4, channels], int32 [n])."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, n, p=shares).astype(np.int32)
    noise = rng.normal(0, 12, (n, 4, 4, channels))
    return to_uint8(LEVELS[labels][:, None, None, None] + noise), labels


def brightness_dataset(seed, n, **options):
    images, labels = brightness_images(seed, n, **options)
    return make_dataset(images, labels, CLASSES, "blocks", f"digest-of-{seed}-{n}")


def brightness_probs(images):
    """Classify images by their mean brightness, nearly surely."""
    score = -((images.mean((1, 2, 3))[:, None] - LEVELS) ** 2) / 100
    probs = np.exp(score - score.max(1, keepdims=True))
    return (probs / probs.sum(1, keepdims=True)).astype(np.float32)


def linear_extractor(shape, n_features, name, with_classes=False):
    """Make random linear features of images [N, *shape], with `brightness_probs` or without."""
    size = int(np.prod(shape))
    weights = np.random.default_rng(0).standard_normal((size, n_features)) / np.sqrt(size)

    def apply(images):
        x = images.reshape(len(images), -1).astype(np.float32)
        probs = brightness_probs(images) if with_classes else None
        return (x @ weights).astype(np.float32), probs

    if with_classes:
        return features.Extractor(name, 0.99, np.eye(3), CLASSES, apply)
    return features.Extractor(name, None, None, (), apply)


def assert_refused(spec, match, dataset=None):
    """Check that a feature space is refused, in one line, by both of its checks."""
    dataset = random_dataset() if dataset is None else dataset
    for attempt in (
        lambda: features.count_features(spec, dataset),
        lambda: features.load(dataset, None, spec).apply(dataset.images),
    ):
        with pytest.raises(errors.InputError, match=match) as caught:
            attempt()
        assert "\n" not in str(caught.value)
