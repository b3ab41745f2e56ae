"""The compiled training program: several steps in one call, with metrics summed on the device."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_jax.core import parallel
from gan_jax.core.initialize import state_shapes
from gan_jax.core.method import Method, once_per_method
from gan_jax.core.step import build_step
from gan_jax.data.datasets import Dataset
from gan_jax.data.loader import Loader
from gan_jax.ops import compiling
from gan_jax.settings import RunSettings

Carry = tuple[Any, dict]  # (GanState, tally); the tally sums every metric, and counts "steps"
RESIDENT_SHARE = 0.4  # of device memory that a data set may take, unless --resident_gib says


def batch_shapes(dataset: Dataset, n_minibatches: int, batch: int) -> dict:
    """Return the shapes of the batch of a step, as build_step takes it."""
    leading = (n_minibatches, batch)
    shapes = {"image": jax.ShapeDtypeStruct((*leading, *dataset.images.shape[1:]), np.float32)}
    if dataset.labels is not None:
        shapes["label"] = jax.ShapeDtypeStruct(leading, np.int32)
    if dataset.values is not None:
        shape = (*leading, dataset.values.shape[1])
        shapes["quantities"] = jax.ShapeDtypeStruct(shape, np.float32)
    return shapes


@once_per_method
def _step_on_one_device(method):
    return jax.jit(build_step(method), inline=True)


def empty_tally(method: Method, batch: dict) -> dict[str, np.ndarray]:
    """Make the zeros that metrics are summed into. batch: see `batch_shapes`."""
    placed = parallel.replicated(jax.local_devices()[:1])  # as a program has them: one trace
    like = lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=placed)
    names = jax.eval_shape(
        _step_on_one_device(method), *jax.tree.map(like, (state_shapes(method), batch))
    )[1]
    return {name: np.zeros((), np.float32) for name in (*names, "steps")}


def mean_metrics(method: Method, tally: dict) -> dict[str, float]:
    """Compute {"player/term": mean over the updates that ran}.

    A player that never ran is left out.
    """
    out = {}
    for player in method.players:
        ran = float(tally[f"{player.name}/ran"])
        prefix = f"{player.name}/"
        for name in sorted(n for n in tally if n.startswith(prefix) and not n.endswith("/ran")):
            if ran:
                out[name] = float(tally[name]) / ran
        if player.gate:
            out[f"{player.name}/ran"] = ran / float(tally["steps"])
    return out


def accumulate_metrics(step: Callable) -> Callable[[Carry, dict], Carry]:
    """Turn a step into (carry, batch) -> carry."""

    def accumulating_step(carry, batch):
        state, metrics = step(carry[0], batch)
        metrics = {**metrics, "steps": jnp.float32(1)}
        return state, {name: carry[1][name] + metrics[name] for name in carry[1]}

    return accumulating_step


def scan_steps(one_step: Callable, carry, leaves):
    """Run one_step(carry, leaves of a step) along the first axis of `leaves`."""
    if jax.tree.leaves(leaves)[0].shape[0] == 1:
        return one_step(carry, jax.tree.map(lambda a: a[0], leaves))
    return lax.scan(lambda c, x: (one_step(c, x), None), carry, leaves)[0]


def build_program(method: Method, loader: Loader, devices: list, votes: bool = False) -> Callable:
    """Build program(carry, data, leaves) -> (carry, step).

    One compiled call makes as many steps as the first axis of `leaves` says.

    Args:
      method: Method.
      loader: Loader; `data` is its device_data, and `leaves` are what its `inputs` returns.
      devices: devices that share each minibatch.
      votes: whether `leaves` are (inputs, vote of each device), see parallel.put_vote. Then (step,
        largest vote) is returned in place of the step.

    Returns:
      A jitted function. Its carry is donated.
    """
    shared = len(devices) > 1
    step = build_step(method, parallel.AXIS) if shared else _step_on_one_device(method)
    one_step = accumulate_metrics(step)

    def program(carry, data, leaves):
        carry = scan_steps(lambda c, x: one_step(c, loader.make_batch(data, x)), carry, leaves)
        return carry, carry[0].step

    def voting_program(carry, data, leaves):
        inputs, vote = leaves
        carry, step = program(carry, data, inputs)
        return carry, (step, parallel.largest(vote))

    if votes:
        return parallel.pmapped(voting_program, devices, batch_axis=2)
    if shared:
        return parallel.pmapped(program, devices, batch_axis=2)
    return compiling.jit(program, donate_argnums=0)


def is_resident(run: RunSettings, dataset: Dataset) -> bool:
    """Decide whether the data are kept on the device: by their size, not by what is free now."""
    gib = run.resident_gib
    if gib < 0:
        gib = RESIDENT_SHARE * parallel.memory_gib()
    return dataset.trained_on.nbytes <= gib * 2**30


def steps_per_dispatch(run: RunSettings) -> int:
    """Return the steps of one compiled call: what the run asks for, or what suits this machine."""
    return run.steps_per_dispatch or (1 if jax.default_backend() == "cpu" else 20)
