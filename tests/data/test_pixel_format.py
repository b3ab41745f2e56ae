"""Stretches and back: every curve, per image and joint, whole numbers exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.core import parallel
from gan_jax.data import loader, pixel_format, stretches
from gan_jax.data.pixel_format import PixelFormat
from gan_jax.data.shuffling import row_indices
from gan_jax.data.types import Dataset
from gan_jax.errors import InputError

# Of the range of values, for float32 through a net's range in float32.
TOLERANCE = 5e-6
TEXTS = [
    "",
    "linear",
    "asinh",
    "asinh:softening=0.001",
    "log",
    "log:a=100000",
    "sqrt",
    "zscale",
    "percentile",
    "percentile:below=2,above=90",
    "asinh:low=1%,high=99%",
]
WAYS = ["", "per=image", "bands=joint", "per=image,bands=joint"]


def with_way(text, way):
    if not way:
        return text
    return f"{text or 'linear'}{',' if ':' in text else ':'}{way}"


def arrays(seed):
    """Random images of every depth: [N, H, W, C], of a skewed or a flat distribution."""
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 5), rng.integers(2, 9), rng.integers(2, 9), rng.integers(1, 6)
    scale = 10 ** rng.uniform(-6, 4)
    yield rng.integers(0, rng.choice([4096, 65536]), shape).astype(np.uint16)
    yield rng.integers(-32768, 32768, shape).astype(np.int16)
    yield rng.integers(0, 256, shape).astype(np.uint8)
    yield (scale * rng.standard_cauchy(shape) + rng.uniform(-10, 10) * scale).astype(np.float32)
    yield (scale * rng.exponential(size=shape)).astype(np.float64)
    yield np.full(shape, 7, np.int16)


def round_trip(stored, form, pixels, module):
    """(values in units, those expected) after the net's range, as the compiled step has it."""
    own = pixel_format.has_image_limits(form)
    limits = pixel_format.image_limits(stored, form) if own else None
    if module is np:
        x = pixel_format.to_net(stored, form, pixels, limits)
    else:
        x = jax.jit(lambda s, m: pixel_format.to_net(s, form, pixels, m))(stored, limits)
        x = np.asarray(x)
    assert x.dtype == np.float32 and x.min() >= (-1 if pixels == "tanh" else 0) and x.max() <= 1
    low, high = pixel_format._ends(form, limits, np, np.float64)
    clipped = np.clip(stored.astype(np.float64), low, high)
    back = pixel_format.to_units(x, form, pixels, limits)
    if stored.dtype.kind == "u":
        # A clipped value becomes the limit, which lies between whole numbers: to either of them.
        either = [pixel_format.in_units(f(clipped), form) for f in (np.floor, np.ceil)]
        clipped = np.where(stored == clipped, clipped, np.rint(clipped))
        expected = pixel_format.in_units(clipped, form)
        is_limit = (back == either[0]) | (back == either[1])
        expected = np.where((stored != clipped) & is_limit, back, expected)
    else:
        expected = pixel_format.in_units(clipped, form)
    return back, expected, float(np.max(high - low)) * abs(form.scale)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("way", WAYS)
def test_every_stretch_is_inverted(text, way):
    for seed in range(2):
        for array in arrays(seed):
            stored, base = pixel_format.as_stored(array)
            base = base or PixelFormat("uint8")
            form = pixel_format.measure(stored, base, with_way(text, way))
            assert pixel_format.from_dict(form.to_dict()) == form
            pixels = ("tanh", "sigmoid")[seed % 2]
            back, expected, span = round_trip(stored, form, pixels, np)
            if array.dtype.kind in "iu":
                assert back.dtype == array.dtype or array.dtype.itemsize > 2
                assert np.array_equal(back, expected)
            else:
                assert np.abs(back - expected).max() <= TOLERANCE * span


@pytest.mark.parametrize("way", WAYS)
def test_the_compiled_step_computes_the_same(way):
    for text in ("linear", "asinh:softening=0.001", "log:a=100000", "sqrt"):
        for array in list(arrays(3))[:4:3]:
            stored, base = pixel_format.as_stored(array)
            form = pixel_format.measure(stored, base or PixelFormat("uint8"), with_way(text, way))
            back, expected, span = round_trip(stored, form, "tanh", jnp)
            if array.dtype.kind in "iu":
                assert np.array_equal(back, expected), text
            else:
                assert np.abs(back - expected).max() <= TOLERANCE * span, text


