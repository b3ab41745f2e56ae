"""GAN with any adversarial loss, penalty and condition.

GAN, DCGAN, CGAN, LSGAN, hinge GAN, WGAN, WGAN-GP and DRAGAN are settings of it. Methods that add a
head to D (AC-GAN, MGAN, InfoGAN) reuse its two losses through a HeadSpec.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.core import optimizers, parallel, quantities
from gan_jax.core.conditioning import ByQuantities, Conditioning, Unconditional
from gan_jax.core.keys import KeyStream, fold
from gan_jax.core.method import Batch, Method, Player, StepContext
from gan_jax.core.state import Vars
from gan_jax.methods import base, conditions, discriminator
from gan_jax.methods.base import DataSpec
from gan_jax.methods.settings import AdversarialSettings
from gan_jax.settings import setting

COND_GEN = setting(
    "concat",
    "how G is told: concat (embedding beside the noise), product (noise times embedding), "
    "batchnorm (conditional), own (as the nets' source has it: r3gan)",
    choices=("concat", "product", "batchnorm", "own"),
)


@dataclasses.dataclass(frozen=True)
class Settings(AdversarialSettings):
    """Defaults are those of DCGAN (Radford et al. 2016)."""

    condition: str = setting(
        "none",
        "what both nets are told: none, labels (the class), attributes (of classes named like "
        "'Male not-Smiling'), quantities (real numbers, of --labels=FILE:COLUMN)",
        choices=("none", "labels", "attributes", "quantities"),
    )
    vicinity: float = setting(
        0.0,
        "with --condition=quantities: a real image also serves for values beside its own, normally "
        "distributed around it; in bandwidths by the rule of thumb (CcGAN's is 1)",
        low=0.0,
    )
    cond_gen: str = COND_GEN
    cond_disc: str = setting(
        "concat",
        "how D is told: concat (a further image plane), projection, own (as for G)",
        choices=("concat", "projection", "own"),
    )


class HeadSpec(NamedTuple):
    """What a method adds to the losses of a GAN."""

    # (ctx, vs, key, batch) -> ((images, condition of G or None), vs)
    generate: Callable
    disc_is_conditional: bool = False  # whether D sees the labels, and the condition of G
    # (ctx, batch, D's output for reals, for fakes, condition of G) -> (term, metrics): further
    # terms of D's and of G's loss. For gen_term the output for reals is None.
    disc_term: Callable = lambda *_: (0.0, {})
    gen_term: Callable = lambda *_: (0.0, {})


def _generate(ctx, vs, key, batch):
    images, vs = base.generate(ctx, vs, key, base.n_images(batch))
    return (images, None), vs


def _generate_of_labels(ctx, vs, key, batch):
    """Generate images of the minibatch's labels, so that classes are as frequent as in the data."""
    images, vs = base.generate(ctx, vs, key, base.n_images(batch), batch["label"])
    return (images, batch["label"]), vs


def _generate_of_quantities(ctx, vs, key, batch, widths):
    """Generate images of the minibatch's values, moved by noise of standard deviation `widths`.

    D judges the real images under these values, too. Real images and moved values together are then
    distributed as CcGAN's soft vicinal estimate has them: under one value, images weighted by a
    Gaussian of the distance of theirs from it.

    Source: Ding et al. 2021 (CcGAN), equation 10, with the kernel of the weights as wide as that of
    the values.
    """
    y = batch["quantities"]
    if any(widths):
        key_moved = fold(key, KeyStream.TRAINING_CONDITION)
        moves = parallel.random_rows(ctx, jax.random.normal, key_moved, y.shape)
        y = y + jnp.asarray(widths, y.dtype) * moves.astype(y.dtype)
    images, vs = base.generate(ctx, vs, key, base.n_images(batch), y)
    return (images, y), vs


PLAIN = HeadSpec(_generate)
CONDITIONAL = HeadSpec(_generate_of_labels, disc_is_conditional=True)


def shared_forward(
    ctx: StepContext, vs: Vars, batch: Batch, key: jax.Array, head: HeadSpec = PLAIN
):
    """Generate the images that both losses begin with: ((images, condition or None), vs)."""
    if ctx.shared:
        return ctx.shared, vs
    # D splits its key in four and G in two. The first key is the same in both, so players of one
    # group share noise.
    return head.generate(ctx, vs, jax.random.split(key)[0], batch)


