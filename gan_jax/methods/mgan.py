"""MGAN: K generators with private first layers, and a head of D that tells which of them made an image (Hoang et al. 2018; S0).

The generators are trained to be told apart, so that each covers modes of its own. As released: every generator gets the same
noise, D and G see the same noise in a step, and the classifier has weight 1 in D's loss but beta in G's (D14).
"""

import dataclasses

import jax
import jax.numpy as jnp

from gan_jax.core import losses, parallel
from gan_jax.core.parallel import mean
from gan_jax.core.step import Method, call
from gan_jax.errors import InputError
from gan_jax.methods import base, gan
from gan_jax.nets import families
from gan_jax.settings import setting


@dataclasses.dataclass(frozen=True)
class Settings(base.Adversarial):
    """Defaults are those of the released code for CIFAR-10, whose weights begin normal (--init=normal)."""

    net: str = setting(
        "mgan", "net family, see gan_jax/nets/families.py", choices=tuple(families.TABLE)
    )
    width: int = setting(
        128,
        "channels next to the image; deeper layers have multiples of it; hidden units of mlp nets",
        low=1,
    )
    n_gens: int = setting(10, "generators", low=1)
    gen_batch: int = setting(12, "images per generator and step", low=1)
    beta: float = setting(0.01, "weight of the diversity term in G's loss", low=0.0)
    lambda_c: float = setting(
        1.0,
        "weight of the classifier's term in D's loss; the paper's text has beta there (D14)",
        low=0.0,
    )


def _fake(env, vs, key, batch):
    """The same noise through every generator: [n * n_gens, H, W, C], all images of the first noise vector first."""
    hp = env.hp
    n = parallel.share(env, hp.gen_batch)
    images, vs = base.generate(env, vs, key, n)
    return (images, jnp.tile(jnp.arange(hp.n_gens), n)), vs


def _disc_term(env, batch, real, fake, k):
    hits = mean(env, fake.classes.argmax(-1) == k)
    return env.hp.lambda_c * mean(env, losses.cross_entropy(fake.classes, k)), {"told_apart": hits}


def _gen_term(env, batch, real, fake, k):
    term = mean(env, losses.cross_entropy(fake.classes, k))
    return env.hp.beta * term, {"diversity": term}


def latent(env, key, n):
    """Noise, and generators in turn from a random one on: equal counts, as the released code samples."""
    first = jax.random.randint(jax.random.fold_in(key, 1), (), 0, env.hp.n_gens)
    return base.noise(env, key, n), (first + jnp.arange(n)) % env.hp.n_gens


def sample(env, vs, z, given, key):
    """Images [n, H, W, C], image i by generator given[i]."""
    return call(env, vs, "gen", z, train=env.hp.sample_stats == "batch", key=key, which=given)[0]


def check(hp, shape):
    """Refuses settings that contradict each other or the data. Raises InputError."""
    base.check(hp, shape)
    if not base.family(hp).mixes:
        raise InputError(
            f"--net={hp.net} has no mixture of generators; use dcgan, mgan, mgan_mnist or mlp."
        )
    if hp.penalty == "wgan_gp":
        raise InputError(
            "--penalty=wgan_gp pairs real with generated images, of which MGAN has more; use dragan or r1."
        )


def build(hp, shape, steps):
    """Method for images of a base.Shape."""
    return Method(
        nets={
            "gen": base.gen(hp, shape, n_gens=hp.n_gens),
            "disc": base.disc(hp, shape, n_classes=hp.n_gens),
        },
        dummies=base.dummies(hp, shape, "disc"),
        players=gan.players(
            hp, steps, gan.Scheme(_fake, disc_term=_disc_term, gen_term=_gen_term), draw="both"
        ),
        latent=latent,
        sample=sample,
        steps=steps,
        by="generator",
        kinds=tuple(f"generator {k + 1}" for k in range(hp.n_gens)),
        **base.method_options(hp),
    )
