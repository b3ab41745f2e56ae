"""Noise priors by name: (key, shape) -> float32; their truncation and the paths between their draws."""

import functools
import math

import jax
import jax.numpy as jnp

_HALF_WIDTH = {"uniform": 1.0, "uniform_unit": math.sqrt(3)}
NOISE = {
    "uniform": functools.partial(jax.random.uniform, minval=-1.0, maxval=1.0),
    "normal": jax.random.normal,
    # Unit variance, as in the code of Goodfellow et al. 2014.
    "uniform_unit": functools.partial(
        jax.random.uniform, minval=-math.sqrt(3), maxval=math.sqrt(3)
    ),
}


def reach(prior):
    """How far values of a prior go: the half-width of a uniform one, three standard deviations of the normal one."""
    return _HALF_WIDTH.get(prior, 3.0)


def truncated(prior, z, limit):
    """Draws z of a prior made to lie within `limit` half-widths of a uniform prior, or standard deviations of the normal one.

    Order is kept: z is what the same quantile of the truncated distribution is (Brock et al. 2019 draw anew instead).
    """
    if prior in _HALF_WIDTH:
        return z * min(limit, 1.0)
    cdf = jax.scipy.special.ndtr
    return jax.scipy.special.ndtri(cdf(-limit) + cdf(z) * (cdf(limit) - cdf(-limit)))


def between(prior, a, b, t):
    """The point at t in [0, 1] of the path from a to b, both [z_dim]: straight, or along the sphere for the normal prior.

    Source: White 2016, section 2.
    """
    if prior in _HALF_WIDTH:
        return (1 - t) * a + t * b
    angle = jnp.arccos(jnp.clip(a @ b / jnp.sqrt((a @ a) * (b @ b)), -1, 1))
    straight = (1 - t) * a + t * b
    return jnp.where(
        angle < 1e-4,
        straight,
        (jnp.sin((1 - t) * angle) * a + jnp.sin(t * angle) * b) / jnp.sin(angle),
    )
