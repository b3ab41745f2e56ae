"""Colorization: a U-Net turns a gray image into a coloured one, a patch discriminator sees both (S4; Isola et al. 2017).

S4 gives the idea without a layer, a loss or a number; what it leaves open is pix2pix's.
"""

import dataclasses

import jax
import jax.numpy as jnp

from gan_jax.core import losses, optimizers
from gan_jax.core.conditioning import ByImage
from gan_jax.core.parallel import mean
from gan_jax.core.method import Method, Player, apply_net
from gan_jax.errors import InputError
from gan_jax.methods import base
from gan_jax.nets import layers
from gan_jax.settings import setting

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclasses.dataclass(frozen=True)
class Settings(base.Adversarial):
    """Defaults are those of pix2pix."""

    net: str = setting(
        "unet", "the generator is a U-Net, the discriminator one of patches", choices=("unet",)
    )
    init: str = setting(
        "normal",
        "weight initialiser: normal (sd 0.02), xavier (uniform), lecun, he",
        choices=tuple(layers.INITIALIZERS),
    )
    disc_scale: float = setting(0.5, "factor on D's loss: pix2pix halves it", above=0.0)
    lambda_gan: float = setting(
        1.0,
        "weight of the adversarial term in G's loss; 0: a plain regression with the same net",
        low=0.0,
    )
    lambda_l1: float = setting(100.0, "weight of the mean absolute error in G's loss", low=0.0)
    n_down: int = setting(2, "strided layers of D: 2 sees patches of 34 px, 3 of 70", low=1, high=4)
    sample_stats: str = setting(
        "batch", "BatchNorm statistics and dropout when sampling: batch, as in training; or running averages and none",
        choices=("batch", "running"),
    )  # fmt: skip


def gray(images):
    """Luma of colour images: [N, H, W, 3] -> [N, H, W, 1] in the same range."""
    return (images * jnp.asarray(LUMA)).sum(-1, keepdims=True)


def make(ctx, vs, batch, key):
    """What both losses begin with: ((coloured images, None), vs)."""
    if ctx.shared:
        return ctx.shared, vs
    fake, vs = apply_net(ctx, vs, "gen", gray(batch["image"]), key=jax.random.split(key)[0])
    return (fake, None), vs


def disc_loss(ctx, vs, batch, key):
    """disc_scale (mean loss(D(x, gray)) + mean loss(D(G(gray), gray))) + lambda_p penalty, the means over patches too."""
    _, kx, kf, kp = jax.random.split(key, 4)
    adversarial, x = losses.ADVERSARIAL[ctx.hp.loss], batch["image"]
    given = gray(x)
    (fake, _), _ = make(ctx, vs, batch, key)
    real_out, vs = base.apply_discriminator(ctx, vs, kx, x, given)
    fake_out, vs = base.apply_discriminator(ctx, vs, kf, fake, given)
    penalty, value = base.penalty(ctx, vs, kp, x, fake, given)
    loss = mean(ctx, adversarial.real(real_out.logit)) + mean(ctx, adversarial.fake(fake_out.logit))
    probs = {
        "real_prob": mean(ctx, jax.nn.sigmoid(real_out.logit)),
        "fake_prob": mean(ctx, jax.nn.sigmoid(fake_out.logit)),
    }
    return ctx.hp.disc_scale * loss + penalty, (vs, probs | {"penalty": value})


def gen_loss(ctx, vs, batch, key):
    """lambda_gan mean loss(D(G(gray), gray)) + lambda_l1 mean |x - G(gray)| (Isola et al. 2017, eq. 4)."""
    _, kf = jax.random.split(key)
    given = gray(batch["image"])
    (fake, _), vs = make(ctx, vs, batch, key)
    out, vs = base.apply_discriminator(ctx, vs, kf, fake, given)
    error = mean(ctx, jnp.abs(batch["image"] - fake))
    adversarial = mean(ctx, losses.ADVERSARIAL[ctx.hp.loss].gen(out.logit))
    return ctx.hp.lambda_gan * adversarial + ctx.hp.lambda_l1 * error, (vs, {"l1": error})


def latent(ctx, key, n):
    """No noise beside dropout: ([n, 0], None); `given` is always the caller's."""
    return jnp.zeros((n, 0)), None


def sample(ctx, vs, z, given, key):
    """Coloured images [n, H, W, 3] of the gray ones that `given`, colour images [n, H, W, 3], become."""
    return apply_net(ctx, vs, "gen", gray(given), train=ctx.hp.sample_stats == "batch", key=key)[0]


def check(hp, shape):
    """Refuses settings that contradict each other or the data. Raises InputError."""
    if shape.colors != 3:
        raise InputError(
            f"colorize needs colour images, and these have {shape.colors} channel(s); use other --data."
        )
    base.check(hp, shape)
    if hp.augment:
        raise InputError("--augment would part the image from its gray version; leave it empty.")


def build(hp, shape, steps):
    """Method for colour images of a base.DataSpec."""
    image, one = (
        jnp.zeros((2, shape.size, shape.size, 3)),
        jnp.zeros((2, shape.size, shape.size, 1)),
    )
    players = (
        Player(
            "disc",
            ("disc",),
            disc_loss,
            optimizers.build(hp, "disc", steps * hp.n_disc),
            hp.n_disc,
            batch_group="both",
        ),
        Player(
            "gen", ("gen",), gen_loss, optimizers.build(hp, "gen", steps), batch_group="both", shared_forward=make
        ),
    )
    return Method(
        nets={"gen": base.build_generator(hp, shape), "disc": base.build_discriminator(hp, shape)},
        example_inputs={"gen": (one,), "disc": (image, one)},
        players=base.balanced(hp, players),
        latent=latent,
        sample=sample,
        steps=steps,
        conditioning=ByImage(gray),
        **base.common_fields(hp),
    )
