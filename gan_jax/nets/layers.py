"""Layers of all nets: convolutions by ops.conv, spectral norm, BatchNorm, dropout, initialisers."""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.core import parallel
from gan_jax.ops import conv, reduce
from gan_jax.settings import Size


class WeightOptions(NamedTuple):
    """Initialiser and spectral norm of a net's weights."""

    init: str | Callable = "xavier"  # see `initializer`
    # Divide weights by their spectral norm (Miyato et al. 2018): one power iteration per call in
    # training; its vector is stored with the net's running statistics.
    spectral: bool = False


_NORMAL = nn.initializers.normal(0.02)
INITIALIZERS: dict[str, Callable] = {  # name: (in_axis, out_axis) -> flax initializer
    "xavier": lambda **axes: nn.initializers.xavier_uniform(**axes),
    "lecun": lambda **axes: nn.initializers.lecun_normal(**axes),
    "he": lambda **axes: nn.initializers.he_normal(**axes),
    "normal": lambda **_: _NORMAL,
}


def initializer(name: str | Callable, transposed: bool = False) -> Callable:
    """Return a weight initialiser by name.

    Args:
      name: "xavier" (uniform, Glorot and Bengio 2010), "lecun" (normal, of SELU nets), "he"
        (normal, sd sqrt(2 / inputs)) or "normal" (sd 0.02, DCGAN); a flax initialiser is returned
        as it is.
      transposed: the weight's last axis is the layer's input, as in ConvT.
    """
    if callable(name):
        return name
    return INITIALIZERS[name](**({"in_axis": -1, "out_axis": -2} if transposed else {}))


def _unit(v):
    """Scale a vector to length 1."""
    return v / jnp.sqrt((v**2).sum() + 1e-12)


def _kernel(layer, shape, train, transposed=False):
    """Create the kernel of a layer, divided by its spectral norm if layer.weights.spectral.

    The norm is that of the matrix [all other axes, outputs]. Its derivative treats the singular
    vectors as constants.
    """
    w = layer.param("kernel", initializer(layer.weights.init, transposed), shape)
    if not layer.weights.spectral:
        return w
    outputs = shape[-2 if transposed else -1]
    matrix = (jnp.moveaxis(w, -2, -1) if transposed else w).reshape(-1, outputs)

    def first_vector():
        return _unit(jax.random.normal(layer.make_rng("params"), (outputs,), jnp.float32))

    u = layer.variable("batch_stats", "u", first_vector)
    fixed = jax.lax.stop_gradient(matrix)
    v = _unit(fixed @ u.value.astype(w.dtype))
    # Outside training the vector may be a moving average, which is shorter than 1.
    new = _unit(v @ fixed) if train else _unit(u.value).astype(w.dtype)
    if train and not layer.is_initializing():
        u.value = new.astype(u.value.dtype)
    return w / (v @ matrix @ new)


@jax.custom_vjp
def matmul(a: jax.Array, b: jax.Array) -> jax.Array:
    """Multiply a [M, K] by b [K, N], with derivatives in the layout of a and b.

    JAX writes the derivative in b as the transpose of a product. XLA removes that transpose only
    where one operation reads it. A step reads a gradient twice: for its norm and for the update.
    """
    return a @ b


matmul.defvjp(
    lambda a, b: (matmul(a, b), (a, b)),
    lambda saved, g: (matmul(g, saved[1].T), matmul(saved[0].T, g)),
)


def _add_bias(layer, y):
    """Add the layer's bias to y [..., features], if it has one."""
    if not layer.use_bias:
        return y
    bias = layer.param("bias", nn.initializers.zeros, (layer.features,))
    return y + reduce.broadcast_channels(bias, y.shape)


class Dense(nn.Module):
    """Affine map: [B, F] -> [B, features]."""

    features: int
    use_bias: bool = True
    weights: WeightOptions = WeightOptions()

    @nn.compact
    def __call__(self, x, train=False):
        y = matmul(x, _kernel(self, (x.shape[-1], self.features), train).astype(x.dtype))
        return _add_bias(self, y)


