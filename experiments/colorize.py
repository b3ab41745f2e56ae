"""Colorization: a U-Net gives gray images their colours, a patch discriminator sees gray and colour side by side.

S4's conditional GAN, with the nets and weights of Isola, Zhu, Zhou and Efros, "Image-to-Image Translation with Conditional
Adversarial Networks", CVPR 2017, since S4 names none. --lambda_gan=0 trains the same net by regression alone, for comparison.
Sample grids show gray, made and original, of images not trained on. Flagfiles in experiments/flagfiles: colorize_quick
(CIFAR-10 at 32 px, minutes on 2 cores), colorize_celeba64 (S4's data; a GPU), colorize_smoke (seconds).
"""

from experiments import common

METHOD = "colorize"
DEFAULTS = {}

if __name__ == "__main__":
    common.main("colorize", METHOD, DEFAULTS, __doc__)
