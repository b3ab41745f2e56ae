"""What every image method shares: nets and optimizers from settings, noise, sampling."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from gan_jax import parallel, priors
from gan_jax.nets import dcgan, hdcgan
from gan_jax.settings import setting
from gan_jax.step import call

STYLES = {"dcgan": dcgan.STYLE, "hdcgan": hdcgan.STYLE}


class Shape(NamedTuple):
    """What nets need to know of the data. size: side in pixels. colors: channels."""

    size: int
    colors: int


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of every image method."""

    net: str = setting("dcgan", "net family: dcgan, or hdcgan (SELU and one layer more at 128 px)", choices=tuple(STYLES))
    width: int = setting(64, "channels next to the image; deeper layers have multiples of it", low=1)
    disc_norm: str = setting("batch", "normalisation in D: batch, or none as WGAN-GP asks for", choices=("batch", "none"))
    init: str = setting(
        "xavier", "weight initialiser: xavier (uniform), lecun, normal (sd 0.02)", choices=("xavier", "lecun", "normal")
    )
    z_dim: int = setting(100, "dimensions of the noise", low=1)
    prior: str = setting("uniform", "noise: uniform (-1, 1), normal, uniform_unit (unit variance)", choices=tuple(priors.NOISE))
    pixels: str = setting("tanh", "pixel range of the nets: tanh [-1, 1], sigmoid [0, 1]", choices=("tanh", "sigmoid"))
    lr: float = setting(2e-4, "Adam's learning rate", above=0.0)
    beta1: float = setting(0.5, "Adam's decay of the gradient mean", low=0.0, high=0.9999)
    beta2: float = setting(0.999, "Adam's decay of the squared gradient", low=0.0, high=0.999999)
    ema: float = setting(
        0.999,
        "decay of the averaged generator that is sampled: the mean of about 1/(1-ema) steps; 0: none",
        low=0.0,
        high=0.999999,
    )
    sample_stats: str = setting(
        "running", "BatchNorm statistics when sampling: running averages, or of the batch", choices=("running", "batch")
    )
    penalty: str = setting("none", "penalty on D's slope", choices=("none", "wgan_gp", "dragan", "r1"))
    lambda_p: float = setting(10.0, "weight of the penalty", low=0.0)
    penalty_norm: str = setting("l2", "norm of the slope: l2, or rms as in Dist-GAN's code (D03)", choices=("l2", "rms"))
    penalty_sign: str = setting(
        "plus", "sign of the penalty in the loss to minimise; S3's eq. 4 prints minus (D01)", choices=("plus", "minus")
    )
    perturbation: str = setting("code", "DRAGAN's point near a real image (D02, D13)", choices=("code", "gauss", "centered"))
    perturbation_sd: float = setting(0.0, "sd of the gauss perturbation; 0: half the batch's (D02)", low=0.0)
    input_noise: float = setting(0.0, "sd of Gaussian noise added to D's input, in pixel units (D16)", low=0.0)


def gen(hp, shape):
    """The generator that the settings name."""
    return dcgan.Gen(shape.size, shape.colors, hp.width, hp.pixels, STYLES[hp.net], hp.init)


def disc(hp, shape):
    """The discriminator that the settings name."""
    return dcgan.Disc(shape.size, hp.width, STYLES[hp.net], hp.disc_norm, hp.init)


def dummies(hp, shape, *image_nets):
    """Example inputs: noise for the generator, an image for every other net."""
    image = jnp.zeros((2, shape.size, shape.size, shape.colors))
    return {"gen": (jnp.zeros((2, hp.z_dim)),)} | {net: (image,) for net in image_nets}


def adam(hp):
    """Adam with the settings' rates."""
    return optax.adam(hp.lr, hp.beta1, hp.beta2)


def ema(hp):
    """{net: decay} of the averaged nets."""
    return {"gen": hp.ema} if hp.ema else {}


def noise(env, key, n):
    """Noise for n images of this device: [n, z_dim]."""
    return parallel.draw(env, priors.NOISE[env.hp.prior], key, (n, env.hp.z_dim))


def noisy(env, key, x):
    """x with D's input noise: S3's Gaussian layer "at the beginning of D", fresh at every call (D16)."""
    if not env.hp.input_noise:
        return x
    return x + env.hp.input_noise * parallel.draw(env, jax.random.normal, key, x.shape)


def signed_penalty(hp, value):
    """The penalty's term in a loss to minimise."""
    return (1 if hp.penalty_sign == "plus" else -1) * hp.lambda_p * value


def sample(env, vs, key, n):
    """n images [n, H, W, C] in the pixel range of the settings."""
    z = noise(env, key, n)
    return call(env, vs, "gen", z, train=env.hp.sample_stats == "batch")[0]
