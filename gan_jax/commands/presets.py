"""The training commands as data: a method, defaults that are not the method's own, and a text.

TOYS are the GANs on points that studies train and pages show.

The papers whose experiments are repeated here have short names in flags and docs: S0 to S4, see
docs/discrepancies.md.
"""

from inspect import cleandoc
from typing import Any, NamedTuple

from gan_jax import plugins
from gan_jax.errors import InputError


class Preset(NamedTuple):
    """One training command."""

    method: str  # key of methods.TABLE, or a plug-in
    defaults: dict[str, Any]  # {setting: value}, of settings.RunSettings or the method's Settings
    doc: str  # what `--help` says first: the method, its paper, differences from it


GAN = Preset(
    "gan",
    {"net": "keras", "width": 256, "prior": "normal", "batch": 32, "size": 28},
    cleandoc("""
        GAN: a generator and a discriminator of fully connected layers.

        Paper: Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014. It is also the first
        system of Chakkarwar, Arya and Jain, "Image Generation Using Generative Adversarial
        Networks", 2018 (S2), which does not describe its nets. The defaults are those of the public
        script that shows S2's numbers: three layers of 256 to 1,024 units, batch 32, Adam 2e-4.

        gan_quick and gan_maxout read MNIST's four files from data/mnist; --data names another
        folder.
    """),
)

DCGAN = Preset(
    "gan",
    {"init": "normal"},
    cleandoc("""
        DCGAN: strided convolutions with BatchNorm, and the non-saturating loss.

        Paper: Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep
        Convolutional Generative Adversarial Networks", ICLR 2016. It is the second system of
        Chakkarwar, Arya and Jain 2018 (S2) and the baseline of Morpho-GAN's paper (S3). Other
        losses, penalties and nets are flags: --loss, --penalty, --net.
    """),
)

CGAN = Preset(
    "gan",
    {"condition": "labels", "init": "normal", "net": "s2", "size": 28},
    cleandoc("""
        CGAN: a GAN whose nets get the class, or the attributes, of each image.

        Paper: Mirza and Osindero, "Conditional Generative Adversarial Nets", 2014. Here the nets
        are convolutional; --net=maxout_cgan is the paper's. --cond_gen and --cond_disc choose how
        a net gets the condition. --condition=attributes splits classes that are named by
        attributes, such as those of --data=celeba:DIR --labels=Male,Smiling.
    """),
)

ACGAN = Preset(
    "acgan",
    {
        "net": "s1",
        "width": 128,
        "init": "xavier",
        "prior": "normal",
        "cond_gen": "product",
        "batch": 100,
        "size": 28,
    },
    cleandoc("""
        AC-GAN: the generator gets a class, and the discriminator also predicts the class.

        Paper: Odena, Olah and Shlens, "Conditional Image Synthesis with Auxiliary Classifier GANs",
        ICML 2017. The nets are those of Mudavathu and Chandra Sekhara Rao, "Building Adverserial
        networks to augment Image Data Sets" (S1), section VII. S1 does not write its loss down;
        the default is Odena's, and --fake_class=extra that of the code nearest to S1. The other
        net of S1 has a command of its own, acgan_s1_section4.
    """),
)

ACGAN_S1_SECTION4 = Preset(
    "gan",
    {
        "net": "s1_section4",
        "pixels": "sigmoid",
        "optimizer": "rmsprop",
        "beta2": 0.9,
        "lr": 1e-4,
        "lr_disc": 2e-4,
        "balance": True,
        "batch": 256,
        "size": 28,
    },
    cleandoc("""
        S1's other net: a DCGAN without classes, and a rule that balances the two players.

        Paper: Mudavathu and Chandra Sekhara Rao, "Building Adverserial networks to augment Image
        Data Sets" (S1), sections IV and V. Nets and rates are those of the public script that its
        text follows: kernels of 5, dropout, RMSprop. Every step trains only the player with the
        larger loss (--balance); --nobalance trains both, as the script does. D19 in
        docs/discrepancies.md compares S1's table of losses with this command's.
    """),
)

MGAN = Preset(
    "mgan",
    {"init": "normal"},
    cleandoc("""
        MGAN: several generators that share most layers, and a classifier of their images.

        The classifier learns which generator made an image, and the generators help it, so that
        they divide the modes of the data between them. Paper: Hoang, Nguyen, Le and Phung, "MGAN:
        Training Generative Adversarial Nets with Multiple Generators", ICLR 2018. Mirabedini et
        al., "Image generation and classification via generative adversarial networks", 2020 (S0),
        train one on every node of a cluster. The defaults are those of the released code for
        CIFAR-10.
    """),
)

