"""Layers shared by all nets: convolutions through the algebra of `conv`, normalisation, dropout, initialisers."""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.core import parallel
from gan_jax.ops import conv, reduce


class Weights(NamedTuple):
    """How the weights of a net begin, and whether they are divided by their spectral norm.

    init: see `initializer`. spectral: Miyato et al. 2018; one power iteration per call in training, the vector kept with the
    net's statistics.
    """

    init: str | Callable = "xavier"
    spectral: bool = False


_NORMAL = nn.initializers.normal(0.02)
INITIALIZERS = {  # name: (in_axis, out_axis) -> flax initializer
    "xavier": lambda **axes: nn.initializers.xavier_uniform(**axes),
    "lecun": lambda **axes: nn.initializers.lecun_normal(**axes),
    "he": lambda **axes: nn.initializers.he_normal(**axes),
    "normal": lambda **_: _NORMAL,
}


def initializer(name, transposed=False):
    """Weight initialiser by name.

    Args:
      name: "xavier" (uniform, Glorot and Bengio 2010), "lecun" (normal, the SELU init), "he" (normal, sd sqrt(2 / inputs)) or
        "normal" (sd 0.02, DCGAN); or a flax initialiser, returned as it is.
      transposed: the weight's last axis is the layer's input, as in ConvT.
    """
    if callable(name):
        return name
    return INITIALIZERS[name](**({"in_axis": -1, "out_axis": -2} if transposed else {}))


def _unit(v):
    return v / jnp.sqrt((v**2).sum() + 1e-12)


def _weight(layer, shape, train, transposed=False):
    """The kernel of a layer, divided by its spectral norm where `layer.weights` asks for it.

    The norm is that of the matrix [everything else, outputs]; the derivative passes through it, not through the vectors.
    """
    w = layer.param("kernel", initializer(layer.weights.init, transposed), shape)
    if not layer.weights.spectral:
        return w
    matrix = (jnp.moveaxis(w, -2, -1) if transposed else w).reshape(
        -1, shape[-2 if transposed else -1]
    )
    u = layer.variable(
        "batch_stats",
        "u",
        lambda: _unit(jax.random.normal(layer.make_rng("params"), (matrix.shape[1],), jnp.float32)),
    )
    fixed = jax.lax.stop_gradient(matrix)
    v = _unit(fixed @ u.value.astype(w.dtype))
    new = (
        _unit(v @ fixed) if train else _unit(u.value).astype(w.dtype)
    )  # an averaged vector is shorter than 1
    if train and not layer.is_initializing():
        u.value = new.astype(jnp.float32)
    return w / (v @ matrix @ new)


@jax.custom_vjp
def product(a, b):
    """a [M, K] @ b [K, N] whose derivatives are products in the layout of a and b.

    JAX writes b's as the transpose of a product, which XLA turns round only where a single operation reads it; but a step reads
    a gradient twice, for its norm and for the update.
    """
    return a @ b


product.defvjp(
    lambda a, b: (product(a, b), (a, b)),
    lambda saved, g: (product(g, saved[1].T), product(saved[0].T, g)),
)


def _biased(layer, y):
    """y [..., features] plus the layer's bias, if it has one."""
    if not layer.use_bias:
        return y
    return y + reduce.broadcast_channels(layer.param("bias", nn.initializers.zeros, (layer.features,)), y.shape)


class Dense(nn.Module):
    """Affine map: [B, F] -> [B, features]."""

    features: int
    use_bias: bool = True
    weights: Weights = Weights()

    @nn.compact
    def __call__(self, x, train=False):
        y = product(x, _weight(self, (x.shape[-1], self.features), train).astype(x.dtype))
        return _biased(self, y)


def _pair_sums(w):
    """[k, k, Ci, Co] -> [k + 1, k + 1, Ci, Co]: each tap and the one before it added up, along both axes."""
    for axis in (0, 1):
        ends = [[(0, 0)] * axis + [end] + [(0, 0)] * (3 - axis) for end in ((0, 1), (1, 0))]
        w = jnp.pad(w, ends[0]) + jnp.pad(w, ends[1])
    return w


class Conv(nn.Module):
    """Convolution with "SAME" padding: [N, H, W, Ci] -> [N, ceil(H/stride), ceil(W/stride), features].

    resize: "" or, with an odd kernel and stride 1, "up" or "down". up: of the image with every pixel twice along both axes, as
    nearest-neighbour interpolation gives it: [N, 2 H, 2 W, features]. down: with averages of 2 x 2 pixels of its result, of an
    image of even sides: [N, H/2, W/2, features]. Either is one convolution of stride 2 whose kernel has sums of neighbouring
    taps: with 3 x 3 taps, 16 products in place of 36.
    """

    features: int
    kernel: int = 5
    stride: int = 2
    use_bias: bool = True
    weights: Weights = Weights()
    resize: str = ""

    @nn.compact
    def __call__(self, x, train=False):
        w = _weight(self, (self.kernel, self.kernel, x.shape[-1], self.features), train)
        if self.resize == "up":
            turned = _pair_sums(w)[::-1, ::-1].transpose(0, 1, 3, 2)
            y = conv.conv_t(x, turned, 2, (2 * x.shape[1], 2 * x.shape[2]))
        elif self.resize == "down":
            y = conv.conv(x, _pair_sums(w) / 4, 2)
        else:
            y = conv.conv(x, w, self.stride)
        return _biased(self, y)


