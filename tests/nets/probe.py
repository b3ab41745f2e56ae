"""Helpers for tests of nets: sizes, shapes of outputs, outputs. Compiles as little as it can."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.methods.settings import BaseSettings
from gan_jax.nets import layers

WEIGHTS = layers.WeightOptions()


def settings(**options):
    """Small settings, but for the options."""
    return dataclasses.replace(BaseSettings(), **{"width": 8, "z_dim": 5, **options})


def nets(family, shape, n_classes=0, **options):
    """Generator, discriminator and encoder of a family, with small settings but for the options."""
    hp = settings(**options)
    return (
        family.gen(hp, shape, WEIGHTS),
        family.disc(hp, shape, WEIGHTS, n_classes),
        family.enc(hp, shape, WEIGHTS),
    )


def noise(*shape, seed=1):
    """Normal numbers."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def spec(net, *inputs):
    """Variables of a net as ShapeDtypeStructs; inputs are shapes."""
    return jax.eval_shape(lambda: net.init(jax.random.key(0), *map(jnp.zeros, inputs), train=False))


def params(net, *inputs):
    """The trained ones of `spec`."""
    return spec(net, *inputs)["params"]


def count(net, *inputs):
    """Trained numbers: weights, biases, BatchNorm's scale and offset; no running statistics."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params(net, *inputs)))


def counts(family, shape, n_classes=0, cond=(), **options):
    """Count each of `nets`; cond: shapes of what G and D get beside their inputs."""
    gen, disc, enc = nets(family, shape, n_classes, **options)
    code, image = (2, settings(**options).z_dim), (2, *shape.hw, shape.colors)
    return count(gen, code, *cond), count(disc, image, *cond), count(enc, image)


def shapes(net, *inputs):
    """Shapes of a net's outputs in train mode, without computing them."""

    def run():
        arrays = [jnp.zeros(shape) for shape in inputs]
        variables, rngs = (
            net.init(jax.random.key(0), *arrays, train=False),
            {"dropout": jax.random.key(0)},
        )
        return net.apply(variables, *arrays, train=True, rngs=rngs, mutable=["batch_stats"])[0]

    return jax.tree.map(lambda leaf: leaf.shape, jax.eval_shape(run))


def variables(net, *inputs, seed=0):
    """Random variables of a net for arrays `inputs`.

    Kernels and biases have length 1 per output; BatchNorms are fresh.
    """
    r = np.random.default_rng(seed)

    def leaf(path, a):
        name = path[-1].key
        if name in ("scale", "var", "mean"):
            return np.full(a.shape, name != "mean", np.float32)
        return (r.normal(size=a.shape) / math.sqrt(math.prod(a.shape[:-1]) or 1)).astype(np.float32)

    return jax.tree.map_with_path(leaf, spec(net, *(np.shape(x) for x in inputs)))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _apply(net, train, variables, inputs, key, options):
    rngs = None if key is None else {"dropout": key}
    return net.apply(variables, *inputs, train=train, rngs=rngs, mutable=["batch_stats"], **options)


def run(net, variables, *inputs, **options):
    """Output outside training, where nothing may ask for a key, as numpy arrays."""
    return jax.tree.map(np.asarray, _apply(net, False, variables, inputs, None, options)[0])


def train(net, variables, *inputs, key=0, **options):
    """(output, new statistics) in training, as numpy arrays; key: of dropout, an int."""
    out, new = _apply(net, True, variables, inputs, jax.random.key(key), options)
    return jax.tree.map(np.asarray, (out, new.get("batch_stats", {})))
