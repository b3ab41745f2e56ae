"""Convolutions as plain flax layers have them: XLA's own, differentiated by JAX."""

import contextlib
from collections.abc import Iterator

from jax import lax

from gan_jax.ops import conv

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def _conv(x, w, stride):
    return lax.conv_general_dilated(x, w, (stride, stride), "SAME", dimension_numbers=_LAYOUT)


def _conv_t(y, w, stride, hw):
    k, pads = w.shape[0], []
    for size, out in zip(hw, y.shape[1:3], strict=True):
        # Of the convolution that this is the transpose of.
        total = max((out - 1) * stride + k - size, 0)
        low = k - 1 - total // 2
        pads.append((low, size - (out - 1) * stride - 1 - low + k - 1))
    strides = stride, stride
    return lax.conv_transpose(y, w, strides, pads, dimension_numbers=_LAYOUT, transpose_kernel=True)


def _grouped(x, w, stride, groups):
    strides = stride, stride
    return lax.conv_general_dilated(
        x, w, strides, "SAME", dimension_numbers=_LAYOUT, feature_group_count=groups
    )


@contextlib.contextmanager
def convolutions() -> Iterator[None]:
    """Give them to the nets that are traced within the context."""
    ours = conv.conv, conv.conv_t, conv.grouped
    conv.conv, conv.conv_t, conv.grouped = _conv, _conv_t, _grouped
    try:
        yield
    finally:
        conv.conv, conv.conv_t, conv.grouped = ours
