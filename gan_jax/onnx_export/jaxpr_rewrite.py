"""Rewriting of traced functions to the operations that the ONNX exporter converts correctly.

The exporter fails on some operations that only derivatives contain: the gradient of a weight
contracts the leading axes of both factors. Here every dot_general becomes transposes around a plain
matrix product, nested functions are inlined, and what no output depends on, such as random keys, is
dropped. The numbers stay the same, and training does not use this module.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend import core

_JAXPR_PARAMS = ("jaxpr", "call_jaxpr", "fun_jaxpr")  # where a call has the function that it calls
# These have a jaxpr too, but are operations and not calls.
_OPERATIONS = ("scan", "while", "cond", "reduce", "reduce_window")


def trace(f: Callable, *examples: Any) -> tuple[core.ClosedJaxpr, Any]:
    """Trace a function of arrays.

    Args:
      f: the function.
      *examples: its arguments, trees of jax.ShapeDtypeStruct or arrays.

    Returns:
      (ClosedJaxpr over the leaves of all arguments, tree of jax.ShapeDtypeStruct that f returns).
    """
    return jax.make_jaxpr(f, return_shape=True)(*examples)


def used_inputs(closed: core.ClosedJaxpr) -> tuple[bool, ...]:
    """Return for each input whether an output depends on it."""
    _, needed = _live(closed.jaxpr, [True] * len(closed.jaxpr.outvars))
    return tuple(v in needed for v in closed.jaxpr.invars)


def rewrite(closed: core.ClosedJaxpr) -> Callable[..., tuple]:
    """Return the rewritten function of the inputs that are used; it returns a tuple of arrays."""
    is_used = used_inputs(closed)

    def run(*args):
        args = iter(args)
        inputs = [next(args) if used else None for used in is_used]
        return tuple(_evaluate(closed, inputs, [True] * len(closed.jaxpr.outvars)))

    return run


def _called_jaxpr(eqn: Any) -> core.ClosedJaxpr | None:
    """Return the function that an equation calls, or None for an operation."""
    if eqn.primitive.name in _OPERATIONS:
        return None
    called = next((eqn.params[name] for name in _JAXPR_PARAMS if name in eqn.params), None)
    if called is None or isinstance(called, core.ClosedJaxpr):
        return called
    return core.ClosedJaxpr(called, ())


def _variables(atoms: Iterable) -> set:
    return {v for v in atoms if not isinstance(v, core.Literal)}


def _live(jaxpr: Any, wanted: Sequence[bool]) -> tuple[list[tuple[Any, list[bool]]], set]:
    """Find what wanted outputs of a jaxpr depend on.

    Args:
      jaxpr: the jaxpr.
      wanted: for each output whether it is wanted.

    Returns:
      (equations in order, each with which of its outputs are needed; variables that they read).
    """
    needed = _variables(v for v, want in zip(jaxpr.outvars, wanted, strict=True) if want)
    equations = []
    for eqn in reversed(jaxpr.eqns):
        outputs_needed = [v in needed for v in eqn.outvars]
        if not any(outputs_needed):
            continue
        equations.append((eqn, outputs_needed))
        called = _called_jaxpr(eqn)
        if called is None:
            needed |= _variables(eqn.invars)
        else:
            _, read = _live(called.jaxpr, outputs_needed)
            pairs = zip(eqn.invars, called.jaxpr.invars, strict=True)
            needed |= _variables(outer for outer, inner in pairs if inner in read)
    return equations[::-1], needed


def _evaluate(closed: core.ClosedJaxpr, inputs: Sequence, wanted: Sequence[bool]) -> list:
    """Evaluate a jaxpr, rewritten. Inputs that are not used, and outputs not wanted, are None."""
    jaxpr = closed.jaxpr
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*closed.consts, *inputs], strict=True))

    def read(atom):
        return atom.val if isinstance(atom, core.Literal) else values.get(atom)

    for eqn, outputs_needed in _live(jaxpr, wanted)[0]:
        args = [read(v) for v in eqn.invars]
        called = _called_jaxpr(eqn)
        if called is not None:
            results = _evaluate(called, args, outputs_needed)
        else:
            results = _RULES.get(eqn.primitive.name, _bind)(eqn, *args)
        values |= zip(eqn.outvars, results, strict=True)
    return [read(v) if want else None for v, want in zip(jaxpr.outvars, wanted, strict=True)]


def _bind(eqn: Any, *args: Any) -> list:
    """Apply an operation as it is."""
    out = eqn.primitive.bind(*args, **eqn.params)
    return out if eqn.primitive.multiple_results else [out]


def _matmul(eqn: Any, a: Any, b: Any) -> list:
    """Apply dot_general as a batched product of a matrix [rows, n] and a matrix [n, columns]."""
    (a_contracted, b_contracted), (a_batch, b_batch) = eqn.params["dimension_numbers"]
    a_free = [i for i in range(a.ndim) if i not in (*a_contracted, *a_batch)]
    b_free = [i for i in range(b.ndim) if i not in (*b_contracted, *b_batch)]
    batch, n = [a.shape[i] for i in a_batch], math.prod(a.shape[i] for i in a_contracted)
    rows, columns = [a.shape[i] for i in a_free], [b.shape[i] for i in b_free]
    a = _transpose(a, [*a_batch, *a_free, *a_contracted]).reshape(*batch, math.prod(rows), n)
    b = _transpose(b, [*b_batch, *b_contracted, *b_free]).reshape(*batch, n, math.prod(columns))
    return [jnp.matmul(a, b).reshape(*batch, *rows, *columns)]


def _transpose(x: jax.Array, axes: list[int]) -> jax.Array:
    return x if axes == list(range(x.ndim)) else lax.transpose(x, axes)


_RULES = {"dot_general": _matmul}
