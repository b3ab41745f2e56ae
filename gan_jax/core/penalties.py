"""Penalties on D's slope, by name.

A penalty is a function (ctx, score, real, fake, key) -> scalar >= 0, without its weight:

  ctx         StepContext, whose hp has penalty_norm, perturbation and perturbation_sd; the mean is
              over the global batch
  score       images [B, H, W, C] -> logits [B]
  real, fake  images float32 [B, H, W, C] of the same range
  key         random key

The slope is the norm of the gradient of the batch's summed logit with respect to the whole batch,
as the sources compute it: with BatchNorm inside D it holds cross-sample terms. All penalties are
two-sided with target 1, except R1 and R2, whose target is 0.

A new penalty is one function and one entry of PENALTIES.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from gan_jax.core import parallel
from gan_jax.core.lookup import lookup
from gan_jax.core.method import StepContext
from gan_jax.errors import InputError
from gan_jax.plugins import Table

Score = Callable[[jax.Array], jax.Array]


def _over_pixels(reduce):
    """Make a function that reduces [B, ...] to [B]."""
    return lambda squares: reduce(squares, axis=tuple(range(1, squares.ndim)))


NORMS: dict[str, Callable] = {  # squared gradients [B, H, W, C] -> squared norms
    "l2": _over_pixels(jnp.sum),
    # l2 / sqrt(H W C), as in Dist-GAN's released code: its target 1 means an l2 slope of 110.9 at
    # 64 px and 221.7 at 128 px (D03).
    "rms": _over_pixels(jnp.mean),
    # One norm over the batch of one device, [1], as in Dist-GAN's 1-D toy (D04).
    "batch": lambda squares: squares.sum()[None],
}


def slope(score: Score, x: jax.Array, norm: str = "l2") -> jax.Array:
    """Compute the norm of D's input gradient.

    Args:
      score: images [B, H, W, C] -> logits [B].
      x: images [B, H, W, C].
      norm: key of NORMS.

    Returns:
      [B]; [1] for the norm "batch".
    """
    squared_norm = lookup(NORMS, "norm", norm)
    g = jax.grad(lambda x: score(x).sum())(x)
    # The epsilon keeps the second derivative finite where the gradient vanishes.
    return jnp.sqrt(squared_norm(g**2) + 1e-12)


def _uniform_per_image(ctx, key, x):
    """Draw one uniform in [0, 1) per image, shaped to broadcast over x."""
    return parallel.random_rows(ctx, jax.random.uniform, key, (x.shape[0], *[1] * (x.ndim - 1)))


def _brighten(ctx, x, s, sd, key_pixel, key_sample):
    """x + a * 0.5 S U, U uniform [0, 1) per pixel, a uniform per image: DRAGAN's notebook."""
    u = parallel.random_rows(ctx, jax.random.uniform, key_pixel, x.shape)
    return x + _uniform_per_image(ctx, key_sample, x) * (0.5 * s * u)


def _gauss(ctx, x, s, sd, key_pixel, key_sample):
    """x + N(0, sd^2), sd = 0.5 S if sd is 0: the paper's symmetric form; sd = 1 is S3's text."""
    noise = parallel.random_rows(ctx, jax.random.normal, key_pixel, x.shape)
    return x + (sd or 0.5 * s) * noise


def _centered(ctx, x, s, sd, key_pixel, key_sample):
    """x + S (U - 0.5), U uniform [0, 1) per pixel."""
    u = parallel.random_rows(ctx, jax.random.uniform, key_pixel, x.shape)
    return x + s * (u - 0.5)


PERTURBATIONS: dict[str, Callable] = {"code": _brighten, "gauss": _gauss, "centered": _centered}


