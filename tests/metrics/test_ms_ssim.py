"""MS-SSIM against its formulas pixel by pixel, in closed forms, and against pytorch-msssim."""

import numpy as np
import pytest
from scipy import ndimage, signal

from gan_jax import errors
from gan_jax.metrics import ms_ssim as module
from gan_jax.metrics.ms_ssim import mean_pair_similarity, ms_ssim
from tests.metrics.helpers import to_uint8


def smooth_images(n, height, width=None, channels=3, seed=0, noise=20):
    """Draw smooth images with noise: uint8 [n, H, W, C]."""
    rng = np.random.default_rng(seed)
    shape = (n, height, width or height, channels)
    smooth = ndimage.gaussian_filter(rng.standard_normal(shape), (0, 3, 3, 0), mode="wrap")
    return to_uint8(128 + 300 * smooth + rng.normal(0, noise, shape))


def image_pairs(n, *args, **kwargs):
    """Draw images and variants of them, from nearly equal to unrelated."""
    a = smooth_images(n, *args, **kwargs)
    other = smooth_images(n, *args, seed=1, **kwargs)
    share = np.linspace(0.05, 1, n).reshape(-1, 1, 1, 1)
    return a, ((1 - share) * a + share * other).round().astype(np.uint8)


def brute_force(a, b, weights, size=11):
    """Compare two images of one channel by 2-D convolutions."""
    line = np.arange(size) - size // 2
    window = np.exp(-(line[:, None] ** 2 + line**2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    a, b, value = a.astype(np.float64), b.astype(np.float64), 1.0
    for i, weight in enumerate(weights):
        m, n, aa, bb, ab = (
            signal.convolve2d(x, window, "valid") for x in (a, b, a * a, b * b, a * b)
        )
        term = (2 * (ab - m * n) + c2) / (aa - m**2 + bb - n**2 + c2)
        if i == len(weights) - 1:
            term *= (2 * m * n + c1) / (m**2 + n**2 + c1)
        value *= max(term.mean(), 0) ** (weight / sum(weights) * 1.0001)  # the sum of all five
        box = np.full((2, 2), 0.25)
        a, b = (
            signal.convolve2d(np.pad(x, (0, 1), "symmetric"), box, "valid")[::2, ::2]
            for x in (a, b)
        )
    return value


@pytest.mark.parametrize(
    "height, width, channels, n_scales, window",
    [
        (7, 7, 1, 1, 7),
        (8, 12, 3, 1, 7),
        (28, 28, 1, 2, 11),
        (32, 41, 3, 2, 11),
        (43, 64, 2, 3, 11),
        (161, 161, 1, 5, 11),
    ],
)
def test_brute_force(height, width, channels, n_scales, window):
    a, b = image_pairs(4, height, width, channels)
    weights = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)[:n_scales]
    expected = [
        np.mean([brute_force(x[..., c], y[..., c], weights, window) for c in range(channels)])
        for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(ms_ssim(a, b), expected, rtol=1e-10)
    np.testing.assert_allclose(ms_ssim(b, a), expected, rtol=1e-10)


@pytest.mark.parametrize("size", [176, 192])
def test_against_pytorch_msssim(size):
    """At sizes that halve evenly four times (it pads odd ones with black); float64 window."""
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("pytorch_msssim")
    a, b = image_pairs(6, size)
    tensors = (torch.from_numpy(np.moveaxis(x, -1, 1).astype(np.float64)) for x in (a, b))
    line = np.exp(-((np.arange(11) - 5) ** 2) / 4.5)
    window = torch.from_numpy(np.tile(line / line.sum(), (3, 1, 1, 1)))
    expected = theirs.ms_ssim(*tensors, data_range=255, size_average=False, win=window).numpy()
    assert expected.min() < 0.5 < 0.9 < expected.max()
    np.testing.assert_allclose(ms_ssim(a, b), expected, rtol=1e-9)


def test_each_size_has_as_many_scales_as_fit():
    sides = [1, 10, 11, 20, 21, 40, 41, 80, 81, 160, 161, 1024]
    assert [module.n_scales(side) for side in sides] == [1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


@pytest.mark.parametrize("size", [1, 2, 9, 28, 64])
def test_closed_forms(size):
    """Equal images: 1. Plain dark against plain light: means differ, at the coarsest scale."""
    x = smooth_images(3, size)
    np.testing.assert_allclose(ms_ssim(x, x), 1, rtol=1e-12)
    dark, light = (np.full((1, size, size, 1), grey, np.uint8) for grey in (40, 160))
    weights = module.WEIGHTS[: module.n_scales(size)]
    means = (2 * 40 * 160 + 2.55**2) / (40**2 + 160**2 + 2.55**2)
    expected = means ** (1.0001 * weights[-1] / sum(weights))
    assert ms_ssim(dark, light) == pytest.approx(expected, rel=1e-9)


def test_a_negative_is_not_alike():
    x = smooth_images(3, 32, noise=60)
    np.testing.assert_array_equal(ms_ssim(x, 255 - x), 0)


def test_in_blocks(monkeypatch):
    a, b = image_pairs(5, 28)
    whole = ms_ssim(a, b)
    monkeypatch.setattr(module, "_BLOCK_FLOATS", 2 * 28 * 28 * 3)
    np.testing.assert_allclose(ms_ssim(a, b), whole, rtol=1e-13)


def test_pairs_are_neighbours_in_order():
    x = smooth_images(7, 16)
    each = ms_ssim(x[[0, 2, 4]], x[[1, 3, 5]])
    mean = mean_pair_similarity(x)
    assert mean == pytest.approx(each.mean(), rel=1e-12)
    assert mean_pair_similarity(x, pairs=2) == pytest.approx(each[:2].mean(), rel=1e-12)
    assert module.METRIC.compute({"images": x[:2]}, {"images": x}) == {"ms_ssim": mean}


def test_a_set_without_variety_is_more_alike():
    copies = np.repeat(smooth_images(1, 32), 40, 0)
    assert mean_pair_similarity(smooth_images(40, 32)) < 0.3 < 0.99 < mean_pair_similarity(copies)


@pytest.mark.parametrize("n", [0, 1])
def test_a_single_image_is_refused(n):
    with pytest.raises(errors.InputError, match=f"asked of {n} images; use at least 2"):
        mean_pair_similarity(smooth_images(2, 16)[:n])
