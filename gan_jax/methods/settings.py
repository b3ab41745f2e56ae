"""The settings that all methods share; each method adds its own, or overrides a default."""

import dataclasses

from gan_jax.core import diffaugment, losses, optimizers, penalties, priors
from gan_jax.nets import families, symmetric
from gan_jax.nets.layers import INITIALIZERS
from gan_jax.settings import setting


@dataclasses.dataclass(frozen=True)
class BaseSettings(optimizers.OptimizerSettings):
    """Settings of every method."""

    net: str = setting(
        "dcgan",
        "net family, see gan_jax/nets/families.py",
        choices=tuple(families.TABLE),
        plugins="nets",
    )
    width: int = setting(
        64,
        "channels next to the image, deeper layers have multiples of it; hidden units of mlp nets",
        low=1,
    )
    disc_width: int = setting(0, "the same of D, where it differs; 0: as --width", low=0)
    depth: int = setting(3, "hidden layers of --net=mlp", low=1, high=16)
    upsample: str = setting(
        "transposed",
        "how G of dcgan and its relatives doubles the side: by transposed convolutions of 5 x 5, "
        "or by 3 x 3 of images doubled to the nearest pixel, which leave no fine grid",
        choices=("transposed", "nearest"),
    )
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
        choices=tuple(priors.PRIORS),
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
        "decay of the averaged generator that is sampled: the mean of about 1/(1-ema) steps; "
        "0: none",
        low=0.0,
        high=0.9999,  # float32 would round the steps of a slower average away
    )
    ema_warmup: bool = setting(
        True,
        "the averaged generator begins with the first trained weights, and is the mean of about "
        "the last tenth of the steps until --ema is reached; off: of --ema from the untrained ones",
        before=False,
    )
    ema_images: int = setting(
        0,
        "half-life of the averaged generator in images, in place of --ema; over --warmup_images it "
        "grows from 0; 0: --ema counts",
        low=0,
    )
    sample_stats: str = setting(
        "running",
        "BatchNorm statistics when sampling: running averages, or of the batch",
        choices=("running", "batch"),
    )
    penalty: str = setting(
        "none", "penalty on D's slope", choices=tuple(penalties.PENALTIES), plugins="penalties"
    )
    lambda_p: float = setting(10.0, "weight of the penalty", low=0.0)
    lambda_p_end: float = setting(
        0.0, "weight that lambda_p moves to over --warmup_images; 0: it stays", low=0.0
    )
    penalty_every: int = setting(
        1,
        "steps between penalties, whose weight is multiplied by as many; "
        "the logged mean has zeros between",
        low=1,
    )
    penalty_norm: str = setting(
        "l2",
        "norm of the slope: l2, rms as in Dist-GAN's code (D03), batch as in its 1-D toy (D04)",
        choices=tuple(penalties.NORMS),
    )
    penalty_sign: str = setting(
        "plus",
        "sign of the penalty in the loss to minimise; S3's eq. 4 prints minus (D01)",
        choices=("plus", "minus"),
    )
    penalty_augmented: bool = setting(
        False,
        "the penalty's slope is that of D and --augment together, at images before it (R3GAN); "
        "off: of D alone",
    )
    perturbation: str = setting(
        "code",
        "DRAGAN's point near a real image (D02, D13)",
        choices=tuple(penalties.PERTURBATIONS),
    )
    perturbation_sd: float = setting(
        0.0, "sd of the gauss perturbation; 0: half the batch's (D02)", low=0.0
    )
    input_noise: float = setting(
        0.0, "sd of Gaussian noise added to D's input, in pixel units (D16)", low=0.0
    )
    gen_symmetry: str = setting(
        "none",
        "what the generator does to its images by chance, so that they lie every way alike: mirror "
        "(left to right), flip (also top to bottom), turn (also by quarters)",
        choices=tuple(symmetric.SIGNS),
    )
    augment: str = setting(
        "",
        f"changes of all that D sees: any of {', '.join(diffaugment.NAMES)}, with commas; "
        "NAME:0.5 has half the probability",
    )
    augment_p: float = setting(
        1.0,
        "probability with which each operation of --augment changes an image; with "
        "--augment_target the largest one",
        low=0.0,
        high=1.0,
    )
    augment_p_end: float = setting(
        0.0,
        "probability that augment_p moves to over --warmup_images; 0: it stays",
        low=0.0,
        high=1.0,
    )
    augment_target: float = setting(
        0.0,
        "ADA: the probability begins with 0 and rises while the mean sign of D's logits of real "
        "images is above this, such as 0.6; 0: --augment_p counts",
        low=0.0,
        high=0.99,
    )
    augment_images: int = setting(
        500_000,
        "images in which ADA's probability can move from 0 to 1; 100,000 after --init_from",
        low=1,
    )


@dataclasses.dataclass(frozen=True)
class AdversarialSettings(BaseSettings):
    """Settings of the methods whose players minimise an adversarial loss by name."""

    loss: str = setting(
        "ns",
        "adversarial loss: ns (non-saturating), saturating, ls, hinge, wasserstein; relativistic "
        "of pairs (rp, rp_ls, rp_hinge) or of averages (ra, ra_ls, ra_hinge)",
        choices=tuple(losses.ADVERSARIAL),
        plugins="losses",
    )
    pack: int = setting(
        1,
        "images that D judges at once, joined by channel (PacGAN), against collapse; 1: one by one",
        low=1,
        high=64,
    )
    lecam: float = setting(
        0.0,
        "weight of LeCam's regularisation of D, for few images, from step 1000 on; the paper has "
        "0.3 with --loss=hinge; 0: none",
        low=0.0,
    )
    consistency: float = setting(
        0.0,
        "weight of D's consistency between a real image and the same flipped and moved (CR-GAN, "
        "which has 10); 0: none",
        low=0.0,
    )
