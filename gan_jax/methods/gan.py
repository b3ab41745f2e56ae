"""GAN with any adversarial loss and any penalty: DCGAN, LSGAN, hinge GAN, WGAN-GP, DRAGAN are settings of it."""

import dataclasses

import jax

from gan_jax import losses, penalties
from gan_jax.methods import base
from gan_jax.parallel import mean
from gan_jax.settings import setting
from gan_jax.step import Method, Player, call


@dataclasses.dataclass(frozen=True)
class Settings(base.Settings):
    """Defaults are those of DCGAN (Radford et al. 2016)."""

    loss: str = setting(
        "ns", "adversarial loss: ns (non-saturating), saturating, ls, hinge, wasserstein", choices=tuple(losses.ADVERSARIAL)
    )
    n_disc: int = setting(1, "discriminator updates per generator update, each with a fresh minibatch", low=1)


def disc_loss(env, vs, batch, key):
    """mean loss(D(x)) + mean loss(D(G(z))) + lambda_p penalty; reals and fakes pass D in batches of their own."""
    kz, kx, kf, kp = jax.random.split(key, 4)
    adversarial, x = losses.ADVERSARIAL[env.hp.loss], batch["image"]
    fake, _ = call(env, vs, "gen", base.noise(env, kz, x.shape[0]))
    real_out, vs = call(env, vs, "disc", base.noisy(env, kx, x))
    fake_out, vs = call(env, vs, "disc", base.noisy(env, kf, fake))
    penalty = penalties.penalty(env, lambda x: call(env, vs, "disc", x)[0].logit, x, fake, kp)
    loss = mean(env, adversarial.real(real_out.logit)) + mean(env, adversarial.fake(fake_out.logit))
    metrics = {
        "real_prob": mean(env, jax.nn.sigmoid(real_out.logit)),
        "fake_prob": mean(env, jax.nn.sigmoid(fake_out.logit)),
        "penalty": penalty,
    }
    return loss + base.signed_penalty(env.hp, penalty), (vs, metrics)


def gen_loss(env, vs, batch, key):
    """mean loss(D(G(z))) with fresh noise."""
    kz, kf = jax.random.split(key)
    fake, vs = call(env, vs, "gen", base.noise(env, kz, batch["image"].shape[0]))
    out, vs = call(env, vs, "disc", base.noisy(env, kf, fake))
    return mean(env, losses.ADVERSARIAL[env.hp.loss].gen(out.logit)), (vs, {})


def build(hp, shape, steps):
    """Method for images of a base.Shape, trained for a number of steps."""
    return Method(
        nets={"gen": base.gen(hp, shape), "disc": base.disc(hp, shape)},
        dummies=base.dummies(hp, shape, "disc"),
        players=(
            Player("disc", ("disc",), disc_loss, base.adam(hp), repeats=hp.n_disc),
            Player("gen", ("gen",), gen_loss, base.adam(hp)),
        ),
        sample=base.sample,
        hp=hp,
        steps=steps,
        ema=base.ema(hp),
    )
