"""The choice of forms for CPUs."""

import os
from typing import TypeVar

import jax

try:
    from jax.experimental.xla_metadata import set_xla_metadata
except ImportError:  # an experimental name
    set_xla_metadata = None

Tree = TypeVar("Tree")


def fast_cpu() -> bool:
    """Return whether operations have the forms that XLA runs fast on a CPU.

    GAN_CONV=cpu or GAN_CONV=native decides, else the default device. Read when a net is traced.

    Raises:
      ValueError: GAN_CONV has another value.
    """
    rule = os.environ.get("GAN_CONV") or ("cpu" if jax.default_backend() == "cpu" else "native")
    if rule not in ("cpu", "native"):
        raise ValueError(f"GAN_CONV={rule} is not known; use cpu or native, or unset it.")
    return rule == "cpu"


@jax.jit
def _same(tree):
    return tree


def materialize(tree: Tree) -> Tree:
    """Return the tree, which XLA:CPU then computes once instead of in each consumer.

    An identity in a call that XLA does not inline, so that its result is written to memory.
    lax.optimization_barrier is no help: it is gone before XLA:CPU decides what to recompute.
    """
    if set_xla_metadata is None or not fast_cpu():
        return tree
    with set_xla_metadata(inlineable="false"):
        return _same(tree)
