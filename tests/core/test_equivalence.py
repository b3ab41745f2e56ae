"""One device = four devices, member i = solo run i, interrupted = uninterrupted, computed once =
computed by every player: for every method, at a learning rate that moves every net.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.core import parallel
from gan_jax.core.initialize import init_jitted, state_shapes
from gan_jax.core.method import n_minibatches
from gan_jax.core.step import build_step
from gan_jax.rundir import checkpoint, host_state
from gan_jax.training import multi_seed
from tests import methods_small, tiers
from tests.tiers import slowly

STEPS, BATCH = 3, 8
QUICK = ("cgan_quantities", "mgan", "morpho")
MEMBERS_QUICK = ("cgan_quantities", "morpho")


CASES = tiers.cases(methods_small.CASES, QUICK)


@functools.cache
def solo(case):
    """(method, compiled single-device step, states after 0..STEPS steps)."""
    method = methods_small.build(case)
    step = jax.jit(build_step(method))
    states = [init_jitted(method, 0)]
    for t in range(STEPS):
        states.append(step(states[-1], batch(method, t))[0])
    return method, step, states


def batch(method, t, member=0):
    colors = methods_small.colors(method)
    return methods_small.batch(n_minibatches(method), BATCH, seed=100 * member + t, colors=colors)


def worst(a, b):
    """Largest difference of weights, statistics and averages."""
    pick = lambda s: (s.params, s.batch_stats, s.ema)
    return max(
        float(jnp.abs(x - y).max())
        for x, y in zip(jax.tree.leaves(pick(a)), jax.tree.leaves(pick(b)), strict=True)
    )


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_every_net_moves(case):
    _, _, states = solo(case)
    for net in states[0].params:
        moved = jax.tree.map(
            lambda a, b: jnp.abs(a - b).max(), states[0].params[net], states[-1].params[net]
        )
        assert max(jax.tree.leaves(moved)) >= 1e-3, net
    assert int(states[-1].step) == STEPS and int(states[-1].bad_step) == -1


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_four_devices_equal_one(case):
    method, _, states = solo(case)
    devices = jax.devices()[:4]
    assert len(devices) == 4
    step = parallel.pmapped(build_step(method, parallel.AXIS), devices)
    state = jax.device_put(states[0], parallel.replicated(devices))
    state = jax.tree.map(jnp.copy, state)
    for t in range(STEPS):
        state, metrics = jax.block_until_ready(
            step(state, jax.device_put(batch(method, t), parallel.split(devices, 1)))
        )
    assert worst(state, states[-1]) <= 1e-6
    for leaf in jax.tree.leaves((state.params, state.batch_stats, metrics)):
        copies = [np.asarray(s.data) for s in leaf.addressable_shards]
        assert all(np.array_equal(copies[0], c) for c in copies[1:])


@pytest.mark.long
@pytest.mark.parametrize("case", tiers.cases(methods_small.CASES, MEMBERS_QUICK))
def test_member_equals_solo_run(case):
    method, alone, _ = solo(case)
    members, one = (0, 1), build_step(method)
    step = jax.jit(jax.vmap(lambda state, batch: one(state, batch)[0]))
    states = [init_jitted(method, m) for m in members]
    stacked = multi_seed.stack_trees(states)
    for t in range(STEPS):
        batches = [batch(method, t, m) for m in members]
        stacked = step(stacked, multi_seed.stack_trees(batches))
        states = [alone(s, b)[0] for s, b in zip(states, batches, strict=True)]
    for got, state in zip(multi_seed.unstack_tree(stacked), states, strict=True):
        assert (
            worst(got, state) <= 2e-6
        )  # vmapped convolutions add up in another order: 1.03e-6 on one kind of processor


@pytest.mark.parametrize(
    "case", tiers.cases(methods_small.CASES, ("gan_hinge_r1", "gan_rp", "gan_spectral", "gan_ada"))
)
def test_a_step_in_float64_traces_and_stays_in_float64(case):
    """As the benchmarks' comparison of values needs it: also penalties of every k-th step."""

    def wide(tree):
        return jax.tree.map(
            lambda a: jax.ShapeDtypeStruct(a.shape, "f8" if a.dtype == "f4" else a.dtype), tree
        )

    method = methods_small.build(case)
    state = wide(state_shapes(method))
    with jax.enable_x64(True):
        updated, _ = jax.eval_shape(build_step(method), state, wide(batch(method, 0)))
    jax.tree.map(lambda a, b: np.testing.assert_equal(a.dtype, b.dtype), updated, state)


@pytest.mark.long
@pytest.mark.parametrize("batch_size", [BATCH, slowly(1)])
@pytest.mark.parametrize(
    "case", ["gan_balance", *map(slowly, ("mgan_once", "gan_simultaneous", "colorize"))]
)
def test_what_players_share_is_what_each_would_compute(case, batch_size):
    method = methods_small.build(case)
    assert n_minibatches(method) == 1
    apart = method._replace(players=tuple(p._replace(shared_forward=None) for p in method.players))
    steps, states = [jax.jit(build_step(m)) for m in (method, apart)], [init_jitted(method, 0)] * 2
    for t in range(STEPS):
        one = jax.tree.map(lambda a: a[:, :batch_size], batch(method, t))
        (states, metrics) = zip(
            *(step(state, one) for step, state in zip(steps, states, strict=True)), strict=True
        )
    assert worst(*states) <= 1e-6
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), *metrics)


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_interrupted_equals_uninterrupted(case, tmp_path):
    method, step, states = solo(case)
    tally = {"sums": np.float32([1, 2])}
    with checkpoint.Store(tmp_path) as store:
        store.save(1, states[1], tally)
    with checkpoint.Store(tmp_path) as store:
        t, state, restored = store.load_newest(state_shapes(method), tally)
    assert t == 1 and np.array_equal(restored["sums"], tally["sums"])
    for t in range(1, STEPS):
        state, _ = step(state, batch(method, t))
    assert host_state.digest(host_state.to_host(state)) == host_state.digest(
        host_state.to_host(states[-1])
    )
