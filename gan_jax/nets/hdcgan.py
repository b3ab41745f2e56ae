"""HDCGAN-like nets: `dcgan` with SELU after every BatchNorm, a second block of 2 width at 128 px.

The source is S3, figure 2 (Morpho-GAN). Curto et al. (2017) publish no layer table. The
discriminator and the encoder are those of Morpho-GAN's released code. The generator reaches 128 px,
which the released one does not (D16). At 128 px and width 128: D 18,871,809 parameters,
E 35,241,572 with its wide last block, G 20,524,675. S3's noise on D's input belongs to the method,
see methods.discriminator.apply.
"""

import functools

import flax.linen as nn

from gan_jax.nets import dcgan

HDCGAN = dcgan.DcganConfig(
    gen=nn.selu, first=functools.partial(nn.leaky_relu, negative_slope=0.1), rest=nn.selu, repeat=2
)
