"""What a method does with D: images shown to it, penalties on it, adversarial terms of losses."""

import jax
import jax.numpy as jnp

from gan_jax.core import (
    augment_strength,
    consistency,
    diffaugment,
    lecam,
    losses,
    packing,
    parallel,
    penalties,
    schedules,
)
from gan_jax.core.keys import KeyStream, fold
from gan_jax.core.method import StepContext, apply_net
from gan_jax.core.state import Vars


def pack(hp) -> int:
    """Return how many images D sees at once."""
    return getattr(hp, "pack", 1)  # settings of methods without an adversarial loss by name


def augmented(ctx: StepContext, key: jax.Array, x: jax.Array) -> jax.Array:
    """Augment images as the settings ask for. key: of the minibatch; x: images [B, H, W, C]."""
    hp = ctx.hp
    if not hp.augment:
        return x
    p, key = augment_strength.probability(ctx), fold(key, KeyStream.DIFFAUGMENT)
    return diffaugment.augment(ctx, key, x, hp.augment, hp.pixels, p)


def apply(ctx: StepContext, vs: Vars, key: jax.Array, x: jax.Array, y: jax.Array | None = None):
    """Apply D to augmented images with input noise, in packs where the settings ask for them.

    Augmentation and noise are fresh at every call (D16).

    Args:
      ctx: StepContext.
      vs: Vars.
      key: random key.
      x: images [B, H, W, C].
      y: condition [B, ...], if D takes one.

    Returns:
      (nets.outputs.DiscOutput, vs). Its rows are packs, where there are some.
    """
    hp = ctx.hp
    x = augmented(ctx, key, x)
    if hp.input_noise:
        x = x + hp.input_noise * parallel.random_rows(ctx, jax.random.normal, key, x.shape)
    x = packing.join(x, pack(hp))
    inputs = (x,) if y is None else (x, y)
    return apply_net(ctx, vs, "disc", *inputs, key=fold(key, KeyStream.DROPOUT))


def penalty(
    ctx: StepContext,
    vs: Vars,
    key: jax.Array,
    real: jax.Array,
    fake: jax.Array,
    y: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Compute the penalty on D's slope; its points have no input noise and no augmentation.

    With hp.penalty_augmented, what has the slope is D of the augmented images. Points and slopes
    are those of whole packs.

    Args:
      ctx, vs, key, y: see `apply`.
      real, fake: images [B, H, W, C].

    Returns:
      (its term in D's loss, the penalty without its weight), both [].

    Source: every k-th step with k times the weight: Karras et al. 2020, section 3.1.
    """
    hp = ctx.hp
    condition = () if y is None else (y,)

    m = pack(hp)
    real, fake = packing.join(real, m), packing.join(fake, m)

    def score(x):
        if hp.penalty_augmented:
            x = packing.join(augmented(ctx, key, packing.split(x, m)), m)
        output, _ = apply_net(ctx, vs, "disc", x, *condition, key=fold(key, KeyStream.DROPOUT))
        return output.logit if output.logit.ndim == 1 else output.logit.mean(-1)  # over patches

    def measure():
        return penalties.penalty(ctx, score, real, fake, key)

    lambda_p = schedules.value(hp, "lambda_p", ctx.images)
    weight = (1 if hp.penalty_sign == "plus" else -1) * lambda_p
    if hp.penalty_every == 1:
        value = measure()
        return weight * value, value
    is_due = ctx.step % hp.penalty_every == 0
    dtype = jnp.result_type(float)  # float64 under enable_x64
    zero = jnp.zeros((), dtype)
    value = jax.lax.cond(is_due, lambda: measure().astype(dtype), lambda: zero)
    return weight * hp.penalty_every * value, value


def disc_terms(ctx: StepContext, real, fake) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Compute D's adversarial loss by name, and LeCam's regularisation.

    Args:
      ctx: StepContext.
      real, fake: nets.outputs.DiscOutput for real and for generated images.

    Returns:
      (the loss [], {"real_prob", "fake_prob", ...} for the log). With a loss of pairs, whose logits
      have no zero, the probabilities are relative to the mean logit of the other kind.
    """
    loss = losses.disc_loss(ctx, ctx.hp.loss, real.logit, fake.logit)
    metrics = {}
    if ctx.hp.lecam:
        value = lecam.term(ctx, real.logit, fake.logit)
        loss += ctx.hp.lecam * value
        metrics = {"lecam": value} | lecam.logits(ctx, real.logit, fake.logit)
    if losses.is_paired(ctx.hp.loss):
        means = [parallel.mean(ctx, output.logit) for output in (fake, real)]
        real, fake = (
            output._replace(logit=output.logit - mean)
            for output, mean in zip((real, fake), means, strict=True)
        )
    return loss, mean_probabilities(ctx, real=real, fake=fake) | metrics


def consistency_term(
    ctx: StepContext, vs: Vars, key: jax.Array, real, x: jax.Array, y: jax.Array | None = None
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Compute D's consistency on real images.

    The changed images get the same augmentation, noise and dropout as the images themselves. D's
    running statistics do not see them.

    Args:
      ctx: StepContext.
      vs: Vars.
      key: the key that D was applied to x with.
      real: nets.outputs.DiscOutput for x.
      x: real images [B, H, W, C].
      y: condition of x, if D takes one.

    Returns:
      (its term in D's loss, {"consistency": the same without its weight}).
    """
    hp = ctx.hp
    changed = consistency.change(ctx, fold(key, KeyStream.CONSISTENCY), x, hp.pixels)
    output, _ = apply(ctx, vs, key, changed, y)
    value = consistency.term(ctx, real.logit, output.logit)
    return hp.consistency * value, {"consistency": value}


def gen_term(
    ctx: StepContext, vs: Vars, key: jax.Array, fake, x: jax.Array, y: jax.Array | None = None
) -> jax.Array:
    """Compute G's adversarial loss by name: [].

    Args:
      ctx: StepContext.
      vs: Vars.
      key: the key that D was applied to the generated images with.
      fake: nets.outputs.DiscOutput for the generated images.
      x: real images [B, H, W, C] to compare them with; not read by losses of single logits.
      y: condition of x, if D takes one.
    """
    real = None
    if losses.is_paired(ctx.hp.loss):
        key = fold(key, KeyStream.REALS_OF_GEN)
        real = apply(ctx, vs, key, x, y)[0].logit
    return losses.gen_loss(ctx, ctx.hp.loss, real, fake.logit)


def mean_probabilities(ctx: StepContext, **outputs) -> dict[str, jax.Array]:
    """Compute {"NAME_prob": mean sigmoid of D's logits} of outputs of D, for the log.

    With an augmentation whose probability moves, also `augment_strength.metrics`; `real` is one of
    the outputs.
    """
    probabilities = {
        f"{name}_prob": parallel.mean(ctx, jax.nn.sigmoid(output.logit))
        for name, output in outputs.items()
    }
    return probabilities | augment_strength.metrics(ctx, outputs["real"].logit)
