"""Sums over all axes but the last, for BatchNorm and biases; sums of squares, for norms.

`sum_to_channels` and `broadcast_channels` are each other's transposes, so that any order of
differentiation stays inside the two. XLA:CPU's own reduction walks down one channel at a time and
uses 4 bytes of every cache line; a matrix product with ones reads whole lines.

A product adds up its rows one after another, and its rounding error grows with their number. So
many rows are summed in blocks, and the sums of the blocks likewise: of a million rows the error is
2e-7, not 3e-5, in half the time.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.ops import cpu

FEW = 16  # channels: arrays with fewer are summed by rows of pixels first
SHORT = 256  # rows of a block, at most: a product adds up so many without much of an error
MIN_BLOCK = 8  # rows of a block, at least
WIDE = 2**15  # entries of a block, at most: from 2**16 on, XLA multiplies it in a slower way
LARGE = 2**20  # entries: above, storing all squares takes longer than a product that needs none


@jax.custom_vjp
def sum_to_channels(x: jax.Array) -> jax.Array:
    """Sum over all axes but the last: [..., C] -> [C]."""
    c = x.shape[-1]
    n = x.size // c
    # ONNX's exporter has batches of symbolic length.
    if not cpu.fast_cpu() or x.ndim == 1 or not isinstance(n, int):
        return x.sum(tuple(range(x.ndim - 1)))
    if x.ndim > 2 and c < FEW:
        return sum_to_channels(x.reshape(-1, x.shape[-2] * c)).reshape(-1, c).sum(0)
    rows = x.reshape(n, c)
    if n <= SHORT or c > WIDE // MIN_BLOCK:
        return (jnp.ones((1, n), x.dtype) @ rows)[0]
    size = _block_size(x.shape)
    if size < MIN_BLOCK:
        cut = n - n % SHORT
        return sum_to_channels(rows[:cut]) + sum_to_channels(rows[cut:])
    blocks = x.reshape(-1, size, c)
    return sum_to_channels((jnp.ones((len(blocks), 1, size), x.dtype) @ blocks)[:, 0])


def _block_size(shape):
    """Return the number of rows in a block: those of a line of pixels or an image, or a divisor.

    XLA computes what is summed inside the reshaped loop, faster if axes stay whole.
    """
    most = min(SHORT, WIDE // shape[-1])
    whole = np.cumprod(shape[-2:0:-1])
    if fitting := [size for size in whole if MIN_BLOCK <= size <= most]:
        return int(fitting[-1])
    n = math.prod(shape[:-1])
    return max(d for d in range(1, most + 1) if n % d == 0)


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
