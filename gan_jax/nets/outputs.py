"""What every discriminator returns, and how every generator ends."""

from typing import NamedTuple

import flax.linen as nn
import jax


class DiscOutput(NamedTuple):
    """logit: [B], before any sigmoid. features: [B, F], the last hidden block, normalised and activated.
    classes: [B, K] logits, or None where the net has no class head."""

    logit: jax.Array
    features: jax.Array
    classes: jax.Array | None = None


_SQUASH = {"tanh": nn.tanh, "sigmoid": nn.sigmoid, "linear": lambda x: x}


def squash(x, pixels):
    """A generator's last activation for a range of pixels: "tanh" [-1, 1], "sigmoid" [0, 1], "linear" (unbounded points)."""
    return _SQUASH[pixels](x)
