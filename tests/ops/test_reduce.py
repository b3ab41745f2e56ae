"""Sums over all axes but the last against plain reductions, and BatchNorm against flax's."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.nets import layers
from gan_jax.ops import reduce

SHAPES = [
    (5,),
    (6, 4),
    (6, 33),
    (2, 3, 5, 1),
    (3, 4, 4, 3),
    (3, 4, 5, 16),
    (2, 3, 3, 40),
    (7, 2, 3),
]


def x_of(shape, seed=0, dtype=jnp.float32):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


@pytest.fixture(params=["cpu", "native"], autouse=True)
def rule(request, monkeypatch):
    monkeypatch.setenv("GAN_CONV", request.param)


@pytest.mark.long
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_to_second_order(shape):
    with jax.enable_x64(True):
        x, v = x_of(shape, dtype=jnp.float64), x_of(shape[-1:], 1, jnp.float64)

        def values(total, spread):
            first = lambda x, v: (
                jnp.sum(jnp.sin(total(x * x)) * v) + jnp.sum(jnp.cos(spread(v * v, shape)) * x)
            )
            second = lambda x, v: sum(jnp.sum(jnp.tanh(g)) for g in jax.grad(first, (0, 1))(x, v))
            return (
                total(x),
                spread(v, shape),
                jax.grad(first, (0, 1))(x, v),
                jax.grad(second, (0, 1))(x, v),
            )

        ours = values(reduce.sum_to_channels, reduce.broadcast_channels)
        plain = values(lambda x: x.sum(tuple(range(x.ndim - 1))), jnp.broadcast_to)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), ours, plain)


@pytest.mark.parametrize(
    "shape", [(), (3,), (4, 5), (reduce.LARGE // 64, 64), (reduce.LARGE + 1,)], ids=str
)
def test_squares(shape):
    x = x_of(shape)
    expected = (np.asarray(x, np.float64) ** 2).sum()
    np.testing.assert_allclose(reduce.sum_of_squares(x), expected, rtol=1e-5)


class Flax(nn.Module):
    train: bool
    options: dict

    @nn.compact
    def __call__(self, x):
        own = nn.BatchNorm(
            use_running_average=not self.train,
            momentum=0.8,
            epsilon=1e-5,
            name="norm",
            **self.options,
        )
        return own(x)


class Ours(nn.Module):
    train: bool
    options: dict

    @nn.compact
    def __call__(self, x):
        return layers.BatchNorm(self.train, 0.8, name="norm", **self.options)(x)


@pytest.mark.long
@pytest.mark.parametrize(
    "options", [{}, {"use_bias": False}, {"use_scale": False, "use_bias": False}], ids=str
)
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("shape", [(6, 5), (4, 3, 3, 2), (4, 3, 3, 20)], ids=str)
def test_batch_norm_equals_that_of_flax(shape, train, options):
    """Output, running statistics, first and second derivatives in x and in the weights."""
    with jax.enable_x64(True):
        x, scale = x_of(shape, dtype=jnp.float64) * 2 + 1, x_of(shape, 2, jnp.float64)
        variables = Flax(train, options).init(jax.random.key(0), x)
        variables = jax.tree.map(lambda a: a + 0.3 * x_of(a.shape, 3, jnp.float64) ** 2, variables)
        assert jax.tree.structure(variables) == jax.tree.structure(
            Ours(train, options).init(jax.random.key(0), x)
        )

        def values(net):
            def apply(params, x):
                return net.apply({**variables, "params": params}, x, mutable=["batch_stats"])

            params = variables.get("params", {})
            first = lambda params, x: jnp.sum(jnp.sin(apply(params, x)[0]) * scale)
            grads = jax.grad(first, (0, 1))
            second = lambda params, x: sum(
                jnp.sum(jnp.tanh(g)) for g in jax.tree.leaves(grads(params, x))
            )
            return apply(params, x), grads(params, x), jax.grad(second, (0, 1))(params, x)

        ours, flax = values(Ours(train, options)), values(Flax(train, options))
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, atol=1e-10, rtol=1e-10), ours, flax
        )


@pytest.mark.long
def test_statistics_of_bfloat16_are_float32():
    x = x_of((64, 8, 8, 4)).astype(jnp.bfloat16)
    net = Ours(True, {})
    variables = net.init(jax.random.key(0), x)
    y, new = net.apply(variables, x, mutable=["batch_stats"])
    assert y.dtype == jnp.bfloat16
    mean = new["batch_stats"]["norm"]["mean"]
    assert mean.dtype == jnp.float32
    np.testing.assert_allclose(mean, 0.2 * x.astype(jnp.float32).mean((0, 1, 2)), atol=1e-6)
