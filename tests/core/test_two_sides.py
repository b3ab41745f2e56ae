"""Augmentations of images that are not square, against brute force on each side."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.core import affine, consistency, diffaugment
from gan_jax.data import classifier_augment

CTX = types.SimpleNamespace(axis=None)
H, W = 16, 40


def images(n=32, height=H, width=W, colors=1):
    return np.random.default_rng(0).uniform(-1, 1, (n, height, width, colors)).astype(np.float32)


def shifts(x, y, fill):
    """The move (down, right) of every image, found by trying all of them; fill: of the border."""
    found = []
    for before, after in zip(x, y, strict=True):
        padded = np.pad(before, ((H, H), (W, W), (0, 0)), constant_values=np.nan)
        for d, r in np.ndindex(2 * H + 1, 2 * W + 1):
            part = padded[d : d + H, r : r + W]
            inside = np.isfinite(part)
            if inside.any() and np.array_equal(part[inside], after[inside]):
                assert fill is None or (after[~inside] == fill).all()
                found.append((H - d, W - r))
                break
        else:
            raise AssertionError("an image is no shifted one")
    return np.array(found)


def test_translations_go_as_far_as_each_side_allows():
    x = images()
    y = np.asarray(diffaugment.augment(CTX, jax.random.key(1), x, "translation", "tanh"))
    moves = shifts(x, y, 0.0)
    assert list(np.abs(moves).max(0)) == [H // 8, W // 8]
    assert consistency.change(CTX, jax.random.key(1), x, "tanh").shape == x.shape


def test_cutouts_have_half_of_each_side():
    x = np.ones((200, H, W, 1), np.float32)
    y = np.asarray(diffaugment.augment(CTX, jax.random.key(2), x, "cutout", "tanh"))[..., 0]
    rows, columns = ((y == 0).any(axis).sum(1) for axis in (2, 1))
    assert (rows.max(), columns.max()) == (H // 2, W // 2)
    assert rows.min() >= H // 4 - 1 and columns.min() >= W // 4 - 1
    assert ((y == 0).sum((1, 2)) == rows * columns).all()


def test_affine_maps_shift_flip_and_turn_exactly():
    x = images(2, colors=2)
    one = affine.identity(2)
    np.testing.assert_allclose(affine.resample(x, one), x, atol=1e-5)
    flipped = affine.resample(x, one.then(xx=jnp.float32(-1)))
    np.testing.assert_allclose(flipped, x[:, :, ::-1], atol=1e-5)
    moved = np.asarray(affine.resample(x, one.then(x0=jnp.float32(7), y0=jnp.float32(-3))))
    np.testing.assert_allclose(moved[:, 3:, : W - 7], x[:, : H - 3, 7:], atol=1e-5)
    turned = np.asarray(affine.resample(x, one.then(0.0, -1.0, 1.0, 0.0)))
    middle = slice((W - H) // 2, (W + H) // 2)
    quarter = [np.rot90(x[:, :, middle], k, (1, 2)) for k in (1, 3)]
    assert min(np.abs(turned[:, :, middle] - q).max() for q in quarter) < 1e-5
    edge = np.asarray(affine.background(x))[:, 0, 0]
    np.testing.assert_allclose(turned[:, H // 2, 0], edge, atol=1e-5)


def test_ada_keeps_the_shape_and_moves_by_each_side():
    x = images(32, colors=3)
    for name in ("ada_geometry", "ada_color", "ada"):
        y = diffaugment.augment(CTX, jax.random.key(3), x, name, "tanh", 1.0)
        assert y.shape == x.shape and np.isfinite(y).all()
    same = diffaugment.augment(CTX, jax.random.key(3), x, "ada_geometry", "tanh", 0.0)
    np.testing.assert_allclose(same, x, atol=1e-5)


@pytest.mark.parametrize("name", ["shift", "rotate", "mirror", "turn"])
def test_a_classifier_sees_images_of_the_same_shape(name):
    x = images(40)
    y = np.asarray(classifier_augment.augment(jax.random.key(4), x, name))
    assert y.shape == x.shape
    if name == "shift":
        inner = y[:, H // 8 : -H // 8, W // 8 : -W // 8]
        assert np.isin(inner, x).all() and not np.array_equal(y, x)
    if name == "turn":
        ways = [x, x[:, ::-1], x[:, :, ::-1], x[:, ::-1, ::-1]]
        hits = np.array([[np.array_equal(a, b) for a, b in zip(y, w, strict=True)] for w in ways])
        assert (hits.sum(0) == 1).all() and (hits.sum(1) > 0).all()
