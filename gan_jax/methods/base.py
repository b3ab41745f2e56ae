"""What every method shares: nets and optimizers from settings, noise, what D sees, sampling, and what it refuses."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.core.keys import KeyStream, fold
from gan_jax.core import diffaugment, losses, optimizers, parallel, penalties, priors
from gan_jax.core.method import apply_net
from gan_jax.errors import InputError
from gan_jax.nets import conditional, families
from gan_jax.nets.layers import INITIALIZERS, Weights
from gan_jax.settings import setting


class DataSpec(NamedTuple):
    """What nets need to know of the data. size: side in pixels, 1 for points. colors: channels, or coordinates of a point.
    classes: their names. counts: training images of each class."""

    size: int
    colors: int
    classes: tuple = ()
    counts: tuple = ()


@dataclasses.dataclass(frozen=True)
class Settings(optimizers.Settings):
    """Settings of every method."""

    net: str = setting(
        "dcgan", "net family, see gan_jax/nets/families.py", choices=tuple(families.TABLE)
    )
    width: int = setting(
        64,
        "channels next to the image, deeper layers have multiples of it; hidden units of mlp nets",
        low=1,
    )
    depth: int = setting(3, "hidden layers of --net=mlp", low=1, high=16)
    gen_norm: str = setting(
        "batch", "normalisation in G: batch, or none", choices=("batch", "none")
    )
    disc_norm: str = setting(
        "batch", "normalisation in D: batch, or none as WGAN-GP asks for", choices=("batch", "none")
    )
    spectral: str = setting(
        "none",
        "spectral normalisation: none, of D, or of both nets",
        choices=("none", "disc", "both"),
    )
    init: str = setting(
        "xavier",
        "weight initialiser: xavier (uniform), lecun, he, normal (sd 0.02)",
        choices=tuple(INITIALIZERS),
    )
    precision: str = setting(
        "float32",
        "what nets compute in; parameters, losses, statistics stay float32",
        choices=("float32", "bfloat16"),
    )
    z_dim: int = setting(100, "dimensions of the noise", low=1)
    prior: str = setting(
        "uniform",
        "noise: uniform (-1, 1), normal, uniform_unit (unit variance)",
        choices=tuple(priors.NOISE),
    )
    pixels: str = setting(
        "tanh",
        "range of the nets: tanh [-1, 1], sigmoid [0, 1], linear (points)",
        choices=("tanh", "sigmoid", "linear"),
    )
    n_disc: int = setting(
        1, "discriminator updates per generator update, each with a fresh minibatch", low=1
    )
    balance: bool = setting(
        False,
        "S1's rule: train only the one of D and G whose loss is the larger in this step (D19)",
    )
    simultaneous: bool = setting(
        False, "all players move from the same state, as in Goodfellow et al. 2014, not in turns"
    )
    ema: float = setting(
        0.999,
        "decay of the averaged generator that is sampled: the mean of about 1/(1-ema) steps; 0: none",
        low=0.0,
        high=0.999999,
    )
    sample_stats: str = setting(
        "running",
        "BatchNorm statistics when sampling: running averages, or of the batch",
        choices=("running", "batch"),
    )
    penalty: str = setting(
        "none", "penalty on D's slope", choices=("none", "wgan_gp", "dragan", "r1")
    )
    lambda_p: float = setting(10.0, "weight of the penalty", low=0.0)
    penalty_every: int = setting(
        1,
        "steps between penalties, whose weight is multiplied by as many; the logged mean has zeros between",
        low=1,
    )
    penalty_norm: str = setting(
        "l2",
        "norm of the slope: l2, rms as in Dist-GAN's code (D03), batch as in its 1-D toy (D04)",
        choices=penalties.NORMS,
    )
    penalty_sign: str = setting(
        "plus",
        "sign of the penalty in the loss to minimise; S3's eq. 4 prints minus (D01)",
        choices=("plus", "minus"),
    )
    perturbation: str = setting(
        "code", "DRAGAN's point near a real image (D02, D13)", choices=("code", "gauss", "centered")
    )
    perturbation_sd: float = setting(
        0.0, "sd of the gauss perturbation; 0: half the batch's (D02)", low=0.0
    )
    input_noise: float = setting(
        0.0, "sd of Gaussian noise added to D's input, in pixel units (D16)", low=0.0
    )
    augment: str = setting(
        "", f"DiffAugment of all that D sees: any of {', '.join(diffaugment.TABLE)}, with commas"
    )


@dataclasses.dataclass(frozen=True)
class Adversarial(Settings):
    """Settings of the methods whose players minimise an adversarial loss by name."""

    loss: str = setting(
        "ns",
        "adversarial loss: ns (non-saturating), saturating, ls, hinge, wasserstein",
        choices=tuple(losses.ADVERSARIAL),
    )


def family(hp):
    """The net family that the settings name."""
    return (families.TABLE | families.FROM_IMAGES)[hp.net]


def weight_options(hp, net):
    """How a net's weights begin, and whether they are spectrally normalised."""
    return Weights(hp.init, hp.spectral == "both" or (hp.spectral == "disc" and net == "disc"))


