"""DCGAN: a generator and a discriminator of strided convolutions with BatchNorm, and the non-saturating loss.

Paper: Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks", ICLR 2016; the baseline of S3 and the subject of S2. Other losses and penalties are flags: --loss, --penalty,
--n_disc. Flagfiles in experiments/flagfiles: dcgan_quick (minutes on 2 cores), dcgan_64, dcgan_galaxyzoo128 (S3's setting, a
GPU), dcgan_smoke (seconds).
"""

from experiments import common

METHOD = "gan"
DEFAULTS = {"init": "normal"}

if __name__ == "__main__":
    common.main("dcgan", METHOD, DEFAULTS, __doc__)
