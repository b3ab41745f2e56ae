"""Values that move while a run warms up: schedules in images, not in steps.

Images, which a run has consumed before a step, do not depend on the size of its minibatches.

Source: Huang et al. 2024, "The GAN is dead; long live the GAN!" (R3GAN). Its learning rate, beta2,
  gamma, average and augmentation all follow `move`.
"""

import math

import jax
import jax.numpy as jnp


def move(
    images: jax.Array | float, warmup_images: int, start: float, end: float
) -> jax.Array | float:
    """Move from start to end by half a cosine over the first images, then stay.

    Args:
      images: float32 [], images consumed so far, such as StepContext.images.
      warmup_images: images until `end` is reached; 0: it is `start` for ever.
      start, end: the values.

    Returns:
      float32 []; `start` itself if warmup_images is 0 or both are equal.
    """
    if not warmup_images or start == end:
        return start
    share = jnp.clip(jnp.asarray(images, jnp.float32) / warmup_images, 0.0, 1.0)
    # The square of a sine is (1 - cos) / 2 without cancellation near 0.
    moved = start + (end - start) * jnp.sin(0.5 * math.pi * share) ** 2
    return jnp.where(share < 1, moved, end)


def value(hp, name: str, images: jax.Array | float) -> jax.Array | float:
    """Return the value of a setting now: on its way to the setting NAME_end, unless that is 0.

    Args:
      hp: Settings with `warmup_images`.
      name: of a setting that has another, NAME_end.
      images: see `move`.
    """
    start, end = getattr(hp, name), getattr(hp, f"{name}_end")
    return move(images, hp.warmup_images, start, end or start)


def average_rate(
    images: jax.Array | float, minibatch: int, half_life: float, warmup_images: int
) -> jax.Array:
    """Return the rate at which an average moves to new weights: 1 - 2^(-minibatch / half-life).

    The half-life moves from 0 to its value over warmup_images, so the first rate is 1; without a
    warm-up it is constant.

    Args:
      images, warmup_images: see `move`.
      minibatch: images per step.
      half_life: images after which a weight counts half.

    Returns:
      float32 [], in (0, 1].
    """
    now = move(images, warmup_images, 0.0, half_life) if warmup_images else half_life
    lives = minibatch / jnp.maximum(jnp.asarray(now, jnp.float32), 1e-6)
    return -jnp.expm1(-math.log(2) * lives)
