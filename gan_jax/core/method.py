"""What an adversarial method is: nets, players with losses, and how its generator is sampled.

Parameters belong to nets, optimizers to players. A player says which nets it trains, with which
loss and how often; two players may train the same net, each with its own optimizer state. A loss is
a pure function

    loss(ctx, vs, batch, key) -> (scalar, (vs, metrics))

that runs nets only through `apply_net`.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from gan_jax.core.conditioning import Conditioning, Unconditional
from gan_jax.core.state import Vars

Batch = dict[str, jax.Array]


class StepContext(NamedTuple):
    """All that a loss may read besides variables, batch and key."""

    nets: dict[str, Any]  # {name: flax module}
    hp: Any  # the method's Settings
    controls: dict[str, jax.Array]  # {name: scalar}, see Method.control
    progress: jax.Array | float = 0.0  # float32 [], step / total steps, in [0, 1)
    axis: str | None = None  # name of the device axis; None on one device
    step: jax.Array | int = 0  # int32 []
    dtype: Any = None  # what nets compute in, None for float32; everything else is float32
    shared: tuple | None = None  # (value, rest) of a Player's shared_forward, once computed
    # float32 [], images that the run has consumed before this step: steps times the minibatch of
    # all devices. Schedules in images read it, and optimizers get it as an argument `images`.
    images: jax.Array | float = 0.0
    minibatch: int = 0  # images of a minibatch over all devices


class Player(NamedTuple):
    """One optimizer and the loss that it minimises."""

    name: str  # key of its metrics and of its optimizer state
    nets: tuple[str, ...]  # names of the nets that it trains
    loss: Callable  # see the module's docstring
    tx: optax.GradientTransformation
    repeats: int = 1  # updates per step, each with a minibatch of its own
    # (ctx, vs, batch, key) -> bool []; evaluated on the state in which the step begins and on the
    # player's first minibatch. False skips the player in this step.
    gate: Callable | None = None
    batch_group: str | None = None  # players of one group get the same minibatches and keys
    # (ctx, vs, batch, key) -> ((value, rest), vs): a forward pass that all losses of the batch
    # group begin with, computed once per step; see core.shared_forward.
    shared_forward: Callable | None = None


class Method(NamedTuple):
    """A whole adversarial method."""

    nets: dict[str, Any]  # {name: flax module}
    example_inputs: dict[str, tuple]  # {net: inputs that it is initialised with}
    players: tuple[Player, ...]  # in the order of their updates
    # (ctx, key, n) -> (z, condition): noise float32 [n, z_dim], and a condition or None
    latent: Callable
    # (ctx, vs, z, condition, key) -> images [n, H, W, C] in the method's pixel range
    sample: Callable
    hp: Any  # the method's Settings
    steps: int  # length of the run
    ema: dict[str, float]  # {net: decay of its averaged copy}
    ema_warmup: bool = False  # see step.update_averages
    # (images, minibatch) -> rate of the averages in place of 1 - decay, float32 []; see StepContext
    # and core.schedules
    ema_rate: Callable | None = None
    # Initial values of what `control` adapts, such as the probability of an augmentation.
    controls: dict[str, float] = {}  # noqa: RUF012 - never mutated
    # (controls, metrics, ctx) -> controls, after every step; see core.controls
    control: Callable | None = None
    # True: all players are updated from the same state (Goodfellow et al. 2014), not one after
    # another
    simultaneous: bool = False
    conditioning: Conditioning = Unconditional()
    dtype: Any = None  # see StepContext


class _Identity:
    """A method as a key: equal to itself alone."""

    def __init__(self, method: Method):
        self.method = method

    def __eq__(self, other):
        return self.method is other.method

    def __hash__(self):
        return id(self.method)


def once_per_method(build: Callable) -> Callable:
    """Let build(method) run once for each method, as long as it is among the last few asked for.

    For jitted functions: who asks for the same one shares its trace, half of a warm start.
    """
    cached = functools.lru_cache(maxsize=8)(lambda identity: build(identity.method))
    return functools.wraps(build)(lambda method: cached(_Identity(method)))


def make_context(method: Method, axis: str | None = None, **state) -> StepContext:
    """Make the StepContext of a method. state: its other fields, where they matter."""
    values = {"controls": method.controls, **state}
    return StepContext(method.nets, method.hp, **values, axis=axis, dtype=method.dtype)


def _cast(tree, dtype):
    """Round the floating leaves of a tree to a dtype."""

    def cast(a):
        return a.astype(dtype) if jnp.issubdtype(jnp.result_type(a), jnp.floating) else a

    return jax.tree.map(cast, tree)


def apply_net(
    ctx: StepContext,
    vs: Vars,
    net: str,
    *inputs: jax.Array | None,
    train: bool = True,
    key: jax.Array | None = None,
    **options,
) -> tuple[Any, Vars]:
    """Run one net.

    Args:
      ctx: StepContext.
      vs: variables of all nets.
      net: name of the net.
      *inputs: arrays; None for a condition that is absent.
      train: True for batch statistics and dropout; False for running statistics and none.
      key: random key for nets with dropout.
      **options: further arguments of the net.

    Returns:
      (output, vs), where vs holds the net's new running statistics if `train`. With ctx.dtype,
      parameters and inputs are rounded to it, and outputs are float32 again; statistics stay
      float32.
    """
    module, params = ctx.nets[net].clone(axis=ctx.axis), vs.params[net]
    if ctx.dtype:
        params, inputs = _cast((params, inputs), ctx.dtype)
    variables = {"params": params, "batch_stats": vs.batch_stats[net]}
    if train:
        rngs = None if key is None else {"dropout": key}
        out, new = module.apply(
            variables, *inputs, train=True, rngs=rngs, mutable=["batch_stats"], **options
        )
        vs = vs._replace(batch_stats={**vs.batch_stats, net: new.get("batch_stats", {})})
    else:
        out = module.apply(variables, *inputs, train=False, **options)
    return (_cast(out, jnp.float32) if ctx.dtype else out), vs


def minibatch_slots(method: Method) -> dict[str, tuple[int, int]]:
    """Assign minibatches to batch groups.

    Returns:
      {group: (index of its first minibatch, number of minibatches)}. A group has as many
      minibatches as its player with the most repeats. A player without a group is a group by
      itself, of its own name.
    """
    sizes: dict[str, int] = {}
    for player in method.players:
        name = player.batch_group or player.name
        sizes[name] = max(sizes.get(name, 0), player.repeats)
    slots, first = {}, 0
    for name, size in sizes.items():
        slots[name] = (first, size)
        first += size
    return slots


def n_minibatches(method: Method) -> int:
    """Count the minibatches that one step consumes."""
    return sum(size for _, size in minibatch_slots(method).values())


def select_minibatch(
    method: Method, player: Player, batch: Batch, key: jax.Array, repeat: jax.Array | int = 0
) -> tuple[Batch, jax.Array]:
    """Select the minibatch of one update of a player, and its random key.

    Args:
      method: Method.
      player: one of its players.
      batch: leaves [n_minibatches(method), B, ...].
      key: random key of the step.
      repeat: which of the player's updates in this step.
    """
    first, _ = minibatch_slots(method)[player.batch_group or player.name]
    minibatch = jax.tree.map(lambda a: a[first + repeat], batch)
    return minibatch, jax.random.fold_in(key, first + repeat)
