"""Our random numbers against those of jax.random, for one key and for several at once."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.core import parallel
from gan_jax.core.method import StepContext
from gan_jax.ops import cpu, random

KEY = jax.random.fold_in(jax.random.key(3), 9)
SHAPES = [(), (1,), (7,), (32, 5, 3), (2, 3, 4, 5)]


@pytest.mark.long
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_same_numbers(shape):
    np.testing.assert_array_equal(random.bits(KEY, shape), jax.random.bits(KEY, shape))
    np.testing.assert_allclose(
        random.uniform(KEY, shape, -2, 3),
        jax.random.uniform(KEY, shape, minval=-2, maxval=3),
        atol=1e-6,
    )
    np.testing.assert_allclose(random.normal(KEY, shape), jax.random.normal(KEY, shape), atol=2e-6)


def test_in_a_program_and_for_several_keys():
    keys = jax.random.split(KEY, 3)
    together = jax.jit(jax.vmap(lambda key: random.normal(key, (4, 5))))(keys)
    for key, found in zip(keys, together, strict=True):
        np.testing.assert_allclose(found, jax.random.normal(key, (4, 5)), atol=2e-6)


def test_samplers_with_a_fast_version(monkeypatch):
    monkeypatch.setenv("GAN_CONV", "cpu")
    low = functools.partial(jax.random.uniform, minval=-1.0, maxval=1.0)
    assert random.fast_sampler(jax.random.normal).func is random.normal
    assert random.fast_sampler(low).keywords == low.keywords
    assert random.fast_sampler(jax.random.bernoulli) is jax.random.bernoulli
    with jax.enable_x64(True):
        assert random.fast_sampler(low) is low
    monkeypatch.setenv("GAN_CONV", "native")
    assert random.fast_sampler(low) is low


def test_random_rows_uses_them(monkeypatch):
    monkeypatch.setenv("GAN_CONV", "cpu")
    found = parallel.random_rows(StepContext({}, None, {}), jax.random.uniform, KEY, (3, 4))
    np.testing.assert_array_equal(found, random.uniform(KEY, (3, 4)))


def test_materialize_survives_the_compiler(monkeypatch):
    """It is a call in the compiled program, and the arrays are the same."""
    monkeypatch.setenv("GAN_CONV", "cpu")
    x = jnp.arange(12.0).reshape(3, 4)
    program = jax.jit(lambda x: jnp.sin(cpu.materialize(jnp.exp(x))).T).lower(x).compile()
    np.testing.assert_allclose(program(x), jnp.sin(jnp.exp(x)).T, rtol=1e-5, atol=1e-5)
    if jax.default_backend() == "cpu":
        assert " call(" in program.as_text()
