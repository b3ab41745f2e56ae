"""Optimizers of players, from settings: the rule, its learning rate and its momentum.

A new optimizer or schedule is one function and one entry of OPTIMIZERS or SCHEDULES.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from gan_jax.core import schedules
from gan_jax.core.lookup import lookup
from gan_jax.ops import cpu
from gan_jax.settings import MAX_STEPS, setting

MIN_LR = 1e-6  # lower bound of the exponential schedule


def _linear(hp, lr, steps):
    """To 0 at the end (the ResNets of Gulrajani et al. 2017)."""
    return optax.linear_schedule(lr, 0.0, steps)


def _half_linear(hp, lr, steps):
    """Constant until half-way, then to 0.

    Dist-GAN's ResNets: 2e-4 clip(1 - t, 0, 1/2), which is lr = 1e-4 here.
    """
    falling = optax.linear_schedule(2 * lr, 0.0, steps)
    return lambda t: jnp.minimum(lr, falling(t))


def _cosine(hp, lr, steps):
    """To 0 at the end by half a cosine."""
    return optax.cosine_decay_schedule(lr, steps)


def _exponential(hp, lr, steps):
    """Divided by lr_decay at every update.

    Goodfellow et al. 2014: 1.000004; Mirza and Osindero 2014: 1.00004.
    """
    # Not a power of lr_decay, as in optax: of 1.000004 - 1, float32 has 1 % precision.
    rate = math.log(hp.lr_decay)
    return lambda t: jnp.maximum(lr * jnp.exp(-rate * t), min(lr, MIN_LR))


def _staircase(hp, lr, steps):
    """Times 0.9 at every lr_every-th update, as in Dist-GAN's 2-D toy (D11)."""
    return optax.exponential_decay(lr, hp.lr_every, 0.9, staircase=True)


# (settings, lr, updates in all) -> (updates so far -> lr)
SCHEDULES: dict[str, Callable] = {
    "constant": lambda hp, lr, steps: lr,
    "linear": _linear,
    "half_linear": _half_linear,
    "cosine": _cosine,
    "exponential": _exponential,
    "staircase": _staircase,
}


class MomentumState(NamedTuple):
    """State of `heavy_ball`."""

    count: jax.typing.ArrayLike  # int32 [], updates so far
    velocity: optax.Updates  # tree like the parameters


def heavy_ball(momentum: Callable[[jax.Array], jax.Array]) -> optax.GradientTransformation:
    """Add momentum whose decay is a function of time: v <- momentum(t) v + update; v is applied.

    It comes after the learning rate, so that a changing rate acts on new gradients alone, as in the
    code of Goodfellow et al. 2014. For a constant rate the order makes no difference.

    Args:
      momentum: number of updates so far, int32 [] -> [0, 1).
    """

    def init(params):
        return MomentumState(jnp.zeros([], jnp.int32), jax.tree.map(jnp.zeros_like, params))

    def update(updates, state, params=None):
        del params
        m = momentum(state.count)
        velocity = jax.tree.map(lambda u, v: m.astype(v.dtype) * v + u, updates, state.velocity)
        return velocity, MomentumState(optax.safe_increment(state.count), velocity)

    return optax.GradientTransformation(init, update)


def scale_by_adam(b1: float, b2: float, eps: float = 1e-8) -> optax.GradientTransformation:
    """Scale updates as optax.scale_by_adam does; the same numbers and state, faster on a CPU.

    With optax's own, XLA:CPU computes the new mean twice, once where it updates the weights, and
    copies the old one for that. Where weights are many this nearly doubles Adam's time.
    """
    plain = optax.scale_by_adam(b1, b2, eps)

    def update(updates, state, params=None):
        _, state = plain.update(updates, state, params)
        state = state._replace(mu=jax.tree.map(cpu.materialize, state.mu))
        mean, square = (1 - b**state.count for b in (b1, b2))

        def scaled(m, v):
            return (m / mean) / (jnp.sqrt(v / square) + eps)

        return jax.tree.map(scaled, state.mu, state.nu), state

    return optax.GradientTransformation(plain.init, update)


