"""Packs: several images that D judges as one, joined by channel, so that it sees a lack of variety.

Source: Lin et al. 2018, "PacGAN: the power of two samples in generative adversarial networks".
"""

import jax


def join(x: jax.Array, m: int) -> jax.Array:
    """Join every m consecutive images: [B, H, W, C] -> [B / m, H, W, m C]."""
    if m == 1:
        return x
    n, h, w, c = x.shape
    packs = x.reshape(n // m, m, h, w, c)
    return packs.transpose(0, 2, 3, 1, 4).reshape(n // m, h, w, m * c)


def split(packs: jax.Array, m: int) -> jax.Array:
    """Take packs apart: [B / m, H, W, m C] -> [B, H, W, C]; the inverse of `join`."""
    if m == 1:
        return packs
    n, h, w, c = packs.shape
    images = packs.reshape(n, h, w, m, c // m)
    return images.transpose(0, 3, 1, 2, 4).reshape(n * m, h, w, c // m)