def build_generator(hp, shape, how="", **options):
    """The generator that the settings name; how: see nets.conditional, "" for one without a condition."""
    inner = family(hp).gen(hp, shape, weight_options(hp, "gen"), **options)
    return (
        conditional.Gen(inner, how, len(shape.classes), attribute_table(hp, shape), weight_options(hp, "gen"))
        if how
        else inner
    )


def build_discriminator(hp, shape, how="", n_classes=0):
    """The discriminator that the settings name; how: see `build_generator`. n_classes: of its class head; 0: none."""
    inner = family(hp).disc(hp, shape, weight_options(hp, "disc"), n_classes)
    return (
        conditional.Disc(inner, how, len(shape.classes), attribute_table(hp, shape), weight_options(hp, "disc"))
        if how
        else inner
    )


def attribute_table(hp, shape):
    """Attributes of the classes where the settings condition on them, else ()."""
    return (
        conditional.attributes(shape.classes)
        if getattr(hp, "condition", "") == "attributes"
        else ()
    )


def example_inputs(hp, shape, *image_nets, gen_y=None, disc_y=None):
    """Example inputs: noise for the generator, an image for every other net; and conditions where nets take them."""
    image = jnp.zeros((2, shape.size, shape.size, shape.colors))
    with_y = lambda x, y: (x,) if y is None else (x, y)
    out = {net: with_y(image, disc_y if net == "disc" else None) for net in image_nets}
    return {"gen": with_y(jnp.zeros((2, hp.z_dim)), gen_y)} | out


def common_fields(hp):
    """What the settings say about a method.Method whatever its players."""
    return {
        "hp": hp,
        "ema": {"gen": hp.ema} if hp.ema else {},
        "simultaneous": hp.simultaneous,
        "dtype": jnp.bfloat16 if hp.precision == "bfloat16" else None,
    }


def balanced(hp, players):
    """Players with S1's rule between "disc" and "gen", if the settings ask for it: of the two, the one with the larger loss.

    Both losses are those of the state in which the step begins and of one minibatch and noise, which the two then share.

    Source: S1, section IV (D19).
    """
    if not hp.balance:
        return players
    loss_of = {p.name: p.loss for p in players}

    def gate(sign):
        def is_open(ctx, vs, batch, key):
            disc, gen = (loss_of[name](ctx, vs, batch, key)[0] for name in ("disc", "gen"))
            return ~(
                sign * (disc - gen) < 0
            )  # open if undefined: a player that never runs would hide a divergence

        return is_open

    gates = {"disc": gate(1), "gen": gate(-1)}
    return tuple(
        p._replace(gate=gates[p.name], batch_group="both") if p.name in gates else p for p in players
    )


def sample_noise(ctx, key, n):
    """Noise for n images of this device: [n, z_dim]."""
    return parallel.random_rows(ctx, priors.NOISE[ctx.hp.prior], key, (n, ctx.hp.z_dim))


def generate(ctx, vs, key, n, y=None, **options):
    """Images from fresh noise, and vs: [n, H, W, C]. y: condition, if the generator takes one. options: of its call."""
    # Dropout gets a key of its own; noise keeps the key, so that nets without dropout draw what they always drew.
    inputs = (sample_noise(ctx, key, n),) if y is None else (sample_noise(ctx, key, n), y)
    return apply_net(ctx, vs, "gen", *inputs, key=fold(key, KeyStream.DROPOUT), **options)


