"""Net families by the name that --net gives them. Each builds a generator, a discriminator and an encoder from settings.

A family has gen(hp, shape, weights) (with n_gens=0 where it mixes), disc(hp, shape, weights, n_classes=0), enc(hp, shape,
weights), and says what it can do: conditions (its nets read a condition by themselves), mixes (its generator can be a
mixture), points (its nets also take points).
"""

from gan_jax.nets import dcgan, distgan_mnist, hdcgan, mlp, resnet, s1, unet

TABLE = {
    "dcgan": dcgan.Family(dcgan.STYLE),
    "hdcgan": dcgan.Family(hdcgan.STYLE),
    "s2": dcgan.Family(dcgan.S2),
    "s2_literal": dcgan.Family(dcgan.S2_LITERAL),
    "s2_prose": dcgan.Family(dcgan.S2_PROSE),
    "mgan": dcgan.Family(dcgan.MGAN),
    "mgan_mnist": dcgan.Family(dcgan.MGAN_MNIST),
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
