"""Noise inside an exported function: described, recorded, and replaced by inputs."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax

from gan_jax.core import parallel
from gan_jax.errors import InputError


def describe_sampler(sampler: Callable) -> dict[str, Any]:
    """Describe a sampler of parallel.random_rows for manifest.json.

    Returns:
      {"kind": "uniform", "low", "high"} or {"kind": "normal"}.

    Raises:
      InputError: it is another one.
    """
    is_partial = isinstance(sampler, functools.partial)
    f, options = (sampler.func, sampler.keywords) if is_partial else (sampler, {})
    if f is jax.random.normal and not options:
        return {"kind": "normal"}
    if f is jax.random.uniform and set(options) <= {"minval", "maxval"}:
        low, high = options.get("minval", 0), options.get("maxval", 1)
        return {"kind": "uniform", "low": float(low), "high": float(high)}
    raise InputError(
        "This program draws more than uniform and normal noise inside, which no export has; use "
        "other settings."
    )


class NoiseRecorder:
    """Records the noise that a function draws.

    Attributes:
      specs: `describe_sampler` and "shape" of each draw.
      values: the arrays, or their tracers.
    """

    def __init__(self):
        self.specs: list[dict[str, Any]] = []
        self.values: list[jax.Array] = []

    def _source(self, sampler, key, shape):
        self.specs.append({**describe_sampler(sampler), "shape": list(shape)})
        self.values.append(sampler(key, shape))
        return self.values[-1]

    @contextlib.contextmanager
    def recording(self) -> Iterator["NoiseRecorder"]:
        """Record all draws of what is traced or run inside the context."""
        with parallel.noise_from(self._source):
            yield self


@contextlib.contextmanager
def replaced_by(values: Sequence[jax.Array]) -> Iterator[None]:
    """Replace all draws of what is traced or run inside the context by values, in order."""
    rest = iter(values)
    with parallel.noise_from(lambda sampler, key, shape: next(rest)):
        yield
