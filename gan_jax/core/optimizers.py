"""Optimizers from settings: the rule, its learning rate over the updates of one player, its momentum."""

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from gan_jax.ops import cpu
from gan_jax.settings import MAX_STEPS, setting

FLOOR = 1e-6  # the exponential schedule goes no lower


def _linear(hp, lr, steps):
    """To 0 at the end (the ResNets of Gulrajani et al. 2017)."""
    return lambda t: lr * jnp.maximum(1 - t / steps, 0)


def _half_linear(hp, lr, steps):
    """Constant until half-way, then to 0. Dist-GAN's ResNets: 2e-4 clip(1 - t, 0, 1/2), which is lr = 1e-4 here."""
    return lambda t: lr * jnp.clip(2 - 2 * t / steps, 0, 1)


def _cosine(hp, lr, steps):
    return lambda t: lr * (0.5 + 0.5 * jnp.cos(jnp.pi * jnp.minimum(t / steps, 1)))


def _exponential(hp, lr, steps):
    """Divided by lr_decay at every update (Goodfellow et al. 2014: 1.000004; Mirza and Osindero 2014: 1.00004)."""
    rate = math.log(
        hp.lr_decay
    )  # not a power of lr_decay: float32 holds 1.000004 to 1 % of what it exceeds 1 by
    return lambda t: jnp.maximum(lr * jnp.exp(-rate * t), min(lr, FLOOR))


