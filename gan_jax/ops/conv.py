"""Convolutions closed under differentiation: three bilinear maps, each other's derivatives.

    conv(x, w)      [N, H, W, Ci], [k, k, Ci, Co] -> [N, ceil(H/s), ceil(W/s), Co]
    conv_t(y, w)    its linear transpose in x: [N, ceil(H/s), ceil(W/s), Co] -> [N, H, W, Ci]
    wgrad(x, y)     its linear transpose in w: -> [k, k, Ci, Co]

Padding is TensorFlow's "SAME"; s is the stride.

Each is a custom_vjp whose rules are the other two, so any order of reverse-mode differentiation
stays inside the three (there is no forward mode). On a CPU each has a form that XLA runs fast, in
plain NHWC / HWIO layout, also inside `cond` and `scan`. Elsewhere they are XLA's own transposes,
which GPU libraries recognise. A GAN's step made of plain flax layers is 4 to 26 times slower on a
CPU (`python -m experiments.benchmarks`), and far slower again inside `cond` or `scan`.

`grouped` is a grouped or depthwise convolution made of `conv`.

GAN_CONV=native or GAN_CONV=cpu overrides the choice, see cpu.fast_cpu.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_jax.ops import cpu

NARROW = 16  # channels: fewer are too few for the matrix products that a convolution becomes
_LAYOUT = ("NHWC", "HWIO", "NHWC")


def out_size(size: int, stride: int) -> int:
    """Return the side after a "SAME" convolution."""
    return -(-size // stride)


def _pads(size, k, stride):
    """Return the "SAME" padding (low, high) of one axis."""
    total = max((out_size(size, stride) - 1) * stride + k - size, 0)
    return total // 2, total - total // 2


def _native(x, w, stride, groups=1):
    pads = [_pads(size, w.shape[0], stride) for size in x.shape[1:3]]
    return lax.conv_general_dilated(
        x, w, (stride, stride), pads, dimension_numbers=_LAYOUT, feature_group_count=groups
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def conv(x: jax.Array, w: jax.Array, stride: int) -> jax.Array:
    """Cross-correlate x [N, H, W, Ci] with w [k, k, Ci, Co], "SAME" padding.

    Args:
      x: images.
      w: kernel.
      stride: of both axes.

    Returns:
      [N, ceil(H/stride), ceil(W/stride), Co].
    """
    return _native(x, w, stride)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv_t(y: jax.Array, w: jax.Array, stride: int, hw: tuple[int, int]) -> jax.Array:
    """Apply the transpose of `conv` in x.

    Args:
      y: [N, ceil(H/stride), ceil(W/stride), Co].
      w: kernel [k, k, Ci, Co].
      stride: of both axes.
      hw: (H, W), sides of the result.

    Returns:
      [N, H, W, Ci].
    """
    k, ci = w.shape[0], w.shape[2]
    if not cpu.fast_cpu():
        shape = jax.ShapeDtypeStruct((y.shape[0], *hw, ci), y.dtype)
        return jax.linear_transpose(lambda x: _native(x, w, stride), shape)(y)[0]
    # ONNX's exporter cannot pad batches of symbolic length, so exported nets take this form.
    if stride != 2 or k == 1 or not isinstance(y.shape[0], int):
        return _dilated(y, w, stride, hw)
    if y.shape[1] * y.shape[2] <= k * k or (ci <= 4 and w.shape[3] > 16):
        return _col2im(y, w, hw)
    return _sub_pixel(y, w, hw) if ci <= 16 else _phases(y, w, hw)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def wgrad(x: jax.Array, y: jax.Array, stride: int, k: int) -> jax.Array:
    """Apply the transpose of `conv` in w: the weight gradient.

    Args:
      x: images [N, H, W, Ci].
      y: gradient of the result, [N, ceil(H/stride), ceil(W/stride), Co].
      stride: of both axes.
      k: side of the kernel.

    Returns:
      [k, k, Ci, Co].
    """
    if not cpu.fast_cpu():
        shape = jax.ShapeDtypeStruct((k, k, x.shape[-1], y.shape[-1]), x.dtype)
        return jax.linear_transpose(lambda w: _native(x, w, stride), shape)(y)[0]
    pads = []
    for size, out in zip(x.shape[1:3], y.shape[1:3], strict=True):
        low, _ = _pads(size, k, stride)
        pads.append((low, k - 1 + (out - 1) * stride + 1 - size - low))
    # Without this XLA recomputes x and y inside the transposes, with large strides.
    x, y = cpu.materialize((x, y))
    # Explicit transposes keep the layout plain: XLA's CPU kernels for permuted layouts are naive
    # inside cond and scan.
    out = lax.conv_general_dilated(
        x.transpose(3, 1, 2, 0),
        y.transpose(1, 2, 0, 3),
        (1, 1),
        pads,
        rhs_dilation=(stride, stride),
        dimension_numbers=_LAYOUT,
    )
    return out.transpose(1, 2, 0, 3)


def _dilated(y, w, stride, hw):
    """Compute conv_t as a convolution of y, dilated with zeros, with the flipped kernel."""
    k = w.shape[0]
    pads = []
    for size, out in zip(hw, y.shape[1:3], strict=True):
        low = k - 1 - _pads(size, k, stride)[0]
        pads.append((low, size - (out - 1) * stride - 1 - low + k - 1))
    flipped = w[::-1, ::-1].transpose(0, 1, 3, 2)
    return lax.conv_general_dilated(
        y, flipped, (1, 1), pads, lhs_dilation=(stride, stride), dimension_numbers=_LAYOUT
    )


def _taps(size, k):
    """List pairs (shift d, kernel tap t) for each phase a of conv_t with stride 2, along one axis.

    out[2 i + a] = sum over pairs of y[i + d] * w[t], from a + low = 2 d + t.
    """
    low, _ = _pads(size, k, 2)
    return [[((a + low - t) // 2, t) for t in range(k) if (a + low - t) % 2 == 0] for a in (0, 1)]


def _interleave(phases, hw):
    """Interleave phases: [N, h, w, 2, 2, C] -> [N, H, W, C].

    Phase (a, b) holds rows 2 i + a and columns 2 j + b.
    """
    n, h, w, _, _, c = phases.shape
    return phases.transpose(0, 1, 3, 2, 4, 5).reshape(n, 2 * h, 2 * w, c)[:, : hw[0], : hw[1]]


def _from_phases(phase, hw, k):
    """Assemble [N, H, W, C] from its phases.

    Args:
      phase: (taps of the rows, taps of the columns) -> [N, h, w, C].
      hw: (H, W).
      k: side of the kernel.
    """
    rows, columns = _taps(hw[0], k), _taps(hw[1], k)
    return _interleave(
        jnp.stack([jnp.stack([phase(a, b) for b in columns], 3) for a in rows], 3), hw
    )


def _phases(y, w, hw):
    """Compute conv_t as a stride-1 convolution for each of the four phases, without zeros."""

    def phase(rows, columns):
        (d, t), (e, u) = (zip(*sorted(taps), strict=True) for taps in (rows, columns))
        kernel = w[np.array(t)][:, np.array(u)].transpose(0, 1, 3, 2)
        pads = (-d[0], d[-1]), (-e[0], e[-1])
        return lax.conv_general_dilated(y, kernel, (1, 1), pads, dimension_numbers=_LAYOUT)

    return _from_phases(phase, hw, w.shape[0])


def _sub_pixel(y, w, hw):
    """Compute conv_t as one stride-1 convolution to 4 Ci channels, then depth to space.

    For few output channels.
    """
    k, ci, co = w.shape[0], w.shape[2], w.shape[3]
    select = []
    for size in hw:
        taps = _taps(size, k)
        shifts = [d for phase in taps for d, _ in phase]
        low, high = min(shifts), max(shifts)
        s = np.zeros((high - low + 1, 2, k), np.float32)
        for a, phase in enumerate(taps):
            for d, t in phase:
                s[d - low, a, t] = 1
        select.append((s, (-low, high)))
    (sh, pad_h), (sw, pad_w) = select
    kernel = jnp.einsum("dat,ebu,tuio->deoabi", sh.astype(w.dtype), sw.astype(w.dtype), w)
    kernel = kernel.reshape(sh.shape[0], sw.shape[0], co, 4 * ci)
    out = lax.conv_general_dilated(y, kernel, (1, 1), (pad_h, pad_w), dimension_numbers=_LAYOUT)
    return _interleave(out.reshape(*out.shape[:3], 2, 2, ci), hw)


def _col2im(y, w, hw):
    """Compute conv_t as one matrix product to all taps, then sums of shifted results.

    For tiny images, and from many channels to a few.
    """
    n, h, wd, co = y.shape
    k, ci = w.shape[0], w.shape[2]
    cols = y.reshape(-1, co) @ w.transpose(3, 0, 1, 2).reshape(co, k * k * ci)
    cols = cols.reshape(n, h, wd, k, k, ci)
    zero = jnp.zeros((), cols.dtype)

    def shifted(d, t, e, u):
        """Return cols[i + d, j + e] of tap (t, u) at [i, j], zero outside."""
        return lax.pad(cols[:, :, :, t, u], zero, ((0, 0, 0), (-d, d, 0), (-e, e, 0), (0, 0, 0)))

    def phase(rows, columns):
        return sum(shifted(d, t, e, u) for d, t in rows for e, u in columns)

    return _from_phases(phase, hw, k)


conv.defvjp(
    lambda x, w, stride: (conv(x, w, stride), (x, w)),
    lambda stride, saved, g: (
        conv_t(g, saved[1], stride, saved[0].shape[1:3]),
        wgrad(saved[0], g, stride, saved[1].shape[0]),
    ),
)
conv_t.defvjp(
    lambda y, w, stride, hw: (conv_t(y, w, stride, hw), (y, w)),
    lambda stride, hw, saved, g: (
        conv(g, saved[1], stride),
        wgrad(g, saved[0], stride, saved[1].shape[0]),
    ),
)
wgrad.defvjp(
    lambda x, y, stride, k: (wgrad(x, y, stride, k), (x, y)),
    lambda stride, k, saved, g: (
        conv_t(saved[1], g, stride, saved[0].shape[1:3]),
        conv(saved[0], g, stride),
    ),
)


def grouped(x: jax.Array, w: jax.Array, stride: int, groups: int) -> jax.Array:
    """Cross-correlate each of several groups of channels with kernels of its own, "SAME" padding.

    Value and derivative in x or in w are 2 k^2 N h w Co Ci / groups FLOPs each, h and w the sides
    of the result.

    On a CPU it is a `conv` of every group; of groups below NARROW channels, several are one `conv`
    whose kernel is zero between them. Derivatives by XLA's own take 15 to 60 times as long.

    Args:
      x: images [N, H, W, Ci].
      w: kernel [k, k, Ci / groups, Co]; group i has the i-th share of Ci and of Co.
      stride: of both axes.
      groups: number of groups, which divides Ci and Co; Ci for a depthwise convolution.

    Returns:
      [N, ceil(H/stride), ceil(W/stride), Co].
    """
    if groups == 1:
        return conv(x, w, stride)
    if not cpu.fast_cpu():
        return _native(x, w, stride, groups)
    fitting = [m for m in range(1, groups + 1) if groups % m == 0 and m * w.shape[2] <= NARROW]
    together = max(fitting, default=1)
    parts = zip(*(jnp.split(a, groups // together, -1) for a in (x, w)), strict=True)
    return jnp.concatenate([conv(x, _joined(w, together), stride) for x, w in parts], -1)


def _joined(w, groups):
    """Write the kernel [k, k, ci, Co] of a grouped convolution as [k, k, groups ci, Co]."""
    k, _, ci, co = w.shape
    own = jnp.eye(groups, dtype=w.dtype)[:, None, :, None]
    return (w.reshape(k, k, 1, ci, groups, -1) * own).reshape(k, k, groups * ci, co)
