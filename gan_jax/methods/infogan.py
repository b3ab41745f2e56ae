"""InfoGAN: part of the noise is a code that D's second head has to recover from the images.

The head gives the logits of a categorical code and the means of continuous ones, which are uniform
in (-1, 1) and modelled as normal with variance 1. Both players minimise lambda_info times the
code's negative log-likelihood, without its constants: a bound on the mutual information of code and
images (eqs. 5 and 6).

Source: Chen et al. 2016, which S3 cites.
"""

import dataclasses

import jax
import jax.numpy as jnp

from gan_jax.core import losses, parallel
from gan_jax.core.conditioning import ByIndex
from gan_jax.core.keys import KeyStream, fold
from gan_jax.core.method import Method, StepContext
from gan_jax.core.parallel import mean
from gan_jax.core.state import Vars
from gan_jax.methods import base, gan
from gan_jax.methods.base import DataSpec
from gan_jax.methods.settings import AdversarialSettings
from gan_jax.settings import override, setting


@dataclasses.dataclass(frozen=True)
class Settings(AdversarialSettings):
    """Defaults are those of the paper for MNIST."""

    z_dim: int = override(AdversarialSettings, "z_dim", 62)
    n_codes: int = setting(10, "values of the categorical code", low=2)
    n_factors: int = setting(2, "continuous codes, uniform in (-1, 1)", low=0)
    lambda_info: float = setting(1.0, "weight of the code's term in the losses of G and D", low=0.0)


def encode(hp, category: jax.Array, factors: jax.Array) -> jax.Array:
    """Make the input of G from codes.

    Args:
      hp: Settings.
      category: int32 [n].
      factors: float32 [n, n_factors].

    Returns:
      float32 [n, n_codes + n_factors].
    """
    return jnp.concatenate([jax.nn.one_hot(category, hp.n_codes), factors], -1)


def _sample_category(ctx, key, n):
    def sampler(key, shape):
        return jax.random.randint(key, shape, 0, ctx.hp.n_codes)

    return parallel.random_rows(ctx, sampler, key, (n,))


def sample_codes(ctx: StepContext, key: jax.Array, n: int) -> jax.Array:
    """Draw random codes for n images of this device, as `encode` returns them."""

    def uniform(key, shape):
        return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)

    key_category, key_factors = jax.random.split(key)
    category = _sample_category(ctx, key_category, n)
    factors = parallel.random_rows(ctx, uniform, key_factors, (n, ctx.hp.n_factors))
    return encode(ctx.hp, category, factors)


def _generate(ctx, vs, key, batch):
    n = base.n_images(batch)
    code = sample_codes(ctx, fold(key, KeyStream.TRAINING_CONDITION), n)
    images, vs = base.generate(ctx, vs, key, n, code)
    return (images, code), vs


def information_term(ctx: StepContext, batch, real, fake, code: jax.Array):
    """Compute the code's negative log-likelihood by D's head, weighted, and its parts."""
    k = ctx.hp.n_codes
    category = mean(ctx, losses.cross_entropy(fake.classes[:, :k], code[:, :k].argmax(-1)))
    error = mean(ctx, 0.5 * ((fake.classes[:, k:] - code[:, k:]) ** 2).sum(-1))
    parts = {"category_term": category, "factor_term": error}
    return ctx.hp.lambda_info * (category + error), parts


HEAD = gan.HeadSpec(_generate, disc_term=information_term, gen_term=information_term)


def latent(ctx: StepContext, key: jax.Array, n: int):
    """Draw noise, and values of the categorical code with equal probability."""
    code_key = fold(key, KeyStream.SAMPLED_CONDITION)
    return base.sample_noise(ctx, key, n), _sample_category(ctx, code_key, n)


def sample(
    ctx: StepContext, vs: Vars, z: jax.Array, condition: jax.Array, key: jax.Array
) -> jax.Array:
    """Generate images [n, H, W, C] with categorical codes int32 [n]; continuous codes are 0."""
    factors = jnp.zeros((condition.shape[0], ctx.hp.n_factors))
    return base.sample(ctx, vs, z, encode(ctx.hp, condition, factors), key)


def check(hp, spec: DataSpec) -> None:
    """Refuse settings that contradict each other or the data. Raises InputError."""
    base.check(hp, spec)
    base.refuse_pack(hp, "reads the code of each image")


def build(hp, spec: DataSpec, steps: int) -> Method:
    """Build the method for data of a DataSpec."""
    n = hp.n_codes + hp.n_factors
    names = tuple(f"code {k}" for k in range(hp.n_codes))
    return Method(
        nets={
            "gen": base.build_generator(hp, spec, "plain"),
            "disc": base.build_discriminator(hp, spec, n_classes=n),
        },
        example_inputs=base.example_inputs(hp, spec, "disc", gen_y=jnp.zeros((2, n))),
        players=gan.players(hp, steps, HEAD),
        latent=latent,
        sample=sample,
        steps=steps,
        conditioning=ByIndex("code", names),
        **base.common_fields(hp),
    )
