"""The last layers of a discriminator."""

from gan_jax.nets import layers
from gan_jax.nets.outputs import DiscOutput


def heads(net, features, train, pooled=None, weights=None):
    """DiscOut of the last hidden layer: its logit, and `net.n_classes` class logits where that is not 0.

    Args:
      features: [B, F]. pooled: what the logits are computed from where that is not the features themselves.
      weights: where they are not those of the net.
    """
    x, weights = features if pooled is None else pooled, weights or net.weights
    logit = layers.Dense(1, weights=weights)(x, train)[:, 0]
    classes = layers.Dense(net.n_classes, weights=weights)(x, train) if net.n_classes else None
    return DiscOutput(logit, features, classes)
