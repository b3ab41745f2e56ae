"""The check that a player changes what it trains and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.core.initialize import init
from gan_jax.core.method import StepContext
from gan_jax.core.step import update_player
from tests import methods_small


def same(a, b):
    """Whether two trees of arrays agree bit for bit."""
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, a, b)))


def move(method, index):
    """state, batch -> state after one update of one player."""
    ctx = StepContext(method.nets, method.hp, method.controls, jnp.float32(0))
    return lambda state, batch: update_player(method, index, ctx, state, batch, state.key)[0]


def kept(method, index):
    """A GanState of bools: whether a leaf comes out as the very variable that went in: bit for bit,
    for any state.
    """
    state = jax.eval_shape(lambda: init(method, jax.random.key(0)))
    batch = jax.tree.map(
        lambda a: a[0], methods_small.batch(1, 4, colors=methods_small.colors(method))
    )
    closed, out = jax.make_jaxpr(move(method, index), return_shape=True)(state, batch)
    treedef = jax.tree.structure(out)
    assert treedef == jax.tree.structure(state)
    return treedef.unflatten(
        o is i for o, i in zip(closed.jaxpr.outvars, closed.jaxpr.invars, strict=False)
    )


def check(case):
    """Each player of a case of methods_small computes new weights, statistics and optimizer state
    for what it trains; all else in the state, whatever nets its loss runs, is handed through
    untouched.
    """
    method = methods_small.build(case)
    for index, player in enumerate(method.players):
        untouched = kept(method, index)
        for net in method.nets:
            leaves = jax.tree.leaves((untouched.params[net], untouched.batch_stats[net]))
            assert (not any(leaves)) if net in player.nets else all(leaves), (player.name, net)
        for other in method.players:
            leaves = jax.tree.leaves(untouched.opt_state[other.name])
            assert all(leaves) if other is not player else not any(leaves), (
                player.name,
                other.name,
            )
        assert all(
            jax.tree.leaves((untouched.ema, untouched.controls, untouched.step, untouched.key))
        ), player.name
