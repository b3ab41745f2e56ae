"""Layers shared by all nets: convolutions through the algebra of `conv`, normalisation, activations, initialisers."""

import flax.linen as nn
import jax.numpy as jnp

from gan_jax.nets import conv


def initializer(name, transposed=False):
    """Weight initialiser by name.

    Args:
      name: "xavier" (uniform, Glorot and Bengio 2010), "lecun" (normal, the SELU init) or "normal" (sd 0.02, DCGAN).
      transposed: the weight's last axis is the layer's input, as in ConvT.
    """
    axes = {"in_axis": -1, "out_axis": -2} if transposed else {}
    table = {
        "xavier": nn.initializers.xavier_uniform(**axes),
        "lecun": nn.initializers.lecun_normal(**axes),
        "normal": nn.initializers.normal(0.02),
    }
    return table[name]


class Conv(nn.Module):
    """Convolution with "SAME" padding: [N, H, W, Ci] -> [N, ceil(H/stride), ceil(W/stride), features]."""

    features: int
    kernel: int = 5
    stride: int = 2
    use_bias: bool = True
    weight_init: str = "xavier"

    @nn.compact
    def __call__(self, x):
        shape = (self.kernel, self.kernel, x.shape[-1], self.features)
        y = conv.conv(x, self.param("kernel", initializer(self.weight_init), shape), self.stride)
        return y + self.param("bias", nn.initializers.zeros, (self.features,)) if self.use_bias else y


class ConvT(nn.Module):
    """Transposed convolution, the transpose of a "SAME" one: [N, h, w, Ci] -> [N, H, W, features], hw = (H, W)."""

    features: int
    hw: tuple
    kernel: int = 5
    stride: int = 2
    use_bias: bool = True
    weight_init: str = "xavier"

    @nn.compact
    def __call__(self, x):
        shape = (self.kernel, self.kernel, self.features, x.shape[-1])
        w = self.param("kernel", initializer(self.weight_init, transposed=True), shape)
        y = conv.conv_t(x, w, self.stride, self.hw)
        return y + self.param("bias", nn.initializers.zeros, (self.features,)) if self.use_bias else y


def norm(net, train, **options):
    """BatchNorm for a net: the one reader of `net.axis`, over which statistics are averaged (None: this device alone).

    Decay 0.9 and epsilon 1e-5, as every source of these methods has; the variance is the biased one.
    """
    return nn.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5, axis_name=net.axis, **options)


def sides(size):
    """Side lengths from `size` down to 4 or less by halving, rounding up: 28 -> [28, 14, 7, 4], 128 -> [128, ..., 4]."""
    out = [size]
    while out[-1] > 4:
        out.append(-(-out[-1] // 2))
    return out


def flatten(x):
    """[N, ...] -> [N, F]."""
    return jnp.reshape(x, (x.shape[0], -1))
