"""`--features=classifier` for `--data=stacked:DATA`: that of one channel, for each channel.

A stack of K^3 classes has the features of its three channels, one after another, and the products
of their probabilities.
"""

import itertools

import numpy as np

from gan_jax.data import stacked
from gan_jax.data.types import Dataset
from gan_jax.metrics.features import classifier
from gan_jax.metrics.features.classifier_training import Settings
from gan_jax.metrics.features.extractor import Apply, Extractor


def load(
    arg: str, dataset: Dataset, heldout: Dataset | None = None, settings: Settings | None = None
) -> Extractor:
    """Load the classifier of a channel, and apply it to all three.

    Args:
      arg, settings: see classifier.load.
      dataset: stacks, whose first channels train it.
      heldout: stacks, whose first channels measure it; None: see classifier.load.

    Returns:
      Extractor of the K^3 classes. Its accuracy is that of one channel.

    Raises:
      InputError: the stacks have no labels.
    """
    channels = [None if d is None else stacked.first_channel(d) for d in (dataset, heldout)]
    channel = classifier.load(arg, channels[0], channels[1], settings)
    combinations = np.array(list(itertools.product(channel.labels, repeat=stacked.N_CHANNELS)))
    labels = stacked.join_labels(combinations, stacked.n_classes(dataset))
    return Extractor(
        f"stacked-{channel.name}",
        channel.accuracy,
        None,
        stacked.join_names(channel.classes),
        _of_channels(channel.apply),
        labels=tuple(labels.tolist()),
    )


def count_features(arg: str, dataset: Dataset) -> int:
    """Return the number of features; refuse stacks without labels.

    Raises:
      InputError
    """
    return stacked.N_CHANNELS * classifier.count_features(arg, stacked.first_channel(dataset))


def _of_channels(apply: Apply) -> Apply:
    """Return an Extractor.apply of stacks from that of one channel."""

    def apply_stacks(images):
        channels = [apply(images[..., i : i + 1]) for i in range(images.shape[-1])]
        features, (a, b, c) = zip(*channels, strict=True)
        joint = np.einsum("ni,nj,nk->nijk", a, b, c).reshape(len(images), -1)
        return np.concatenate(features, 1), joint

    return apply_stacks
