"""MGAN: several generators that share all but their first layer, and a classifier that has to tell their images apart.

Paper: Hoang, Nguyen, Le and Phung, "MGAN: Training Generative Adversarial Nets with Multiple Generators", ICLR 2018; the GAN
that S0 spreads over nodes. Defaults are those of the released code for CIFAR-10. Flagfiles in experiments/flagfiles:
mgan_quick (MNIST, minutes on 2 cores), mgan_mnist (S0's setting), mgan_cifar10 (the released one; a GPU), mgan_smoke
(seconds).
"""

from experiments import common

METHOD = "mgan"
DEFAULTS = {"init": "normal"}

if __name__ == "__main__":
    common.main("mgan", METHOD, DEFAULTS, __doc__)
