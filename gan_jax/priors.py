"""Noise priors by name: (key, shape) -> float32."""

import functools
import math

import jax

NOISE = {
    "uniform": functools.partial(jax.random.uniform, minval=-1.0, maxval=1.0),
    "normal": jax.random.normal,
    # Unit variance, as in the code of Goodfellow et al. 2014.
    "uniform_unit": functools.partial(jax.random.uniform, minval=-math.sqrt(3), maxval=math.sqrt(3)),
}
