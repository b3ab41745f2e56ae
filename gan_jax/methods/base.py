"""What all methods share: nets, noise, sampling, refusals; of D, see methods.discriminator."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.core import augment_strength, controls, diffaugment, lecam, parallel, priors, schedules
from gan_jax.core.keys import KeyStream, fold
from gan_jax.core.method import Batch, Player, StepContext, apply_net
from gan_jax.core.state import Vars
from gan_jax.errors import InputError
from gan_jax.methods.discriminator import pack
from gan_jax.nets import conditional, families, symmetric
from gan_jax.nets.family import DataSpec, Discriminator, Family
from gan_jax.nets.layers import WeightOptions

MAX_HALF_LIFE = 69_000  # of the average in minibatches; each then moves it by a part in 100,000


def family(hp) -> Family:
    """Return the net family that the settings name."""
    if hp.net in families.FROM_IMAGES:
        return families.FROM_IMAGES[hp.net]
    return families.TABLE[hp.net]


def weight_options(hp, net: str) -> WeightOptions:
    """Return the initialiser of a net, and whether it is spectrally normalised."""
    spectral = hp.spectral == "both" or (hp.spectral == "disc" and net == "disc")
    return WeightOptions(hp.init, spectral)


def build_generator(hp, spec: DataSpec, mode: str = "", **options):
    """Build the generator that the settings name.

    Args:
      hp: the method's Settings.
      spec: DataSpec.
      mode: how it reads a condition, see nets.conditional; "" without one.
      **options: further arguments of the family's generator.
    """
    weights = weight_options(hp, "gen")
    net = family(hp).gen(hp, spec, weights, **options)
    if mode:
        net = conditional.Gen(net, mode, len(spec.classes), *_readings(hp, spec), weights=weights)
    return net if hp.gen_symmetry == "none" else symmetric.Gen(net, hp.gen_symmetry)


def build_discriminator(hp, spec: DataSpec, mode: str = "", n_classes: int = 0, embedding: int = 0):
    """Build the discriminator that the settings name.

    Args:
      hp, spec, mode: see `build_generator`.
      n_classes: outputs of its class head; 0: no head.
      embedding: length of the embedding of a head of cosines; 0: a head of logits.

    Raises:
      InputError: a plug-in's D has no head of cosines.
    """
    weights = weight_options(hp, "disc")
    seen = spec._replace(colors=spec.colors * pack(hp))
    own = dataclasses.replace(hp, width=hp.disc_width or hp.width)
    net = family(hp).disc(own, seen, weights, n_classes)
    if embedding:
        if not isinstance(net, Discriminator):
            raise InputError(
                f"--net={hp.net} has no class head of cosines: its D is no "
                "gan_jax.nets.family.Discriminator. Use --net=dcgan."
            )
        net = net.clone(embedding=embedding)
    if not mode:
        return net
    return conditional.Disc(net, mode, len(spec.classes), *_readings(hp, spec), weights=weights)


def _readings(hp, spec):
    """Return (table, nodes) by which nets read a condition, see conditional.condition_vectors."""
    nodes = spec.quantities.nodes if getattr(hp, "condition", "") == "quantities" else ()
    return attribute_table(hp, spec) or (), nodes


def attribute_table(hp, spec: DataSpec):
    """Return the attributes of the classes where the settings condition on them, else ()."""
    if getattr(hp, "condition", "") != "attributes":
        return ()
    return conditional.attributes(spec.classes)


def example_inputs(
    hp,
    spec: DataSpec,
    *image_nets: str,
    gen_y: jax.Array | None = None,
    disc_y: jax.Array | None = None,
) -> dict[str, tuple]:
    """Make the inputs that nets are initialised with.

    Args:
      hp: the method's Settings.
      spec: DataSpec.
      *image_nets: names of the nets that take images; "gen" takes noise.
      gen_y, disc_y: example conditions of two rows, where the nets take one.
    """
    colors = {net: spec.colors * (pack(hp) if net == "disc" else 1) for net in image_nets}
    inputs: dict[str, tuple] = {net: (jnp.zeros((2, *spec.hw, colors[net])),) for net in image_nets}
    inputs = {"gen": (jnp.zeros((2, hp.z_dim)),)} | inputs
    for net, y in (("gen", gen_y), ("disc", disc_y)):
        if y is not None:
            inputs[net] = (*inputs[net], y)
    return inputs


def common_fields(hp) -> dict[str, Any]:
    """Return the fields of a Method that follow from the settings, whatever its players."""
    half_life, warmup_images = hp.ema_images, hp.warmup_images

    def ema_rate(images, minibatch):
        return schedules.average_rate(images, minibatch, half_life, warmup_images)

    # What the settings ask a run to adapt, or None.
    adapted = [augment_strength.control(hp), lecam.control() if getattr(hp, "lecam", 0) else None]
    return {
        **controls.combine([control for control in adapted if control]),
        "hp": hp,
        "ema": {"gen": hp.ema} if hp.ema or half_life else {},
        "ema_rate": ema_rate if half_life else None,
        # A half-life that grows from 0 is a warm-up of its own; one that does not needs one.
        "ema_warmup": not warmup_images if half_life else hp.ema_warmup,
        "simultaneous": hp.simultaneous,
        "dtype": jnp.bfloat16 if hp.precision == "bfloat16" else None,
    }


def balance_players(hp, players: tuple[Player, ...]) -> tuple[Player, ...]:
    """Gate D and G by S1's rule, if the settings ask for it.

    The one of the two with the larger loss is trained.

    Both losses are those of the state in which the step begins, on one minibatch and noise, which D
    and G then share.

    Source: S1, section IV (D19).
    """
    if not hp.balance:
        return players
    loss_of = {p.name: p.loss for p in players}

    def gate(sign):
        def is_open(ctx, vs, batch, key):
            disc, gen = (loss_of[name](ctx, vs, batch, key)[0] for name in ("disc", "gen"))
            # Open if undefined: a player that never ran would hide a divergence.
            return ~(sign * (disc - gen) < 0)

        return is_open

    gates = {"disc": gate(1), "gen": gate(-1)}
    return tuple(
        p._replace(gate=gates[p.name], batch_group="both") if p.name in gates else p
        for p in players
    )


def sample_noise(ctx: StepContext, key: jax.Array, n: int) -> jax.Array:
    """Draw noise for n images of this device: float32 [n, z_dim]."""
    return parallel.random_rows(ctx, priors.PRIORS[ctx.hp.prior].sampler, key, (n, ctx.hp.z_dim))


def generate(
    ctx: StepContext, vs: Vars, key: jax.Array, n: int, y: jax.Array | None = None, **options
) -> tuple[jax.Array, Vars]:
    """Generate images from fresh noise.

    Args:
      ctx: StepContext.
      vs: Vars.
      key: random key.
      n: number of images.
      y: condition [n, ...], if the generator takes one.
      **options: further arguments of the generator.

    Returns:
      (images [n, H, W, C], vs).
    """
    z = sample_noise(ctx, key, n)
    inputs = (z,) if y is None else (z, y)
    # Dropout has a key of its own, so that noise is the same for nets without dropout.
    return apply_net(ctx, vs, "gen", *inputs, key=fold(key, KeyStream.DROPOUT), **options)


def latent(ctx: StepContext, key: jax.Array, n: int):
    """Draw noise without a condition: (float32 [n, z_dim], None)."""
    return sample_noise(ctx, key, n), None


def sample(ctx: StepContext, vs: Vars, z: jax.Array, condition, key: jax.Array) -> jax.Array:
    """Generate images [n, H, W, C] from noise [n, z_dim] and a condition or None."""
    inputs = (z,) if condition is None else (z, condition)
    train = ctx.hp.sample_stats == "batch"
    return apply_net(ctx, vs, "gen", *inputs, train=train, key=key)[0]


def n_images(batch: Batch) -> int:
    """Return the images of a minibatch on this device."""
    return batch["image"].shape[0]


def _schedule_refusals(hp) -> list[tuple[bool, str]]:
    """List what makes schedules in images contradict other settings, see `refusals`."""
    ends = ("lr_end", "beta2_end", "lambda_p_end", "augment_p_end")
    moving = [name for name in ends if getattr(hp, name)]
    first = f"--{moving[0]}={getattr(hp, moving[0])}" if moving else ""
    return [
        (
            bool(moving) and not hp.warmup_images,
            f"{first} needs the images over which it is reached; add --warmup_images=100000.",
        ),
        (
            bool(hp.lr_end) and hp.schedule != "constant",
            f"--lr_end moves the learning rate by images, and --schedule={hp.schedule} by "
            "updates; use --schedule=constant.",
        ),
        (
            bool(hp.beta2_end) and hp.optimizer != "adam",
            f"--beta2_end is for Adam, and --optimizer={hp.optimizer}; use --optimizer=adam.",
        ),
        (
            bool(hp.lambda_p_end) and hp.penalty == "none",
            f"--lambda_p_end={hp.lambda_p_end} needs a penalty; add --penalty=r1.",
        ),
    ]


def refusals(hp, spec: DataSpec, penalty: str) -> list[tuple[bool, str]]:
    """List what makes settings contradict each other or the data: (whether it applies, message).

    Args:
      hp, spec, penalty: see `check`.
    """
    points, nets = spec.is_points, family(hp)
    lipschitz = hp.penalty != "none" or hp.spectral != "none" or hp.clip
    unconditional = getattr(hp, "condition", "none") == "none"
    wasserstein = getattr(hp, "loss", "") == "wasserstein"
    return [
        (
            points and not nets.supports_points,
            f"--net={hp.net} is for images, and the data are points; use --net=mlp.",
        ),
        (
            points and bool(hp.augment),
            "--augment is for images, and the data are points; leave it empty.",
        ),
        (
            not spec.hw.is_square and "rotation" in diffaugment.operations(hp.augment),
            f"--augment={hp.augment}: rotation turns images by quarters, and of these of {spec.hw} "
            "pixels the ends would be lost; use flip or ada_geometry.",
        ),
        (
            points and hp.gen_symmetry != "none",
            f"--gen_symmetry={hp.gen_symmetry} moves images, and the data are points; leave it "
            "out.",
        ),
        (
            not spec.hw.is_square and hp.gen_symmetry == "turn",
            f"--gen_symmetry=turn turns images by quarters, and these of {spec.hw} pixels would "
            "get other sides; use --gen_symmetry=flip.",
        ),
        (
            hp.z_dim <= symmetric.SIGNS[hp.gen_symmetry],
            f"--gen_symmetry={hp.gen_symmetry} takes {symmetric.SIGNS[hp.gen_symmetry]} signs of "
            f"the noise, and --z_dim={hp.z_dim}; use --z_dim=64.",
        ),
        (
            not points and hp.pixels == "linear",
            "--pixels=linear is for points; use tanh or sigmoid for images.",
        ),
        (
            nets.reads_condition and unconditional,
            f"--net={hp.net} reads a condition, and has none here; use --net=dcgan"
            f"{', or --condition=labels' if hasattr(hp, 'condition') else ''}.",
        ),
        (
            hp.penalty_every > 1 and hp.penalty == "none",
            f"--penalty_every={hp.penalty_every} needs a penalty; add --penalty=r1, or use "
            "--penalty_every=1.",
        ),
        (
            hp.penalty_augmented and (hp.penalty == "none" or not hp.augment),
            "--penalty_augmented needs a penalty and --augment; leave it out, or add "
            "--penalty=r1 --augment=translation.",
        ),
        (
            points and bool(getattr(hp, "consistency", 0)),
            "--consistency flips and moves images, and the data are points; use --consistency=0.",
        ),
        *_schedule_refusals(hp),
        (
            pack(hp) > 1 and not unconditional,
            f"--pack={pack(hp)} shows D several images at once, and here each has a class of its "
            "own; use --pack=1.",
        ),
        (
            hp.penalty_norm == "batch" and not (points and spec.colors == 1),
            "--penalty_norm=batch is what Dist-GAN's 1-D toy has (D04), for points of one "
            "coordinate; use l2.",
        ),
        (
            hp.upsample != "transposed" and not nets.chooses_upsample,
            f"--upsample={hp.upsample} is for dcgan and its relatives, and not for --net={hp.net}; "
            "leave it out.",
        ),
        (
            hp.spectral != "none" and not nets.supports_spectral,
            f"--net={hp.net} begins with weights of 0, which --spectral cannot divide by their "
            "norm; use --spectral=none.",
        ),
        (
            wasserstein and not lipschitz,
            f"--loss=wasserstein needs a Lipschitz D; add {penalty}, --clip=0.01, or "
            "--spectral=disc.",
        ),
    ]


def check_minibatch(hp, batch: int, n_devices: int = 1) -> None:
    """Refuse settings that contradict the size of the minibatch.

    Args:
      hp: the method's Settings.
      batch: images per minibatch, over all devices.
      n_devices: devices that share it.

    Raises:
      InputError
    """
    unit = pack(hp) * n_devices
    if pack(hp) > 1 and batch % unit:
        low = batch - batch % unit
        shared = f", of which each of {n_devices} devices has its share" if n_devices > 1 else ""
        raise InputError(
            f"--pack={hp.pack} joins images of a minibatch{shared}, and --batch={batch} is no "
            f"multiple of {unit}; use --batch={low or unit}, or --pack=1."
        )
    most = MAX_HALF_LIFE * batch
    if hp.ema_images > most:
        raise InputError(
            f"--ema_images={hp.ema_images} is a half-life of {hp.ema_images // batch} minibatches, "
            f"and float32 rounds so slow an average away; use --ema_images={most} or less."
        )


def refuse_pack(hp, what_disc_does: str) -> None:
    """Refuse packs where D has to see images one by one. Raises InputError."""
    if pack(hp) > 1:
        raise InputError(
            f"--pack={hp.pack} shows D several images at once, and here it {what_disc_does}; "
            "use --pack=1."
        )


def check(hp, spec: DataSpec, penalty: str = "--penalty=wgan_gp --disc_norm=none") -> None:
    """Refuse settings that contradict each other or the data.

    Args:
      hp: the method's Settings.
      spec: DataSpec of the data.
      penalty: flags that give this method a Lipschitz D, for the message.

    Raises:
      InputError
    """
    diffaugment.parse(hp.augment)
    for applies, message in refusals(hp, spec, penalty):
        if applies:
            raise InputError(message)
    augment_strength.check(hp)
    family(hp).check(spec)
