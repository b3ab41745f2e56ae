"""WGAN-GP: the critic estimates a distance between data and samples, kept honest by a penalty on its slope; five critic
updates per generator update.

Paper: Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017. --penalty=none --clip=0.01 --optimizer=rmsprop
is the WGAN it improves (Arjovsky et al. 2017; flagfile wgan_gp_clip). Defaults are those of its MNIST script, but for the
weights, which begin He-normal here. Flagfiles in experiments/flagfiles: wgan_gp_quick (MNIST, minutes on 2 cores),
wgan_gp_mnist, wgan_gp_cifar10, wgan_gp_resnet (the published settings; a GPU), wgan_gp_smoke (seconds).
"""

from experiments import common

METHOD = "gan"
DEFAULTS = {
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
}

if __name__ == "__main__":
    common.main("wgan_gp", METHOD, DEFAULTS, __doc__)
