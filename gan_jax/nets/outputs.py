"""What every discriminator returns, and the last activation of every generator."""

from typing import NamedTuple

import flax.linen as nn
import jax


class DiscOutput(NamedTuple):
    """What a discriminator returns."""

    logit: jax.Array  # [B], before any sigmoid
    features: jax.Array  # [B, F], the last hidden layer, normalised and activated
    # [B, K], class logits, or cosines with the classes; None without a class head
    classes: jax.Array | None = None
    embedding: jax.Array | None = None  # [B, E], of length 1; None where classes are no cosines


_SQUASH = {"tanh": nn.tanh, "sigmoid": nn.sigmoid, "linear": lambda x: x}


def squash(x: jax.Array, pixels: str) -> jax.Array:
    """Apply a generator's last activation.

    Args:
      x: array of any shape.
      pixels: range of the result: "tanh" [-1, 1], "sigmoid" [0, 1], "linear" unbounded (points).
    """
    return _SQUASH[pixels](x)


def from_unbounded(x: jax.Array, pixels: str) -> jax.Array:
    """Bring the output of a generator without a last activation to the range of the pixels.

    It is not clipped: D sees values outside the range, and images.to_uint8 clips what is sampled.

    Args:
      x: array of any shape; [-1, 1] becomes the range.
      pixels: see `squash`; "linear" leaves x as it is.
    """
    return (x + 1) / 2 if pixels == "sigmoid" else x