def _staircase(hp, lr, steps):
    """Times 0.9 at every lr_every-th update, as in Dist-GAN's 2-D toy (D11)."""
    return lambda t: lr * 0.9 ** (t // hp.lr_every)


SCHEDULES = {  # (settings, lr, updates in all) -> (updates so far -> lr); None: no schedule
    "constant": None,
    "linear": _linear,
    "half_linear": _half_linear,
    "cosine": _cosine,
    "exponential": _exponential,
    "staircase": _staircase,
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of every player's optimizer. An update is one step of one player's optimizer."""

    optimizer: str = setting(
        "adam", "optimizer of every player: adam, sgd, rmsprop", choices=("adam", "sgd", "rmsprop")
    )
    lr: float = setting(2e-4, "learning rate", above=0.0)
    lr_disc: float = setting(
        0.0, "learning rate of D where it differs (two time scales); 0: the same", low=0.0
    )
    beta1: float = setting(0.5, "Adam's decay of the gradient mean", low=0.0, high=0.9999)
    beta2: float = setting(
        0.999, "Adam's and RMSprop's decay of the squared gradient", low=0.0, high=0.999999
    )
    momentum: float = setting(0.5, "momentum of sgd", low=0.0, high=0.9999)
    momentum_end: float = setting(
        0.0, "momentum of sgd after momentum_steps; 0: constant", low=0.0, high=0.9999
    )
    momentum_steps: int = setting(
        125_000, "updates over which the momentum moves to momentum_end", low=1, high=MAX_STEPS
    )
    schedule: str = setting(
        "constant",
        "learning rate: constant, linear or cosine (to 0 at the end), half_linear (only in the second half), "
        "exponential (by lr_decay), staircase (by lr_every)",
        choices=tuple(SCHEDULES),
    )
    lr_decay: float = setting(
        1.000004,
        "exponential: what the learning rate is divided by at every update, down to 1e-6",
        low=1.0,
        high=2.0,
    )
    lr_every: int = setting(
        10_000,
        "staircase: updates between factors of 0.9 on the learning rate",
        low=1,
        high=MAX_STEPS,
    )
    clip: float = setting(
        0.0,
        "D's weights are kept within this after every update, as in WGAN; 0: wherever they go",
        low=0.0,
    )


class Momentum(NamedTuple):
    """State of `heavy_ball`. count: int32 [], updates so far. velocity: tree like the parameters."""

    count: jax.Array
    velocity: optax.Updates


def heavy_ball(momentum):
    """v <- momentum(t) v + update; v is the new update.

    Behind the learning rate, so that a changing rate acts on new gradients only, as in the code of Goodfellow et al. 2014;
    for a constant rate it makes no difference.

    Args:
      momentum: function of the number of updates so far, int32 [], -> [0, 1).
    """

    def init(params):
        return Momentum(jnp.zeros([], jnp.int32), jax.tree.map(jnp.zeros_like, params))

    def update(updates, state, params=None):
        del params
        m = momentum(state.count)
        velocity = jax.tree.map(lambda u, v: m.astype(v.dtype) * v + u, updates, state.velocity)
        return velocity, Momentum(optax.safe_increment(state.count), velocity)

    return optax.GradientTransformation(init, update)


def scale_by_adam(b1, b2, eps=1e-8):
    """optax.scale_by_adam, its numbers and its state, which on a CPU takes nearly twice as long where the weights are many.

    XLA computes the new mean once more within what changes the weights, from the old one, and copies that before.
    """
    plain = optax.scale_by_adam(b1, b2, eps)

    def update(updates, state, params=None):
        _, state = plain.update(updates, state, params)
        state = state._replace(mu=jax.tree.map(cpu.materialize, state.mu))
        mean, square = (1 - b**state.count for b in (b1, b2))
        return jax.tree.map(
            lambda m, v: (m / mean) / (jnp.sqrt(v / square) + eps), state.mu, state.nu
        ), state

    return optax.GradientTransformation(plain.init, update)


def momentum(hp):
    """Momentum over updates: from hp.momentum in a straight line to hp.momentum_end, if that is not 0."""
    change = hp.momentum_end - hp.momentum if hp.momentum_end else 0.0
    return lambda t: hp.momentum + change * jnp.minimum(t / hp.momentum_steps, 1)


def clipped(limit):
    """Makes updates that leave every weight within [-limit, limit] (Arjovsky et al. 2017, algorithm 1); last in a chain."""
    bounded = lambda u, p: jnp.clip(p + u, -limit, limit) - p
    return optax.stateless(lambda updates, params: jax.tree.map(bounded, updates, params))


def learning_rate(hp, role, steps):
    """The learning rate of one player: a float, or a function of its number of updates so far.

    Args:
      hp: Settings, or what has its fields.
      role: the player's name; "disc" has hp.lr_disc, unless that is 0.
      steps: updates the player makes in all.
    """
    lr = hp.lr_disc if role == "disc" and hp.lr_disc else hp.lr
    schedule = SCHEDULES[hp.schedule]
    return schedule(hp, lr, steps) if schedule else lr


def build(hp, role, steps):
    """The optimizer of one player.

    RMSprop is the plain one (eps 1e-8 outside the root, no bias correction): its first steps are 1 / sqrt(1 - beta2) times
    as long as later ones. PyTorch's default is --beta2=0.99.

    Args:
      hp: Settings, or what has its fields.
      role: the player's name; "disc" may have its own learning rate.
      steps: updates the player makes in all, where a schedule ends.

    Returns:
      optax.GradientTransformation.

    Raises:
      ValueError: unknown optimizer or schedule.
    """
    tx = _rule(hp, role, steps)
    return optax.chain(tx, clipped(hp.clip)) if hp.clip and role == "disc" else tx


def _rule(hp, role, steps):
    if hp.schedule not in SCHEDULES:
        raise ValueError(
            f"schedule {hp.schedule!r} is not known; use one of: {', '.join(SCHEDULES)}."
        )
    lr = learning_rate(hp, role, steps)
    if hp.optimizer == "adam":
        return optax.chain(scale_by_adam(hp.beta1, hp.beta2), optax.scale_by_learning_rate(lr))
    if hp.optimizer == "sgd":
        return optax.chain(optax.scale_by_learning_rate(lr), heavy_ball(momentum(hp)))
    if hp.optimizer == "rmsprop":
        return optax.rmsprop(lr, hp.beta2, eps=1e-8, eps_in_sqrt=False)
    raise ValueError(f"optimizer {hp.optimizer!r} is not known; use adam, sgd or rmsprop.")
