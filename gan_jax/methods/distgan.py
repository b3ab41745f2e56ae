"""Dist-GAN and Morpho-GAN: an encoder, three players and distance constraints.

Defaults are what Dist-GAN's released code runs with the log loss. Morpho-GAN is the same with
hdcgan nets, DRAGAN's penalty (weight 10) and noise at D's input. Each step updates recon, disc and
gen, each with a fresh minibatch and fresh noise.

Source: Tran et al. 2018 (Dist-GAN); Abduazimov and Jo (Morpho-GAN, S3).
"""

import dataclasses
import math

import jax
import jax.numpy as jnp

from gan_jax.core import losses, optimizers
from gan_jax.core.keys import KeyStream, fold
from gan_jax.core.method import Batch, Method, Player, StepContext, apply_net
from gan_jax.core.parallel import mean
from gan_jax.core.state import Vars
from gan_jax.errors import InputError
from gan_jax.methods import base, discriminator
from gan_jax.methods.base import DataSpec
from gan_jax.methods.settings import BaseSettings
from gan_jax.nets import layers, symmetric
from gan_jax.settings import override, setting


@dataclasses.dataclass(frozen=True)
class Settings(BaseSettings):
    """Defaults are those of Dist-GAN's released code for CelebA, with its slips corrected."""

    width: int = override(BaseSettings, "width", 128)
    pixels: str = override(BaseSettings, "pixels", "sigmoid")
    beta2: float = override(BaseSettings, "beta2", 0.9)
    sample_stats: str = override(BaseSettings, "sample_stats", "batch")
    penalty: str = override(BaseSettings, "penalty", "wgan_gp")
    lambda_p: float = override(BaseSettings, "lambda_p", 1.0)
    penalty_norm: str = override(BaseSettings, "penalty_norm", "rms")
    hinge: str = setting(
        "off",
        "D's hinge loss in place of the log loss: off; corrected (on logits); code_logit and "
        "code_prob subtract the penalty, on logits or probabilities, as the released code does "
        "(D05)",
        choices=("off", "corrected", "code_logit", "code_prob"),
    )
    disc_weights: str = setting(
        "schedule",
        "weights of D's real and reconstructed terms: schedule (0.95, 0.05 to 1, 0), equal as in "
        "S3's eq. 2 (D08), or half (0.5, 0.5) as in the toys",
        choices=("schedule", "equal", "half"),
    )
    rec_label: str = setting(
        "real",
        "what D is told of reconstructions: real as in the paper, fake as in the 2-D toy (D10)",
        choices=("real", "fake"),
    )
    gen_loss: str = setting(
        "score",
        "G's loss: score (difference of mean probabilities), or ns (D24)",
        choices=("score", "ns"),
    )
    recon_trains: str = setting(
        "enc",
        "what the reconstruction step trains: enc as in the code, enc_gen as in the paper "
        "(D07, D23)",
        choices=("enc", "enc_gen"),
    )
    recon_space: str = setting(
        "features",
        "reconstruction error: D's features (mean), pixels (S3's eq. 3, summed), mean_pixels or "
        "bce (the toys) (D06)",
        choices=("features", "pixels", "mean_pixels", "bce"),
    )
    gap_space: str = setting(
        "features",
        "latent-data distance between codes and D's features, or data as in the toys",
        choices=("features", "data"),
    )
    gap_from: str = setting(
        "rec",
        "what the latent-data distance compares with fakes: rec, or real data as in the 1-D toy "
        "(D12)",
        choices=("rec", "real"),
    )
    lambda_r: float = setting(1.0, "weight of the latent-data distance", low=0.0)
    lambda_w: float = setting(
        0.0, "scale of latent distances; 0: sqrt(z_dim / feature size) (D09)", low=0.0
    )
    wide_enc: bool = setting(
        False, "twice the channels in the encoder's last block, as released (D16)"
    )


def latent_weight(hp, n_features: int) -> float:
    """Return lambda_w: hp's, or sqrt(z_dim / n_features); 0.078125 for 100 and 16384 (D09)."""
    return hp.lambda_w or math.sqrt(hp.z_dim / n_features)


