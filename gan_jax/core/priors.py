"""Noise priors by name, their truncation, and paths between their points."""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Prior(NamedTuple):
    """Distribution of the noise; its entries are independent."""

    sampler: Callable  # (key, shape) -> float32
    half_width: float | None  # of a uniform prior around 0; None for the standard normal


def _uniform(half_width):
    """Make the uniform prior on [-half_width, half_width]."""
    sampler = functools.partial(jax.random.uniform, minval=-half_width, maxval=half_width)
    return Prior(sampler, half_width)


PRIORS: dict[str, Prior] = {
    "uniform": _uniform(1.0),
    "normal": Prior(jax.random.normal, None),
    # Unit variance, as in the code of Goodfellow et al. 2014.
    "uniform_unit": _uniform(math.sqrt(3)),
}


def extent(prior: str) -> float:
    """Return the half-width of a uniform prior; for the normal one, three standard deviations."""
    return PRIORS[prior].half_width or 3.0


def truncate(prior: str, z: jax.Array, limit: float) -> jax.Array:
    """Map noise to the truncated prior, quantile by quantile.

    Brock et al. 2019 redraw values outside instead.

    Args:
      prior: key of PRIORS.
      z: noise of any shape.
      limit: in half-widths of a uniform prior, in standard deviations of the normal one.
    """
    if PRIORS[prior].half_width:
        return z * min(limit, 1.0)
    cdf = jax.scipy.special.ndtr
    return jax.scipy.special.ndtri(cdf(-limit) + cdf(z) * (cdf(limit) - cdf(-limit)))


def interpolate(prior: str, a: jax.Array, b: jax.Array, t: jax.Array | float) -> jax.Array:
    """Interpolate between two points: straight, or along the sphere for the normal prior.

    Args:
      prior: key of PRIORS.
      a, b: noise [z_dim].
      t: in [0, 1], 0 for a and 1 for b.

    Returns:
      [z_dim].

    Source: White 2016, section 2.
    """
    straight = (1 - t) * a + t * b
    if PRIORS[prior].half_width:
        return straight
    angle = jnp.arccos(jnp.clip(a @ b / jnp.sqrt((a @ a) * (b @ b)), -1, 1))
    arc = (jnp.sin((1 - t) * angle) * a + jnp.sin(t * angle) * b) / jnp.sin(angle)
    return jnp.where(angle < 1e-4, straight, arc)