def _pair_sums(w):
    """Add to each tap the one before it, along both axes: [k, k, ...] -> [k + 1, k + 1, ...]."""
    for axis in (0, 1):
        ends = [[(0, 0)] * axis + [end] + [(0, 0)] * (3 - axis) for end in ((0, 1), (1, 0))]
        w = jnp.pad(w, ends[0]) + jnp.pad(w, ends[1])
    return w


class Conv(nn.Module):
    """Convolution, "SAME" padding: [N, H, W, Ci] -> [N, ceil(H/stride), ceil(W/stride), features].

    With `resize` it is one convolution of stride 2 whose kernel has sums of neighbouring taps: for
    3 x 3 taps, 16 multiplications in place of 36.
    """

    features: int
    kernel: int = 5
    stride: int = 2
    use_bias: bool = True
    weights: WeightOptions = WeightOptions()
    # "up": of the image after nearest-neighbour upsampling, -> [N, 2 H, 2 W, features].
    # "down": followed by averages of 2 x 2 pixels, H and W even, -> [N, H/2, W/2, features].
    # Both need an odd kernel and stride 1.
    resize: str = ""
    # Groups of channels that are convolved apart; they divide the channels of x and `features`.
    # With more than one, no `resize`.
    groups: int = 1

    @nn.compact
    def __call__(self, x, train=False):
        channels = x.shape[-1] // self.groups
        w = _kernel(self, (self.kernel, self.kernel, channels, self.features), train)
        if self.resize == "up":
            flipped = _pair_sums(w)[::-1, ::-1].transpose(0, 1, 3, 2)
            y = conv.conv_t(x, flipped, 2, (2 * x.shape[1], 2 * x.shape[2]))
        elif self.resize == "down":
            y = conv.conv(x, _pair_sums(w) / 4, 2)
        else:
            y = conv.grouped(x, w, self.stride, self.groups)
        return _add_bias(self, y)


class ConvT(nn.Module):
    """Transpose of a "SAME" convolution: [N, h, w, Ci] -> [N, H, W, features]."""

    features: int
    hw: tuple[int, int]  # (H, W)
    kernel: int = 5
    stride: int = 2
    use_bias: bool = True
    weights: WeightOptions = WeightOptions()

    @nn.compact
    def __call__(self, x, train=False):
        shape = (self.kernel, self.kernel, self.features, x.shape[-1])
        y = conv.conv_t(x, _kernel(self, shape, train, transposed=True), self.stride, self.hw)
        return _add_bias(self, y)


class BatchNorm(nn.Module):
    """Batch normalisation over all axes but the last, and over devices: [..., C] -> [..., C].

    The variance is the biased one, from a second pass: about the mean, so that it is exact where
    the mean is far from 0. Statistics are float32 or wider.

    Source: Ioffe and Szegedy 2015.
    """

    train: bool  # True: statistics of the batch; False: running averages
    momentum: float  # of the running averages
    use_scale: bool = True
    use_bias: bool = True
    axis: str | None = None  # name of the device axis; None on one device

    def _mean(self, x):
        """Average x [..., C] over rows and devices: [C]."""
        n = x.size // x.shape[-1]
        return parallel.average(reduce.sum_to_channels(x) / n, self.axis)

    @nn.compact
    def __call__(self, x):
        shape, wide = x.shape[-1:], x.astype(jnp.promote_types(x.dtype, jnp.float32))
        running = [
            self.variable("batch_stats", "mean", jnp.zeros, shape),
            self.variable("batch_stats", "var", jnp.ones, shape),
        ]
        mean, var = (r.value for r in running)
        mean = self._mean(wide) if self.train else mean
        # The mean, but a constant; and what it lacks: 0, with the derivatives of the mean.
        shift = jax.lax.stop_gradient(mean)
        rest = mean - shift
        centred = wide - reduce.broadcast_channels(shift, x.shape)
        if self.train:
            var = self._mean(centred * centred) - rest**2
        if self.train and not self.is_initializing():
            for r, now in zip(running, (mean, var), strict=True):
                r.value = self.momentum * r.value + (1 - self.momentum) * now
        scale = jax.lax.rsqrt(var + 1e-5)
        if self.use_scale:
            scale = scale * self.param("scale", nn.initializers.ones, shape)
        bias = self.param("bias", nn.initializers.zeros, shape) if self.use_bias else 0
        offset = bias - rest * scale
        y = centred * reduce.broadcast_channels(scale, x.shape)
        return (y + reduce.broadcast_channels(offset, x.shape)).astype(x.dtype)