def _bce(ctx, x, rec):
    """Cross-entropy of pixels in [0, 1]; the margin keeps its slope finite at 0 and 1."""
    p = jnp.clip(rec, 1e-6, 1 - 1e-6)
    return mean(ctx, -x * jnp.log(p) - (1 - x) * jnp.log(1 - p))


PIXEL_ERRORS = {  # reconstruction errors in data space: (ctx, x, rec) -> []
    "pixels": lambda ctx, x, rec: mean(ctx, jnp.sum((x - rec) ** 2, axis=(1, 2, 3))),
    "mean_pixels": lambda ctx, x, rec: mean(ctx, (x - rec) ** 2),
    "bce": _bce,
}


def _encode(ctx, vs, x, key):
    """Return (codes of images, vs). E cannot learn the signs that move images, so it has none."""
    code, vs = apply_net(ctx, vs, "enc", x, key=key)
    return symmetric.without_signs(code, ctx.hp.gen_symmetry), vs


def recon_loss(ctx: StepContext, vs: Vars, batch: Batch, key: jax.Array):
    """Compute the encoder's loss: reconstruction error + lambda_r (latent-data distance)^2.

    The error is the mean squared difference of D's features, as released; S3's eq. 3 has that of
    pixels (recon_space, D06). The distances are differences of means over batch and features, so it
    does not matter which code is paired with which noise.

    Source: S3 eq. 3 with the corrections D06 and D07.
    """
    hp, x = ctx.hp, batch["image"]
    noise = base.sample_noise(ctx, key, base.n_images(batch))
    first = KeyStream.RECON_DROPOUT
    keys = [jax.random.fold_in(key, first + i) for i in range(6)]  # of the six passes below
    code, vs = _encode(ctx, vs, x, keys[0])
    rec, vs = apply_net(ctx, vs, "gen", code, key=keys[1])
    fake, vs = apply_net(ctx, vs, "gen", noise, key=keys[2])
    real_f, rec_f, fake_f = (
        apply_net(ctx, vs, "disc", image, key=key)[0].features
        for image, key in zip((x, rec, fake), keys[3:], strict=True)
    )
    if hp.recon_space == "features":
        error = mean(ctx, (real_f - rec_f) ** 2)
    else:
        error = PIXEL_ERRORS[hp.recon_space](ctx, x, rec)
    if hp.gap_space == "data":
        real_f, rec_f, fake_f = (layers.flatten(image) for image in (x, rec, fake))
    compared = rec_f if hp.gap_from == "rec" else real_f
    data_distance = mean(ctx, compared - fake_f)
    seen = symmetric.without_signs(noise, hp.gen_symmetry)
    latent_distance = latent_weight(hp, real_f.shape[-1]) * mean(ctx, code - seen)
    gap = data_distance - latent_distance
    return error + hp.lambda_r * gap**2, (vs, {"error": error, "gap": jnp.abs(gap)})


def disc_weights(hp, progress: jax.Array | float):
    """Return the weights of D's terms for reals and for reconstructions.

    On schedule: 0.95 and 0.05 until half-way, 1 and 0 from three quarters on (D08).
    """
    if hp.disc_weights != "schedule":
        return {"equal": (1.0, 1.0), "half": (0.5, 0.5)}[hp.disc_weights]
    mu = jnp.clip(2 * (0.1 * progress - 0.05), 0.0, 0.05)
    return 0.95 + mu, 0.05 - mu


def adversarial_terms(hp, real: jax.Array, rec: jax.Array, fake: jax.Array):
    """Compute D's per-example losses for the logits [B] of reals, reconstructions and fakes.

    Reconstructions count as real or fake by hp.rec_label.
    """
    form = losses.NON_SATURATING if hp.hinge == "off" else losses.HINGE
    on_rec = form.real if hp.rec_label == "real" else form.fake
    if hp.hinge == "code_prob":
        real, rec, fake = (jax.nn.sigmoid(logit) for logit in (real, rec, fake))
    return form.real(real), on_rec(rec), form.fake(fake)


