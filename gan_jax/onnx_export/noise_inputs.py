"""The noise of an exported program: what it is, what it was in a step, and from where it comes instead."""

import contextlib
import functools

import jax

from gan_jax.core import parallel
from gan_jax.errors import InputError


def describe(sampler):
    """{"kind": "uniform", "low", "high"} or {"kind": "normal"} of a sampler that parallel.random_rows is given.

    Raises:
      InputError: it is something else.
    """
    options = sampler.keywords if isinstance(sampler, functools.partial) else {}
    f = sampler.func if isinstance(sampler, functools.partial) else sampler
    if f is jax.random.normal and not options:
        return {"kind": "normal"}
    if f is jax.random.uniform and set(options) <= {"minval", "maxval"}:
        return {
            "kind": "uniform",
            "low": float(options.get("minval", 0)),
            "high": float(options.get("maxval", 1)),
        }
    raise InputError(
        "This program draws more than uniform and normal noise inside, which no export has; use other settings."
    )


class Record:
    """What is drawn while it records. specs: {"kind", ..., "shape"} of each draw; values: the arrays, or their tracers."""

    def __init__(self):
        self.specs, self.values = [], []

    def _source(self, sampler, key, shape):
        self.specs.append({**describe(sampler), "shape": list(shape)})
        self.values.append(sampler(key, shape))
        return self.values[-1]

    @contextlib.contextmanager
    def recording(self):
        """Records all draws of what is traced or run within it."""
        with parallel.noise_from(self._source):
            yield self


@contextlib.contextmanager
def given(values):
    """Within it, draws are the values, in order."""
    rest = iter(values)
    with parallel.noise_from(lambda sampler, key, shape: next(rest)):
        yield
