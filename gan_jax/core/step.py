"""The update step of any adversarial method, built from its players. The only file that differentiates players.

Parameters belong to nets, optimizers to players. A player says which nets it trains, with which loss, how often; two
players may train the same net, each with its own optimizer state. A loss is a pure function

    loss(env, vs, batch, key) -> (scalar, (vs, metrics))

that runs nets only through `call`. Whatever a player does not train, weights and running statistics alike, it cannot change.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from gan_jax.core import parallel
from gan_jax.core.state import Vars
from gan_jax.ops import reduce


class Env(NamedTuple):
    """All that a loss may read besides variables, batch and key.

    nets: {name: flax module}. hp: the method's settings. ctl: {name: scalar}. progress: float32 [], step / total steps in
    [0, 1). axis: name of the device axis, or None. step: int32 []. dtype: what nets compute in; everything else is float32.
    made: (value, rest) of a Player's `makes` where the step has computed it before the turns, else None.
    """

    nets: dict
    hp: Any
    ctl: dict
    progress: jax.Array | float = 0.0
    axis: str | None = None
    step: jax.Array | int = 0
    dtype: Any = None
    made: tuple | None = None


class Player(NamedTuple):
    """One optimizer and what it minimises.

    name: key of its metrics and optimizer state. nets: names of the nets it trains. loss: see the module. tx: optax
    transformation. repeats: updates per step, each with a minibatch of its own. gate: (env, vs, batch, key) -> bool [], asked
    of the state in which the step begins, with the turn's first minibatch; a closed gate skips the turn. draw: players that
    name the same draw see the same minibatches and noise. makes: (env, vs, batch, key) -> ((value, rest), vs), what all losses
    of its draw begin with, where this player moves last: value is differentiated in its nets, rest is not.
    """

    name: str
    nets: tuple
    loss: Callable
    tx: optax.GradientTransformation
    repeats: int = 1
    gate: Callable | None = None
    draw: str | None = None
    makes: Callable | None = None


class Made(NamedTuple):
    """What the players of a draw begin with, computed once in a step. maker: name of the player that `makes` it. value, rest:
    see Player. stats: {net: statistics} of the maker's nets, advanced. pull: value's cotangent -> ({net: gradient},)."""

    maker: str
    value: Any
    rest: Any
    stats: dict
    pull: Callable


class Method(NamedTuple):
    """A whole adversarial method.

    nets: {name: flax module}. dummies: {name: tuple of example inputs}. players: in the order of their turns.
    latent: (env, key, n) -> (z, given), what n images are made from: noise [n, z_dim] and, where the generator takes one, a
    condition. sample: (env, vs, z, given, key) -> images [n, H, W, C] in the method's pixel range.
    hp: its settings. steps: length of the run. ema: {net: decay}. ctl: initial {name: scalar}; control: (ctl, metrics, step)
    -> ctl after every step. simultaneous: all players move from the same state (Goodfellow et al. 2014) instead of in turns.
    by: what `given` chooses: "class", "generator", "code" (int32 [n], an index into `kinds`, their names), "image" (float32
    images [n, H, W, C] of the data, from which the condition is taken by `condition`), or "" for nothing.
    dtype: see Env.
    """

    nets: dict
    dummies: dict
    players: tuple
    latent: Callable
    sample: Callable
    hp: Any
    steps: int
    ema: dict
    ctl: dict = {}  # noqa: RUF012, never mutated
    control: Callable | None = None
    simultaneous: bool = False
    by: str = ""
    kinds: tuple = ()
    condition: Callable | None = None
    dtype: Any = None


def env_of(method, axis=None, **state):
    """Env of a method; state: ctl, progress, step."""
    return Env(
        method.nets, method.hp, **{"ctl": method.ctl, **state}, axis=axis, dtype=method.dtype
    )


def _cast(tree, dtype):
    return jax.tree.map(
        lambda a: a.astype(dtype) if jnp.issubdtype(jnp.result_type(a), jnp.floating) else a, tree
    )


def call(env, vs, net, *inputs, train=True, key=None, **options):
    """Runs one net.

    Args:
      inputs: arrays; None for a condition that is not there.
      train: batch statistics and dropout; else running statistics and none.
      key: for nets with dropout.
      options: of the net's call.

    Returns:
      (output, vs with that net's statistics advanced if train). With env.dtype parameters and inputs are rounded to it, and
      outputs are float32 again; statistics stay float32.
    """
    module, params = env.nets[net].clone(axis=env.axis), vs.params[net]
    if env.dtype:
        params, inputs = _cast((params, inputs), env.dtype)
    variables = {"params": params, "batch_stats": vs.stats[net]}
    if not train:
        out, new = module.apply(variables, *inputs, train=False, **options), None
    else:
        rngs = None if key is None else {"dropout": key}
        out, new = module.apply(
            variables, *inputs, train=True, rngs=rngs, mutable=["batch_stats"], **options
        )
    out = _cast(out, jnp.float32) if env.dtype else out
    return out, vs if new is None else vs._replace(
        stats={**vs.stats, net: new.get("batch_stats", {})}
    )


def draws(method):
    """{draw: (index of its first minibatch, how many it owns)}: the longest turn among the players that name it."""
    sizes = {}
    for player in method.players:
        name = player.draw or player.name
        sizes[name] = max(sizes.get(name, 0), player.repeats)
    out, first = {}, 0
    for name, size in sizes.items():
        out[name] = (first, size)
        first += size
    return out


def n_draws(method):
    """Minibatches that one step consumes."""
    return sum(size for _, size in draws(method).values())


def minibatch(method, player, batch, key, r=0):
    """(minibatch r of a player's turn, its key). batch: leaves [draws, B, ...]."""
    first, _ = draws(method)[player.draw or player.name]
    return jax.tree.map(lambda a: a[first + r], batch), jax.random.fold_in(key, first + r)


def make(method, env, state, batch, key):
    """Made of this step's state, or None: without a maker, or where the maker's draw is its own or more than a minibatch.

    XLA finds only some of what two players compute alike: it compares programs after it has simplified each its way.
    """
    for player in method.players:
        sharing = [p for p in method.players if p.draw and p.draw == player.draw]
        if player.makes and len(sharing) > 1 and draws(method)[player.draw][1] == 1:
            return _made(player, env, state, *minibatch(method, player, batch, key))
    return None


def _made(player, env, state, batch, key):
    def value(live):
        (value, rest), vs = player.makes(
            env, Vars({**state.params, **live}, state.stats), batch, key
        )
        return value, (rest, {n: vs.stats[n] for n in player.nets})

    out, pull, (rest, stats) = jax.vjp(
        value, {n: state.params[n] for n in player.nets}, has_aux=True
    )
    return Made(player.name, out, rest, stats, pull)


def norm(grads):
    """The L2 norm of all gradients together, float32 []."""
    return jnp.sqrt(sum(map(reduce.squares, jax.tree.leaves(grads))))


def update_player(method, index, env, state, batch, key, made=None):
    """One update of one player.

    Args:
      index: which of method.players.
      env: Env with this step's ctl and progress.
      batch: dict of arrays [B, ...] of this device.
      key: random key of this minibatch.
      made: Made whose value and rest are env.made, or None.

    Returns:
      (state, metrics {term: float32 []}), both equal on every device.
    """
    player = method.players[index]
    live = {n: state.params[n] for n in player.nets}
    own = made if made and made.maker == player.name else None

    def objective(live, value):
        vs = Vars({**state.params, **live}, {**state.stats, **(own.stats if own else {})})
        loss, (vs, metrics) = player.loss(
            env._replace(made=(value, own.rest)) if own else env, vs, batch, key
        )
        return loss, ({n: vs.stats[n] for n in player.nets}, {**metrics, "loss": loss})

    (grads, through), (stats, metrics) = jax.grad(objective, (0, 1), has_aux=True)(
        live, own and own.value
    )
    if own:
        grads = jax.tree.map(jnp.add, grads, own.pull(through)[0])
    grads, stats, metrics = parallel.average((grads, stats, metrics), env.axis)
    metrics["grad_norm"] = norm(grads)
    bad = (state.bad_step < 0) & ~(
        jnp.isfinite(metrics["loss"]) & jnp.isfinite(metrics["grad_norm"])
    )
    updates, opt = player.tx.update(grads, state.opt[player.name], live)
    return state.replace(
        params={**state.params, **optax.apply_updates(live, updates)},
        stats={**state.stats, **stats},
        opt={**state.opt, player.name: opt},
        bad_step=jnp.where(bad, state.step, state.bad_step),
        bad_player=jnp.where(bad, index, state.bad_player),
    ), metrics


def take_turn(method, index, env, start, state, batch, key, made=None):
    """All updates of one player in one step.

    Args:
      start: Vars in which the step began, for the gate. state: what the turn begins from. batch: leaves [draws, B, ...].
      made: see `update_player`.

    Returns:
      (state, metrics): means over the repeats, and `ran`.
    """
    player = method.players[index]

    def once(state, r):
        return update_player(
            method, index, env, state, *minibatch(method, player, batch, key, r), made
        )

    def turn(state):
        if player.repeats == 1:  # not scanned: 30 % faster on a CPU
            return once(state, 0)
        state, metrics = lax.scan(once, state, jnp.arange(player.repeats))
        return state, jax.tree.map(lambda m: m.mean(0), metrics)

    if player.gate is None:
        state, metrics = turn(state)
        return state, {**metrics, "ran": jnp.float32(1)}
    ran = player.gate(env, start, *minibatch(method, player, batch, key))
    zeros = jax.tree.map(lambda m: jnp.zeros(m.shape, m.dtype), jax.eval_shape(turn, state)[1])
    state, metrics = lax.cond(ran, turn, lambda state: (state, zeros), state)
    return state, {**metrics, "ran": ran.astype(jnp.float32)}


def build_step(method, axis=None):
    """step(state, batch) -> (state, metrics {"player/term": float32 []}).

    Args:
      method: Method.
      axis: parallel.AXIS if the step will run inside parallel.pmapped, else None.

    Returns:
      The step. Its batch is a dict of arrays [n_draws(method), B, ...]; any other length is refused, since indexing past
      the end would clamp silently.

    Raises:
      ValueError: simultaneous players that share a net; players that name nets the method has not.
    """
    shared = [n for n in method.nets if sum(n in p.nets for p in method.players) > 1]
    if method.simultaneous and shared:
        raise ValueError(f"Simultaneous players cannot share a net: {', '.join(shared)}.")
    unknown = {n for p in method.players for n in p.nets} - set(method.nets)
    if unknown:
        raise ValueError(
            f"Players train nets that the method has not: {', '.join(sorted(unknown))}."
        )

    def step(state, batch):
        for name, leaf in batch.items():
            if leaf.shape[0] != n_draws(method):
                raise ValueError(
                    f"batch[{name!r}] holds {leaf.shape[0]} minibatches; the method draws {n_draws(method)}."
                )
        key, start, out = jax.random.fold_in(state.key, state.step), state, {}
        env = env_of(
            method, axis, ctl=state.ctl, progress=state.step / method.steps, step=state.step
        )
        made = make(method, env, start, batch, key)
        env = env._replace(made=made and (made.value, made.rest))
        for index, player in enumerate(method.players):
            base = start if method.simultaneous else state
            moved, metrics = take_turn(method, index, env, start.vars(), base, batch, key, made)
            state = _merge(state, moved, player) if method.simultaneous else moved
            out |= {f"{player.name}/{term}": value for term, value in metrics.items()}
        ema = averaged(method, state)
        ctl = method.control(state.ctl, out, state.step) if method.control else state.ctl
        return state.replace(step=state.step + 1, ema=ema, ctl=ctl), out

    return step


def averaged(method, state):
    """{net: Vars}: the averages after a step, from those before it and the nets as they are now."""
    return {
        n: optax.incremental_update(Vars(state.params[n], state.stats[n]), state.ema[n], 1 - decay)
        for n, decay in method.ema.items()
    }


def _merge(state, moved, player):
    """What one simultaneous player changed, on top of what the others did."""
    first_bad = (state.bad_step < 0) & (moved.bad_step >= 0)
    return state.replace(
        params={**state.params, **{n: moved.params[n] for n in player.nets}},
        stats={**state.stats, **{n: moved.stats[n] for n in player.nets}},
        opt={**state.opt, player.name: moved.opt[player.name]},
        bad_step=jnp.where(first_bad, moved.bad_step, state.bad_step),
        bad_player=jnp.where(first_bad, moved.bad_player, state.bad_player),
    )
