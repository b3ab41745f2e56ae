"""ADA's pipe: against closed forms and splines in float64, with chosen random numbers."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from gan_jax.core import ada, affine, diffaugment, parallel
from gan_jax.core.method import StepContext

CTX = StepContext({}, None, {})
KEY = jax.random.key(5)
NEVER, EVER = 0.99, 0.0  # coins: an operation has its turn if its coin is below p
# Places of the numbers of `ada.geometry` and `ada.color`.
GEOMETRY = ["flip", "turn", "shift", "scale", "rotate", "stretch", "rotate_after", "fractional"]
GEOMETRY_MORE = ["flip_by", "turn_by", "right", "down", "angle", "angle_after"]
COLOR, COLOR_MORE = ["bright", "contrast", "light", "hue", "saturation"], ["light_by", "hue_by"]


def images(n=4, size=16, colors=3, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, size, size, colors)).astype(np.float32)


def smooth(n=4, size=32, colors=2, seed=0):
    """Random images without high frequencies, which no two interpolations treat alike."""
    x = np.random.default_rng(seed).normal(size=(n, size, size, colors))
    x = ndimage.gaussian_filter(x, 2.0, axes=(1, 2))
    fade = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2  # no step at the edge
    x *= fade[:, None, None] * fade[:, None]
    return (x / x.std()).astype(np.float32)


def run(f, x, names, values, normal=(), pixels="tanh", p=0.9):
    """Run an operation on random numbers of our own: coins and further uniforms by name."""
    uniform = np.array([values.get(name, NEVER) for name in names], np.float32)
    normal = np.array([*normal, *[0.0] * 4][:4], np.float32)
    return np.asarray(with_numbers(f, x, uniform, normal, pixels, p))


@functools.partial(jax.jit, static_argnums=(0, 4))
def with_numbers(f, x, uniform, normal, pixels, p):
    def source(sampler, key, shape):
        return jnp.broadcast_to((uniform if shape[1] > 4 else normal)[: shape[1]], shape)

    with parallel.noise_from(source):
        return f(CTX, KEY, x, pixels, p)


def geometry(x, normal=(), **values):
    values |= {name: EVER for name in GEOMETRY if values.get(name) is True}
    return run(ada.geometry, x, GEOMETRY + GEOMETRY_MORE, values, normal)


def color(x, normal=(), pixels="tanh", **values):
    values |= {name: EVER for name in COLOR if values.get(name) is True}
    return run(ada.color, x, COLOR + COLOR_MORE, values, normal, pixels)


def edge_mean(image):
    inner = np.ones(image.shape[:2], bool)
    inner[1:-1, 1:-1] = False
    return image[inner].mean(0)


def spline(x, matrix, shift=(0, 0)):
    """Resample by splines of degree 5 in float64; matrix and shift lead from new to old (x, y)."""
    _, size, _, colors = x.shape
    centre = (size - 1) / 2
    place = np.arange(size) - centre
    out = np.zeros(x.shape)
    for image, target in zip(x.astype(np.float64), out, strict=True):
        padded = np.empty((3 * size, 3 * size, colors))
        padded[:] = edge_mean(image)
        padded[size:-size, size:-size] = image
        columns, rows = np.einsum("ij,jyx->iyx", matrix, np.stack(np.meshgrid(place, place)))
        at = [rows + shift[1] + centre + size, columns + shift[0] + centre + size]
        for c in range(colors):
            target[..., c] = ndimage.map_coordinates(padded[..., c], at, order=5, mode="nearest")
    return out


def turn(degrees):
    a = math.radians(degrees)
    return np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])


@pytest.mark.parametrize("size, colors", [(16, 3), (9, 1)])
def test_without_a_turn_nothing_changes_bit_for_bit(size, colors):
    x = images(size=size, colors=colors)
    np.testing.assert_array_equal(geometry(x, (3, 3, 3, 3)), x)
    np.testing.assert_array_equal(color(x, (3, 3, 3)), x)


@pytest.mark.parametrize("size", [16, 9])
def test_flips_and_quarter_turns_are_exact(size):
    x = images(size=size)
    np.testing.assert_array_equal(geometry(x, flip=True, flip_by=0.4), x[:, :, ::-1])
    np.testing.assert_array_equal(geometry(x, flip=True, flip_by=0.6), x)
    for quarters in range(4):
        expected = np.rot90(x, quarters, (1, 2))
        turned = geometry(x, turn=True, turn_by=(quarters + 0.5) / 4)
        np.testing.assert_array_equal(turned, expected)


@pytest.mark.parametrize("right, down", [(0.0, 0.999), (0.5, 0.1), (0.7, 0.3)])
def test_whole_shifts_are_exact_and_bring_in_the_background(right, down):
    x = images(size=16)
    dx, dy = (int(5 * u) - 2 for u in (right, down))
    padded = np.stack([np.full((20, 20, 3), edge_mean(image)) for image in x])
    padded[:, 2:-2, 2:-2] = x
    expected = padded[:, 2 + dy : 18 + dy, 2 + dx : 18 + dx]
    moved = geometry(x, shift=True, right=right, down=down)
    inside = np.zeros((20, 20), bool)
    inside[2:-2, 2:-2] = True
    inside = inside[2 + dy : 18 + dy, 2 + dx : 18 + dx]
    np.testing.assert_array_equal(moved[:, inside], expected[:, inside])
    np.testing.assert_allclose(moved, expected, atol=1e-6)


def test_each_operation_is_the_map_it_says():
    x = smooth()
    side = x.shape[1]
    factor = lambda n: 2 ** (0.2 * n)
    cases = {
        "scale": (dict(scale=True), (1.5, 0), np.eye(2) * factor(1.5), (0, 0)),
        "enlarge": (dict(scale=True), (-2, 0), np.eye(2) * factor(-2), (0, 0)),
        "rotate": (dict(rotate=True, angle=0.1), (), turn(36), (0, 0)),
        "after": (dict(rotate_after=True, angle_after=0.6), (), turn(216), (0, 0)),
        "stretch": (dict(stretch=True), (0, 1), np.diag([factor(1), factor(-1)]), (0, 0)),
        "fractional": (
            dict(fractional=True),
            (0, 0, 0.3, -0.7),
            np.eye(2),
            (0.3 * side / 8, -0.7 * side / 8),
        ),
    }
    for name, (values, normal, matrix, shift) in cases.items():
        out, expected = geometry(x, normal, **values), spline(x, matrix, shift)
        error = np.sqrt(((out - expected) ** 2).mean())
        assert error < 0.015, (name, error)  # of images of standard deviation 1
        assert np.sqrt(((out - x) ** 2).mean()) > 0.2, name


def test_the_operations_come_in_their_order():
    x = smooth()
    factor = lambda n: 2 ** (0.2 * n)
    matrix = np.diag([-1.0, 1]) @ turn(90)
    shift = matrix @ [3, -2]  # of whole pixels
    matrix = matrix @ turn(36) * factor(0.5) @ np.diag([factor(-0.5), factor(0.5)]) @ turn(72)
    shift = shift + matrix @ [0.25 * 4, -0.5 * 4]
    out = geometry(
        x,
        (0.5, -0.5, 0.25, -0.5),
        **dict.fromkeys(GEOMETRY, True),
        flip_by=0.1,
        turn_by=0.3,
        right=7.5 / 9,
        down=2.5 / 9,
        angle=0.1,
        angle_after=0.2,
    )
    assert np.sqrt(((out - spline(x, matrix, shift)) ** 2).mean()) < 0.015


def color_matrix(bright, contrast, light, hue, saturation):
    """The product of matrices of the source, homogeneous, in float64."""
    v = np.ones(3) / math.sqrt(3)
    axis = np.outer(v, v)
    cross = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])

    def linear(matrix):
        out = np.eye(4)
        out[:3, :3] = matrix
        return out

    shift = np.eye(4)
    shift[:3, 3] = bright
    rotation = axis + math.cos(hue) * (np.eye(3) - axis) + math.sin(hue) * cross
    return (
        linear(axis + saturation * (np.eye(3) - axis))
        @ linear(rotation)
        @ linear(np.eye(3) - 2 * axis * light)
        @ linear(np.eye(3) * contrast)
        @ shift
    )


@pytest.mark.parametrize("pixels", ["tanh", "sigmoid"])
@pytest.mark.parametrize("names", [*([n] for n in COLOR), COLOR])
def test_colors_are_the_product_of_matrices(names, pixels):
    x = images()
    normal, by = (0.7, -0.4, 0.9), {"light_by": 0.2, "hue_by": 0.3}
    values = {
        "bright": 0.2 * normal[0],
        "contrast": 2 ** (0.5 * normal[1]),
        "light": 1,
        "hue": 2 * math.pi * 0.3,
        "saturation": 2 ** normal[2],
    }
    nothing = {"bright": 0, "contrast": 1, "light": 0, "hue": 0, "saturation": 1}
    matrix = color_matrix(**{n: values[n] if n in names else nothing[n] for n in COLOR})
    expected = x @ matrix[:3, :3].T + matrix[:3, 3]
    to_range = (lambda z: (z + 1) / 2) if pixels == "sigmoid" else (lambda z: z)
    out = color(to_range(x), normal, pixels, **dict.fromkeys(names, True), **by)
    np.testing.assert_allclose(out, to_range(expected), atol=3e-6)


def test_gray_images_have_no_hue_and_no_saturation():
    x = images(colors=1)
    np.testing.assert_array_equal(color(x, (1, 1, 1), hue=True, saturation=True, hue_by=0.3), x)
    np.testing.assert_allclose(color(x, light=True, light_by=0.1), -x, atol=1e-6)
    out = color(x, (1, 1), bright=True, contrast=True)
    np.testing.assert_allclose(out, math.sqrt(2) * (x + 0.2), atol=1e-6)


def test_each_change_happens_with_its_probability(monkeypatch):
    """Of 4000 images; a rotation before or after the stretch, or both, counts once."""
    n, p = 4000, 0.3
    monkeypatch.setattr(affine, "resample", lambda x, maps: jnp.stack(maps))
    draw = jax.jit(lambda x: ada.geometry(CTX, KEY, x, "tanh", p))
    xx, xy, yx, yy, x0, y0 = np.asarray(draw(np.zeros((n, 8, 8, 1), np.float32)))

    def has_share(happens, q):
        return abs(happens.mean() - q) < 4 * math.sqrt(q * (1 - q) / len(happens))

    area = xx * yy - xy * yx
    assert has_share(np.abs(np.abs(area) - 1) > 1e-5, p)  # scale
    assert has_share(area < 0, p / 2)  # flip
    rigid = np.abs(xx**2 + yx**2 - np.abs(area)) < 1e-4
    assert has_share(~rigid, p)  # stretch
    assert has_share(np.abs(xx * yx)[rigid] > 1e-5, p)  # rotation, which is seen without a stretch
    moved = (np.abs(x0) > 1e-6) | (np.abs(y0) > 1e-6)
    assert has_share(moved, 1 - (1 - p) * (1 - p * 8 / 9))  # a ninth of whole shifts are by 0


@pytest.mark.parametrize("name", ["ada_geometry", "ada_color"])
def test_the_pipe_is_linear_so_that_second_derivatives_are_those_of_the_score(name):
    """The slope's own gradient, as a penalty has it, against differences in float64."""
    with jax.enable_x64(True):
        x, direction = (images(n=3, size=8, seed=s).astype(np.float64) for s in (0, 1))

        def score(x):
            return jnp.sum(jnp.sin(2 * diffaugment.augment(CTX, KEY, x, name, "tanh", 0.7)))

        penalty = jax.jit(jax.value_and_grad(lambda x: jnp.sum(jax.grad(score)(x) ** 2)))
        step = 1e-4 * direction
        expected = (penalty(x + step)[0] - penalty(x - step)[0]) / 2e-4
        np.testing.assert_allclose(np.sum(penalty(x)[1] * direction), expected, rtol=1e-6)