def disc_loss(ctx: StepContext, vs: Vars, batch: Batch, key: jax.Array, head: HeadSpec = PLAIN):
    """Compute D's adversarial loss + lambda_p penalty + head.disc_term.

    Real and generated images pass D in batches of their own.
    """
    _, key_real, key_fake, key_penalty = jax.random.split(key, 4)
    x = batch["image"]
    (fake, condition), _ = shared_forward(ctx, vs, batch, key, head)
    y = condition if head.disc_is_conditional else None  # the i-th of both have the same
    real_out, vs = discriminator.apply(ctx, vs, key_real, x, y)
    fake_out, vs = discriminator.apply(ctx, vs, key_fake, fake, y)
    penalty, penalty_value = discriminator.penalty(ctx, vs, key_penalty, x, fake, y)
    term, metrics = head.disc_term(ctx, batch, real_out, fake_out, condition)
    adversarial, probabilities = discriminator.disc_terms(ctx, real_out, fake_out)
    metrics = probabilities | {"penalty": penalty_value} | metrics
    loss = adversarial + penalty + term
    if ctx.hp.consistency:
        change, changes = discriminator.consistency_term(ctx, vs, key_real, real_out, x, y)
        loss, metrics = loss + change, metrics | changes
    return loss, (vs, metrics)


def gen_loss(ctx: StepContext, vs: Vars, batch: Batch, key: jax.Array, head: HeadSpec = PLAIN):
    """Compute G's adversarial loss + head.gen_term.

    A conditional D compares generated images with real ones of the same condition.
    """
    _, key_fake = jax.random.split(key)
    (fake, condition), vs = shared_forward(ctx, vs, batch, key, head)
    y = condition if head.disc_is_conditional else None
    out, vs = discriminator.apply(ctx, vs, key_fake, fake, y)
    term, metrics = head.gen_term(ctx, batch, None, out, condition)
    adversarial = discriminator.gen_term(ctx, vs, key_fake, out, batch["image"], y)
    return adversarial + term, (vs, metrics)


def players(
    hp, steps: int, head: HeadSpec = PLAIN, batch_group: str | None = None
) -> tuple[Player, ...]:
    """Make the players: D with hp.n_disc updates per step, then G.

    Args:
      hp: the method's Settings.
      steps: length of the run.
      head: HeadSpec.
      batch_group: group of both players; simultaneous players always share one.
    """
    group = "both" if hp.simultaneous else batch_group

    def bind(f):
        return f if head is PLAIN else functools.partial(f, head=head)

    disc = Player(
        "disc",
        ("disc",),
        bind(disc_loss),
        optimizers.build(hp, "disc", steps * hp.n_disc),
        hp.n_disc,
        batch_group=group,
    )
    gen = Player(
        "gen",
        ("gen",),
        bind(gen_loss),
        optimizers.build(hp, "gen", steps),
        batch_group=group,
        shared_forward=bind(shared_forward),
    )
    return base.balance_players(hp, (disc, gen))


def check(hp, spec: DataSpec) -> None:
    """Refuse settings that contradict each other or the data. Raises InputError."""
    base.check(hp, spec)
    conditions.check(hp, spec)


def _condition(hp, spec: DataSpec) -> "_Condition":
    """Return what makes the method conditional, as the settings ask."""
    if hp.condition == "none":
        return _Condition()
    if hp.condition == "quantities":
        widths = tuple(hp.vicinity * width for width in quantities.vicinity(spec.quantities))
        generate = functools.partial(_generate_of_quantities, widths=widths)
        return _Condition(
            HeadSpec(generate, disc_is_conditional=True),
            conditions.quantity_latent(spec),
            ByQuantities(spec.quantities),
            jnp.zeros((2, len(spec.quantities.names))),
        )
    example = jnp.zeros((2,), jnp.int32)
    return _Condition(
        CONDITIONAL, conditions.class_latent(spec), conditions.by_class(spec), example
    )


class _Condition(NamedTuple):
    """What makes the method conditional."""

    head: HeadSpec = PLAIN
    latent: Callable = base.latent
    conditioning: Conditioning = Unconditional()
    example: jax.Array | None = None  # condition of two images


def build(hp, spec: DataSpec, steps: int) -> Method:
    """Build the method for data of a DataSpec, trained for a number of steps."""
    condition = _condition(hp, spec)
    y = condition.example
    return Method(
        nets={
            "gen": base.build_generator(hp, spec, conditions.reading(hp, "gen")),
            "disc": base.build_discriminator(hp, spec, conditions.reading(hp, "disc")),
        },
        example_inputs=base.example_inputs(hp, spec, "disc", gen_y=y, disc_y=y),
        players=players(hp, steps, condition.head),
        latent=condition.latent,
        sample=base.sample,
        steps=steps,
        conditioning=condition.conditioning,
        **base.common_fields(hp),
    )
