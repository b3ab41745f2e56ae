"""Consistency regularisation of D: its logit shall not depend on a small change of a real image.

Source: Zhang et al. 2020, "Consistency regularization for generative adversarial networks"
  (CR-GAN): the squared difference of D's last layer before the sigmoid, on real images, with weight
  10; a flip and a shift by up to 4 of 32 pixels. Not the balanced variant (bCR, Zhao et al. 2021),
  which has the same on generated images.
"""

import functools

import jax
import jax.numpy as jnp

from gan_jax.core import diffaugment, parallel
from gan_jax.core.method import StepContext


def change(ctx: StepContext, key: jax.Array, x: jax.Array, pixels: str) -> jax.Array:
    """Mirror half of the images left to right, and move all by up to an eighth of the side.

    Args:
      ctx: StepContext, of which only the device axis is read.
      key: random key.
      x: images [B, H, W, C].
      pixels: range of x, see diffaugment.augment. Empty areas become mid-grey.
    """
    key_flip, key_move = jax.random.split(key)
    coin = functools.partial(jax.random.bernoulli, p=0.5)

    def sampler(key, shape):
        return coin(key, shape=shape)

    flipped = parallel.random_rows(ctx, sampler, key_flip, (len(x), 1, 1, 1))
    x = jnp.where(flipped, x[:, :, ::-1], x)
    return diffaugment.augment(ctx, key_move, x, "translation", pixels)


def term(ctx: StepContext, plain: jax.Array, changed: jax.Array) -> jax.Array:
    """Compute the mean squared difference of D's logits [B], without its weight: []."""
    return parallel.mean(ctx, (plain - changed) ** 2)
