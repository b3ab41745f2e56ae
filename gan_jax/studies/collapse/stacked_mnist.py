"""Stacked MNIST: how many of 1,000 modes do GANs make, and how does that depend on D's size?

The benchmark of mode collapse. --data=stacked:idx:DIR puts three digits into the channels of an
image; a classifier of digits counts which of the 1,000 numbers are among --n_images generated ones,
and the KL divergence of their shares from the data's. Systems, tables, flags and the way of
training are those of the study collapse: runs of a seed train in turn, after equal updates of G and
in equal wall time. --net=veegan has the nets of VEEGAN's and PacGAN's papers, --net=unrolled those
of Unrolled GAN's, with a D of a quarter or half of G's width (--disc_sizes). The table of published
values is beside the study's own.

  gan-jax stacked_mnist --flagfile=stacked_mnist_quick

Sources: Metz et al. 2017, Unrolled Generative Adversarial Networks; Srivastava et al. 2017, VEEGAN;
Lin et al. 2018, PacGAN. Writes results.json, tables.md, report.html and figures; the same command
goes on where it was stopped.
"""

from gan_jax.settings import RunSettings
from gan_jax.studies.collapse import command
from gan_jax.studies.collapse.flags import Flags, SharedSettings

GROUPS = (
    Flags(
        systems="gan,pac2,pac4,mgan,dragan,wgan_gp,distgan,morpho,pair",
        disc_sizes="0.25,0.5,1",
        n_images=26_000,
        curve=0,
    ),
    RunSettings(data="stacked:idx:data/mnist", size=28, batch=64, steps=2000),
    SharedSettings(net="unrolled", width=8),
)


def run(argv: list[str]) -> None:
    """Train, score and compare the systems that a command line names."""
    command.run_study("stacked_mnist", __doc__, GROUPS, argv)
