"""InfoGAN: part of the noise is a code that the discriminator has to find again, so that it comes to mean something.

Paper: Chen et al., "InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial Nets",
NeurIPS 2016; cited by S3. Flagfiles in experiments/flagfiles: infogan_quick (MNIST, minutes on 2 cores), infogan_mnist (the
paper's length), infogan_smoke (seconds).
"""

from experiments import common

METHOD = "infogan"
DEFAULTS = {"net": "s2", "init": "normal", "size": 28, "lr": 1e-3, "lr_disc": 2e-4}

if __name__ == "__main__":
    common.main("infogan", METHOD, DEFAULTS, __doc__)