def apply_discriminator(ctx, vs, key, x, y=None):
    """D's output for images as it sees them, and vs: augmented, then with input noise, fresh at every call (D16)."""
    hp = ctx.hp
    if hp.augment:
        x = diffaugment.augment(ctx, fold(key, KeyStream.DIFFAUGMENT), x, hp.augment, hp.pixels)
    if hp.input_noise:
        x = x + hp.input_noise * parallel.random_rows(ctx, jax.random.normal, key, x.shape)
    return apply_net(ctx, vs, "disc", *((x,) if y is None else (x, y)), key=fold(key, KeyStream.DROPOUT))


def penalty(ctx, vs, key, real, fake, y=None):
    """(the penalty's term in D's loss, the penalty without its weight); at reals without noise or augmentation."""
    hp = ctx.hp
    inputs = () if y is None else (y,)

    def score(x):
        logit = apply_net(ctx, vs, "disc", x, *inputs, key=fold(key, KeyStream.DROPOUT))[0].logit
        return logit if logit.ndim == 1 else logit.mean(-1)  # of the patches

    measure = lambda: penalties.penalty(ctx, score, real, fake, key)
    weight = (1 if hp.penalty_sign == "plus" else -1) * hp.lambda_p
    if hp.penalty_every == 1:
        value = measure()
        return weight * value, value
    # Karras et al. 2020, section 3.1: every k-th step with k times the weight.
    due = ctx.step % hp.penalty_every == 0
    value = jax.lax.cond(due, measure, lambda: jnp.float32(0))
    return weight * hp.penalty_every * value, value


def latent(ctx, key, n):
    """(noise [n, z_dim], None)."""
    return sample_noise(ctx, key, n), None


def sample(ctx, vs, z, given, key):
    """Images [n, H, W, C] of noise z [n, z_dim] and, where the generator takes one, a condition."""
    inputs = (z,) if given is None else (z, given)
    return apply_net(ctx, vs, "gen", *inputs, train=ctx.hp.sample_stats == "batch", key=key)[0]


def refusals(hp, shape):
    """[(whether it applies, what is wrong and what to do)] for settings that contradict each other or the data."""
    points, mlp = shape.size == 1, family(hp).points
    smooth = hp.penalty != "none" or hp.spectral != "none" or hp.clip
    return [
        (points and not mlp, f"--net={hp.net} is for images, and the data are points; use --net=mlp."),
        (points and bool(hp.augment), "--augment is for images, and the data are points; leave it empty."),
        (not points and hp.pixels == "linear", "--pixels=linear is for points; images need tanh or sigmoid."),
        (family(hp).conditions and getattr(hp, "condition", "none") == "none",
         f"--net={hp.net} reads a condition, and has none here; use another net, or cgan or dcgan with --condition=labels."),
        (hp.penalty_every > 1 and hp.penalty == "none", f"--penalty_every={hp.penalty_every} needs a --penalty."),
        (hp.penalty_norm == "batch" and not (points and shape.colors == 1),
         "--penalty_norm=batch is what Dist-GAN's 1-D toy has (D04), for points of one coordinate; use l2."),
        (getattr(hp, "loss", "") == "wasserstein" and not smooth,
         "--loss=wasserstein needs a Lipschitz D; add --penalty=wgan_gp --disc_norm=none, --clip=0.01, or --spectral=disc."),
    ]  # fmt: skip


def check_condition(hp, shape):
    """Refuses a condition that the data or the nets do not have. Raises InputError."""
    if hp.condition == "none":
        return
    if len(shape.classes) < 2:
        raise InputError(
            f"--condition={hp.condition} needs classes, and the data have none; use data with labels."
        )
    if hp.condition == "attributes" and attribute_table(hp, shape) is None:
        raise InputError(
            f"--condition=attributes needs classes named by attributes, such as 'Male not-Smiling'; these are "
            f"{', '.join(shape.classes[:4])}. Use --condition=labels."
        )
    if hp.cond_gen == "batchnorm" and (hp.gen_norm == "none" or family(hp).points):
        raise InputError(
            "--cond_gen=batchnorm needs a generator with BatchNorm; use concat or product."
        )


def check(hp, shape):
    """Refuses settings that contradict each other or the data.

    Raises:
      InputError
    """
    diffaugment.check(hp.augment)
    for applies, text in refusals(hp, shape):
        if applies:
            raise InputError(text)
    family(hp).check(shape)
