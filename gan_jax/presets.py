"""The training commands as data: a method, the settings where they differ from its own, and what `--help` says first."""

from typing import Any, NamedTuple


class Preset(NamedTuple):
    """One training command.

    method: key of methods.TABLE.
    defaults: {setting: value}, fields of settings.RunSettings or of the method's Settings.
    doc: what `--help` says first: paper, differences from it, flagfiles.
    """

    method: str
    defaults: dict[str, Any]
    doc: str


TABLE = {
    "gan": Preset(
        "gan",
        {"net": "keras", "width": 256, "prior": "normal", "batch": 32, "size": 28},
        """GAN: two fully connected nets, one that makes images and one that tells them from real ones, trained against each other.

Paper: Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014; S2's first system, whose nets S2 does not describe:
those of the public script that shows its numbers (three layers of 256 to 1,024 units, batch 32, Adam 2e-4). Flagfiles in
experiments/flagfiles: gan_quick (S2's on MNIST, minutes on 2 cores), gan_maxout (Goodfellow's own: maxout, dropout, momentum
schedule, simultaneous updates), gan_smoke (seconds). They expect MNIST's four files in data/mnist; --data says where yours
are.
""",
    ),
    "dcgan": Preset(
        "gan",
        {"init": "normal"},
        """DCGAN: a generator and a discriminator of strided convolutions with BatchNorm, and the non-saturating loss.

Paper: Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks", ICLR 2016; the baseline of S3 and the subject of S2. Other losses, penalties and nets are flags: --loss, --penalty,
--net. Flagfiles in experiments/flagfiles: dcgan_quick (galaxies, minutes on 2 cores), dcgan_mnist_quick (S2's net on MNIST,
minutes), dcgan_mnist (S2's setting), dcgan_64, dcgan_galaxyzoo128 (S3's setting; a GPU), dcgan_original64 (Radford's; a GPU),
dcgan_hdcgan128 (HDCGAN: S3's nets with the plain loss; a GPU), dcgan_smoke (seconds).
""",
    ),
    "cgan": Preset(
        "gan",
        {"condition": "labels", "init": "normal", "net": "s2", "size": 28},
        """CGAN: generator and discriminator are told the class, or attributes, of each image.

Paper: Mirza and Osindero, "Conditional Generative Adversarial Nets", 2014; S1's eq. 2 and S4. Here with convolutions;
--net=maxout_cgan is the paper's own net. --cond_gen and --cond_disc say how the nets are told; --condition=attributes takes
classes apart that are named by attributes, as --data=celeba:DIR --labels=Male,Smiling makes them. Flagfiles in
experiments/flagfiles: cgan_quick (MNIST, minutes on 2 cores), cgan_mlp (the paper's net and rates), cgan_celeba64 (attributes;
a GPU), cgan_smoke.
""",
    ),
    "acgan": Preset(
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
        """AC-GAN: the generator is given a class, and the discriminator tells the class as well as real from generated.

Paper: Odena, Olah and Shlens, "Conditional Image Synthesis with Auxiliary Classifier GANs", ICML 2017; S1, section VII, whose
nets these are, with Odena's loss (S1 never writes its own down; --fake_class=extra is that of the code nearest to S1).
Flagfiles in experiments/flagfiles: acgan_quick (Fashion-MNIST, minutes on 2 cores), acgan_s1 (the paper's setting), acgan_smoke
(seconds). The other net that S1 describes is experiments.acgan_s1_section4.
""",
    ),
    "acgan_s1_section4": Preset(
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
        """The other network of S1: its sections IV and V describe a DCGAN without classes, and a rule that balances the two players.

Paper: Mudavathu and Chandra Sekhara Rao, "Building Adverserial networks to augment Image Data Sets" (S1); nets and rates are
those of the public script that its text follows (kernels of 5, dropout, RMSprop). In every step only the player with the
larger loss is trained (--balance; --nobalance for the script's own way). S1's table of losses is in docs/discrepancies.md
(D19), to be read beside metrics.jsonl. Flagfiles in experiments/flagfiles: acgan_s1_section4 (10,000 iterations on
Fashion-MNIST; a GPU), acgan_s1_section4_quick (an eighth of its width), acgan_s1_section4_smoke (seconds).
""",
    ),
    "mgan": Preset(
        "mgan",
        {"init": "normal"},
        """MGAN: several generators that share all but their first layer, and a classifier that has to tell their images apart.

Paper: Hoang, Nguyen, Le and Phung, "MGAN: Training Generative Adversarial Nets with Multiple Generators", ICLR 2018; the GAN
that S0 spreads over nodes. Defaults are those of the released code for CIFAR-10. Flagfiles in experiments/flagfiles:
mgan_quick (MNIST, minutes on 2 cores), mgan_mnist (S0's setting), mgan_cifar10 (the released one; a GPU), mgan_smoke
(seconds).
""",
    ),
    "wgan_gp": Preset(
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
        """WGAN-GP: the critic estimates a distance between data and samples, kept honest by a penalty on its slope; five critic
updates per generator update.

Paper: Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017. --penalty=none --clip=0.01 --optimizer=rmsprop
is the WGAN it improves (Arjovsky et al. 2017; flagfile wgan_gp_clip). Defaults are those of its MNIST script, but for the
weights, which begin He-normal here. Flagfiles in experiments/flagfiles: wgan_gp_quick (MNIST, minutes on 2 cores),
wgan_gp_mnist, wgan_gp_cifar10, wgan_gp_resnet (the published settings; a GPU), wgan_gp_smoke (seconds).
""",
    ),
    "dragan": Preset(
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
        """DRAGAN: the usual GAN loss, and a penalty on the discriminator's slope near real images only.

Paper: Kodali, Abernethy, Hays and Kira, "On Convergence and Stability of GANs", 2017; the penalty that Morpho-GAN takes over
(S3). Defaults are those of the authors' MNIST notebook: one hidden layer of 128 units. Flagfiles in experiments/flagfiles:
dragan_quick (MNIST, minutes on 2 cores), dragan_notebook (its 200,000 iterations), dragan_smoke (seconds).
""",
    ),
    "infogan": Preset(
        "infogan",
        {"net": "s2", "init": "normal", "size": 28, "lr": 1e-3, "lr_disc": 2e-4},
        """InfoGAN: part of the noise is a code that the discriminator has to find again, so that it comes to mean something.

Paper: Chen et al., "InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial Nets",
NeurIPS 2016; cited by S3. Flagfiles in experiments/flagfiles: infogan_quick (MNIST, minutes on 2 cores), infogan_mnist (the
paper's length), infogan_smoke (seconds).
""",
    ),
    "colorize": Preset(
        "colorize",
        {},
        """Colorization: a U-Net gives gray images their colours, a patch discriminator sees gray and colour side by side.

S4's conditional GAN, with the nets and weights of Isola, Zhu, Zhou and Efros, "Image-to-Image Translation with Conditional
Adversarial Networks", CVPR 2017, since S4 names none. --lambda_gan=0 trains the same net by regression alone, for comparison.
Sample grids show gray, made and original, of images not trained on. Flagfiles in experiments/flagfiles: colorize_quick
(CIFAR-10 at 32 px, minutes on 2 cores), colorize_celeba64 (S4's data; a GPU), colorize_smoke (seconds).
""",
    ),
    "distgan": Preset(
        "distgan",
        {},
        """Dist-GAN: an auto-encoder constrains a GAN by distances in latent space and in D's feature space.

Paper: Tran, Bui and Cheung, "Dist-GAN: An Improved GAN using Distance Constraints", ECCV 2018; S3's baseline. The defaults are
what its released code runs with the log loss; every other reading is a flag (docs/discrepancies.md). Flagfiles in
experiments/flagfiles: distgan_quick (minutes on 2 cores), distgan_64, distgan_galaxyzoo128 (S3's setting, a GPU),
distgan_smoke (seconds).
""",
    ),
    "morpho": Preset(
        "distgan",
        {
            "net": "hdcgan",
            "penalty": "dragan",
            "penalty_norm": "l2",
            "lambda_p": 10.0,
            "input_noise": 0.05,
        },
        """Morpho-GAN (S3): Dist-GAN's three players with SELU and BatchNorm nets, noise at D's input and DRAGAN's penalty.

An encoder, a generator and a discriminator are trained in turns: the encoder reconstructs images through the generator in D's
feature space while keeping distances between codes and images in proportion; D is penalised for steep slopes near real
images; G closes the gap between D's mean scores of real and generated images.

Paper: Abduazimov and Jo, "Morpho-GAN: Unsupervised Learning of Data with High Morphology using Generative Adversarial
Networks". Flagfiles in experiments/flagfiles: morpho_quick (minutes on 2 cores), morpho_64, morpho_galaxyzoo128 (the paper's
setting, a GPU), morpho_smoke (seconds).
""",
    ),
}
