"""The numbers of jax.random, sooner on a CPU: its generator is a loop of five passes over memory there, here it is one pass.

Bits are the same to the last one; numbers made from them may be rounded otherwise, as between any two programs of XLA.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_jax.ops import cpu

_ROTATIONS = (13, 15, 26, 6), (17, 29, 16, 24)


def threefry(key, high, low):
    """Threefry-2x32 with 20 rounds (Salmon et al. 2011): two words of key, two arrays of words, uint32 each, -> two arrays."""
    keys = *key, key[0] ^ key[1] ^ jnp.uint32(0x1BD11BDA)
    a, b = high + keys[0], low + keys[1]
    for i in range(5):
        for distance in _ROTATIONS[i % 2]:
            a = a + b
            b = a ^ ((b << distance) | (b >> (32 - distance)))
        a, b = a + keys[(i + 1) % 3], b + keys[(i + 2) % 3] + jnp.uint32(i + 1)
    return a, b


def bits(key, shape):
    """jax.random.bits: uint32 of a shape of fewer than 2^32, from a key of the default kind."""
    low = lax.iota(jnp.uint32, math.prod(shape)).reshape(shape)
    a, b = threefry(jax.random.key_data(key), jnp.zeros_like(low), low)
    return a ^ b


def uniform(key, shape=(), minval=0.0, maxval=1.0):
    """jax.random.uniform: float32 in [minval, maxval)."""
    ones = lax.bitcast_convert_type((bits(key, shape) >> 9) | jnp.uint32(0x3F800000), jnp.float32)
    # XLA would make the bits anew for everything that reads the numbers.
    return cpu.materialize(
        jnp.maximum(jnp.float32(minval), (ones - 1) * jnp.float32(maxval - minval) + minval)
    )


def normal(key, shape=()):
    """jax.random.normal: float32."""
    low = float(np.nextafter(np.float32(-1), np.float32(0)))
    return cpu.materialize(math.sqrt(2) * lax.erf_inv(uniform(key, shape, low, 1.0)))


_SAME = {jax.random.uniform: uniform, jax.random.normal: normal}


def fast_sampler(sampler):
    """A sampler (key, shape) -> array of the same numbers: one of these if it is jax.random's, with options or without."""
    f, options = (
        (sampler.func, sampler.keywords)
        if isinstance(sampler, functools.partial)
        else (sampler, {})
    )
    plain = (
        jax.config.jax_default_prng_impl == "threefry2x32" and jax.config.jax_threefry_partitionable
    )
    if f not in _SAME or jax.config.jax_enable_x64 or not plain or not cpu.fast_cpu():
        return sampler
    return functools.partial(_SAME[f], **options)
