"""Faster CPU versions of jax.random.uniform and jax.random.normal.

The bits are the same. Numbers computed from them may differ in rounding, as between any two
programs of XLA. On a CPU, jax.random's generator is a loop of five passes over memory; here it is
one pass.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_jax.ops import cpu

_ROTATIONS = (13, 15, 26, 6), (17, 29, 16, 24)


def threefry(key: jax.Array, high: jax.Array, low: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Apply Threefry-2x32 with 20 rounds.

    Args:
      key: uint32 [2].
      high, low: counter words, uint32 of one shape.

    Returns:
      Two uint32 arrays of that shape.

    Source: Salmon et al. 2011.
    """
    keys = *key, key[0] ^ key[1] ^ jnp.uint32(0x1BD11BDA)
    a, b = high + keys[0], low + keys[1]
    for i in range(5):
        for distance in _ROTATIONS[i % 2]:
            a = a + b
            b = a ^ ((b << distance) | (b >> (32 - distance)))
        a, b = a + keys[(i + 1) % 3], b + keys[(i + 2) % 3] + jnp.uint32(i + 1)
    return a, b


def bits(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Draw jax.random.bits: uint32 of a shape with fewer than 2^32 entries.

    Args:
      key: of the default kind, threefry2x32.
      shape: of the result.
    """
    low = lax.iota(jnp.uint32, math.prod(shape)).reshape(shape)
    a, b = threefry(jax.random.key_data(key), jnp.zeros_like(low), low)
    return a ^ b


def uniform(
    key: jax.Array, shape: tuple[int, ...] = (), minval: float = 0.0, maxval: float = 1.0
) -> jax.Array:
    """Draw jax.random.uniform: float32 in [minval, maxval)."""
    ones = lax.bitcast_convert_type((bits(key, shape) >> 9) | jnp.uint32(0x3F800000), jnp.float32)
    numbers = (ones - 1) * jnp.float32(maxval - minval) + minval
    # Without this XLA recomputes the bits in each consumer.
    return cpu.materialize(jnp.maximum(jnp.float32(minval), numbers))


def normal(key: jax.Array, shape: tuple[int, ...] = ()) -> jax.Array:
    """Draw jax.random.normal: float32."""
    low = float(np.nextafter(np.float32(-1), np.float32(0)))
    return cpu.materialize(math.sqrt(2) * lax.erf_inv(uniform(key, shape, low, 1.0)))


_FAST: dict[Callable, Callable] = {jax.random.uniform: uniform, jax.random.normal: normal}


def fast_sampler(sampler: Callable) -> Callable:
    """Return the fast version of a sampler, or the sampler itself where there is none.

    Args:
      sampler: (key, shape) -> array; jax.random.uniform or jax.random.normal, as they are or as a
        functools.partial with keywords, have fast versions.
    """
    f, options = sampler, {}
    if isinstance(sampler, functools.partial):
        f, options = sampler.func, sampler.keywords
    config = jax.config
    default = config.jax_default_prng_impl == "threefry2x32" and config.jax_threefry_partitionable
    if f not in _FAST or config.jax_enable_x64 or not default or not cpu.fast_cpu():
        return sampler
    return functools.partial(_FAST[f], **options)
