"""Errors and colourfulness of colorized images, by hand."""

import numpy as np

from gan_jax.metrics import colorization


def flat(color, n=2):
    return np.broadcast_to(np.uint8(color), (n, 4, 4, 3))


def test_errors():
    a, b = flat((10, 20, 30)), flat((13, 20, 24))
    assert colorization.l1(a, b) == 3.0
    mse = 15  # (9 + 0 + 36) / 3
    np.testing.assert_allclose(colorization.psnr(a, b), 20 * np.log10(255 / np.sqrt(mse)))
    assert colorization.psnr(a, a) == 99


def test_colourfulness():
    assert colorization.colourfulness(flat((90, 90, 90))) == 0
    orange = colorization.colourfulness(flat((100, 60, 20)))
    np.testing.assert_allclose(orange, 0.3 * np.hypot(40, 60))
    half = flat((100, 60, 20)).copy()
    half[:, :2] = (60, 100, 20)  # r - g is 40 and -40: sd 40, mean 0
    np.testing.assert_allclose(colorization.colourfulness(half), 40 + 0.3 * 60)


def test_record_and_table():
    original = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    gray = np.broadcast_to(original[..., :1], original.shape)
    record = colorization.score_colorization(original, gray, original)
    rows = record["rows"]
    assert record["n"] == 3 and rows["made"]["l1"] == rows["gray"]["colourfulness"] == 0
    assert set(rows["original"]) == {"colourfulness"}
    head, *body = colorization.table_rows(record)
    assert len(body) == 3 and all(len(row) == len(head) for row in body)
    assert body[2][1:3] == ["-", "-"] and body[0][1:3] == ["0.00", "99.00"]
    made, real = colorization.row_scores(record)
    assert made == {"psnr": 99, "colourfulness": real["colourfulness"]} and set(real) == {
        "colourfulness"
    }
