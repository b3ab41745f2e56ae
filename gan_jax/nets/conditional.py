"""Conditioning of any generator or discriminator on a class, on attributes, or on a code.

A condition is int32 [B], a class (-1: unknown), or float32 [B, A]: quantities, or a vector that is
used as it is. Classes become one-hot vectors, or rows of a table of attributes. An unknown class is
the zero vector. Quantities become the weights of their nodes (core.quantities). How the vector
enters a net (`mode`):

  gen   concat      an embedding of it beside the noise (Mirza and Osindero 2014)
        plain       the vector itself beside the noise (InfoGAN)
        product     noise times its embedding, element by element (S1's section VII, D19)
        batchnorm   scale and offset of every BatchNorm depend on it (de Vries et al. 2017)
        own         the net reads it in its source's way
  disc  concat      an embedding of it as one more image plane
        projection  its embedding times D's features is added to the logit
                    (Miyato and Koyama 2018, eq. 3)
        own         the net reads it in its source's way
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.core import quantities
from gan_jax.nets import layers
from gan_jax.nets.family import Net

EMBEDDING = 50  # width of the embedding beside the noise


def condition_vectors(y: jax.Array, n: int, table: tuple = (), nodes: tuple = ()) -> jax.Array:
    """Return condition vectors float32 [B, F].

    Args:
      y: classes int [B], -1 for unknown; or quantities float [B, A]; or vectors float [B, F].
      n: number of classes.
      table: vectors of the classes, [n, F]; () for one-hot vectors.
      nodes: of the quantities, see core.quantities; () where a float y is a vector.
    """
    if not jnp.issubdtype(y.dtype, jnp.integer):
        return quantities.to_weights(y, nodes) if nodes else y
    rows = jax.nn.one_hot(y, n)  # zeros for -1
    return rows @ jnp.asarray(table, jnp.float32) if table else rows


def attributes(classes: Sequence[str]) -> tuple[tuple[float, ...], ...] | None:
    """Return the table of attributes [K, A] of classes with names such as "not-Male Smiling".

    An attribute is 1, and -1 after "not-". None if the names are not all combinations of the same
    attributes.
    """
    words = [name.split() for name in classes]
    names = [word.removeprefix("not-") for word in words[0]] if words else []
    if not names or any([w.removeprefix("not-") for w in row] != names for row in words):
        return None
    return tuple(tuple(-1.0 if w.startswith("not-") else 1.0 for w in row) for row in words)


class _Conditional(Net):
    """Fields of a conditional net."""

    inner: nn.Module  # the net
    mode: str  # how the condition enters it, see the module's docstring
    n: int  # number of classes
    table: tuple = ()  # see `condition_vectors`
    nodes: tuple = ()  # see `condition_vectors`

    def vectors(self, y, dtype):
        """Return the condition vectors [B, A]."""
        return condition_vectors(y, self.n, self.table, self.nodes).astype(dtype)

    def embed(self, vectors, width, train):
        """Return the embedding [B, width] of condition vectors."""
        dense = layers.Dense(width, use_bias=False, weights=self.weights, name="embed")
        return dense(vectors, train)


class Gen(_Conditional):
    """Conditional generator: noise [B, z_dim], condition [B] or [B, A] -> images."""

    @nn.compact
    def __call__(self, z, y, *, train):
        net, vectors = self.inner.copy(axis=self.axis, name="net"), self.vectors(y, z.dtype)
        if self.mode == "product":
            return net(z * self.embed(vectors, z.shape[-1], train), train=train)
        if self.mode == "concat":
            beside = self.embed(vectors, EMBEDDING, train)
            return net(jnp.concatenate([z, beside], -1), train=train)
        if self.mode == "plain":
            return net(jnp.concatenate([z, vectors], -1), train=train)
        return net(z, vectors, train=train)


class Disc(_Conditional):
    """Conditional discriminator: images [B, H, W, C], condition [B] or [B, A] -> DiscOutput."""

    @nn.compact
    def __call__(self, x, y, *, train):
        net, vectors = self.inner.copy(axis=self.axis, name="net"), self.vectors(y, x.dtype)
        if self.mode == "concat":
            plane = self.embed(vectors, x.shape[1] * x.shape[2], train).reshape(*x.shape[:3], 1)
            return net(jnp.concatenate([x, plane], -1), train=train)
        if self.mode == "projection":
            out = net(x, train=train)
            embedding = self.embed(vectors, out.features.shape[-1], train)
            return out._replace(logit=out.logit + (out.features * embedding).sum(-1))
        return net(x, vectors, train=train)
