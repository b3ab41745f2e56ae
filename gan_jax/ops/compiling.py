"""How this package compiles: the options of every jax.jit of it are here."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

# Compiling quickly is worth more than running fast.
_QUICKLY = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


def jit(function: Callable, *, optimized: bool = True, **arguments) -> Callable:
    """Compile a function as jax.jit does, with the options of this package.

    Args:
      function: the function.
      optimized: whether XLA optimises; False for what runs once.
      **arguments: of jax.jit, such as donate_argnums.
    """
    return jax.jit(
        function, compiler_options=options() if optimized else dict(_QUICKLY), **arguments
    )


@functools.cache
def options() -> dict[str, Any]:
    """Return the compiler options of the default device.

    On a CPU, convolutions go to the faster of XLA's libraries (Eigen, not YNNPACK), if this jaxlib
    has the option.
    """
    if jax.default_backend() != "cpu":
        return {}
    wanted = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}
    try:
        jax.jit(lambda: jnp.zeros(()), compiler_options=wanted)()
    except Exception:  # an experimental option: versions that lack it refuse it in several ways
        return {}
    return wanted