def batch_norm(
    net: nn.Module,
    train: bool,
    cond: jax.Array | None = None,
    momentum: float = 0.9,
    name: str | None = None,
    **options,
) -> Callable[[jax.Array], jax.Array]:
    """Make a BatchNorm layer of a net: a function [N, ..., C] -> [N, ..., C].

    Momentum 0.9 and epsilon 1e-5 are what most sources of these methods have.

    Args:
      net: the net; statistics are averaged over the devices of net.axis.
      train: as in BatchNorm.
      cond: float [N, A] or None. With it, scale and offset are 1 and 0 plus linear functions of it
        (de Vries et al. 2017).
      momentum: of the running averages.
      name: of the layer; None for an automatic one.
      **options: further fields of BatchNorm.
    """
    options = {**options, "use_scale": False, "use_bias": False} if cond is not None else options

    def normalize(x):
        y = BatchNorm(train, momentum, axis=net.axis, name=name, **options)(x)
        if cond is None:
            return y
        shape = (x.shape[0], *[1] * (x.ndim - 2), x.shape[-1])
        delta = [
            nn.Dense(x.shape[-1], use_bias=False, kernel_init=nn.initializers.zeros)(cond)
            for _ in range(2)
        ]
        return y * (1 + delta[0].reshape(shape)) + delta[1].reshape(shape)

    return normalize


def dropout(net: nn.Module, x: jax.Array, rate: float, train: bool) -> jax.Array:
    """Set a fraction `rate` of x [B, ...] to zero in training, and scale the rest up.

    The mask does not depend on the number of devices.
    """
    if not train or not rate:
        return x
    uniform = parallel.random_rows(net, jax.random.uniform, net.make_rng("dropout"), x.shape)
    return jnp.where(uniform < 1 - rate, x / (1 - rate), 0)


def upsample(x: jax.Array) -> jax.Array:
    """Repeat every pixel along both axes: [N, H, W, C] -> [N, 2 H, 2 W, C]."""
    return x.repeat(2, 1).repeat(2, 2)


def downsample(x: jax.Array) -> jax.Array:
    """Average blocks of 2 x 2 pixels: [N, H, W, C] -> [N, H/2, W/2, C]."""
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).mean((2, 4))


class _Stem(nn.Module):
    """The layers that `mixture` maps over generators."""

    stem: Callable
    axis: str | None

    @nn.compact
    def __call__(self, z):
        return self.stem(self, z)


def mixture(
    stem: Callable, net: nn.Module, n: int, z: jax.Array, which: jax.Array | None = None
) -> jax.Array:
    """Apply the first layers of n generators, each with its own weights and statistics (MGAN).

    Args:
      stem: (module, z) -> h [B, ...]; creates its layers inside that module.
      net: the generator.
      n: number of generators.
      z: noise [B, Z], the same for all generators.
      which: int [B], the generator of each row; None: every row through every generator.

    Returns:
      [B, ...] with `which`, else [B * n, ...]: the first row through all generators, then the
      second, so that devices can share rows.
    """
    # Generators are the axis before the last of weights, and the second of activations: a dense
    # stem is one matrix product, and nothing is transposed.
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


def sides(hw: Size, stop: int = 4) -> list[Size]:
    """Halve both sides, rounding up, until the shorter is `stop` or less.

    28 x 28 -> [28 x 28, 14 x 14, 7 x 7, 4 x 4].
    """
    out = [hw]
    while min(out[-1]) > stop:
        out.append(Size(*(-(-side // 2) for side in out[-1])))
    return out


def flatten(x: jax.Array) -> jax.Array:
    """Flatten all axes but the first: [N, ...] -> [N, F]."""
    return jnp.reshape(x, (x.shape[0], -1))
