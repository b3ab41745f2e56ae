"""Gradients of every method and net: compiled as users compile them = operation by operation.

Experimental fusions of XLA gave wrong gradients in some versions, so these programs are compiled
with the optimisations that tests leave out elsewhere.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.core.gradients import player_gradients
from gan_jax.core.initialize import init_jitted
from gan_jax.core.method import make_context, n_minibatches, select_minibatch
from gan_jax.ops import compiling
from tests import environment, methods_small, tiers

TOLERANCE = {"float64": 1e-10, "float32": 2e-4}  # relative, of the gradient of a whole net


def widened(tree, dtype):
    """The tree with floating-point arrays of this type."""
    wide = lambda a: a.astype(dtype) if jnp.issubdtype(a.dtype, jnp.floating) else a
    return jax.tree.map(wide, tree)


def difference(compiled, single):
    """The distance of two gradients of a net, relative to the size of the second."""
    flat = lambda tree: np.concatenate([np.ravel(a) for a in jax.tree.leaves(tree)]).astype("f8")
    compiled, single = flat(compiled), flat(single)
    assert np.isfinite(single).all() and single.any()
    return np.linalg.norm(compiled - single) / np.linalg.norm(single)


@pytest.mark.long
@pytest.mark.parametrize("dtype", tiers.cases(TOLERANCE, ("float32",)))
@pytest.mark.parametrize("case", tiers.cases(methods_small.CASES, ("gan",)))
def test_compiled_gradients_are_those_of_single_operations(case, dtype):
    method = methods_small.build(case)
    n = n_minibatches(method)
    batch = methods_small.batch(n, 4, colors=methods_small.colors(method))
    state = init_jitted(method, 0)
    with jax.enable_x64(dtype == "float64"):
        state, batch = widened((state, batch), dtype)
        ctx = make_context(method)
        for player in method.players:
            at, key = select_minibatch(method, player, batch, jax.random.key(7))

            def gradients(state, at, key, player=player, ctx=ctx):
                grads, _, metrics = player_gradients(player, ctx, state, at, key, None)
                return grads, metrics["loss"]

            program = jax.jit(gradients).lower(state, at, key)
            options = compiling.options() | environment.AS_USERS_DO
            grads, loss = program.compile(compiler_options=options)(state, at, key)
            with jax.disable_jit():
                right, right_loss = gradients(state, at, key)
            np.testing.assert_allclose(loss, right_loss, rtol=TOLERANCE[dtype])
            for net in grads:
                assert difference(grads[net], right[net]) < TOLERANCE[dtype], (player.name, net)
