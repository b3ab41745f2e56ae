"""Sums over all axes but the last, and their transpose, closed under differentiation: what BatchNorm and biases need.

XLA's own reduction walks down one channel at a time on a CPU, and uses 4 bytes of every cache line: as a product with ones
a sum takes a tenth of the time. Elsewhere it is XLA's own.
"""

import functools

import jax
import jax.numpy as jnp

from gan_jax.ops import cpu

FEW = 16  # channels: below, a row of pixels is summed as one
LARGE = (
    2**20
)  # entries: from here on, squares that are stored cost more than the product without them


@jax.custom_vjp
def sum_to_channels(x):
    """[..., C] -> [C]"""
    c = x.shape[-1]
    if not cpu.fast_cpu() or x.ndim == 1:
        return x.sum(tuple(range(x.ndim - 1)))
    if x.ndim > 2 and c < FEW:
        return sum_to_channels(x.reshape(-1, x.shape[-2] * c)).reshape(-1, c).sum(0)
    rows = x.reshape(-1, c)
    return (jnp.ones((1, len(rows)), x.dtype) @ rows)[0]


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def broadcast_channels(v, shape):
    """[C] -> shape [..., C]"""
    return jnp.broadcast_to(v, shape)


# Of x and v only the shape is read in a derivative.
sum_to_channels.defvjp(lambda x: (sum_to_channels(x), x), lambda x, g: (broadcast_channels(g, x.shape),))
broadcast_channels.defvjp(lambda v, shape: (broadcast_channels(v, shape), None), lambda shape, _, g: (sum_to_channels(g),))


def sum_of_squares(x):
    """The sum of the squares of all entries: []. On a CPU as the trace of a small product, for which no squares are stored."""
    if not cpu.fast_cpu() or x.size < LARGE or x.size % FEW:
        return jnp.vdot(x, x)
    rows = x.reshape(-1, FEW)
    return jnp.trace(rows.T @ rows)
