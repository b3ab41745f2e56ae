"""The update step of any adversarial method, built from its players.

A player changes only the nets that it trains, including their running statistics.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from gan_jax.core import gradients, parallel
from gan_jax.core.gradients import SharedForward
from gan_jax.core.method import (
    Batch,
    Method,
    Player,
    StepContext,
    make_context,
    n_minibatches,
    select_minibatch,
)
from gan_jax.core.state import GanState, Vars
from gan_jax.ops import reduce

Metrics = dict[str, jax.Array]
WARMUP = 9  # of averages: see update_averages


def build_step(
    method: Method, axis: str | None = None
) -> Callable[[GanState, Batch], tuple[GanState, Metrics]]:
    """Build the update step of a method.

    Args:
      method: Method.
      axis: parallel.AXIS if the step runs inside parallel.pmapped, else None.

    Returns:
      step(state, batch) -> (state, {"player/term": float32 []}). The batch is a dict of arrays
      [n_minibatches(method), B, ...]. Any other length is refused, since indexing past the end
      would clamp silently.

    Raises:
      ValueError: simultaneous players share a net, or a player trains a net that the method lacks.
    """
    _check_players(method)

    def step(state, batch):
        _check_batch(method, batch)
        start, metrics = state, {}
        key = jax.random.fold_in(state.key, state.step)
        minibatch = parallel.rows_in_all(axis, jax.tree.leaves(batch)[0].shape[1])
        ctx = make_context(
            method,
            axis,
            controls=state.controls,
            progress=state.step / method.steps,
            step=state.step,
            images=state.step.astype(jnp.float32) * minibatch,
            minibatch=minibatch,
        )
        shared = gradients.compute_shared_forward(method, ctx, start, batch, key)
        ctx = ctx._replace(shared=shared and (shared.value, shared.rest))
        for index, player in enumerate(method.players):
            base = start if method.simultaneous else state
            updated, terms = run_player_updates(
                method, index, ctx, shared, start.vars(), base, batch, key
            )
            state = _merge(state, updated, player) if method.simultaneous else updated
            metrics |= {f"{player.name}/{term}": value for term, value in terms.items()}
        controls = state.controls
        if method.control:
            controls = method.control(controls, metrics, ctx)
        ema = update_averages(method, state, ctx)
        return state.replace(step=state.step + 1, ema=ema, controls=controls), metrics

    return step


def run_player_updates(
    method: Method,
    index: int,
    ctx: StepContext,
    shared: SharedForward | None,
    start: Vars,
    state: GanState,
    batch: Batch,
    key: jax.Array,
) -> tuple[GanState, Metrics]:
    """Run all updates of one player in one step.

    Args:
      method: Method.
      index: index of the player in method.players.
      ctx: StepContext of this step.
      shared: SharedForward whose value and rest are ctx.shared, or None.
      start: variables at the beginning of the step, for the gate.
      state: state that the updates begin with.
      batch: leaves [n_minibatches(method), B, ...].
      key: random key of the step.

    Returns:
      (state, metrics): means over the repeats, and `ran`, 0 or 1.
    """
    player = method.players[index]

    def once(state, repeat):
        minibatch = select_minibatch(method, player, batch, key, repeat)
        return update_player(method, index, ctx, state, *minibatch, shared)

    def all_repeats(state):
        if player.repeats == 1:  # without a scan: 30 % faster on a CPU
            return once(state, 0)
        state, metrics = lax.scan(once, state, jnp.arange(player.repeats))
        return state, jax.tree.map(lambda m: m.mean(0), metrics)

    if player.gate is None:
        state, metrics = all_repeats(state)
        return state, {**metrics, "ran": jnp.float32(1)}
    is_open = player.gate(ctx, start, *select_minibatch(method, player, batch, key))
    shapes = jax.eval_shape(all_repeats, state)[1]
    zeros = jax.tree.map(lambda m: jnp.zeros(m.shape, m.dtype), shapes)
    state, metrics = lax.cond(is_open, all_repeats, lambda state: (state, zeros), state)
    return state, {**metrics, "ran": is_open.astype(jnp.float32)}


def update_player(
    method: Method,
    index: int,
    ctx: StepContext,
    state: GanState,
    batch: Batch,
    key: jax.Array,
    shared: SharedForward | None = None,
) -> tuple[GanState, Metrics]:
    """Update one player once.

    Args:
      method, index, ctx, shared: see `run_player_updates`.
      state: state to update.
      batch: dict of arrays [B, ...] of this device.
      key: random key of this minibatch.

    Returns:
      (state, metrics {term: float32 []}), both equal on every device.
    """
    player = method.players[index]
    result = gradients.player_gradients(player, ctx, state, batch, key, shared)
    grads, stats, metrics = parallel.average(result, ctx.axis)
    metrics["grad_norm"] = global_norm(grads)
    params = {n: state.params[n] for n in player.nets}
    tx = optax.with_extra_args_support(player.tx)
    updates, opt_state = tx.update(grads, state.opt_state[player.name], params, images=ctx.images)
    updated: Any = optax.apply_updates(params, updates)
    finite = jnp.isfinite(metrics["loss"]) & jnp.isfinite(metrics["grad_norm"])
    first_bad = (state.bad_step < 0) & ~finite
    return state.replace(
        params={**state.params, **updated},
        batch_stats={**state.batch_stats, **stats},
        opt_state={**state.opt_state, player.name: opt_state},
        bad_step=jnp.where(first_bad, state.step, state.bad_step),
        bad_player=jnp.where(first_bad, index, state.bad_player),
    ), metrics


def global_norm(grads) -> jax.Array:
    """Compute the L2 norm of all gradients together: float32 []."""
    return jnp.sqrt(sum(map(reduce.sum_of_squares, jax.tree.leaves(grads))))


def update_averages(method: Method, state: GanState, ctx: StepContext) -> dict[str, Vars]:
    """Compute the averaged nets after a step, {net: Vars}: decay * average + (1 - decay) * net.

    Method.ema_rate, where there is one, says 1 - decay from the images of the StepContext.

    With Method.ema_warmup the decay after t earlier steps is at most t / (t + 9). The first step
    replaces the untrained net, and later ones forget the poor nets of the beginning: as long as
    that bound holds, the nets of steps 1 to n have weights in proportion to i (i + 1) ... (i + 7),
    whose mean age is about n / 10. A correction of the start as in Adam would weigh all nets of a
    short run alike.

    Args:
      method: Method.
      state: the state after all updates of the step; `step` counts those before it.
      ctx: StepContext of the step, of which only the images are read.

    Source: polynomial-decay averaging with eta = 8 (Shamir and Zhang 2013) until the decay takes
      over. It is TensorFlow's ExponentialMovingAverage with num_updates = t - 1.
    """
    averages = {}
    for net, decay in method.ema.items():
        now, before = Vars(state.params[net], state.batch_stats[net]), state.ema[net]
        rate = method.ema_rate(ctx.images, ctx.minibatch) if method.ema_rate else 1 - decay
        if method.ema_warmup:
            bound = WARMUP / (jnp.asarray(state.step, jnp.float32) + WARMUP)
            rate = jnp.maximum(rate, bound)
        if method.ema_warmup or method.ema_rate:
            averages[net] = jax.tree.map(lambda a, x, rate=rate: a + rate * (x - a), before, now)
        else:
            averages[net] = optax.incremental_update(now, before, rate)
    return averages


def _merge(state: GanState, updated: GanState, player: Player) -> GanState:
    """Add what one simultaneous player changed to what the others changed."""
    first_bad = (state.bad_step < 0) & (updated.bad_step >= 0)
    return state.replace(
        params={**state.params, **{n: updated.params[n] for n in player.nets}},
        batch_stats={**state.batch_stats, **{n: updated.batch_stats[n] for n in player.nets}},
        opt_state={**state.opt_state, player.name: updated.opt_state[player.name]},
        bad_step=jnp.where(first_bad, updated.bad_step, state.bad_step),
        bad_player=jnp.where(first_bad, updated.bad_player, state.bad_player),
    )


def _check_players(method):
    shared = [n for n in method.nets if sum(n in p.nets for p in method.players) > 1]
    if method.simultaneous and shared:
        raise ValueError(f"Simultaneous players cannot share a net: {', '.join(shared)}.")
    unknown = {n for p in method.players for n in p.nets} - set(method.nets)
    if unknown:
        names = ", ".join(sorted(unknown))
        raise ValueError(f"Players train nets that the method has not: {names}.")


def _check_batch(method, batch):
    for name, leaf in batch.items():
        if leaf.shape[0] != n_minibatches(method):
            raise ValueError(
                f"batch[{name!r}] holds {leaf.shape[0]} minibatches; "
                f"a step of this method takes {n_minibatches(method)}."
            )
