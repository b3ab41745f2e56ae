"""Colorization: a U-Net turns a gray image into a coloured one; a patch discriminator sees both.

S4 gives the idea without a layer, a loss or a number; what it leaves open is pix2pix's.

Source: S4; Isola et al. 2017.
"""

import dataclasses

import jax
import jax.numpy as jnp

from gan_jax.core import optimizers
from gan_jax.core.conditioning import ByImage
from gan_jax.core.method import Batch, Method, Player, StepContext, apply_net
from gan_jax.core.parallel import mean
from gan_jax.core.state import Vars
from gan_jax.errors import InputError
from gan_jax.methods import base, discriminator
from gan_jax.methods.base import DataSpec
from gan_jax.methods.settings import AdversarialSettings
from gan_jax.settings import override, setting

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclasses.dataclass(frozen=True)
class Settings(AdversarialSettings):
    """Defaults are those of pix2pix."""

    net: str = setting(
        "unet", "the generator is a U-Net, the discriminator one of patches", choices=("unet",)
    )
    init: str = override(AdversarialSettings, "init", "normal")
    disc_scale: float = setting(0.5, "factor on D's loss: pix2pix halves it", above=0.0)
    lambda_gan: float = setting(
        1.0,
        "weight of the adversarial term in G's loss; 0: a plain regression with the same net",
        low=0.0,
    )
    lambda_l1: float = setting(100.0, "weight of the mean absolute error in G's loss", low=0.0)
    n_down: int = setting(2, "strided layers of D: 2 sees patches of 34 px, 3 of 70", low=1, high=4)
    sample_stats: str = setting(
        "batch",
        "BatchNorm statistics and dropout when sampling: batch, as in training; or running "
        "averages and none",
        choices=("batch", "running"),
    )


def to_gray(images: jax.Array) -> jax.Array:
    """Compute the luma of colour images: [N, H, W, 3] -> [N, H, W, 1], in the same range."""
    return (images * jnp.asarray(LUMA)).sum(-1, keepdims=True)


def shared_forward(ctx: StepContext, vs: Vars, batch: Batch, key: jax.Array):
    """Colour the minibatch, as both losses begin: ((images, None), vs)."""
    if ctx.shared:
        return ctx.shared, vs
    gray = to_gray(batch["image"])
    colored, vs = apply_net(ctx, vs, "gen", gray, key=jax.random.split(key)[0])
    return (colored, None), vs


def disc_loss(ctx: StepContext, vs: Vars, batch: Batch, key: jax.Array):
    """Compute D's loss on pairs of an image and its gray version.

    disc_scale (adversarial loss) + lambda_p penalty; means are over patches too.
    """
    _, key_real, key_fake, key_penalty = jax.random.split(key, 4)
    x = batch["image"]
    gray = to_gray(x)
    (colored, _), _ = shared_forward(ctx, vs, batch, key)
    real_out, vs = discriminator.apply(ctx, vs, key_real, x, gray)
    fake_out, vs = discriminator.apply(ctx, vs, key_fake, colored, gray)
    penalty, penalty_value = discriminator.penalty(ctx, vs, key_penalty, x, colored, gray)
    adversarial, probabilities = discriminator.disc_terms(ctx, real_out, fake_out)
    loss = ctx.hp.disc_scale * adversarial + penalty
    return loss, (vs, probabilities | {"penalty": penalty_value})


def gen_loss(ctx: StepContext, vs: Vars, batch: Batch, key: jax.Array):
    """Compute lambda_gan (adversarial loss) + lambda_l1 mean |x - G(gray)|.

    A loss of pairs compares patches of the coloured image with those of the image itself.

    Source: Isola et al. 2017, eq. 4.
    """
    _, key_fake = jax.random.split(key)
    (colored, _), vs = shared_forward(ctx, vs, batch, key)
    x, gray = batch["image"], to_gray(batch["image"])
    out, vs = discriminator.apply(ctx, vs, key_fake, colored, gray)
    error = mean(ctx, jnp.abs(x - colored))
    adversarial = discriminator.gen_term(ctx, vs, key_fake, out, x, gray)
    return ctx.hp.lambda_gan * adversarial + ctx.hp.lambda_l1 * error, (vs, {"l1": error})


def latent(ctx: StepContext, key: jax.Array, n: int):
    """Return no noise, as only dropout is random, and no condition, which the caller chooses."""
    return jnp.zeros((n, 0)), None


def sample(
    ctx: StepContext, vs: Vars, z: jax.Array, condition: jax.Array, key: jax.Array
) -> jax.Array:
    """Colour the gray versions of colour images: [n, H, W, 3] -> [n, H, W, 3]."""
    train = ctx.hp.sample_stats == "batch"
    return apply_net(ctx, vs, "gen", to_gray(condition), train=train, key=key)[0]


def check(hp, spec: DataSpec) -> None:
    """Refuse settings that contradict each other or the data. Raises InputError."""
    if spec.colors != 3:
        raise InputError(
            f"colorize needs colour images, and these have {spec.colors} channel(s); "
            "use other --data."
        )
    base.check(hp, spec)
    base.refuse_pack(hp, "compares each image with its gray version")
    if hp.consistency:
        raise InputError(
            "--consistency moves images, and D of colorize judges patches at their places; use "
            "--consistency=0."
        )
    if hp.gen_symmetry != "none":
        raise InputError(
            f"--gen_symmetry={hp.gen_symmetry} would part the image from its gray version; leave "
            "it out."
        )
    if hp.augment:
        raise InputError("--augment would part the image from its gray version; leave it empty.")


def build(hp, spec: DataSpec, steps: int) -> Method:
    """Build the method for colour images."""
    color = jnp.zeros((2, *spec.hw, 3))
    gray = jnp.zeros((2, *spec.hw, 1))
    disc_tx = optimizers.build(hp, "disc", steps * hp.n_disc)
    gen_tx = optimizers.build(hp, "gen", steps)
    players = (
        Player("disc", ("disc",), disc_loss, disc_tx, hp.n_disc, batch_group="both"),
        Player(
            "gen", ("gen",), gen_loss, gen_tx, batch_group="both", shared_forward=shared_forward
        ),
    )
    return Method(
        nets={"gen": base.build_generator(hp, spec), "disc": base.build_discriminator(hp, spec)},
        example_inputs={"gen": (gray,), "disc": (color, gray)},
        players=base.balance_players(hp, players),
        latent=latent,
        sample=sample,
        steps=steps,
        conditioning=ByImage(to_gray),
        **base.common_fields(hp),
    )
