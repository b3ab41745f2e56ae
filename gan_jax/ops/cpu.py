"""What XLA's compiler for CPUs is told, and what is written for it. Elsewhere nothing here does anything."""

import functools
import os

import jax
import jax.numpy as jnp

try:
    from jax.experimental.xla_metadata import set_xla_metadata
except ImportError:  # an experimental name
    set_xla_metadata = None


def fast_cpu():
    """Whether programs are to have the forms that XLA runs fast on a CPU, as GAN_CONV says or the device; asked when traced."""
    rule = os.environ.get("GAN_CONV") or ("cpu" if jax.default_backend() == "cpu" else "native")
    if rule not in ("cpu", "native"):
        raise ValueError(f"GAN_CONV={rule} is not known; use cpu or native, or unset it.")
    return rule == "cpu"


@jax.jit
def _same(tree):
    return tree


def materialize(tree):
    """The same arrays, which are written to memory and not computed anew within everything that reads them.

    As lax.optimization_barrier, which is gone when XLA decides that for a CPU: a call that it is told not to inline.
    """
    if set_xla_metadata is None or not fast_cpu():
        return tree
    with set_xla_metadata(inlineable="false"):
        return _same(tree)


@functools.cache
def compiler_options():
    """Options for jax.jit of a training step: on a CPU, convolutions go to the faster library where this jaxlib knows how."""
    if jax.default_backend() != "cpu":
        return {}
    options = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}
    try:
        jax.jit(lambda: jnp.zeros(()), compiler_options=options)()
    except Exception:  # an experimental option: versions that lack it refuse it in several ways
        return {}
    return options
