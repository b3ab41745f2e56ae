"""Augmentations against loops in numpy with the same random numbers; probabilities; gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from gan_jax import errors
from gan_jax.core import diffaugment, parallel
from gan_jax.core.method import StepContext

CTX = StepContext({}, None, {})
KEY = jax.random.key(3)
ALL = ",".join(diffaugment.OPERATIONS)


def images(n=12, size=16, colors=3, low=-1.0, seed=0):
    return np.random.default_rng(seed).uniform(low, 1, (n, size, size, colors)).astype(np.float32)


@functools.partial(jax.jit, static_argnums=(2, 3))
def changed(x, key, names, pixels="tanh"):
    return diffaugment.augment(CTX, key, x, names, pixels)


def draws(n, low, high, key):
    """Two integers per image, low and high included."""
    return np.asarray(jax.random.randint(key, (n, 2), low, high + 1))


def color(x, key, grey):
    half = 0.5 if grey else 1.0
    bright, saturate, contrast = (
        np.asarray(jax.random.uniform(k, (len(x), 1, 1, 1), minval=low, maxval=high)).ravel()
        for k, low, high in zip(
            jax.random.split(key, 3), (-0.5, 0, 0.5), (0.5, 2, 1.5), strict=True
        )
    )
    out = []
    for image, b, s, c in zip(x.astype(np.float64), bright, saturate, contrast, strict=True):
        image = image + half * b
        mean = image.mean(-1, keepdims=True)
        image = s * image + (1 - s) * mean if image.shape[-1] > 1 else image
        out.append(c * image + (1 - c) * image.mean())
    return out


def translation(x, key, grey):
    n, side, _, _ = x.shape
    most = round(side / 8)
    out = np.full_like(x, grey)
    for i, (down, right) in enumerate(draws(n, 0, 2 * most, key) - most):
        for row in range(side):
            for column in range(side):
                if 0 <= row + down < side and 0 <= column + right < side:
                    out[i, row, column] = x[i, row + down, column + right]
    return out


def cutout(x, key, grey):
    n, side, _, _ = x.shape
    size = (side + 1) // 2
    out = x.copy()
    for i, centre in enumerate(draws(n, 0, side - size % 2, key)):
        rows, columns = (slice(max(c - size // 2, 0), c - size // 2 + size) for c in centre)
        out[i, rows, columns] = grey
    return out


def flip(x, key, grey):
    coins = draws(len(x), 0, 1, key)
    return [
        image[:: -1 if up else 1, :: -1 if left else 1]
        for image, (up, left) in zip(x, coins, strict=True)
    ]


def rotation(x, key, grey):
    coins = draws(len(x), 0, 1, key)
    return [
        np.rot90(image, 2 * half + quarter) for image, (half, quarter) in zip(x, coins, strict=True)
    ]


REFERENCE = {
    "color": color,
    "translation": translation,
    "cutout": cutout,
    "flip": flip,
    "rotation": rotation,
}
EXACT = [name for name in REFERENCE if name != "color"]  # without arithmetic


@pytest.mark.long
@pytest.mark.parametrize("size, colors", [(16, 3), (13, 1), (8, 2)])
@pytest.mark.parametrize("name", REFERENCE)
def test_each_image_as_in_a_loop(name, size, colors):
    x = images(size=size, colors=colors)
    expected = np.stack(REFERENCE[name](x, jax.random.fold_in(KEY, 0), 0.0))
    np.testing.assert_allclose(changed(x, KEY, name), expected, atol=1e-6 if name == "color" else 0)
    assert not np.array_equal(expected, x)


def test_in_the_given_order():
    x = images()
    first, second = (jax.random.fold_in(KEY, i) for i in (0, 1))
    np.testing.assert_array_equal(
        changed(x, KEY, "cutout,translation"), translation(cutout(x, first, 0), second, 0)
    )
    np.testing.assert_array_equal(
        changed(x, KEY, "translation,cutout"), cutout(translation(x, first, 0), second, 0)
    )


def test_nothing():
    x = jnp.asarray(images())
    assert diffaugment.augment(CTX, KEY, x, "", "tanh") is x


@pytest.mark.parametrize("name", diffaugment.OPERATIONS)
def test_both_pixel_ranges_give_the_same_pictures(name):
    x = images(low=0.0)
    np.testing.assert_allclose(
        changed(2 * x - 1, KEY, name), 2 * changed(x, KEY, name, "sigmoid") - 1, atol=2e-6
    )


@pytest.mark.long
def test_translations_are_equally_likely_and_an_eighth_at_most():
    """One white pixel in the middle tells where an image went; grey comes in from outside."""
    x = np.full((4000, 32, 32, 1), -1, np.float32)
    x[:, 16, 16] = 1
    out = np.asarray(changed(x, KEY, "translation"))[..., 0]
    counts = np.zeros((32, 32), int)
    np.add.at(counts, tuple(np.argwhere(out == 1)[:, 1:].T), 1)
    inside = counts[12:21, 12:21]
    assert inside.sum() == counts.sum() == 4000
    assert np.abs(inside - 4000 / 81).max() < 5 * np.sqrt(4000 / 81)
    moved = np.argwhere(out == 1)[:, 1:] - 16
    grey = 32**2 - (32 - np.abs(moved[:, 0])) * (32 - np.abs(moved[:, 1]))
    np.testing.assert_array_equal((out == 0).sum((1, 2)), grey)


def test_cutout_takes_a_quarter_where_it_does_not_run_over_the_edge():
    out = np.asarray(changed(np.ones((4000, 32, 32, 1), np.float32), KEY, "cutout"))
    area = (out == 0).sum((1, 2, 3))
    assert area.max() == 256 and area.min() >= 64
    centres = np.arange(33)
    covered = np.mean(
        [(c - 8 <= np.arange(32)) & (np.arange(32) < c + 8) for c in centres], 0
    )  # of a row, by pixel
    np.testing.assert_allclose((out == 0).mean((0, 3)), np.outer(covered, covered), atol=0.04)
    np.testing.assert_allclose(area.mean(), covered.sum() ** 2, rtol=0.02)


@pytest.mark.parametrize("name, n", [("flip", 4), ("rotation", 4), ("rotation,flip", 8)])
def test_orientations_are_equally_likely(name, n):
    x = np.broadcast_to(np.arange(9, dtype=np.float32).reshape(1, 3, 3, 1), (4000, 3, 3, 1))
    kinds, counts = np.unique(
        np.asarray(changed(x, KEY, name)).reshape(4000, 9), axis=0, return_counts=True
    )
    assert len(kinds) == n and np.abs(counts - 4000 / n).max() < 5 * np.sqrt(4000 / n)
    turned = {bytes(np.rot90(y, k)) for y in (x[0, :, :, 0], x[0, :, :, 0].T) for k in range(4)}
    assert {bytes(kind) for kind in kinds} <= turned


def test_color_ranges():
    """A flat image shows brightness alone; colours of mean 0 show saturation and contrast."""
    flat = np.asarray(changed(np.zeros((4000, 2, 2, 3), np.float32), KEY, "color"))[:, 0, 0, 0]
    np.testing.assert_allclose(
        np.quantile(flat, [0, 0.25, 0.75, 1]), [-0.5, -0.25, 0.25, 0.5], atol=0.03
    )
    opposite = np.zeros((4000, 1, 2, 3), np.float32)
    opposite[..., 0, :], opposite[..., 1, :] = [0.3, 0.3, 0.3], [-0.3, -0.3, -0.3]
    contrast = np.ptp(np.asarray(changed(opposite, KEY, "color"))[..., 0], axis=(1, 2)) / 0.6
    np.testing.assert_allclose(np.quantile(contrast, [0, 0.5, 1]), [0.5, 1, 1.5], atol=0.02)
    opposite[..., 0, :], opposite[..., 1, :] = [0.3, 0, -0.3], [-0.3, 0, 0.3]
    both = np.ptp(np.asarray(changed(opposite, KEY, "color")), axis=(1, 2, 3)) / 0.6
    np.testing.assert_allclose(np.quantile(both / contrast, [0, 0.5, 1]), [0, 1, 2], atol=0.03)


@pytest.mark.long
@pytest.mark.parametrize("names", [*diffaugment.OPERATIONS, ALL])
def test_gradient_reaches_the_pixels(names):
    """All operations are affine in the image, so one difference must agree to rounding."""
    with jax.enable_x64(True):
        x, direction, weight = (images(n=4, size=8, seed=s).astype(np.float64) for s in range(3))
        value = jax.jit(lambda x: jnp.sum(weight * diffaugment.augment(CTX, KEY, x, names, "tanh")))
        grads = np.asarray(jax.jit(jax.grad(value))(x))
        slope = (value(x + direction) - value(x - direction)) / 2
        np.testing.assert_allclose(np.sum(grads * direction), slope, rtol=1e-9)
    assert np.abs(grads).max(axis=(1, 2, 3)).min() > 0.1  # of every image


@pytest.mark.long
def test_draws_differ_between_images_operations_and_keys():
    x = np.broadcast_to(images(n=1, size=32), (50, 32, 32, 3))
    for name in diffaugment.OPERATIONS:
        once = np.asarray(changed(x, KEY, name)).reshape(50, -1)
        assert len(np.unique(once, axis=0)) >= 4
        assert not np.array_equal(
            once, np.asarray(changed(x, jax.random.key(4), name)).reshape(50, -1)
        )
    twice = np.asarray(changed(x, KEY, "flip,flip"))
    assert not np.array_equal(twice, x)  # as it would be, were both the same


@pytest.mark.parametrize("name", diffaugment.OPERATIONS)
def test_four_devices_equal_one(name):
    devices = jax.devices()[:4]
    assert len(devices) == 4
    ctx, rows, x = CTX._replace(axis=parallel.AXIS), PartitionSpec(parallel.AXIS), images()
    share = lambda x: diffaugment.augment(ctx, KEY, x, name, "tanh")
    mapped = jax.shard_map(
        share, mesh=parallel.mesh(devices), in_specs=rows, out_specs=rows, check_vma=False
    )
    np.testing.assert_allclose(
        jax.jit(mapped)(x), changed(x, KEY, name), atol=0 if name in EXACT else 1e-5
    )


@pytest.mark.parametrize("names", ["shear", "flip,shear", "flip,", "flip, cutout", "Flip"])
def test_unknown_names_are_refused(names):
    with pytest.raises(
        errors.InputError,
        match=f"--augment={names}: .* is not known; use any of color, translation, cutout",
    ):
        diffaugment.parse(names)
    with pytest.raises(errors.InputError):
        diffaugment.augment(CTX, KEY, jnp.asarray(images()), names, "tanh")


def test_known_names_are_accepted():
    for names in ("", *diffaugment.NAMES, ALL, "translation,translation"):
        diffaugment.parse(names)


def test_groups_and_shares_are_read():
    step = diffaugment.Step
    assert diffaugment.parse("flip:always,ada:0.5,cutout") == [
        step("flip", None),
        step("ada_geometry", 0.5),
        step("ada_color", 0.5),
        step("cutout", 1.0),
    ]


@pytest.mark.parametrize("share", ["0", "1.5", "", "nan", "often", "0.5:0.5"])
def test_bad_shares_are_refused(share):
    with pytest.raises(errors.InputError, match=f"'{share}' is no share of the probability"):
        diffaugment.parse(f"color,flip:{share}")


@functools.partial(jax.jit, static_argnums=1)
def with_probability(x, names, p):
    return diffaugment.augment(CTX, KEY, x, names, "tanh", p)


@pytest.mark.parametrize("name", diffaugment.OPERATIONS)
def test_probabilities_0_and_1_and_what_grows_between(name):
    """p = 1 is what there is without p; with a smaller p the same images are changed, but fewer."""
    x = images(200, size=8)
    np.testing.assert_array_equal(with_probability(x, name, 0.0), x)
    whole, half, few = (np.asarray(with_probability(x, name, p)) for p in (1.0, 0.5, 0.1))
    close = functools.partial(np.testing.assert_allclose, atol=0 if name in EXACT else 1e-5)
    close(whole, changed(x, KEY, name))
    if name.startswith("ada"):
        return  # several probabilities each: see test_ada
    differs = [(out != x).any((1, 2, 3)) for out in (whole, half, few)]
    assert not (differs[2] & ~differs[1]).any()
    for out, differ, p in ((half, differs[1], 0.5), (few, differs[2], 0.1)):
        close(out[differ], whole[differ])
        expected = p * differs[0].sum()
        assert abs(differ.sum() - expected) < 4 * np.sqrt(expected * (1 - p))


def test_shares_multiply_the_probability_and_always_ignores_it():
    x = images(400, size=8)
    count = lambda names, p: (np.asarray(with_probability(x, names, p)) != x).any((1, 2, 3)).mean()
    assert abs(count("cutout:0.5", 0.6) - 0.3) < 4 * np.sqrt(0.21 / 400)
    np.testing.assert_array_equal(with_probability(x, "flip:always", 0.0), changed(x, KEY, "flip"))
