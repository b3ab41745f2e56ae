"""Programs rewritten before export: the same numbers from fewer kinds of operations, each in its plainest form.

The exporter gets some operations wrong, or does not know them, that only differentiated programs hold: a weight gradient
contracts the leading axes of both factors. Here every matrix product becomes transposes around a plain one, functions inside
functions are laid open, and what no output needs, random keys above all, is left out. Nothing of the training step changes
for it.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend import core

_INLINED = ("jaxpr", "call_jaxpr", "fun_jaxpr")  # where a call keeps the function that it calls
_KEPT = (
    "scan",
    "while",
    "cond",
    "reduce",
    "reduce_window",
)  # not calls, though they keep functions, too


def trace(f, *examples):
    """A function of arrays as a jaxpr. examples: trees of jax.ShapeDtypeStruct or arrays.

    Returns:
      (jax.extend.core.ClosedJaxpr over the leaves of all examples, in order; tree of jax.ShapeDtypeStruct that f returns)
    """
    return jax.make_jaxpr(f, return_shape=True)(*examples)


def used(closed):
    """Whether each input of a traced function has a part in its outputs: tuple of bool."""
    _, needed = _live(closed.jaxpr, [True] * len(closed.jaxpr.outvars))
    return tuple(v in needed for v in closed.jaxpr.invars)


def function(closed):
    """The rewritten function, of those inputs of a traced one that are `used`; it returns a tuple of arrays."""
    kept = used(closed)

    def run(*args):
        args = iter(args)
        inputs = [next(args) if keep else None for keep in kept]
        return tuple(_evaluate(closed, inputs, [True] * len(closed.jaxpr.outvars)))

    return run


def _inner(eqn):
    """The ClosedJaxpr that an equation calls, or None for an operation."""
    if eqn.primitive.name in _KEPT:
        return None
    found = [eqn.params[name] for name in _INLINED if name in eqn.params]
    if not found:
        return None
    return found[0] if isinstance(found[0], core.ClosedJaxpr) else core.ClosedJaxpr(found[0], ())


def _variables(atoms):
    return {v for v in atoms if not isinstance(v, core.Literal)}


def _live(jaxpr, wanted):
    """(the equations that wanted outputs need, in order, each with which of its outputs are; the variables that they read)."""
    needed = _variables(v for v, want in zip(jaxpr.outvars, wanted, strict=True) if want)
    out = []
    for eqn in reversed(jaxpr.eqns):
        asked = [v in needed for v in eqn.outvars]
        if not any(asked):
            continue
        out.append((eqn, asked))
        inner = _inner(eqn)
        if inner is None:
            needed |= _variables(eqn.invars)
        else:
            _, reads = _live(inner.jaxpr, asked)
            needed |= _variables(
                v
                for v, inside in zip(eqn.invars, inner.jaxpr.invars, strict=True)
                if inside in reads
            )
    return out[::-1], needed


def _evaluate(closed, inputs, wanted):
    """Outputs of a jaxpr, None for those that are not wanted; inputs that are not needed may be None."""
    jaxpr = closed.jaxpr
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*closed.consts, *inputs], strict=True))
    read = lambda v: v.val if isinstance(v, core.Literal) else values.get(v)
    for eqn, asked in _live(jaxpr, wanted)[0]:
        args = [read(v) for v in eqn.invars]
        inner = _inner(eqn)
        if inner is not None:
            results = _evaluate(inner, args, asked)
        else:
            results = _RULES.get(eqn.primitive.name, _as_it_is)(eqn, *args)
        values |= zip(eqn.outvars, results, strict=True)
    return [read(v) if want else None for v, want in zip(jaxpr.outvars, wanted, strict=True)]


def _as_it_is(eqn, *args):
    out = eqn.primitive.bind(*args, **eqn.params)
    return out if eqn.primitive.multiple_results else [out]


def _product(eqn, a, b):
    """dot_general with batch axes first, and contracting the last axis of a with the one before the last of b."""
    (a_sum, b_sum), (a_batch, b_batch) = eqn.params["dimension_numbers"]
    a_free = [i for i in range(a.ndim) if i not in (*a_sum, *a_batch)]
    b_free = [i for i in range(b.ndim) if i not in (*b_sum, *b_batch)]
    batch, n = [a.shape[i] for i in a_batch], math.prod(a.shape[i] for i in a_sum)
    rows, columns = [a.shape[i] for i in a_free], [b.shape[i] for i in b_free]
    a = _transposed(a, [*a_batch, *a_free, *a_sum]).reshape(*batch, math.prod(rows), n)
    b = _transposed(b, [*b_batch, *b_sum, *b_free]).reshape(*batch, n, math.prod(columns))
    return [jnp.matmul(a, b).reshape(*batch, *rows, *columns)]


def _transposed(x, axes):
    return x if axes == list(range(x.ndim)) else lax.transpose(x, axes)


_RULES = {"dot_general": _product}
