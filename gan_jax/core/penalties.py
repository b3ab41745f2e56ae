"""Penalties on D's slope. Each takes score: images [B, H, W, C] -> logits [B], and returns a scalar >= 0 without its weight.

The slope is the gradient of the batch's summed logit with respect to the whole batch, as the sources compute it: with
BatchNorm inside D it holds cross-sample terms. All are two-sided with target 1, except R1, whose target is 0.
"""

import jax
import jax.numpy as jnp

from gan_jax.core import parallel

NORMS = ("l2", "rms", "batch")


def slope(score, x, norm="l2"):
    """Norm of D's input gradient per sample: [B].

    Args:
      norm: "l2", or "rms" as in Dist-GAN's released code, which is l2 / sqrt(H W C): its target 1 means an l2 slope of 110.9
        at 64 px and 221.7 at 128 px (D03); or "batch", one norm over the batch's axis instead of each sample's, as Dist-GAN's
        1-D toy has it (D04): [1], of one device's batch.
    """
    if norm not in NORMS:
        raise ValueError(f"norm {norm!r} is not known; use one of {', '.join(NORMS)}.")
    g = jax.grad(lambda x: score(x).sum())(x)
    if norm == "batch":
        return jnp.sqrt((g**2).sum() + 1e-12)[None]
    reduce = jnp.sum if norm == "l2" else jnp.mean
    # The epsilon keeps the second derivative finite where the gradient vanishes.
    return jnp.sqrt(reduce(g**2, axis=tuple(range(1, g.ndim))) + 1e-12)


def _per_sample(ctx, key, x):
    """One uniform in [0, 1) per image, shaped to broadcast over x."""
    return parallel.random_rows(ctx, jax.random.uniform, key, (x.shape[0], *[1] * (x.ndim - 1)))


def wgan_gp(ctx, score, real, fake, key, norm="l2"):
    """Two-sided penalty on lines between real and fake images.

    Args:
      ctx: Env; the mean is over the global batch.
      real, fake: [B, H, W, C] float32, same range. key: draws one uniform per sample.
      norm: see `slope`.

    Source: Gulrajani et al. 2017, eq. 3. "rms": D03.
    """
    a = _per_sample(ctx, key, real)
    return parallel.mean(ctx, (slope(score, real + a * (fake - real), norm) - 1) ** 2)


def perturb(ctx, x, key, form="code", sd=0.0):
    """A point near each real image, where DRAGAN asks for slope 1. Never clipped.

    Args:
      x: [B, H, W, C]. S is the standard deviation of all entries of the global batch, so any pixel range works.
      form: "code"     x + a * 0.5 S U, U uniform [0, 1) per pixel, a uniform per sample (the notebook: only brightens).
            "gauss"    x + N(0, sd^2), sd = 0.5 S if sd is 0 (the paper's symmetric form; sd=1 is S3's text).
            "centered" x + S (U - 0.5).

    Source: Kodali et al. 2017, algorithm 1 and released notebook; S3 eq. 4. D02, D13.
    """
    key_pixel, key_sample = jax.random.split(key)
    center = parallel.mean(ctx, x)
    s = jnp.sqrt(parallel.mean(ctx, (x - center) ** 2))
    if form == "gauss":
        return x + (sd or 0.5 * s) * parallel.random_rows(ctx, jax.random.normal, key_pixel, x.shape)
    u = parallel.random_rows(ctx, jax.random.uniform, key_pixel, x.shape)
    if form == "centered":
        return x + s * (u - 0.5)
    if form != "code":
        raise ValueError(f"perturbation {form!r} is not known; use code, gauss or centered.")
    return x + _per_sample(ctx, key_sample, x) * (0.5 * s * u)


def dragan(ctx, score, real, key, norm="l2", form="code", sd=0.0):
    """Two-sided penalty near real images; fakes do not enter.

    Args: see `wgan_gp` and `perturb`.

    Source: Kodali et al. 2017; S3 eq. 4 (its printed minus sign: D01).
    """
    return parallel.mean(ctx, (slope(score, perturb(ctx, real, key, form, sd), norm) - 1) ** 2)


def r1(ctx, score, real):
    """Half the mean squared slope at real images, so that its weight is the paper's gamma.

    Source: Mescheder et al. 2018, eq. 9.
    """
    return 0.5 * parallel.mean(ctx, slope(score, real) ** 2)


def penalty(ctx, score, real, fake, key):
    """The penalty that ctx.hp names, without its weight: hp.penalty, penalty_norm, perturbation, perturbation_sd."""
    hp = ctx.hp
    if hp.penalty == "wgan_gp":
        return wgan_gp(ctx, score, real, fake, key, hp.penalty_norm)
    if hp.penalty == "dragan":
        return dragan(ctx, score, real, key, hp.penalty_norm, hp.perturbation, hp.perturbation_sd)
    if hp.penalty == "r1":
        return r1(ctx, score, real)
    if hp.penalty != "none":
        raise ValueError(f"penalty {hp.penalty!r} is not known; use none, wgan_gp, dragan or r1.")
    return jnp.float32(0)
