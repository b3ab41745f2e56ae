"""Sums over all axes but the last, and BatchNorm: against plain reductions, flax's, and float64."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.core import parallel
from gan_jax.nets import layers
from gan_jax.ops import compiling, reduce

SHAPES = [
    (5,),
    (6, 4),
    (6, 33),
    (2, 3, 5, 1),
    (3, 4, 4, 3),
    (3, 4, 5, 16),
    (2, 3, 3, 40),
    (7, 2, 3),
    # In blocks: of an image, of a line, of a divisor; with a rest; and in blocks of blocks.
    (5, 8, 12, 16),
    (2, 20, 16, 16),
    (300, 17),
    (521, 16),
    (4, 40, 40, 1),
]
# Of float32, compiled as in training.
EPS = float(np.finfo(np.float32).eps)


def x_of(shape, seed=0, dtype=jnp.float32):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


@pytest.fixture(params=["cpu", "native"], autouse=True)
def rule(request, monkeypatch):
    monkeypatch.setenv("GAN_CONV", request.param)


on_cpu = pytest.mark.parametrize("rule", ["cpu"], indirect=True)


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


@pytest.mark.parametrize(
    "shape",
    [
        (64, 14, 14, 16),
        (70_000, 5),
        (9973, 16),
        (8, 64, 64, 64),
        pytest.param((2**20, 4), marks=pytest.mark.long),
    ],
    ids=str,
)
@on_cpu
def test_the_error_of_a_sum_does_not_grow_with_its_rows(shape):
    """Numbers of one sign, of which a plain loop over 2^20 rows loses 3e-5."""
    x = np.random.default_rng(0).normal(3, 1, shape).astype(np.float32)
    expected = x.sum(tuple(range(x.ndim - 1)), dtype=np.float64)
    ours = compiling.jit(reduce.sum_to_channels)(x)
    np.testing.assert_allclose(ours, expected, rtol=8 * EPS)


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


def slope_of(normalize, weights):
    """Make (x, scale, bias) -> (output, gradients) of a loss of a BatchNorm."""

    def loss(x, scale, bias):
        y = normalize(x, scale, bias)
        return (jnp.sin(y) * weights).sum(), y

    def run(x, scale, bias):
        (_, y), grads = jax.value_and_grad(loss, (0, 1, 2), has_aux=True)(x, scale, bias)
        return y, *grads

    return compiling.jit(run)


def ours(x, scale, bias):
    variables = {"params": {"scale": scale, "bias": bias}}
    stats = {"mean": jnp.zeros_like(scale), "var": jnp.ones_like(scale)}
    net = layers.BatchNorm(True, 0.0)
    return net.apply(variables | {"batch_stats": stats}, x, mutable=["batch_stats"])[0]


def two_passes(x, scale, bias):
    """The definition."""
    axes = tuple(range(x.ndim - 1))
    gap = x - x.mean(axes)
    return gap / jnp.sqrt((gap * gap).mean(axes) + 1e-5) * scale + bias


@pytest.mark.parametrize(
    "shape, ratio",
    [((64, 8, 8, 16), r) for r in (0, 1, 10, 100, 1000)]
    + [((100, 7), 1000), ((3, 5, 7, 2), 1000)]
    + [pytest.param((64, 64, 64, 4), r, marks=pytest.mark.long) for r in (0, 30, 1000)]
    + [pytest.param((2**20, 2), r, marks=pytest.mark.long) for r in (3, 1000)],
    ids=str,
)
@on_cpu
def test_batch_norm_is_exact_far_from_zero(shape, ratio):
    """Forward and gradients against float64. `ratio`: mean over sd, of either sign by channel.

    What cannot be better in float32 is the mean itself: it is off by rounding, `ratio` times as
    much in units of the sd.
    """
    rng, channels = np.random.default_rng(0), shape[-1]
    sd = np.geomspace(0.3, 3, channels)
    mean = ratio * sd * np.where(np.arange(channels) % 2, -1, 1)
    x = rng.normal(mean, sd, shape).astype(np.float32)
    scale, bias, weights = (
        rng.normal(size=n).astype(np.float32) for n in (channels, channels, shape)
    )
    got = slope_of(ours, weights)(x, scale, bias)
    with jax.enable_x64(True):
        arrays = (np.float64(a) for a in (x, scale, bias))
        expected = jax.device_get(slope_of(two_passes, np.float64(weights))(*arrays))
    for name, a, b in zip(("y", "dx", "dscale", "dbias"), got, expected, strict=True):
        error = np.abs(np.asarray(a) - b).max() / np.abs(b).max()
        assert error < (20 + 4 * ratio) * EPS, name


@pytest.mark.long
@on_cpu
def test_four_devices_are_as_exact_far_from_zero():
    """Each device sees other images, of another brightness: means and variances are of all."""
    rng, ratio, devices = np.random.default_rng(0), 1000, jax.devices()[:4]
    x = rng.normal(ratio, 1, (16, 6, 6, 3)).astype(np.float32)
    x += np.repeat(np.arange(4, dtype=np.float32), 4)[:, None, None, None]
    net = layers.BatchNorm(True, 0.0, use_scale=False, use_bias=False, axis=parallel.AXIS)
    stats = {"mean": np.zeros(3, np.float32), "var": np.ones(3, np.float32)}

    def apply(stats, x):
        y, new = net.apply({"batch_stats": stats}, x, mutable=["batch_stats"])
        return jax.lax.all_gather(y, parallel.AXIS, tiled=True), new["batch_stats"]

    assert len(devices) == 4
    run = parallel.pmapped(apply, devices, batch_axis=0)
    y, new = run(jax.device_put(stats, parallel.replicated(devices)), x)
    mean, var = x.mean((0, 1, 2), np.float64), x.var((0, 1, 2), np.float64)
    np.testing.assert_allclose(new["var"], var, rtol=8 * EPS)
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(var + 1e-5), atol=4 * ratio * EPS)


@pytest.mark.parametrize("train", [True, False])
@on_cpu
def test_a_conditional_batch_norm_is_exact_far_from_zero(train):
    """Batch statistics and running ones."""
    shape, ratio = (32, 6, 6, 3), 1000
    x = np.random.default_rng(0).normal(ratio, 1, shape).astype(np.float32)
    mean, var = x.mean((0, 1, 2), np.float64), x.var((0, 1, 2), np.float64)

    class Net(nn.Module):
        axis: str | None = None

        @nn.compact
        def __call__(self, x, cond):
            return layers.batch_norm(self, train, cond, name="norm")(x)

    net, cond = Net(), np.ones((32, 2), np.float32)
    variables = dict(net.init(jax.random.key(0), x, cond))
    variables["batch_stats"] = {"norm": {"mean": np.float32(mean), "var": np.float32(var)}}
    run = jax.jit(lambda: net.apply(variables, x, cond, mutable=["batch_stats"])[0])
    expected = (x - mean) / np.sqrt(var + 1e-5)
    np.testing.assert_allclose(run(), expected, atol=4 * ratio * EPS)


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