class ConvT(nn.Module):
    """Transposed convolution, the transpose of a "SAME" one: [N, h, w, Ci] -> [N, H, W, features], hw = (H, W)."""

    features: int
    hw: tuple
    kernel: int = 5
    stride: int = 2
    use_bias: bool = True
    weights: Weights = Weights()

    @nn.compact
    def __call__(self, x, train=False):
        shape = (self.kernel, self.kernel, self.features, x.shape[-1])
        y = conv.conv_t(x, _weight(self, shape, train, transposed=True), self.stride, self.hw)
        return _biased(self, y)


class BatchNorm(nn.Module):
    """Ioffe and Szegedy 2015: [..., C] in, the same out, normalised over all axes but the last and over the devices of `axis`.

    The variance is the biased one, E[x^2] - E[x]^2 in one pass. Statistics are computed and kept in float32 or wider.
    momentum: of the running averages, which are what normalises where `train` is false.
    """

    train: bool
    momentum: float
    use_scale: bool = True
    use_bias: bool = True
    axis: str | None = None

    def _moments(self, x):
        n = x.size // x.shape[-1]
        mean, square = parallel.average((reduce.sum_to_channels(x) / n, reduce.sum_to_channels(x * x) / n), self.axis)
        return mean, jnp.maximum(square - mean**2, 0)

    @nn.compact
    def __call__(self, x):
        shape, wide = x.shape[-1:], x.astype(jnp.promote_types(x.dtype, jnp.float32))
        running = [
            self.variable("batch_stats", "mean", jnp.zeros, shape),
            self.variable("batch_stats", "var", jnp.ones, shape),
        ]
        mean, var = self._moments(wide) if self.train else (r.value for r in running)
        if self.train and not self.is_initializing():
            for r, now in zip(running, (mean, var), strict=True):
                r.value = self.momentum * r.value + (1 - self.momentum) * now
        scale = jax.lax.rsqrt(var + 1e-5)
        scale = (
            scale * self.param("scale", nn.initializers.ones, shape) if self.use_scale else scale
        )
        offset = (
            self.param("bias", nn.initializers.zeros, shape) if self.use_bias else 0
        ) - mean * scale
        return (wide * reduce.broadcast_channels(scale, x.shape) + reduce.broadcast_channels(offset, x.shape)).astype(
            x.dtype
        )


def norm(net, train, cond=None, momentum=0.9, name=None, **options):
    """BatchNorm for a net: the one reader of `net.axis`, over which statistics are averaged (None: this device alone).

    Args:
      cond: float [N, A] or None. With it scale and offset are 1 and 0 plus linear functions of it (de Vries et al. 2017).
      momentum: of the running averages; 0.9 and epsilon 1e-5 are what most sources of these methods have.
      options: of BatchNorm.
    """
    options = {**options, "use_scale": False, "use_bias": False} if cond is not None else options

    def normed(x):
        y = BatchNorm(train, momentum, axis=net.axis, name=name, **options)(x)
        if cond is None:
            return y
        shape = (x.shape[0], *[1] * (x.ndim - 2), x.shape[-1])
        delta = [
            nn.Dense(x.shape[-1], use_bias=False, kernel_init=nn.initializers.zeros)(cond)
            for _ in range(2)
        ]
        return y * (1 + delta[0].reshape(shape)) + delta[1].reshape(shape)

    return normed


def dropout(net, x, rate, train):
    """Zeroes a share `rate` of x in training and scales the rest up; the mask is that of one device, however many there are."""
    if not train or not rate:
        return x
    keep = parallel.random_rows(net, jax.random.uniform, net.make_rng("dropout"), x.shape) < 1 - rate
    return jnp.where(keep, x / (1 - rate), 0)


def upsample(x):
    """Every pixel twice along both axes: [N, H, W, C] -> [N, 2 H, 2 W, C]."""
    return x.repeat(2, 1).repeat(2, 2)


class _Stem(nn.Module):
    stem: Callable
    axis: str | None

    @nn.compact
    def __call__(self, z):
        return self.stem(self, z)


def mixture(stem, net, n, z, which=None):
    """The first layers of n generators, each with weights and statistics of its own (MGAN).

    Args:
      stem: function (net, z) -> h [B, ...] that makes its layers inside the net it is given.
      z: [B, Z], the same for all generators.
      which: int [B], the generator of each row; None: every row through every generator.

    Returns:
      [B * n, ...], the first row through all generators, then the second: so devices can share rows; [B, ...] with `which`.
    """
    # Generators lie before the last axis of weights and after the rows: a dense stem is one product, nothing is transposed.
    lifted = nn.vmap(
        _Stem,
        in_axes=None,
        out_axes=1,
        axis_size=n,
        variable_axes={"params": -2, "batch_stats": -2},
        split_rngs={"params": True},
    )
    h = lifted(stem, net.axis, name="private")(z)
    if which is None:
        return h.reshape(-1, *h.shape[2:])
    return h[jnp.arange(which.shape[0]), which]


def sides(size, stop=4):
    """Side lengths from `size` down to `stop` or less by halving, rounding up: 28 -> [28, 14, 7, 4], 128 -> [128, ..., 4]."""
    out = [size]
    while out[-1] > stop:
        out.append(-(-out[-1] // 2))
    return out


def flatten(x):
    """[N, ...] -> [N, F]."""
    return jnp.reshape(x, (x.shape[0], -1))
