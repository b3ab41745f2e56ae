"""GAN with any adversarial loss, any penalty, and conditions: GAN, DCGAN, CGAN, LSGAN, hinge GAN, WGAN, WGAN-GP, DRAGAN are
settings of it. Methods that add a head to D (AC-GAN, MGAN, InfoGAN) reuse its two losses through a Scheme."""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.core.keys import KeyStream, fold
from gan_jax.core import losses, optimizers, parallel
from gan_jax.core.conditioning import ByIndex
from gan_jax.core.parallel import mean
from gan_jax.core.method import Method, Player
from gan_jax.methods import base
from gan_jax.settings import setting

COND_GEN = setting(
    "concat",
    "how G is told: concat (embedding beside the noise), product (noise times embedding), batchnorm (conditional)",
    choices=("concat", "product", "batchnorm"),
)


@dataclasses.dataclass(frozen=True)
class Settings(base.Adversarial):
    """Defaults are those of DCGAN (Radford et al. 2016)."""

    condition: str = setting(
        "none",
        "what both nets are told: none, labels (the class), attributes (of classes named like 'Male not-Smiling')",
        choices=("none", "labels", "attributes"),
    )
    cond_gen: str = COND_GEN
    cond_disc: str = setting(
        "concat",
        "how D is told: concat (a further image plane), projection",
        choices=("concat", "projection"),
    )


class HeadSpec(NamedTuple):
    """What a method adds to a GAN's losses.

    fake: (ctx, vs, key, batch) -> ((images, given), vs): generated images and what G was given for them, or None.
    tells_disc: whether D sees the labels and what G was given. disc_term, gen_term: (ctx, batch, real, fake, given) -> (loss,
    metrics), a further term for D and for G from D's outputs; in gen_term `real` is None.
    """

    fake: Callable
    disc_is_conditional: bool = False
    disc_term: Callable = lambda *_: (0.0, {})
    gen_term: Callable = lambda *_: (0.0, {})


def _fake(ctx, vs, key, batch):
    images, vs = base.generate(ctx, vs, key, batch["image"].shape[0])
    return (images, None), vs


def _fake_of_label(ctx, vs, key, batch):
    """Images of the labels of this minibatch: labels as frequent as in the data."""
    images, vs = base.generate(ctx, vs, key, batch["image"].shape[0], batch["label"])
    return (images, batch["label"]), vs


PLAIN = HeadSpec(_fake)
CONDITIONAL = HeadSpec(_fake_of_label, disc_is_conditional=True)


def make(ctx, vs, batch, key, scheme=PLAIN):
    """What both losses begin with: ((generated images, what G was given for them), vs)."""
    # Keys in the same place of a split are equal whatever its length: players that share a draw share their noise.
    return (ctx.shared, vs) if ctx.shared else scheme.fake(ctx, vs, jax.random.split(key)[0], batch)


def disc_loss(ctx, vs, batch, key, scheme=PLAIN):
    """mean loss(D(x)) + mean loss(D(G(z))) + lambda_p penalty; reals and fakes pass D in batches of their own."""
    _, kx, kf, kp = jax.random.split(key, 4)
    adversarial, x = losses.ADVERSARIAL[ctx.hp.loss], batch["image"]
    (fake, given), _ = make(ctx, vs, batch, key, scheme)
    y, fake_y = (batch["label"], given) if scheme.disc_is_conditional else (None, None)
    real_out, vs = base.apply_discriminator(ctx, vs, kx, x, y)
    fake_out, vs = base.apply_discriminator(ctx, vs, kf, fake, fake_y)
    penalty, value = base.penalty(ctx, vs, kp, x, fake, y)
    term, metrics = scheme.disc_term(ctx, batch, real_out, fake_out, given)
    loss = (
        mean(ctx, adversarial.real(real_out.logit))
        + mean(ctx, adversarial.fake(fake_out.logit))
        + penalty
        + term
    )
    probs = {
        "real_prob": mean(ctx, jax.nn.sigmoid(real_out.logit)),
        "fake_prob": mean(ctx, jax.nn.sigmoid(fake_out.logit)),
        "penalty": value,
    }
    return loss, (vs, probs | metrics)


def gen_loss(ctx, vs, batch, key, scheme=PLAIN):
    """mean loss(D(G(z)))."""
    _, kf = jax.random.split(key)
    (fake, given), vs = make(ctx, vs, batch, key, scheme)
    out, vs = base.apply_discriminator(ctx, vs, kf, fake, given if scheme.disc_is_conditional else None)
    term, metrics = scheme.gen_term(ctx, batch, None, out, given)
    return mean(ctx, losses.ADVERSARIAL[ctx.hp.loss].gen(out.logit)) + term, (vs, metrics)


def players(hp, steps, scheme=PLAIN, draw=None):
    """D, updated hp.n_disc times per step, then G; from the same minibatch and noise where they move simultaneously."""
    draw = "both" if hp.simultaneous else draw
    bind = (lambda f: f) if scheme is PLAIN else (lambda f: functools.partial(f, scheme=scheme))
    return base.balanced(
        hp,
        (
            Player(
                "disc",
                ("disc",),
                bind(disc_loss),
                optimizers.build(hp, "disc", steps * hp.n_disc),
                hp.n_disc,
                batch_group=draw,
            ),
            Player(
                "gen",
                ("gen",),
                bind(gen_loss),
                optimizers.build(hp, "gen", steps),
                batch_group=draw,
                shared_forward=bind(make),
            ),
        ),
    )


def conditioning_mode(hp, net):
    """How a net of hp is told the condition, see nets.conditional; "" if it is not."""
    if hp.condition == "none":
        return ""
    return "own" if base.family(hp).conditions else getattr(hp, f"cond_{net}")


def class_latent(shape):
    """latent of a class-conditional method: classes as frequent as in the training data."""
    logits = jnp.log(jnp.asarray(shape.counts or [1] * len(shape.classes), jnp.float32))

    def latent(ctx, key, n):
        draw = lambda key, shape: jax.random.categorical(key, logits, shape=shape)
        return base.sample_noise(ctx, key, n), parallel.random_rows(ctx, draw, fold(key, KeyStream.SAMPLED_CONDITION), (n,))

    return latent


def check(hp, shape):
    """Refuses settings that contradict each other or the data. Raises InputError."""
    base.check(hp, shape)
    base.check_condition(hp, shape)


def build(hp, shape, steps):
    """Method for images of a base.DataSpec, trained for a number of steps."""
    conditional = hp.condition != "none"
    y = jnp.zeros((2,), jnp.int32) if conditional else None
    by_class = (
        {"conditioning": ByIndex("class", shape.classes), "latent": class_latent(shape)}
        if conditional
        else {"latent": base.latent}
    )
    return Method(
        nets={
            "gen": base.build_generator(hp, shape, conditioning_mode(hp, "gen")),
            "disc": base.build_discriminator(hp, shape, conditioning_mode(hp, "disc")),
        },
        example_inputs=base.example_inputs(hp, shape, "disc", gen_y=y, disc_y=y),
        players=players(hp, steps, CONDITIONAL if conditional else PLAIN),
        sample=base.sample,
        steps=steps,
        **by_class,
        **base.common_fields(hp),
    )
