"""HDCGAN-like nets: `dcgan` with SELU after every BatchNorm and a second block of twice the width at 128 px (S3, figure 2).

Curto et al. (2017) publish no layer table. This is the discriminator and the encoder of Morpho-GAN's released code with a
generator that reaches 128 px, which the released one does not (D16). At 128 px and width 128: D 18,871,809 parameters,
E 35,241,572 with its wide last block, G 20,524,675. S3's noise at D's input is added by the method, fresh at every call.
"""

import functools

import flax.linen as nn

from gan_jax.nets import dcgan

STYLE = dcgan.DcganConfig(
    gen=nn.selu, first=functools.partial(nn.leaky_relu, negative_slope=0.1), rest=nn.selu, repeat=2
)