class AdamState(NamedTuple):
    """State of `scale_by_adam_over_images`."""

    count: jax.typing.ArrayLike  # int32 [], updates so far
    mu: optax.Updates  # mean of gradients
    nu: optax.Updates  # mean of squared gradients
    product: jax.typing.ArrayLike  # float32 [], of all values of beta2 so far


def scale_by_adam_over_images(
    b1: float, b2: Callable[[jax.Array], jax.Array | float], eps: float = 1e-8
) -> optax.GradientTransformationExtraArgs:
    """Scale updates as `scale_by_adam`, with a beta2 that depends on the images consumed.

    The weights of the mean of squares, (1 - beta2_i) times all later beta2, sum to 1 minus the
    product of all beta2, which is what the mean is divided by. A power of the newest beta2, as for
    a constant one, would be wrong.

    Args:
      b1, eps: as in Adam.
      b2: images consumed before the update, float32 [] -> beta2 in [0, 1).

    Source: Kingma and Ba 2015, section 3, with a beta2 that varies.
    """
    plain = optax.scale_by_adam(b1, 0.0)

    def init(params):
        first = plain.init(params)
        return AdamState(first.count, first.mu, first.nu, jnp.float32(1))

    def update(updates, state, params=None, **extra):
        decay = jnp.asarray(b2(extra["images"]), jnp.float32)
        mu = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state.mu, updates)
        mu = jax.tree.map(cpu.materialize, mu)

        def square(v, g):
            d = decay.astype(v.dtype)
            return d * v + (1 - d) * g**2

        nu = jax.tree.map(square, state.nu, updates)
        count, product = optax.safe_increment(state.count), state.product * decay
        mean = 1 - b1**count

        def scaled(m, v):
            return (m / mean).astype(v.dtype) / (jnp.sqrt(v / (1 - product).astype(v.dtype)) + eps)

        return jax.tree.map(scaled, mu, nu), AdamState(count, mu, nu, product)

    return optax.GradientTransformationExtraArgs(init, update)


def scale_over_images(
    factor: Callable[[jax.Array], jax.Array | float],
) -> optax.GradientTransformationExtraArgs:
    """Multiply updates by a factor of the images consumed. factor: float32 [] -> float32 []."""

    def update(updates, state, params=None, **extra):
        now = jnp.asarray(factor(extra["images"]), jnp.float32)
        return jax.tree.map(lambda u: now.astype(u.dtype) * u, updates), state

    return optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)


def momentum_schedule(hp: "OptimizerSettings") -> Callable[[jax.Array], jax.Array]:
    """Return momentum over updates: linear to hp.momentum_end, or constant if that is 0."""
    change = hp.momentum_end - hp.momentum if hp.momentum_end else 0.0
    return lambda t: hp.momentum + change * jnp.minimum(t / hp.momentum_steps, 1)


def _scale_by_rate(hp, lr):
    """Multiply by -lr, on its way to lr_end."""
    scale = optax.scale_by_learning_rate(lr)
    if not hp.lr_end:
        return scale
    # One factor for all players, so that the ratio of --lr_disc and --lr stays.
    factor = lambda images: schedules.value(hp, "lr", images) / hp.lr
    return optax.chain(scale, scale_over_images(factor))


def _adam(hp, lr):
    if hp.beta2_end:
        b2 = lambda images: schedules.value(hp, "beta2", images)
        return optax.chain(scale_by_adam_over_images(hp.beta1, b2), _scale_by_rate(hp, lr))
    return optax.chain(scale_by_adam(hp.beta1, hp.beta2), _scale_by_rate(hp, lr))


def _sgd(hp, lr):
    return optax.chain(_scale_by_rate(hp, lr), heavy_ball(momentum_schedule(hp)))