def test_nothing_is_lost_between_the_extremes():
    values = np.arange(65536, dtype=np.uint16).reshape(1, 256, 256, 1)
    for text in ("linear", "asinh:softening=0.0001", "log:a=100000", "sqrt"):
        form = pixel_format.measure(values, PixelFormat("uint16"), text)
        x = jax.jit(lambda s, form=form: pixel_format.to_net(s, form, "tanh"))(values)
        assert np.array_equal(pixel_format.to_units(np.asarray(x), form, "tanh"), values), text
        assert pixel_format.count_clipped(values, form) == 0


def test_curves_go_from_0_to_1_and_rise():
    u = np.linspace(0, 1, 1001)
    for name, one in stretches.TABLE.items():
        p = {key: part.default for key, part in one.parameters.items()}
        y = one.forward(u, p, np)
        assert np.allclose(y[[0, -1]], [0, 1], atol=1e-12), name
        assert (np.diff(y) > 0).all(), name
        assert np.allclose(one.inverse(y, p, np), u, atol=1e-12), name


def test_closed_forms():
    x = np.array([0, 1, 4, 9, 16], np.float32).reshape(1, 1, 5, 1)
    form = pixel_format.measure(x, PixelFormat("float32"), "sqrt")
    assert np.allclose(pixel_format.stretch(x, form).ravel(), [0, 0.25, 0.5, 0.75, 1])
    form = pixel_format.measure(x, PixelFormat("float32"), "asinh:softening=0.25")
    expected = np.arcsinh(x / 16 / 0.25) / np.arcsinh(4)
    assert np.allclose(pixel_format.stretch(x, form), expected, atol=1e-6)
    assert np.array_equal(pixel_format.view(x, form), np.rint(255 * expected).astype(np.uint8))


def test_joint_bands_keep_their_ratios():
    x = np.random.default_rng(0).uniform(1, 10, (3, 4, 4, 3)).astype(np.float32)
    form = pixel_format.measure(x, PixelFormat("float32"), "asinh:low=0,softening=0.01,bands=joint")
    y = pixel_format.stretch(x, form)
    assert np.allclose(y / y.max(-1, keepdims=True), x / x.max(-1, keepdims=True), atol=1e-5)
    assert form.low == (0, 0, 0) and len(set(form.high)) == 1


def test_limits_are_those_that_are_asked_for():
    x = np.arange(1000, dtype=np.float32).reshape(1, 10, 100, 1)
    base = PixelFormat("float32", scale=2, zero=100)  # values 100 to 2098

    def limits(text):
        form = pixel_format.measure(x, base, text)
        return form.low[0], form.high[0]

    assert limits("") == (0, 999)
    assert limits("linear:low=200,high=1100") == (50, 500)
    assert np.allclose(limits("percentile:below=10,above=90"), (99.9, 899.1), atol=0.6)
    assert np.allclose(limits("asinh:low=5%"), (49.95, 999), atol=0.6)
    dark = base._replace(scale=-2)
    form = pixel_format.measure(x, dark, "linear:low=-1000,high=50")
    assert (form.low[0], form.high[0]) == (25, 550)


@pytest.mark.parametrize("scale", [1, 2, -1])
def test_limits_that_contradict_the_data_are_refused(scale):
    x = np.linspace(90, 110, 256, dtype=np.float32).reshape(1, 16, 16, 1)
    base = PixelFormat("float32", scale=scale)
    least, most = sorted((90 * scale, 110 * scale))
    for text in ("low=500,high=99%", "low=500", "high=-300"):
        with pytest.raises(InputError, match=f"{text} makes.* from {least} to {most}; give a low"):
            pixel_format.measure(x, base, f"linear:{text}")
        pixel_format.measure(x, base, f"linear:{text},per=image")
    flat = pixel_format.measure(np.full_like(x, 7), base, "linear:low=1%,high=99%")
    assert (flat.low, flat.high) == ((7,), (8,))