WGAN_GP = Preset(
    "gan",
    {
        "loss": "wasserstein",
        "penalty": "wgan_gp",
        "gen_norm": "none",
        "disc_norm": "none",
        "n_disc": 5,
        "pixels": "sigmoid",
        "prior": "normal",
        "z_dim": 128,
        "init": "he",
        "lr": 1e-4,
        "beta2": 0.9,
        "batch": 50,
        "size": 28,
    },
    cleandoc("""
        WGAN-GP: a critic that estimates the Wasserstein distance, with a gradient penalty.

        The critic has five updates per update of the generator. Paper: Gulrajani et al., "Improved
        Training of Wasserstein GANs", NeurIPS 2017. The defaults are those of its MNIST script,
        except for the weights, which begin He-normal here. The WGAN that it improves (Arjovsky et
        al. 2017) is --penalty=none --clip=0.01 --optimizer=rmsprop.
    """),
)

DRAGAN = Preset(
    "gan",
    {
        "net": "mlp",
        "width": 128,
        "depth": 1,
        "init": "he",
        "penalty": "dragan",
        "pixels": "sigmoid",
        "lr": 1e-4,
        "beta2": 0.9,
        "batch": 128,
        "size": 28,
    },
    cleandoc("""
        DRAGAN: the usual GAN loss, and a penalty on D's gradient near real images.

        Paper: Kodali, Abernethy, Hays and Kira, "On Convergence and Stability of GANs", 2017.
        Morpho-GAN (S3) takes its penalty over. The defaults are those of the authors' MNIST
        notebook: one hidden layer of 128 units.
    """),
)

R3GAN = Preset(
    "gan",
    {
        "net": "r3gan",
        "gen_norm": "none",
        "disc_norm": "none",
        "cond_gen": "own",
        "cond_disc": "own",
        "z_dim": 64,
        "prior": "normal",
        "loss": "rp",
        "penalty": "r1r2",
        "penalty_augmented": True,
        "lambda_p": 2.0,
        "lambda_p_end": 0.2,
        "augment": "ada_geometry,ada_color:0.5,cutout",
        "augment_p": 0.0,
        "augment_p_end": 0.3,
        "beta1": 0.0,
        "beta2": 0.9,
        "beta2_end": 0.99,
        "lr_end": 5e-5,
        "ema_images": 500_000,
        "warmup_images": 20_000_000,
    },
    cleandoc("""
        R3GAN: residual nets without norms, a loss of pairs, and penalties at both kinds of images.

        Paper: Huang, Gokaslan, Kuleshov and Tompkin, "The GAN is dead; long live the GAN! A Modern
        GAN Baseline", NeurIPS 2024. The defaults are those for FFHQ at 64 px, but for --width (384
        there) and --batch (256). Rates, penalty, averaging and augmentation move over the first 20
        million images; a short run needs a shorter --warmup_images. The weight of the penalty,
        --lambda_p, is the setting to try first: the paper has 0.05 to 150.
    """),
)

RARE = Preset(
    "gan",
    {
        "net": "hdcgan",
        "input_noise": 0.05,
        "init": "xavier",
        "pixels": "sigmoid",
        "augment": "flip,rotation",
        "augment_p": 0.5,
        "gen_symmetry": "turn",
        "schedule": "linear",
        "batch": 32,
    },
    cleandoc("""
        The recipe for few or rare images: the plain loss on Morpho-GAN's nets, with augmentation.

        Not a paper's method: the recipe that did best in the study few_images. The nets are
        HDCGAN's with SELU, as in Morpho-GAN's paper (S3); the loss is DCGAN's. Of the images that D
        sees half are mirrored and half turned, and G mirrors and turns its own, which galaxies and
        cells allow. Pictures that have an up and a down want --augment=translation
        --gen_symmetry=mirror. The rates fall to 0 over the run, so --steps belongs to the recipe.
    """),
)

INFOGAN = Preset(
    "infogan",
    {"net": "s2", "init": "normal", "size": 28, "lr": 1e-3, "lr_disc": 2e-4},
    cleandoc("""
        InfoGAN: part of the noise is a code that the discriminator has to recover.

        So the code comes to mean something. Paper: Chen et al., "InfoGAN: Interpretable
        Representation Learning by Information Maximizing Generative Adversarial Nets", NeurIPS
        2016.
    """),
)

COLORIZE = Preset(
    "colorize",
    {},
    cleandoc("""
        Colorization: a U-Net colours gray images, and a patch discriminator sees both.

        The conditional GAN of Salami, "Managing adversarial networks via a web interface", 2018
        (S4), which names neither nets nor weights; those of Isola, Zhu, Zhou and Efros,
        "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017, are used.
        --lambda_gan=0 trains the same net by regression alone, for comparison. Sample grids show
        the gray image, the generated one and the original, of images that are not trained on.
    """),
)

