"""Net families by their value of --net."""

from gan_jax.errors import InputError
from gan_jax.nets import dcgan, distgan_mnist, hdcgan, mlp, r3gan, resnet, s1, unet, unrolled
from gan_jax.nets.family import Family
from gan_jax.plugins import Table


def _adapt(name, part):
    family = part() if isinstance(part, type) and issubclass(part, Family) else part
    if not isinstance(family, Family):
        raise InputError(
            f"{name} is no net family; make it a subclass of gan_jax.nets.family.Family."
        )
    return family


_BUILT_IN: dict[str, Family] = {
    # DCGAN (Radford et al. 2016), any size; Dist-GAN's nets for CIFAR-10 and CelebA
    "dcgan": dcgan.DcganFamily(dcgan.DCGAN),
    # HDCGAN (Curto et al. 2017) with SELU, as Morpho-GAN (S3) has it
    "hdcgan": dcgan.DcganFamily(hdcgan.HDCGAN),
    # S2's DCGAN for MNIST: as intended, by its tables to the letter, and by its prose (D20)
    "s2": dcgan.DcganFamily(dcgan.S2),
    "s2_literal": dcgan.DcganFamily(dcgan.S2_LITERAL),
    "s2_prose": dcgan.DcganFamily(dcgan.S2_PROSE),
    # MGAN (Hoang et al. 2018): for CIFAR-10 and for 28 px (D14, D15)
    "mgan": dcgan.DcganFamily(dcgan.MGAN),
    "mgan_mnist": dcgan.DcganFamily(dcgan.MGAN_MNIST),
    # Dist-GAN (Tran et al. 2018) for MNIST, 28 px alone
    "distgan_mnist": distgan_mnist.FAMILY,
    # for Stacked MNIST: VEEGAN's (Srivastava et al. 2017), and Unrolled GAN's (Metz et al. 2017)
    "veegan": dcgan.DcganFamily(dcgan.VEEGAN),
    "unrolled": unrolled.FAMILY,
    # S1's nets for Fashion-MNIST: Keras-GAN's AC-GAN, and Atienza's DCGAN (D19)
    "s1": s1.SECTION7,
    "s1_section4": s1.SECTION4,
    # SN-GAN (Miyato et al. 2018), and the ResNet of WGAN-GP (Gulrajani et al. 2017)
    "sngan": resnet.SNGAN,
    "resnet": resnet.RESNET,
    # R3GAN (Huang et al. 2024): no norms, grouped convolutions
    "r3gan": r3gan.FAMILY,
    # perceptrons: plain, Keras-GAN's GAN, maxout (Goodfellow et al. 2014), its conditional form
    # (Mirza and Osindero 2014), and PacGAN's for points (Lin et al. 2018)
    "mlp": mlp.PLAIN,
    "keras": mlp.KERAS,
    "maxout": mlp.MAXOUT,
    "maxout_cgan": mlp.CGAN,
    "ali_points": mlp.ALI,
}
TABLE: Table[Family] = Table("nets", _BUILT_IN, _adapt)
# Families whose generators take images, not noise: pix2pix's U-Net (Isola et al. 2017).
FROM_IMAGES: dict[str, Family] = {"unet": unet.FAMILY}
