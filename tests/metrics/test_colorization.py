"""Errors and colourfulness of images made from images, by hand."""

import numpy as np

from gan_jax.metrics import colorization


def flat(color, n=2):
    return np.broadcast_to(np.uint8(color), (n, 4, 4, 3))


def test_errors():
    a, b = flat((10, 20, 30)), flat((13, 20, 24))
    assert colorization.l1(a, b) == 3.0
    np.testing.assert_allclose(
        colorization.psnr(a, b), 20 * np.log10(255 / np.sqrt(15))
    )  # (9 + 0 + 36) / 3
    assert colorization.psnr(a, a) == 99


def test_colourfulness():
    assert colorization.colourfulness(flat((90, 90, 90))) == 0
    np.testing.assert_allclose(
        colorization.colourfulness(flat((100, 60, 20))), 0.3 * np.hypot(40, 60)
    )
    half = flat((100, 60, 20)).copy()
    half[:, :2] = (60, 100, 20)  # r - g is 40 and -40: sd 40, mean 0
    np.testing.assert_allclose(colorization.colourfulness(half), 40 + 0.3 * 60)


def test_study():
    original = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    gray = np.broadcast_to(original[..., :1], original.shape)
    rows = colorization.study(original, gray, original)["rows"]
    assert (
        rows["made"]["l1"] == 0
        and rows["gray"]["colourfulness"] == 0
        and set(rows["original"]) == {"colourfulness"}
    )
    head, *body = colorization.lines({"rows": rows})
    assert len(body) == 3 and all(len(row) == len(head) for row in body)
