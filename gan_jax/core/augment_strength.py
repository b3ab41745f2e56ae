"""How often D's images are augmented: a constant, a schedule in images, or ADA's controller.

Source of the controller: Karras et al. 2020, "Training generative adversarial networks with limited
  data", section 3.1.
"""

import jax
import jax.numpy as jnp

from gan_jax.core import losses, parallel, schedules
from gan_jax.core.controls import Control
from gan_jax.core.method import StepContext
from gan_jax.errors import InputError

# Beyond this probability G learns to show the augmentations (the source, section 2.2 and figure 4);
# it has no bound there.
ADA_LIMIT = 0.8
INTERVAL = 4  # minibatches of D between two steps of the controller
_PROBABILITY, _SIGNS, _MINIBATCHES = "augment_p", "augment_signs", "augment_minibatches"


def probability(ctx: StepContext) -> jax.Array | float:
    """Return the probability with which each operation of --augment changes an image now.

    Returns:
      float32 []; a float where the settings make it constant.
    """
    if ctx.hp.augment_target:
        return ctx.controls[_PROBABILITY]
    return schedules.value(ctx.hp, "augment_p", ctx.images)


def limit(hp) -> float:
    """Return the largest probability that ADA may take."""
    return min(hp.augment_p, ADA_LIMIT)


def is_adaptive(hp) -> bool:
    """Say whether ADA controls the probability."""
    return bool(hp.augment and hp.augment_target)


def metrics(ctx: StepContext, real: jax.Array) -> dict[str, jax.Array]:
    """Compute what D's metrics say of the augmentation, where its probability moves.

    Args:
      ctx: StepContext.
      real: D's logits of real images, [B] or [B, patches].

    Returns:
      {"augment_p"}, and with ADA's controller {"real_sign"}, the mean sign of the logits, which is
      1 where D is sure of all real images: float32 [] each.
    """
    hp, p = ctx.hp, probability(ctx) if ctx.hp.augment else 1.0
    if isinstance(p, (int, float)):
        return {}
    out = {"augment_p": jnp.asarray(p, jnp.float32)}
    if is_adaptive(hp):
        zero = 0.5 if getattr(hp, "loss", "") == "ls" else 0.0  # between D's two targets
        out["real_sign"] = parallel.mean(ctx, jnp.sign(real - zero).astype(jnp.float32))
    return out


def control(hp) -> Control | None:
    """Make ADA's controller, or None where the settings ask for none.

    After every 4 minibatches of D, p moves by (their images) / augment_images: up where the mean
    sign of D's logits of real images is above augment_target, else down. It begins with 0 and stays
    in [0, `limit`]. With n_disc updates of D per step it moves at the first step that completes 4.

    Args:
      hp: Settings with augment, augment_p, augment_target, augment_images, n_disc.
    """
    if not is_adaptive(hp):
        return None

    def update(controls, metrics, ctx):
        ran = metrics["disc/ran"]
        n = controls[_MINIBATCHES] + hp.n_disc * ran
        signs = controls[_SIGNS] + hp.n_disc * ran * metrics.get("disc/real_sign", 0.0)
        is_due = n >= INTERVAL
        excess = signs / jnp.maximum(n, 1) - hp.augment_target
        moved = controls[_PROBABILITY] + jnp.sign(excess) * n * ctx.minibatch / hp.augment_images
        return {
            _PROBABILITY: jnp.where(is_due, jnp.clip(moved, 0, limit(hp)), controls[_PROBABILITY]),
            _SIGNS: jnp.where(is_due, 0, signs),
            _MINIBATCHES: jnp.where(is_due, 0, n),
        }

    return Control({_PROBABILITY: 0.0, _SIGNS: 0.0, _MINIBATCHES: 0.0}, update)


def check(hp) -> None:
    """Refuse settings of the probability that contradict each other.

    Raises:
      InputError
    """
    moves = hp.augment_p_end or hp.augment_target
    if not hp.augment and (moves or hp.augment_p != 1):
        name = "augment_target" if hp.augment_target else "augment_p_end" if moves else "augment_p"
        raise InputError(
            f"--{name} is a probability of --augment, which is empty; add --augment=ada, or "
            f"--{name}={1.0 if name == 'augment_p' else 0.0}."
        )
    if hp.augment and not hp.augment_p and not moves:
        raise InputError(
            "--augment_p=0 changes no image; use --augment_p=0.5, or let it rise: add "
            "--augment_p_end=0.3 --warmup_images=100000."
        )
    if not hp.augment_target:
        return
    target, loss = f"--augment_target={hp.augment_target}", getattr(hp, "loss", "")
    if hp.augment_p_end:
        raise InputError(
            f"{target} moves the probability of --augment, and so does --augment_p_end="
            f"{hp.augment_p_end}; leave out --augment_p_end."
        )
    if not hp.augment_p:
        raise InputError(
            f"{target} keeps the probability below --augment_p, which is 0; add --augment_p=1."
        )
    if loss == "wasserstein" or (loss and losses.is_paired(loss)):
        raise InputError(
            f"{target} reads the sign of D's logits, which have no zero with --loss={loss}; leave "
            "out --augment_target, or use --loss=ns."
        )
