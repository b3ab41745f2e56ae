"""A convolution algebra closed under differentiation: three bilinear maps whose derivatives are each other.

    conv(x, w)      [N, H, W, Ci], [k, k, Ci, Co] -> [N, ceil(H/s), ceil(W/s), Co]     TF "SAME" padding
    conv_t(y, w)    its linear transpose in x: [N, ceil(H/s), ceil(W/s), Co] -> [N, H, W, Ci]
    wgrad(x, y)     its linear transpose in w: -> [k, k, Ci, Co]

Each is a custom_vjp whose rules are the other two, so any order of reverse-mode differentiation stays inside the
three (forward mode does not exist here). On a CPU each has a form that XLA runs fast, in plain NHWC / HWIO layout, also
inside `cond` and `scan`; elsewhere XLA's own transposes are used, which GPU libraries recognise. A GAN's step made of plain
flax layers is 4 to 26 times slower on a CPU (`experiments.benchmarks`), and far slower again inside `cond` or `scan`.

`GAN_CONV=native` or `GAN_CONV=cpu` overrides the choice (read when a net is traced).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_jax.ops import cpu

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def out_size(size, stride):
    """Side length after a "SAME" convolution."""
    return -(-size // stride)


def _pad_low(size, k, stride):
    return max((out_size(size, stride) - 1) * stride + k - size, 0) // 2


def _pads(size, k, stride):
    total = max((out_size(size, stride) - 1) * stride + k - size, 0)
    return total // 2, total - total // 2


def _native(x, w, stride):
    pads = [_pads(size, w.shape[0], stride) for size in x.shape[1:3]]
    return lax.conv_general_dilated(x, w, (stride, stride), pads, dimension_numbers=_LAYOUT)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def conv(x, w, stride):
    """Cross-correlation of x [N, H, W, Ci] with w [k, k, Ci, Co], "SAME" padding, one stride for both axes."""
    return _native(x, w, stride)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv_t(y, w, stride, hw):
    """The transposed convolution: y [N, ceil(H/s), ceil(W/s), Co], w [k, k, Ci, Co], hw = (H, W) -> [N, H, W, Ci]."""
    k, ci = w.shape[0], w.shape[2]
    if not cpu.fast_cpu():
        shape = jax.ShapeDtypeStruct((y.shape[0], *hw, ci), y.dtype)
        return jax.linear_transpose(lambda x: _native(x, w, stride), shape)(y)[0]
    # A batch of any length, as of an exported net, cannot be padded by ONNX's exporter.
    if stride != 2 or k == 1 or not isinstance(y.shape[0], int):
        return _dilated(y, w, stride, hw)
    if y.shape[1] * y.shape[2] <= k * k or (ci <= 4 and w.shape[3] > 16):
        return _col2im(y, w, hw)
    return _sub_pixel(y, w, hw) if ci <= 16 else _phases(y, w, hw)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def wgrad(x, y, stride, k):
    """The weight gradient: x [N, H, W, Ci], y [N, ceil(H/s), ceil(W/s), Co] -> [k, k, Ci, Co]."""
    if not cpu.fast_cpu():
        shape = jax.ShapeDtypeStruct((k, k, x.shape[-1], y.shape[-1]), x.dtype)
        return jax.linear_transpose(lambda w: _native(x, w, stride), shape)(y)[0]
    pads = []
    for size, out in zip(x.shape[1:3], y.shape[1:3], strict=True):
        low = _pad_low(size, k, stride)
        pads.append((low, k - 1 + (out - 1) * stride + 1 - size - low))
    # Otherwise XLA computes what x and y come from once more within the transposes, across memory.
    x, y = cpu.materialize((x, y))
    # Explicit transposes keep the layout plain: XLA's CPU kernels for permuted layouts are naive inside cond and scan.
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
    """Convolution of the zero-stuffed input with the flipped kernel."""
    k = w.shape[0]
    pads = []
    for size, out in zip(hw, y.shape[1:3], strict=True):
        low = k - 1 - _pad_low(size, k, stride)
        pads.append((low, size - (out - 1) * stride - 1 - low + k - 1))
    flipped = w[::-1, ::-1].transpose(0, 1, 3, 2)
    return lax.conv_general_dilated(
        y, flipped, (1, 1), pads, lhs_dilation=(stride, stride), dimension_numbers=_LAYOUT
    )


def _taps(size, k):
    """For each output phase a of a stride-2 transpose along one axis: pairs (input shift d, kernel tap t).

    out[2 i + a] = sum over pairs of y[i + d] * w[t], from a + low = 2 d + t.
    """
    low = _pad_low(size, k, 2)
    return [[((a + low - t) // 2, t) for t in range(k) if (a + low - t) % 2 == 0] for a in (0, 1)]


def _interleave(phases, hw):
    """[N, h, w, 2, 2, C] -> [N, H, W, C]: phase (a, b) holds rows 2 i + a and columns 2 j + b."""
    n, h, w, _, _, c = phases.shape
    return phases.transpose(0, 1, 3, 2, 4, 5).reshape(n, 2 * h, 2 * w, c)[:, : hw[0], : hw[1]]


def _phases(y, w, hw):
    """A stride-1 convolution for each of the four phases: no multiplication by zeros."""

    def phase(rows, columns):
        (d, t), (e, u) = (zip(*sorted(taps), strict=True) for taps in (rows, columns))
        kernel = w[np.array(t)][:, np.array(u)].transpose(0, 1, 3, 2)
        pads = (-d[0], d[-1]), (-e[0], e[-1])
        return lax.conv_general_dilated(y, kernel, (1, 1), pads, dimension_numbers=_LAYOUT)

    rows, columns = _taps(hw[0], w.shape[0]), _taps(hw[1], w.shape[0])
    return _interleave(
        jnp.stack([jnp.stack([phase(a, b) for b in columns], 3) for a in rows], 3), hw
    )


def _sub_pixel(y, w, hw):
    """One stride-1 convolution to four times the channels, then depth to space; right for few output channels."""
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
    """One matrix product to all taps, then shifted sums; right for tiny images, and from many channels to a few."""
    n, h, wd, co = y.shape
    k, ci = w.shape[0], w.shape[2]
    cols = (y.reshape(-1, co) @ w.transpose(3, 0, 1, 2).reshape(co, k * k * ci)).reshape(
        n, h, wd, k, k, ci
    )
    rows, columns = _taps(hw[0], k), _taps(hw[1], k)

    def shifted(t, d, u, e):
        """out[i, j] = cols[i + d, j + e] at tap (t, u), zero outside."""
        return lax.pad(
            cols[:, :, :, t, u],
            jnp.zeros((), cols.dtype),
            ((0, 0, 0), (-d, d, 0), (-e, e, 0), (0, 0, 0)),
        )

    def phase(a, b):
        return sum(shifted(t, d, u, e) for d, t in rows[a] for e, u in columns[b])

    phases = [[phase(a, b) for b in (0, 1)] for a in (0, 1)]
    return _interleave(jnp.stack([jnp.stack(row, 3) for row in phases], 3), hw)


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