def perturb(
    ctx: StepContext, x: jax.Array, key: jax.Array, form: str = "code", sd: float = 0.0
) -> jax.Array:
    """Perturb real images to the points where DRAGAN asks for slope 1. Never clipped.

    S is the standard deviation of all entries of the global batch, so any pixel range works.

    Args:
      ctx: StepContext.
      x: images [B, H, W, C].
      key: random key.
      form: key of PERTURBATIONS.
      sd: standard deviation of the form "gauss"; 0 for 0.5 S.

    Source: Kodali et al. 2017, algorithm 1 and released notebook; S3 eq. 4. D02, D13.
    """
    perturbation = lookup(PERTURBATIONS, "perturbation", form)
    key_pixel, key_sample = jax.random.split(key)
    center = parallel.mean(ctx, x)
    s = jnp.sqrt(parallel.mean(ctx, (x - center) ** 2))
    return perturbation(ctx, x, s, sd, key_pixel, key_sample)


def no_penalty(
    ctx: StepContext, score: Score, real: jax.Array, fake: jax.Array, key: jax.Array
) -> jax.Array:
    """Return 0."""
    return jnp.float32(0)


def wgan_gp(
    ctx: StepContext, score: Score, real: jax.Array, fake: jax.Array, key: jax.Array
) -> jax.Array:
    """Penalise the slope on lines between real and generated images.

    Source: Gulrajani et al. 2017, eq. 3. Norm "rms": D03.
    """
    a = _uniform_per_image(ctx, key, real)
    slopes = slope(score, real + a * (fake - real), ctx.hp.penalty_norm)
    return parallel.mean(ctx, (slopes - 1) ** 2)


def dragan(
    ctx: StepContext, score: Score, real: jax.Array, fake: jax.Array, key: jax.Array
) -> jax.Array:
    """Penalise the slope near real images; generated images are not used.

    Source: Kodali et al. 2017; S3 eq. 4 (its printed minus sign: D01).
    """
    hp = ctx.hp
    points = perturb(ctx, real, key, hp.perturbation, hp.perturbation_sd)
    return parallel.mean(ctx, (slope(score, points, hp.penalty_norm) - 1) ** 2)


def r1(
    ctx: StepContext, score: Score, real: jax.Array, fake: jax.Array, key: jax.Array
) -> jax.Array:
    """Compute half the mean squared slope at real images, so that its weight is the paper's gamma.

    Always in the norm "l2"; generated images are not used.

    Source: Mescheder et al. 2018, eq. 9.
    """
    return 0.5 * parallel.mean(ctx, slope(score, real) ** 2)


def r2(
    ctx: StepContext, score: Score, real: jax.Array, fake: jax.Array, key: jax.Array
) -> jax.Array:
    """Compute half the mean squared slope at generated images.

    Always in the norm "l2"; real images are not used.

    Source: Mescheder et al. 2018, eq. 10.
    """
    return 0.5 * parallel.mean(ctx, slope(score, fake) ** 2)


def r1r2(
    ctx: StepContext, score: Score, real: jax.Array, fake: jax.Array, key: jax.Array
) -> jax.Array:
    """Add R1 and R2: half the mean squared slopes at real and at generated images.

    Source: Huang et al. 2024, "The GAN is dead; long live the GAN!": a loss of pairs converges with
      both, and may diverge with R1 alone.
    """
    return r1(ctx, score, real, fake, key) + r2(ctx, score, real, fake, key)


def _adapt(name, part):
    if not callable(part):
        raise InputError(
            f"{name} is no penalty; make it a function (ctx, score, real, fake, key) -> scalar."
        )
    return part


_BUILT_IN = {
    "none": no_penalty,
    "wgan_gp": wgan_gp,
    "dragan": dragan,
    "r1": r1,
    "r2": r2,
    "r1r2": r1r2,
}
PENALTIES: Table[Callable] = Table("penalties", _BUILT_IN, _adapt)


def penalty(
    ctx: StepContext, score: Score, real: jax.Array, fake: jax.Array, key: jax.Array
) -> jax.Array:
    """Compute the penalty that ctx.hp.penalty names, see the module's docstring."""
    return lookup(PENALTIES, "penalty", ctx.hp.penalty)(ctx, score, real, fake, key)
