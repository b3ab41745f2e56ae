"""Spectral norm against numpy's singular values, dropout, and convolutions that resize."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.nets import layers
from tests.nets import probe

LAYERS = {
    "Dense": (layers.Dense(6, use_bias=False), (2, 9), -1),
    "Conv": (layers.Conv(6, 3, 1, use_bias=False), (2, 5, 5, 4), -1),
    "ConvT": (layers.ConvT(6, (10, 10), use_bias=False), (2, 5, 5, 4), -2),
}


@pytest.fixture(scope="module", params=LAYERS)
def spectral(request):
    """A layer with spectral norm: (layer, the same without, its output axis, an input, variables).

    The variables are those after 200 calls in training.
    """
    plain, shape, axis = LAYERS[request.param]
    layer, x = (
        plain.clone(weights=layers.WeightOptions("lecun", spectral=True)),
        probe.noise(*shape),
    )

    @jax.jit
    def run():
        variables = layer.init(jax.random.key(0), x, train=False)
        first = variables

        def once(stats, _):
            return layer.apply(
                {**variables, "batch_stats": stats}, x, train=True, mutable=["batch_stats"]
            )[1]["batch_stats"], 0

        stats, _ = jax.lax.scan(once, first["batch_stats"], None, 200)
        return {**variables, "batch_stats": stats}

    return layer, plain, axis, x, run()


@pytest.mark.long
@pytest.mark.parametrize("axis", [0, 1])
def test_matmul(axis):
    """Values and first and second derivatives of `a @ b`, also for several b along an axis."""
    a, b = (
        probe.noise(4, 5),
        probe.noise(5, 3, 6).swapaxes(0, 1) if axis == 0 else probe.noise(5, 3, 6),
    )

    def slope(matmul):
        def value(a, b):
            return jnp.sin(jax.vmap(matmul, (None, axis), 1)(a, b)).sum()

        def penalty(a, b):
            first = jax.grad(value, (0, 1))(a, b)
            return value(a, b) + sum((jnp.cos(g) * g).sum() for g in first)

        return jax.value_and_grad(penalty, (0, 1))(a, b)

    for got, wanted in zip(
        *(jax.tree.leaves(slope(p)) for p in (layers.matmul, jnp.matmul)), strict=True
    ):
        np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=2e-5)


def matrix(kernel, axis):
    """[everything else, outputs]."""
    return np.moveaxis(np.asarray(kernel, np.float64), axis, -1).reshape(-1, kernel.shape[axis])


def test_spectral_norm_is_one(spectral):
    """The output is that of the kernel over its largest singular value."""
    layer, plain, axis, x, variables = spectral
    kernel = variables["params"]["kernel"]
    factor = jax.jit(
        lambda: (
            layer.apply(variables, x, train=False) / plain.apply({"params": variables["params"]}, x)
        )
    )()
    np.testing.assert_allclose(factor, factor.ravel()[0], rtol=2e-3)
    effective = matrix(kernel, axis) * float(np.median(factor))
    assert abs(np.linalg.svd(effective, compute_uv=False)[0] - 1) < 1e-3
    assert abs(np.linalg.svd(matrix(kernel, axis), compute_uv=False)[0] - 1) > 0.05


def test_spectral_norm_ignores_scale(spectral):
    """A longer kernel gives the same output, so the slope along the kernel is 0."""
    layer, _, _, x, variables = spectral

    @jax.jit
    def slope(kernel):
        def total(kernel):
            return jnp.sin(
                layer.apply({**variables, "params": {"kernel": kernel}}, x, train=False)
            ).sum()

        grad = jax.grad(total)(kernel)
        return (grad * kernel).sum(), jnp.sqrt((grad**2).sum() * (kernel**2).sum())

    along, length = slope(variables["params"]["kernel"])
    assert abs(along) < 1e-3 * length and length > 0.1


def test_spectral_vector_moves_in_training_only(spectral):
    layer, _, _, x, _ = spectral
    fresh = probe.variables(layer, x)
    moved = probe.train(layer, fresh, x)[1]["u"]
    assert np.abs(moved - fresh["batch_stats"]["u"]).max() > 0.01
    assert abs((moved**2).sum() - 1) < 1e-5
    _, new = jax.jit(lambda: layer.apply(fresh, x, train=False, mutable=["batch_stats"]))()
    np.testing.assert_array_equal(new["batch_stats"]["u"], fresh["batch_stats"]["u"])


@pytest.mark.long
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("resize", ["up", "down"])
def test_a_convolution_that_resizes_is_one_beside_a_resize(resize, kernel):
    """Value, first and second derivatives."""
    n, hw, ci, co = (1, (3, 4), 5, 6) if resize == "up" else (2, (6, 4), 8, 1)
    params, net = (
        {"kernel": probe.noise(kernel, kernel, ci, co), "bias": probe.noise(co)},
        layers.Conv(co, kernel, 1),
    )

    def plain(params, x):
        out = net.apply({"params": params}, layers.upsample(x) if resize == "up" else x)
        return layers.downsample(out) if resize == "down" else out

    def ours(params, x):
        return net.clone(resize=resize).apply({"params": params}, x)

    def derivatives(f):
        first = jax.grad(lambda *a: jnp.sin(f(*a)).sum(), (0, 1))
        second = jax.grad(
            lambda *a: sum((jnp.tanh(g) ** 2).sum() for g in jax.tree.leaves(first(*a))), (0, 1)
        )
        return jax.jit(lambda *a: (f(*a), first(*a), second(*a)))

    with jax.enable_x64(True):
        args = jax.tree.map(
            lambda a: jnp.asarray(a, jnp.float64), (params, probe.noise(n, *hw, ci))
        )
        both = [derivatives(f)(*args) for f in (ours, plain)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10), *both)


class Dropped(nn.Module):
    axis: str | None = None

    @nn.compact
    def __call__(self, x, *, train):
        return layers.dropout(self, x, 0.25, train)


def test_dropout():
    """A quarter is zero and the rest a third larger, in training only; a new mask for every key."""
    x, net = np.ones((100, 100), np.float32), Dropped()
    one, other = (probe.train(net, {}, x, key=k)[0] for k in (0, 1))
    np.testing.assert_allclose(np.unique(one), [0, 4 / 3], rtol=1e-6)
    assert abs((one == 0).mean() - 0.25) < 0.02
    assert 0.3 < (one != other).mean() < 0.45  # 2 * 0.25 * 0.75
    np.testing.assert_array_equal(probe.run(net, {}, x), x)