@pytest.mark.parametrize("name", ["percentile:below=10,above=90", "zscale"])
@pytest.mark.parametrize("column", [0, 3])
def test_samples_are_of_all_columns(monkeypatch, name, column):
    """A step as wide as the images would see one of them alone."""
    stored = np.random.default_rng(0).normal(100, 5, (64, 16, 24, 1)).astype(np.float32)
    stored[:, :, column] = 5000
    base = PixelFormat("float32")
    exact = pixel_format.measure(stored, base, name)
    monkeypatch.setattr(stretches, "N_SAMPLED", stored.size // 24)
    sampled = pixel_format.measure(stored, base, name)
    assert abs(sampled.low[0] - exact.low[0]) < 2 and abs(sampled.high[0] - exact.high[0]) < 2


def test_zscale_ignores_what_is_bright():
    rng = np.random.default_rng(0)
    sky = np.sort(rng.normal(100, 5, 4000))
    with_stars = np.sort(np.concatenate([sky, rng.uniform(1000, 50_000, 100)]))
    low, high = stretches.zscale(with_stars, 0.25)
    assert low < 90 and 110 < high < 300


def test_medians_are_the_limits_of_new_images():
    x = np.stack([np.linspace(0, top, 16).reshape(4, 4, 1) for top in (1, 5, 9)])
    x = x.astype(np.float32)
    form = pixel_format.measure(x, PixelFormat("float32"), "linear:per=image")
    assert (form.low, form.high) == ((0.0,), (5.0,))
    assert pixel_format.image_limits(x, form)[:, 1, 0].tolist() == [1, 5, 9]
    assert pixel_format.to_units(np.ones((1, 2, 2, 1)), form, "tanh").max() == 5


def test_how_numbers_are_stored():
    def kind(dtype):
        stored, form = pixel_format.as_stored(np.zeros((1, 2, 2, 1), dtype))
        return stored.dtype, form and form.zero

    assert kind("u1") == (np.uint8, None)
    assert kind("i1") == (np.uint16, -128)
    assert kind("u2") == (np.uint16, 0)
    assert kind("i2") == (np.uint16, -32768)
    for deep in ("i4", "u4", "i8", "f2", "f4", "f8"):
        assert kind(deep) == (np.float32, 0)


def test_undefined_values_become_the_median_of_their_band():
    x = np.arange(32, dtype=np.float64).reshape(2, 4, 4, 1).repeat(2, -1)
    x[1, 0, 0, 1], x[1, 1, 1, 1] = np.nan, 1e300
    stored, _, notes = pixel_format.store(x, "x")
    assert np.isfinite(stored).all() and stored[1, 0, 0, 1] == stored[1, 1, 1, 1] == 24.5
    assert "2 values in 1 image undefined" in notes[0]
    x[0, ..., 0] = np.inf
    with pytest.raises(InputError, match="Image 0 of x has no defined value in band 0"):
        pixel_format.store(x, "x")


@pytest.mark.parametrize(
    "text, word",
    [
        ("arcsinh", "use one of: linear, asinh"),
        ("asinh:a=1", "keys softening, low"),
        ("asinh:softening=0", "from 0.0001 to 10"),
        ("log:a=b", "a=b must be a number"),
        ("sqrt:per=set,per=set", "each once"),
        ("sqrt:per=band", "use set or image"),
        ("sqrt:bands=all", "use each or joint"),
        ("sqrt:low=x", "a percentile such as low=99.5%"),
        ("sqrt:low=101%", "percentile"),
        ("sqrt:low=3,high=2", "low=2,high=3"),
        ("sqrt:low=30%,high=2%", "low=2%,high=30%"),
    ],
)
def test_refusals(text, word):
    with pytest.raises(InputError) as caught:
        stretches.parse(text)
    assert word in str(caught.value) and "\n" not in str(caught.value)


def test_resident_and_streamed_data_give_one_batch_and_take_the_depth_they_have():
    values = np.random.default_rng(0).normal(size=(20, 8, 8, 3)).astype(np.float32)
    form = pixel_format.measure(values, PixelFormat("float32"), "asinh:per=image")
    shown = pixel_format.view(values, form)
    data = Dataset(shown, np.arange(20, dtype=np.int32) % 2, ("a", "b"), "x", "d", values, form)
    batches = []
    for resident in (True, False):
        one = loader.build_loader(data, "tanh", 0, 2, 4, parallel.all_devices(1), resident)
        leaves = jax.tree.map(lambda a: a[0], one.inputs(0, 1))
        batches.append(jax.jit(one.make_batch)(one.device_data, leaves))
        if resident:
            assert one.device_data["image"].dtype == np.float32
    assert set(batches[0]) == {"image", "label"} and batches[0]["image"].shape == (2, 4, 8, 8, 3)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), *batches))
    rows = row_indices(0, 0, 2, 4, 20)
    limits = pixel_format.image_limits(values, form)[rows]
    expected = pixel_format.to_net(values[rows], form, "tanh", limits)
    np.testing.assert_allclose(batches[0]["image"], expected, atol=1e-6)
