"""Sums over all axes but the last, for BatchNorm and biases; sums of squares, for norms.

`sum_to_channels` and `broadcast_channels` are each other's transposes, so that any order of
differentiation stays inside the two. XLA:CPU's own reduction walks down one channel at a time and
uses 4 bytes of every cache line; a matrix product with ones reads whole lines.
"""

import functools

import jax
import jax.numpy as jnp

from gan_jax.ops import cpu

FEW = 16  # channels: arrays with fewer are summed by rows of pixels first
LARGE = 2**20  # entries: above, storing all squares takes longer than a product that needs none


@jax.custom_vjp
def sum_to_channels(x: jax.Array) -> jax.Array:
    """Sum over all axes but the last: [..., C] -> [C]."""
    c = x.shape[-1]
    if not cpu.fast_cpu() or x.ndim == 1:
        return x.sum(tuple(range(x.ndim - 1)))
    if x.ndim > 2 and c < FEW:
        return sum_to_channels(x.reshape(-1, x.shape[-2] * c)).reshape(-1, c).sum(0)
    rows = x.reshape(-1, c)
    return (jnp.ones((1, len(rows)), x.dtype) @ rows)[0]


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def broadcast_channels(v: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Broadcast v [C] to a shape [..., C]."""
    return jnp.broadcast_to(v, shape)


# Derivatives read only the shapes of x and v.
sum_to_channels.defvjp(
    lambda x: (sum_to_channels(x), x), lambda x, g: (broadcast_channels(g, x.shape),)
)
broadcast_channels.defvjp(
    lambda v, shape: (broadcast_channels(v, shape), None), lambda shape, _, g: (sum_to_channels(g),)
)


def sum_of_squares(x: jax.Array) -> jax.Array:
    """Sum the squares of all entries: scalar.

    On a CPU, of a large x, it is the trace of a small matrix product, which stores no squares.
    """
    if not cpu.fast_cpu() or x.size < LARGE or x.size % FEW:
        return jnp.vdot(x, x)
    rows = x.reshape(-1, FEW)
    return jnp.trace(rows.T @ rows)
