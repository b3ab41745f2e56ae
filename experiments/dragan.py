"""DRAGAN: the usual GAN loss, and a penalty on the discriminator's slope near real images only.

Paper: Kodali, Abernethy, Hays and Kira, "On Convergence and Stability of GANs", 2017; the penalty that Morpho-GAN takes over
(S3). Defaults are those of the authors' MNIST notebook: one hidden layer of 128 units. Flagfiles in experiments/flagfiles:
dragan_quick (MNIST, minutes on 2 cores), dragan_notebook (its 200,000 iterations), dragan_smoke (seconds).
"""

from experiments import common

METHOD = "gan"
DEFAULTS = {
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
}

if __name__ == "__main__":
    common.main("dragan", METHOD, DEFAULTS, __doc__)
