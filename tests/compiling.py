"""How tests compile: quickly, but for tests whose runs take longer than their compilation."""

import contextlib

import jax


@contextlib.contextmanager
def optimized():
    """Compile as users do, within the context."""
    jax.config.update("jax_disable_most_optimizations", False)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", False)
