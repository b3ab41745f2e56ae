"""Conditioning of any generator or discriminator on a class, on attributes, or on a code.

A condition is int32 [B] (a class; -1: unknown, the zero vector) or float32 [B, A] as it is. Classes become one-hot vectors, or
rows of `table` (attributes). How the vector enters a net:

  gen   concat      an embedding of it beside the noise (Mirza and Osindero 2014)
        plain       the vector itself beside the noise (InfoGAN)
        product     noise times its embedding, element by element (S1's section VII, D19)
        batchnorm   scale and offset of every BatchNorm depend on it (de Vries et al. 2017)
        own         the net reads it
  disc  concat      an embedding of it as one more image plane
        projection  its embedding times D's features is added to the logit (Miyato and Koyama 2018, eq. 3)
        own         the net reads it
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.nets import layers

EMBEDDING = 50  # width of the embedding beside the noise


def vector(y, n, table=()):
    """Condition vectors float32 [B, A] of classes int [B] out of n, or of a table [n, A]; a float y is returned as it is."""
    if not jnp.issubdtype(y.dtype, jnp.integer):
        return y
    rows = jax.nn.one_hot(y, n)  # zeros for -1
    return rows @ jnp.asarray(table, jnp.float32) if table else rows


def attributes(classes):
    """Table of attributes [K, A] from class names such as "not-Male Smiling": 1 for a word, -1 for one with "not-".

    Classes whose names are no such combinations give a table of None.
    """
    words = [name.split() for name in classes]
    names = [word.removeprefix("not-") for word in words[0]] if words else []
    if not names or any([w.removeprefix("not-") for w in row] != names for row in words):
        return None
    return tuple(tuple(-1.0 if w.startswith("not-") else 1.0 for w in row) for row in words)


def _parts(net, y, dtype, train):
    """(the net inside, the condition's vectors, function width -> their embedding [B, width]) of a conditioned net."""
    cond = vector(y, net.n, net.table).astype(dtype)

    def embed(width):
        return layers.Dense(width, use_bias=False, weights=net.weights, name="embed")(cond, train)

    return net.inner.copy(axis=net.axis, name="net"), cond, embed


class Gen(nn.Module):
    """inner(z or what becomes of it): (z [B, Z], y [B] or [B, A]) -> images."""

    inner: nn.Module
    mode: str
    n: int
    table: tuple = ()
    weights: layers.Weights = layers.Weights()
    axis: str | None = None

    @nn.compact
    def __call__(self, z, y, *, train):
        inner, cond, embed = _parts(self, y, z.dtype, train)
        if self.mode == "product":
            return inner(z * embed(z.shape[-1]), train=train)
        if self.mode in ("concat", "plain"):
            return inner(
                jnp.concatenate([z, embed(EMBEDDING) if self.mode == "concat" else cond], -1),
                train=train,
            )
        return inner(z, cond, train=train)


class Disc(nn.Module):
    """(images [B, H, W, C], y [B] or [B, A]) -> inner's DiscOut."""

    inner: nn.Module
    mode: str
    n: int
    table: tuple = ()
    weights: layers.Weights = layers.Weights()
    axis: str | None = None

    @nn.compact
    def __call__(self, x, y, *, train):
        inner, cond, embed = _parts(self, y, x.dtype, train)
        if self.mode == "concat":
            plane = embed(x.shape[1] * x.shape[2]).reshape(*x.shape[:3], 1)
            return inner(jnp.concatenate([x, plane], -1), train=train)
        if self.mode == "projection":
            out = inner(x, train=train)
            return out._replace(
                logit=out.logit + (out.features * embed(out.features.shape[-1])).sum(-1)
            )
        return inner(x, cond, train=train)
