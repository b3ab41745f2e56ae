"""Every case of every method: a state that was saved and loaded goes on as the one in memory."""

import jax
import numpy as np
import pytest

from gan_jax.core.initialize import init_jitted, state_shapes
from gan_jax.core.method import n_minibatches
from gan_jax.core.step import build_step
from gan_jax.rundir import checkpoint, host_state
from tests import methods_small, tiers

QUICK = ("mgan",)


@pytest.mark.long
@pytest.mark.parametrize("case", tiers.cases(methods_small.CASES, QUICK))
def test_a_loaded_state_goes_on_as_the_one_in_memory(case, tmp_path):
    """Bit for bit: weights, averages, optimizers and controls, after two steps and a third."""
    method = methods_small.build(case)
    batches = [
        methods_small.batch(n_minibatches(method), 8, seed, methods_small.shape(case).colors)
        for seed in range(3)
    ]
    step, state = jax.jit(build_step(method)), init_jitted(method, 5)
    for batch in batches[:2]:
        state, _ = step(state, batch)
    tally = {"sums": np.zeros(2, np.float32)}
    with checkpoint.Store(tmp_path) as store:
        store.save(2, state, tally)
    with checkpoint.Store(tmp_path) as store:
        _, loaded, _ = store.load_newest(state_shapes(method), tally)
    before, *ends = (
        host_state.digest(host_state.to_host(s))
        for s in (state, step(state, batches[2])[0], step(loaded, batches[2])[0])
    )
    assert ends[0] == ends[1] != before
