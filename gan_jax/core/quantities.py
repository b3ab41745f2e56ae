"""Quantities: real numbers that the data give for each image, such as a redshift, as conditions.

A net reads a quantity as it reads a class. A class is a row of a table that is learned; a quantity
lies between two *nodes*, and its row is the mean of theirs, weighted by how near it is. The nodes
are quantiles of the training data, so that the unit does not matter, nor a long tail.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.errors import InputError

N_NODES = 9  # at most
N_EXAMPLES = 512  # at most


class Quantities(NamedTuple):
    """What nets need to know of the quantities of a data set."""

    names: tuple[str, ...] = ()  # [A]
    nodes: tuple[tuple[float, ...], ...] = ()  # of each quantity, ascending, two or more
    # Values of training images [M][A], evenly over their range: what generated images are asked.
    examples: tuple[tuple[float, ...], ...] = ()
    spread: tuple[float, ...] = ()  # standard deviation of each quantity
    n: int = 0  # training images

    def to_dict(self) -> dict:
        """Return a dict of JSON values."""
        return self._asdict()


def from_dict(raw: dict | None) -> Quantities:
    """Invert Quantities.to_dict, after JSON; none for None."""
    if raw is None:
        return Quantities()
    tuples = {name: tuple(map(tuple, raw[name])) for name in ("nodes", "examples")}
    return Quantities(tuple(raw["names"]), **tuples, spread=tuple(raw["spread"]), n=raw["n"])


def measure(names: tuple[str, ...], values: np.ndarray) -> Quantities:
    """Find the nodes and examples of a training set.

    Args:
      names: names of the quantities [A].
      values: float32 [N, A], finite.

    Raises:
      InputError: all images have one value.
    """
    nodes = []
    for name, column in zip(names, values.T, strict=True):
        quantiles = np.unique(np.quantile(column, np.linspace(0, 1, N_NODES)).astype(np.float32))
        if len(quantiles) < 2:
            raise InputError(
                f"The quantity {name} is {column[0]:g} in all training images, so nets cannot "
                "learn from it; leave it out of --labels."
            )
        nodes.append(tuple(quantiles.tolist()))
    order = np.lexsort(values.T[::-1])
    rows = order[np.linspace(0, len(values) - 1, min(N_EXAMPLES, len(values))).round().astype(int)]
    return Quantities(
        tuple(names),
        tuple(nodes),
        tuple(map(tuple, values[rows].tolist())),
        tuple(values.std(0, dtype=np.float64).tolist()),
        len(values),
    )


def to_weights(values: jax.Array, nodes: tuple[tuple[float, ...], ...]) -> jax.Array:
    """Turn values into the weights of their nodes.

    Args:
      values: float [B, A]. Beyond the outer nodes they count as these.
      nodes: of each quantity, [A][K].

    Returns:
      float32 [B, sum of K]: of each quantity, weights that sum to 1, at most two of them above 0.
    """
    blocks = []
    for column, own in zip(values.T, nodes, strict=True):
        at = jnp.asarray(own, jnp.float32)
        share = jnp.clip((column[:, None] - at[:-1]) / jnp.diff(at), 0, 1)  # of each interval
        one, zero = jnp.ones_like(share[:, :1]), jnp.zeros_like(share[:, :1])
        blocks.append(jnp.concatenate([one, share], 1) - jnp.concatenate([share, zero], 1))
    return jnp.concatenate(blocks, 1)


def draw(key: jax.Array, n: int, quantities: Quantities) -> jax.Array:
    """Draw the values of n images as often as the training data have them: float32 [n, A]."""
    examples = jnp.asarray(quantities.examples, jnp.float32)
    return examples[jax.random.randint(key, (n,), 0, len(examples))]


def vicinity(quantities: Quantities) -> tuple[float, ...]:
    """Return how far apart images may lie and still be alike, for each quantity.

    It is the bandwidth of a Gaussian kernel estimate of their density, by the rule of thumb: sd
    times (4 / (A + 2) / N)^(1 / (A + 4)).

    Source: Silverman 1986, equation 4.14; Ding et al. 2021 (CcGAN) use it for one quantity.
    """
    a = len(quantities.names)
    factor = math.pow(4 / ((a + 2) * quantities.n), 1 / (a + 4))
    return tuple(factor * sd for sd in quantities.spread)


def shown(quantities: Quantities) -> tuple[tuple[float, ...], ...]:
    """Return the values that a grid shows, ascending in the first quantity: [N_NODES][A]."""
    examples = quantities.examples
    rows = np.linspace(0, len(examples) - 1, N_NODES).round().astype(int)
    return tuple(examples[row] for row in rows)
