"""Augmentation against loops over images in numpy and scipy, from the same random numbers."""

import functools

import jax
import numpy as np
import pytest
from scipy import ndimage

from gan_jax import errors
from gan_jax.data import classifier_augment

KEY = jax.random.key(5)


def images(n=10, size=12, colors=2):
    return np.random.default_rng(0).uniform(-1, 1, (n, size, size, colors)).astype(np.float32)


@functools.partial(jax.jit, static_argnums=1)
def changed(x, names):
    return classifier_augment.augment(KEY, x, names)


def test_shift_moves_by_whole_pixels_and_continues_the_edge():
    x = images(n=400, size=28, colors=1)
    out = np.asarray(changed(x, "shift"))
    at = np.asarray(jax.random.randint(jax.random.fold_in(KEY, 0), (400, 2), 0, 7))
    for image, new, (down, right) in zip(x, out, at, strict=True):
        padded = np.pad(image, ((3, 3), (3, 3), (0, 0)), mode="edge")
        np.testing.assert_array_equal(new, padded[down : down + 28, right : right + 28])
    assert len({tuple(pair) for pair in at}) == 49, "every shift up to a tenth of 28 pixels"


def test_rotate_is_linear_between_pixels_about_the_centre():
    x = images()
    angles = np.asarray(
        jax.random.uniform(jax.random.fold_in(KEY, 0), (10, 1, 1), minval=-10.0, maxval=10.0)
    ).ravel()
    for image, new, angle in zip(x, np.asarray(changed(x, "rotate")), angles, strict=True):
        wanted = ndimage.rotate(image, -angle, axes=(1, 0), reshape=False, order=1, mode="nearest")
        np.testing.assert_allclose(new, wanted, atol=1e-4)
    assert np.abs(angles).max() > 5


def test_mirror_is_left_to_right_in_half_of_the_cases():
    x = images(n=400)
    out = np.asarray(changed(x, "mirror"))
    mirrored = (out == x[:, :, ::-1]).all((1, 2, 3))
    assert (mirrored ^ (out == x).all((1, 2, 3))).all() and 150 < mirrored.sum() < 250


def test_turn_gives_the_eight_orientations():
    x = np.broadcast_to(np.arange(9.0, dtype=np.float32).reshape(1, 3, 3, 1), (800, 3, 3, 1))
    kinds, counts = np.unique(
        np.asarray(changed(x, "turn")).reshape(800, 9), axis=0, return_counts=True
    )
    expected = {
        np.ascontiguousarray(np.rot90(y, k)).tobytes()
        for y in (x[0, :, :, 0], x[0, :, :, 0].T)
        for k in range(4)
    }
    assert {kind.tobytes() for kind in kinds} == expected and counts.min() > 60


@pytest.mark.long
def test_one_after_another_with_draws_of_their_own():
    x = images(n=50)
    first = classifier_augment.mirror(jax.random.fold_in(KEY, 0), x)
    np.testing.assert_array_equal(
        changed(x, "mirror,turn"), classifier_augment.dihedral(jax.random.fold_in(KEY, 1), first)
    )
    assert classifier_augment.augment(KEY, x, "") is x
    assert not np.array_equal(changed(x, "mirror,mirror"), x)


def test_names():
    for names in ("", "shift", "turn,shift,rotate,mirror"):
        classifier_augment.check_names(names)
    with pytest.raises(
        errors.InputError,
        match="--ordinary=shift,flip: 'flip' is not known; use any of shift, rotate",
    ):
        classifier_augment.check_names("shift,flip")