def _rmsprop(hp, lr):
    """RMSprop without bias correction, eps 1e-8 outside the root.

    Its first steps are 1 / sqrt(1 - beta2) times as long as later ones. PyTorch's default is
    --beta2=0.99.
    """
    plain = optax.rmsprop(lr, hp.beta2, eps=1e-8, eps_in_sqrt=False)
    if not hp.lr_end:
        return plain
    scale = optax.scale_by_rms(hp.beta2, eps=1e-8, eps_in_sqrt=False)
    return optax.chain(scale, _scale_by_rate(hp, lr))


# (settings, learning rate or schedule) -> optax.GradientTransformation
OPTIMIZERS: dict[str, Callable] = {"adam": _adam, "sgd": _sgd, "rmsprop": _rmsprop}


@dataclasses.dataclass(frozen=True)
class OptimizerSettings:
    """Settings of every player's optimizer. An update is one step of one player's optimizer."""

    optimizer: str = setting(
        "adam", "optimizer of every player: adam, sgd, rmsprop", choices=tuple(OPTIMIZERS)
    )
    lr: float = setting(2e-4, "learning rate", above=0.0)
    lr_disc: float = setting(
        0.0, "learning rate of D where it differs (two time scales); 0: the same", low=0.0
    )
    lr_end: float = setting(
        0.0,
        "learning rate that --lr, and --lr_disc by the same factor, move to over --warmup_images; "
        "0: they stay",
        low=0.0,
    )
    beta1: float = setting(0.5, "Adam's decay of the gradient mean", low=0.0, high=0.9999)
    beta2: float = setting(
        0.999, "Adam's and RMSprop's decay of the squared gradient", low=0.0, high=0.999999
    )
    beta2_end: float = setting(
        0.0,
        "beta2 of Adam that --beta2 moves to over --warmup_images; 0: it stays",
        low=0.0,
        high=0.999999,
    )
    warmup_images: int = setting(
        0,
        "images over which lr_end, beta2_end, lambda_p_end, augment_p_end and ema_images are "
        "reached, by half a cosine as in R3GAN; 0: no warm-up",
        low=0,
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
        "learning rate: constant, linear or cosine (to 0 at the end), half_linear (only in the "
        "second half), exponential (by lr_decay), staircase (by lr_every)",
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


def clip_weights(limit: float) -> optax.GradientTransformation:
    """Limit updates so that every weight stays in [-limit, limit]; the last of a chain.

    Source: Arjovsky et al. 2017, algorithm 1.
    """

    def limited(update, weight):
        return jnp.clip(weight + update, -limit, limit) - weight

    return optax.stateless(lambda updates, params: jax.tree.map(limited, updates, params))


def learning_rate(hp: OptimizerSettings, role: str, steps: int) -> float | optax.Schedule:
    """Return the learning rate of one player: a float, or a function of its updates so far.

    Args:
      hp: OptimizerSettings.
      role: name of the player; "disc" has hp.lr_disc, unless that is 0.
      steps: updates of the player in the whole run, where a schedule ends.

    Raises:
      ValueError: unknown schedule.
    """
    lr = hp.lr_disc if role == "disc" and hp.lr_disc else hp.lr
    return lookup(SCHEDULES, "schedule", hp.schedule)(hp, lr, steps)


def build(hp: OptimizerSettings, role: str, steps: int) -> optax.GradientTransformation:
    """Build the optimizer of one player.

    Args:
      hp, role, steps: see `learning_rate`. The weights of "disc" are clipped where hp.clip says so.

    Raises:
      ValueError: unknown optimizer or schedule.
    """
    rule = lookup(OPTIMIZERS, "optimizer", hp.optimizer)
    tx = rule(hp, learning_rate(hp, role, steps))
    return optax.chain(tx, clip_weights(hp.clip)) if hp.clip and role == "disc" else tx
