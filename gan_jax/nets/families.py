"""Net families by the name that --net gives them. See family.Family."""

from gan_jax.nets import dcgan, distgan_mnist, hdcgan, mlp, resnet, s1, unet

TABLE = {
    "dcgan": dcgan.DcganFamily(dcgan.STYLE),
    "hdcgan": dcgan.DcganFamily(hdcgan.STYLE),
    "s2": dcgan.DcganFamily(dcgan.S2),
    "s2_literal": dcgan.DcganFamily(dcgan.S2_LITERAL),
    "s2_prose": dcgan.DcganFamily(dcgan.S2_PROSE),
    "mgan": dcgan.DcganFamily(dcgan.MGAN),
    "mgan_mnist": dcgan.DcganFamily(dcgan.MGAN_MNIST),
    "distgan_mnist": distgan_mnist.FAMILY,
    "s1": s1.SECTION7,
    "s1_section4": s1.SECTION4,
    "sngan": resnet.SNGAN,
    "resnet": resnet.RESNET,
    "mlp": mlp.PLAIN,
    "keras": mlp.KERAS,
    "maxout": mlp.MAXOUT,
    "maxout_cgan": mlp.CGAN,
}
FROM_IMAGES = {"unet": unet.FAMILY}  # whose generators take images, not noise
