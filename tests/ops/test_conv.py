"""Our convolutions against XLA's: value, first and second gradient, inside cond and scan."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gan_jax.ops import conv

pytestmark = pytest.mark.usefixtures("float64")

GEOMETRIES = [  # side, kernel, stride, in, out
    (8, 5, 2, 3, 8),
    (8, 5, 2, 8, 16),
    (7, 5, 2, 6, 8),
    (7, 5, 2, 1, 4),
    (14, 5, 2, 6, 8),
    (4, 5, 2, 8, 8),
    (9, 3, 2, 5, 6),
    (8, 4, 2, 3, 8),
    (8, 4, 2, 6, 8),
    (16, 4, 2, 6, 8),
    (8, 3, 1, 5, 6),
    (6, 1, 1, 4, 4),
    (12, 5, 2, 5, 6),
    (8, 2, 2, 5, 6),
    (9, 4, 2, 1, 8),
    (5, 4, 1, 8, 1),
    (7, 5, 1, 2, 3),
    (3, 3, 2, 5, 7),
    (12, 5, 2, 17, 4),
    (9, 3, 2, 18, 5),
    (12, 4, 2, 17, 3),
    (7, 2, 2, 17, 3),
    (7, 1, 2, 5, 3),
    (12, 5, 2, 3, 17),
    (11, 5, 2, 4, 8),
]


def plain(x, w, stride):
    return lax.conv_general_dilated(
        x, w, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def plain_t(y, w, stride, hw):
    shape = jax.ShapeDtypeStruct((y.shape[0], *hw, w.shape[2]), y.dtype)
    return jax.linear_transpose(lambda x: plain(x, w, stride), shape)(y)[0]


def arrays(geometry, n=2):
    side, k, stride, ci, co = geometry
    r = np.random.default_rng(0)
    out = conv.out_size(side, stride)
    shapes = (n, side, side, ci), (k, k, ci, co), (n, out, out, co)
    return tuple(jnp.asarray(r.normal(size=shape), jnp.float64) for shape in shapes)


def assert_close(a, b):
    def check(a, b):
        np.testing.assert_allclose(a, b, atol=1e-12 * float(jnp.abs(b).max() + 1), rtol=0)

    jax.tree.map(check, a, b)


def to_second_order(conv_, conv_t_, geometry, n):
    """Both convolutions of a geometry, and first and second gradients of them."""
    side, _, stride, _, _ = geometry
    arguments = arrays(geometry, n)

    def first(x, w, y):
        images = conv_t_(y, w, stride, (side, side))
        return jnp.sum(jnp.sin(conv_(x, w, stride)) * y) + jnp.sum(jnp.cos(images) * x)

    def second(x, w, y):
        return sum(jnp.sum(jnp.tanh(g)) for g in jax.grad(first, (0, 1, 2))(x, w, y))

    def every(x, w, y):
        values = conv_(x, w, stride), conv_t_(y, w, stride, (side, side))
        return *values, *(jax.grad(f, (0, 1, 2))(x, w, y) for f in (first, second))

    return jax.jit(every)(*arguments)


@functools.cache
def native(geometry, n):
    return to_second_order(plain, plain_t, geometry, n)


@pytest.mark.long
@pytest.mark.parametrize("rule", ["cpu", "native"])
@pytest.mark.parametrize(
    ("geometry", "n"), [*((g, 2) for g in GEOMETRIES), *((g, 1) for g in GEOMETRIES[3:7])], ids=str
)
def test_equals_native_to_second_order(geometry, n, rule, monkeypatch):
    monkeypatch.setenv("GAN_CONV", rule)
    assert_close(to_second_order(conv.conv, conv.conv_t, geometry, n), native(geometry, n))


@pytest.mark.long
@pytest.mark.parametrize("form", [conv._phases, conv._sub_pixel, conv._col2im])
@pytest.mark.parametrize("geometry", [g for g in GEOMETRIES if g[2] == 2 and g[1] > 1], ids=str)
def test_every_form_of_the_transpose(geometry, form):
    """Forms differ in speed alone."""
    _, w, y = arrays(geometry)
    hw = (geometry[0], geometry[0])
    assert_close(form(y, w, hw), plain_t(y, w, 2, hw))


def test_inside_cond_and_scan(monkeypatch):
    monkeypatch.setenv("GAN_CONV", "cpu")
    x, w, y = arrays(GEOMETRIES[1])

    def grads(x, w):
        return jax.grad(lambda x, w: jnp.sum(jnp.sin(conv.conv(x, w, 2)) * y), (0, 1))(x, w)

    expected = jax.jit(grads)(x, w)
    assert_close(jax.jit(lambda p: lax.cond(p, grads, lambda x, w: (x, w), x, w))(True), expected)
    total = jax.jit(
        lambda: lax.scan(
            lambda c, _: (jax.tree.map(jnp.add, c, grads(x, w)), None), (x * 0, w * 0), None, 3
        )[0]
    )()
    assert_close(total, jax.tree.map(lambda g: 3 * g, expected))


def test_unknown_rule_is_refused(monkeypatch):
    monkeypatch.setenv("GAN_CONV", "fast")
    with pytest.raises(ValueError, match="GAN_CONV=fast"):
        conv.conv_t(jnp.zeros((1, 4, 4, 2)), jnp.zeros((3, 3, 2, 2)), 2, (8, 8))


GROUPED = [  # side, kernel, stride, in, out, groups
    (4, 3, 1, 32, 32, 2),
    (5, 3, 2, 6, 9, 3),
    (4, 3, 1, 40, 20, 5),
    (5, 4, 1, 24, 24, 24),
    (4, 1, 1, 6, 4, 2),
    (3, 3, 1, 5, 5, 1),
]


def grouped_by_loops(x, w, stride, groups):
    """A grouped convolution in numpy, one output number at a time."""
    (n, side, _, ci), (k, _, c, co) = x.shape, w.shape
    out = -(-side // stride)
    before = max((out - 1) * stride + k - side, 0) // 2
    padded = np.zeros((n, side + 2 * k, side + 2 * k, ci))
    padded[:, before : before + side, before : before + side] = x
    y = np.zeros((n, out, out, co))
    for i, j, o in np.ndindex(out, out, co):
        first = o // (co // groups) * c
        window = padded[:, i * stride : i * stride + k, j * stride : j * stride + k]
        y[:, i, j, o] = np.tensordot(window[..., first : first + c], w[..., o], 3)
    return y


@pytest.mark.parametrize("rule", ["cpu", "native"])
@pytest.mark.parametrize("geometry", GROUPED, ids=str)
def test_grouped(geometry, rule, monkeypatch):
    """Value, first and second derivatives against numpy loops and finite differences."""
    monkeypatch.setenv("GAN_CONV", rule)
    side, k, stride, ci, co, groups = geometry
    r, out = np.random.default_rng(0), conv.out_size(geometry[0], stride)
    shapes = (2, side, side, ci), (k, k, ci // groups, co), (2, out, out, co)
    x, w, y = (r.normal(size=shape) for shape in shapes)

    def value(x, w):
        return jnp.sum(jnp.sin(conv.grouped(x, w, stride, groups)) * y)

    def penalty(x, w):
        return jnp.sum(jax.grad(value)(x, w) ** 2)

    run = jax.jit(
        lambda x, w: (
            conv.grouped(x, w, stride, groups),
            jax.value_and_grad(value, (0, 1))(x, w),
            jax.value_and_grad(penalty, (0, 1))(x, w),
        )
    )
    dx, dw, step = r.normal(size=x.shape), r.normal(size=w.shape), 1e-5
    result, first, second = run(x, w)
    np.testing.assert_allclose(
        result, grouped_by_loops(x, w, stride, groups), rtol=1e-12, atol=1e-12
    )
    ahead, behind = run(x + step * dx, w + step * dw), run(x - step * dx, w - step * dw)
    for i, (_, slopes) in enumerate((first, second), 1):
        wanted = (ahead[i][0] - behind[i][0]) / (2 * step)
        got = np.sum(slopes[0] * dx) + np.sum(slopes[1] * dw)
        np.testing.assert_allclose(got, wanted, rtol=1e-6)
