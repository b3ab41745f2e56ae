"""InfoGAN: part of the noise is a code that D's second head has to find again in the images (Chen et al. 2016; cited by S3).

The head gives the logits of a categorical code and the means of continuous ones, uniform in (-1, 1) and taken as normal with
variance 1. Both players minimise lambda_info times the code's negative log-likelihood, a bound on its mutual information with
the images (eq. 5 and 6), less its constants.
"""

import dataclasses

import jax
import jax.numpy as jnp

from gan_jax.core.keys import KeyStream, fold
from gan_jax.core import losses, parallel
from gan_jax.core.conditioning import ByIndex
from gan_jax.core.parallel import mean
from gan_jax.core.method import Method
from gan_jax.methods import base, gan
from gan_jax.settings import setting


@dataclasses.dataclass(frozen=True)
class Settings(base.Adversarial):
    """Defaults are those of the paper for MNIST."""

    z_dim: int = setting(62, "dimensions of the noise, the code aside", low=1)
    n_codes: int = setting(10, "values of the categorical code", low=2)
    n_factors: int = setting(2, "continuous codes, uniform in (-1, 1)", low=0)
    lambda_info: float = setting(1.0, "weight of the code's term in the losses of G and D", low=0.0)


def encode(hp, category, factors):
    """What G is given: float32 [n, n_codes + n_factors] from int [n] and float [n, n_factors]."""
    return jnp.concatenate([jax.nn.one_hot(category, hp.n_codes), factors], -1)


def codes(ctx, key, n):
    """Random codes for n images of this device, as `encode` has them."""
    key_c, key_f = jax.random.split(key)
    uniform = lambda key, shape: jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)
    category = parallel.random_rows(
        ctx, lambda key, shape: jax.random.randint(key, shape, 0, ctx.hp.n_codes), key_c, (n,)
    )
    return encode(ctx.hp, category, parallel.random_rows(ctx, uniform, key_f, (n, ctx.hp.n_factors)))


def _fake(ctx, vs, key, batch):
    n = batch["image"].shape[0]
    code = codes(ctx, fold(key, KeyStream.TRAINING_CONDITION), n)
    images, vs = base.generate(ctx, vs, key, n, code)
    return (images, code), vs


def information(ctx, batch, real, fake, code):
    """The head's negative log-likelihood of the code, and its parts."""
    k = ctx.hp.n_codes
    category = mean(ctx, losses.cross_entropy(fake.classes[:, :k], code[:, :k].argmax(-1)))
    error = mean(ctx, 0.5 * ((fake.classes[:, k:] - code[:, k:]) ** 2).sum(-1))
    return ctx.hp.lambda_info * (category + error), {
        "category_term": category,
        "factor_term": error,
    }


def latent(ctx, key, n):
    """Noise and the categorical code's values, each as often as another; continuous codes are 0 when sampling."""
    draw = lambda key, shape: jax.random.randint(key, shape, 0, ctx.hp.n_codes)
    return base.sample_noise(ctx, key, n), parallel.random_rows(ctx, draw, fold(key, KeyStream.SAMPLED_CONDITION), (n,))


def sample(ctx, vs, z, given, key):
    """Images [n, H, W, C] with categorical codes int [n]."""
    return base.sample(
        ctx, vs, z, encode(ctx.hp, given, jnp.zeros((given.shape[0], ctx.hp.n_factors))), key
    )


check = base.check


def build(hp, shape, steps):
    """Method for images of a base.DataSpec."""
    n = hp.n_codes + hp.n_factors
    return Method(
        nets={"gen": base.build_generator(hp, shape, "plain"), "disc": base.build_discriminator(hp, shape, n_classes=n)},
        example_inputs=base.example_inputs(hp, shape, "disc", gen_y=jnp.zeros((2, n))),
        players=gan.players(
            hp, steps, gan.HeadSpec(_fake, disc_term=information, gen_term=information)
        ),
        latent=latent,
        sample=sample,
        steps=steps,
        conditioning=ByIndex("code", tuple(f"code {k}" for k in range(hp.n_codes))),
        **base.common_fields(hp),
    )
