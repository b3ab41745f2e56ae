"""Generative adversarial networks in JAX: small, fast, and exactly re-runnable.

`train` and `load` return a `Run`; they are in `gan_jax.api`, the errors in `gan_jax.errors`. Both
are imported on first use: importing gan_jax imports nothing large, and changes no state of the
process.
"""

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_jax.api import Run, load, train
    from gan_jax.errors import Collapsed, InputError, NonFiniteError, Stopped

_MODULES = {"train": "api", "load": "api", "Run": "api"}
_MODULES |= dict.fromkeys(("InputError", "NonFiniteError", "Collapsed", "Stopped"), "errors")

__all__ = ["Collapsed", "InputError", "NonFiniteError", "Run", "Stopped", "load", "train"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return metadata.version("gan-jax")
    if name not in _MODULES:
        raise AttributeError(f"module 'gan_jax' has no attribute {name!r}")
    return getattr(import_module(f"gan_jax.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