def disc_loss(ctx: StepContext, vs: Vars, batch: Batch, key: jax.Array):
    """Compute D's loss, with reconstructions as further reals.

    Source: S3 eqs. 2 and 4, with the penalty's sign corrected (D01, D05).
    """
    key_noise, key_real, key_rec, key_fake, key_penalty = jax.random.split(key, 5)
    hp, x = ctx.hp, batch["image"]
    fake, _ = base.generate(ctx, vs, key_noise, base.n_images(batch))
    code, _ = _encode(ctx, vs, x, fold(key_rec, KeyStream.CODE_DROPOUT))
    rec_key = fold(key_rec, KeyStream.RECONSTRUCTION_DROPOUT)
    rec, _ = apply_net(ctx, vs, "gen", code, key=rec_key)
    real_out, vs = discriminator.apply(ctx, vs, key_real, x)
    rec_out, vs = discriminator.apply(ctx, vs, key_rec, rec)
    fake_out, vs = discriminator.apply(ctx, vs, key_fake, fake)
    terms = adversarial_terms(hp, real_out.logit, rec_out.logit, fake_out.logit)
    on_real, on_rec, on_fake = (mean(ctx, term) for term in terms)
    w_real, w_rec = disc_weights(hp, ctx.progress)
    penalty, penalty_value = discriminator.penalty(ctx, vs, key_penalty, x, fake)
    sign = -1 if hp.hinge.startswith("code") else 1
    loss = w_real * on_real + w_rec * on_rec + on_fake + sign * penalty
    probabilities = discriminator.mean_probabilities(ctx, real=real_out, rec=rec_out, fake=fake_out)
    return loss, (vs, probabilities | {"penalty": penalty_value})


def gen_loss(ctx: StepContext, vs: Vars, batch: Batch, key: jax.Array):
    """Compute |mean sigmoid D(x) - mean sigmoid D(G(z))|, or the non-saturating loss.

    It saturates, and has one sign for the whole batch (D24).

    Source: S3 eq. 1.
    """
    key_noise, key_real, key_fake = jax.random.split(key, 3)
    fake, vs = base.generate(ctx, vs, key_noise, base.n_images(batch))
    fake_out, vs = discriminator.apply(ctx, vs, key_fake, fake)
    if ctx.hp.gen_loss == "ns":
        return mean(ctx, losses.bce(fake_out.logit, 1.0)), (vs, {})
    real_out, vs = discriminator.apply(ctx, vs, key_real, batch["image"])
    real_score, fake_score = (mean(ctx, jax.nn.sigmoid(out.logit)) for out in (real_out, fake_out))
    return jnp.abs(real_score - fake_score), (vs, {})


def check(hp, spec: DataSpec) -> None:
    """Refuse settings that contradict each other or the data. Raises InputError."""
    base.check(hp, spec)
    if hp.simultaneous and hp.recon_trains == "enc_gen":
        raise InputError(
            "--simultaneous needs players with nets of their own; use --recon_trains=enc."
        )
    if hp.recon_space == "bce" and hp.pixels != "sigmoid":
        raise InputError(
            f"--recon_space=bce is for values in [0, 1], and --pixels={hp.pixels}; "
            "use --pixels=sigmoid."
        )
    if hp.recon_space == "bce" and not base.family(hp).is_bounded:
        raise InputError(
            f"--recon_space=bce is for values in [0, 1], which images of --net={hp.net} may leave; "
            "use --recon_space=mean_pixels."
        )


def build(hp, spec: DataSpec, steps: int) -> Method:
    """Build the method for data of a DataSpec, trained for a number of steps."""
    recon_nets = ("enc", "gen") if hp.recon_trains == "enc_gen" else ("enc",)
    recon_tx = optimizers.build(hp, "recon", steps)
    disc_tx = optimizers.build(hp, "disc", steps * hp.n_disc)
    gen_tx = optimizers.build(hp, "gen", steps)
    players = (
        Player("recon", recon_nets, recon_loss, recon_tx),
        Player("disc", ("disc",), disc_loss, disc_tx, hp.n_disc),
        Player("gen", ("gen",), gen_loss, gen_tx),
    )
    return Method(
        nets={
            "gen": base.build_generator(hp, spec),
            "disc": base.build_discriminator(hp, spec),
            "enc": base.family(hp).enc(hp, spec, base.weight_options(hp, "enc")),
        },
        example_inputs=base.example_inputs(hp, spec, "disc", "enc"),
        players=base.balance_players(hp, players),
        latent=base.latent,
        sample=base.sample,
        steps=steps,
        **base.common_fields(hp),
    )
