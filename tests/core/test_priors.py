"""Noise by name, and the two functions that make a step independent of the number of devices."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.core import parallel, priors
from gan_jax.core.method import StepContext
from gan_jax.methods import base
from gan_jax.methods.settings import BaseSettings

KEY = jax.random.key(5)
ALONE, SHARED = StepContext({}, None, {}), StepContext({}, None, {}, axis=parallel.AXIS)
# {prior: (bound, sd)}
EXPECTED = {
    "uniform": (1.0, 1 / math.sqrt(3)),
    "normal": (math.inf, 1.0),
    "uniform_unit": (math.sqrt(3), 1.0),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_range_mean_sd(name):
    assert set(priors.PRIORS) == set(EXPECTED)
    bound, sd = EXPECTED[name]
    z = np.asarray(priors.PRIORS[name].sampler(KEY, (400, 100)))
    assert z.shape == (400, 100) and z.dtype == np.float32
    assert (
        abs(z.mean()) < 0.02 * sd and abs(z.std() / sd - 1) < 0.02
    )  # 4 standard errors of the mean, 6 of the sd
    assert np.abs(z).max() <= bound
    if math.isfinite(bound):
        assert z.min() < -0.99 * bound and z.max() > 0.99 * bound
        np.testing.assert_allclose(
            np.quantile(z, [0.25, 0.5, 0.75]) / bound, [-0.5, 0, 0.5], atol=0.03
        )
    else:
        np.testing.assert_allclose(np.quantile(z, [0.1587, 0.8413]), [-1, 1], atol=0.03)


@pytest.mark.long
@pytest.mark.parametrize("name", EXPECTED)
def test_noise_of_a_method(name):
    ctx = ALONE._replace(hp=dataclasses.replace(BaseSettings(), prior=name, z_dim=7))
    expected = priors.PRIORS[name].sampler(KEY, (3, 7))
    np.testing.assert_array_equal(base.sample_noise(ctx, KEY, 3), expected)


def on_devices(f, n_devices, *args):
    """f(*args) once per device, as it would run on n_devices; outputs stacked."""
    return jax.vmap(f, axis_size=n_devices, axis_name=parallel.AXIS)(*args)


@pytest.mark.long
@pytest.mark.parametrize("n_devices", [1, 2, 4])
@pytest.mark.parametrize("name", EXPECTED)
def test_draw_does_not_depend_on_devices(name, n_devices):
    sampler = priors.PRIORS[name].sampler
    whole = parallel.random_rows(ALONE, sampler, KEY, (8, 3))
    shape = (8 // n_devices, 3)
    parts = on_devices(
        lambda _: parallel.random_rows(SHARED, sampler, KEY, shape),
        n_devices,
        jnp.arange(n_devices),
    )
    assert parts.shape == (n_devices, *shape)
    np.testing.assert_array_equal(parts.reshape(8, 3), whole)


@pytest.mark.parametrize("n_devices", [2, 4])
def test_mean_is_of_the_global_batch(n_devices):
    x = jax.random.normal(KEY, (8, 3)) + jnp.arange(8.0)[:, None]
    means = on_devices(lambda x: parallel.mean(SHARED, x), n_devices, x.reshape(n_devices, -1, 3))
    np.testing.assert_allclose(
        means, np.full(n_devices, np.asarray(x, np.float64).mean()), rtol=1e-6
    )
    np.testing.assert_allclose(parallel.mean(ALONE, x), np.asarray(x, np.float64).mean(), rtol=1e-6)


def test_gradient_of_a_function_of_the_mean():
    """Averages of per-device gradients of a loss that is not linear in the mean of the batch."""
    x = jnp.arange(8.0)

    def grad(ctx, w, x):
        return parallel.average(jax.grad(lambda w: parallel.mean(ctx, w * x) ** 2)(w), ctx.axis)

    shared = on_devices(lambda x: grad(SHARED, 1.0, x), 4, x.reshape(4, 2))
    np.testing.assert_allclose(shared, np.full(4, 2 * 3.5**2), rtol=1e-6)
    np.testing.assert_allclose(grad(ALONE, 1.0, x), 2 * 3.5**2, rtol=1e-6)
