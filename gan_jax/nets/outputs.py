"""What every discriminator returns."""

from typing import NamedTuple

import jax


class DiscOut(NamedTuple):
    """logit: [B], before any sigmoid. features: [B, F], the last hidden block, normalised and activated.
    classes: [B, K] logits, or None where the net has no class head."""

    logit: jax.Array
    features: jax.Array
    classes: jax.Array | None = None