DISTGAN = Preset(
    "distgan",
    {},
    cleandoc("""
        Dist-GAN: an autoencoder constrains a GAN by distances between codes and features.

        Paper: Tran, Bui and Cheung, "Dist-GAN: An Improved GAN using Distance Constraints", ECCV
        2018; Morpho-GAN (S3) is built on it. The defaults are what its released code runs with the
        log loss; every other reading is a flag (docs/discrepancies.md).
    """),
)

MORPHO = Preset(
    "distgan",
    {
        "net": "hdcgan",
        "penalty": "dragan",
        "penalty_norm": "l2",
        "lambda_p": 10.0,
        "input_noise": 0.05,
    },
    cleandoc("""
        Morpho-GAN: Dist-GAN with SELU nets, noise at D's input and DRAGAN's penalty.

        An encoder, a generator and a discriminator are trained in turn. The encoder reconstructs
        images through the generator, in D's feature space, and keeps distances between codes and
        images in proportion. D is penalised for steep slopes near real images. G closes the gap
        between D's mean scores of real and generated images.

        Paper: Abduazimov and Jo, "Morpho-GAN: Unsupervised Learning of Data with High Morphology
        using Generative Adversarial Networks" (S3).
    """),
)

TABLE = {
    "gan": GAN,
    "dcgan": DCGAN,
    "cgan": CGAN,
    "acgan": ACGAN,
    "acgan_s1_section4": ACGAN_S1_SECTION4,
    "mgan": MGAN,
    "wgan_gp": WGAN_GP,
    "dragan": DRAGAN,
    "r3gan": R3GAN,
    "rare": RARE,
    "infogan": INFOGAN,
    "colorize": COLORIZE,
    "distgan": DISTGAN,
    "morpho": MORPHO,
}


def is_training(name: str) -> bool:
    """Say whether a name is that of a training command: one of TABLE, or a method by a plug-in."""
    return name in TABLE or plugins.is_name("methods", name)


def find(name: str) -> Preset:
    """Return a training command; that of a plug-in has the defaults of its Settings.

    Raises:
      InputError: there is none, or the plug-in is not trusted or cannot be imported.
    """
    if name in TABLE:
        return TABLE[name]
    if not is_training(name):
        raise InputError(
            f"{name} is not a training command; use one of: {', '.join(sorted(TABLE))}."
        )
    doc = getattr(plugins.load("methods", name), "__doc__", None)
    return Preset(name, {}, cleandoc(doc or f"The method {name}, which has no docstring."))


class ToySystem(NamedTuple):
    """A GAN on points of the plane; see studies.toys for the papers."""

    method: str  # key of methods.TABLE
    settings: dict[str, Any]  # of the method; the others are its defaults, without averaging
    batch: int  # points per minibatch


_MLP = {"net": "mlp", "width": 128, "depth": 3, "init": "he", "z_dim": 2}
_TRAN = {**_MLP, "prior": "uniform", "lr": 1e-3, "beta1": 0.8}
_DISTGAN = {
    **_TRAN,
    "pixels": "sigmoid",
    "beta2": 0.999,
    "recon_trains": "enc_gen",
    "recon_space": "bce",
    "gap_space": "data",
    "lambda_r": 0.1,
    "lambda_p": 0.1,
    "disc_weights": "half",
    "n_disc": 5,
    "schedule": "linear",
}
_DRAGAN = {**_TRAN, "pixels": "linear", "penalty": "dragan", "lambda_p": 1.0, "schedule": "linear"}
_WGAN_GP = {
    **_MLP,
    "prior": "normal",
    "pixels": "linear",
    "loss": "wasserstein",
    "penalty": "wgan_gp",
    "lambda_p": 0.1,
    "n_disc": 5,
    "lr": 5e-4,
    "beta2": 0.9,
    "schedule": "linear",
}
_MGAN = {
    **_MLP,
    "pixels": "linear",
    "n_gens": 25,
    "gen_batch": 16,
    "beta": 0.5,
    "penalty": "r1",
    "lambda_p": 1e-4,
    "lr": 1e-3,
    "schedule": "linear",
    "ema": 0.999,
}
TOYS = {
    "gan": ToySystem("gan", {**_TRAN, "pixels": "linear"}, 128),
    "distgan": ToySystem("distgan", _DISTGAN, 128),
    "dragan": ToySystem("gan", _DRAGAN, 128),
    "wgan_gp": ToySystem("gan", _WGAN_GP, 256),
    "mgan": ToySystem("mgan", _MGAN, 256),
}
