"""What every discriminator returns, and the last activation of every generator."""

from typing import NamedTuple

import flax.linen as nn
import jax


class DiscOutput(NamedTuple):
    """What a discriminator returns."""

    logit: jax.Array  # [B], before any sigmoid
    features: jax.Array  # [B, F], the last hidden layer, normalised and activated
    classes: jax.Array | None = None  # [B, K], class logits; None without a class head


_SQUASH = {"tanh": nn.tanh, "sigmoid": nn.sigmoid, "linear": lambda x: x}


def squash(x: jax.Array, pixels: str) -> jax.Array:
    """Apply a generator's last activation.

    Args:
      x: array of any shape.
      pixels: range of the result: "tanh" [-1, 1], "sigmoid" [0, 1], "linear" unbounded (points).
    """
    return _SQUASH[pixels](x)
