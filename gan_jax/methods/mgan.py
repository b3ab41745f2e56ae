"""MGAN: K generators with private first layers, and a head of D that tells which one made an image.

The generators are trained to be told apart, so each covers modes of its own. As released: every
generator gets the same noise, D and G see the same noise in a step, and the classifier has weight 1
in D's loss but beta in G's (D14).

Source: Hoang et al. 2018; S0.
"""

import dataclasses

import jax
import jax.numpy as jnp

from gan_jax.core import losses, parallel
from gan_jax.core.conditioning import ByIndex
from gan_jax.core.keys import KeyStream, fold
from gan_jax.core.method import Method, StepContext, apply_net
from gan_jax.core.parallel import mean
from gan_jax.core.state import Vars
from gan_jax.errors import InputError
from gan_jax.methods import base, gan
from gan_jax.methods.base import DataSpec
from gan_jax.methods.settings import AdversarialSettings
from gan_jax.settings import override, setting


@dataclasses.dataclass(frozen=True)
class Settings(AdversarialSettings):
    """Defaults are those of the released code for CIFAR-10, but for its --init=normal."""

    net: str = override(AdversarialSettings, "net", "mgan")
    width: int = override(AdversarialSettings, "width", 128)
    n_gens: int = setting(10, "generators", low=1)
    gen_batch: int = setting(12, "images per generator and step", low=1)
    beta: float = setting(0.01, "weight of the diversity term in G's loss", low=0.0)
    lambda_c: float = setting(
        1.0,
        "weight of the classifier's term in D's loss; the paper's text has beta there (D14)",
        low=0.0,
    )


def _generate(ctx, vs, key, batch):
    """Send the same noise through every generator.

    Returns:
      ((images [n * n_gens, H, W, C], ordered by noise vector, then by generator;
      int32 [n * n_gens], the generator of each image), vs).
    """
    n = parallel.rows_per_device(ctx, ctx.hp.gen_batch)
    images, vs = base.generate(ctx, vs, key, n)
    return (images, jnp.tile(jnp.arange(ctx.hp.n_gens), n)), vs


def _disc_term(ctx, batch, real, fake, generator):
    accuracy = mean(ctx, fake.classes.argmax(-1) == generator)
    term = mean(ctx, losses.cross_entropy(fake.classes, generator))
    return ctx.hp.lambda_c * term, {"told_apart": accuracy}


def _gen_term(ctx, batch, real, fake, generator):
    term = mean(ctx, losses.cross_entropy(fake.classes, generator))
    return ctx.hp.beta * term, {"diversity": term}


HEAD = gan.HeadSpec(_generate, disc_term=_disc_term, gen_term=_gen_term)


def latent(ctx: StepContext, key: jax.Array, n: int):
    """Draw noise, and take generators in turn from a random one on, so that counts are equal."""
    first = jax.random.randint(fold(key, KeyStream.SAMPLED_CONDITION), (), 0, ctx.hp.n_gens)
    return base.sample_noise(ctx, key, n), (first + jnp.arange(n)) % ctx.hp.n_gens


def sample(
    ctx: StepContext, vs: Vars, z: jax.Array, condition: jax.Array, key: jax.Array
) -> jax.Array:
    """Generate images [n, H, W, C], image i by generator condition[i]."""
    train = ctx.hp.sample_stats == "batch"
    return apply_net(ctx, vs, "gen", z, train=train, key=key, which=condition)[0]


def check(hp, spec: DataSpec) -> None:
    """Refuse settings that contradict each other or the data. Raises InputError."""
    base.check(hp, spec, penalty="--penalty=dragan")
    if not base.family(hp).supports_mixture:
        raise InputError(
            f"--net={hp.net} has no mixture of generators; use dcgan, mgan, mgan_mnist or mlp."
        )
    base.refuse_pack(hp, "tells which generator made each image")
    loss = losses.ADVERSARIAL[hp.loss]
    if isinstance(loss, losses.PairLoss) and loss.one_to_one:
        raise InputError(
            f"--loss={hp.loss} pairs every real image with a generated one, of which MGAN has "
            "more; use --loss=ra, which compares with means."
        )
    if hp.penalty == "wgan_gp":
        raise InputError(
            "--penalty=wgan_gp pairs real with generated images, of which MGAN has more; "
            "use dragan or r1."
        )


def build(hp, spec: DataSpec, steps: int) -> Method:
    """Build the method for data of a DataSpec."""
    names = tuple(f"generator {k + 1}" for k in range(hp.n_gens))
    return Method(
        nets={
            "gen": base.build_generator(hp, spec, n_gens=hp.n_gens),
            "disc": base.build_discriminator(hp, spec, n_classes=hp.n_gens),
        },
        example_inputs=base.example_inputs(hp, spec, "disc"),
        players=gan.players(hp, steps, HEAD, batch_group="both"),
        latent=latent,
        sample=sample,
        steps=steps,
        conditioning=ByIndex("generator", names),
        **base.common_fields(hp),
    )
