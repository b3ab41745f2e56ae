"""DCGAN: a generator and a discriminator of strided convolutions with BatchNorm, and the non-saturating loss.

Paper: Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks", ICLR 2016; the baseline of S3 and the subject of S2. Other losses, penalties and nets are flags: --loss, --penalty,
--net. Flagfiles in experiments/flagfiles: dcgan_quick (galaxies, minutes on 2 cores), dcgan_mnist_quick (S2's net on MNIST,
minutes), dcgan_mnist (S2's setting), dcgan_64, dcgan_galaxyzoo128 (S3's setting; a GPU), dcgan_original64 (Radford's; a GPU),
dcgan_hdcgan128 (HDCGAN: S3's nets with the plain loss; a GPU), dcgan_smoke (seconds).
"""

from experiments import common

METHOD = "gan"
DEFAULTS = {"init": "normal"}

if __name__ == "__main__":
    common.main("dcgan", METHOD, DEFAULTS, __doc__)
