"""Colorized images against their originals: errors and colourfulness.

Errors alone reward gray: where a colour cannot be known, the mean colour is the best guess. So
colourfulness is reported too, and the gray image has a row of its own.
"""

import numpy as np

from gan_jax.errors import counted
from gan_jax.metrics.metric import Score, number_text

ROWS = {"made": "made", "gray": "gray (no colours)", "original": "original"}
COLUMNS = {"l1": "mean error (grey levels)", "psnr": "PSNR (dB)", "colourfulness": "colourfulness"}

SCORES = {
    "psnr": Score(
        "PSNR (dB)",
        "high",
        "Peak signal-to-noise ratio of coloured images against their originals; it rewards gray.",
        most=99,
    ),
    "colourfulness": Score(
        "colourfulness",
        "real",
        "How strong and how varied colours are: 0 is gray, 33 moderate; at the left of originals.",
        least=0,
    ),
}


def score_colorization(generated: np.ndarray, gray: np.ndarray, original: np.ndarray) -> dict:
    """Score colorized images and their gray versions against the originals.

    Args:
      generated: uint8 [N, H, W, 3].
      gray: uint8 [N, H, W, 3], with three equal channels.
      original: uint8 [N, H, W, 3].

    Returns:
      JSON-able {"n": N, "rows": {key of ROWS: {key of COLUMNS: score}}}. Originals have no errors.
    """
    rows = {}
    for name, x in (("made", generated), ("gray", gray)):
        rows[name] = {"l1": l1(x, original), "psnr": psnr(x, original)}
        rows[name]["colourfulness"] = colourfulness(x)
    rows["original"] = {"colourfulness": colourfulness(original)}
    return {"n": len(generated), "rows": rows}


def l1(a: np.ndarray, b: np.ndarray) -> float:
    """Compute the mean absolute difference of images uint8 [N, H, W, C], in grey levels."""
    return float(np.abs(a.astype(np.float64) - b).mean())


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Compute the mean peak signal-to-noise ratio of images uint8 [N, H, W, C], in dB.

    20 log10(255) - 10 log10(mean squared error) for each image; at most 99, for equal images.
    """
    mse = ((a.astype(np.float64) - b) ** 2).mean((1, 2, 3))
    return float(np.minimum(20 * np.log10(255) - 10 * np.log10(np.maximum(mse, 1e-12)), 99).mean())


def colourfulness(x: np.ndarray) -> float:
    """Compute the mean colourfulness M of images uint8 [N, H, W, 3].

    0 is gray, 33 moderate, 109 extreme.
    M = |sd| + 0.3 |mean|, the lengths of the vectors of standard deviations and means over the
    pixels of R - G and (R + G) / 2 - B.

    Source: Hasler and Suesstrunk 2003, for sRGB.
    """
    r, g, b = np.moveaxis(x.astype(np.float64), -1, 0)
    opponents = np.stack([r - g, (r + g) / 2 - b])
    sd, mean = opponents.std((2, 3)), opponents.mean((2, 3))
    return float((np.hypot(*sd) + 0.3 * np.hypot(*mean)).mean())


def row_scores(record: dict) -> tuple[dict[str, float], dict[str, float]]:
    """Return SCORES of the colorized images and of their originals, which have no errors.

    Args:
      record: of `score_colorization`.
    """
    made, original = (
        {key: value for key, value in record["rows"][name].items() if key in SCORES}
        for name in ("made", "original")
    )
    return made, original


def table_rows(record: dict) -> list[list[str]]:
    """Format the record as rows of cells, the head first."""
    rows = record["rows"]
    body = [
        [title, *(number_text(rows[name].get(column), 2) for column in COLUMNS)]
        for name, title in ROWS.items()
    ]
    return [["", *COLUMNS.values()], *body]


def protocol_text(record: dict) -> str:
    """Say how many images there were, and how to read the table."""
    return (
        f"{counted(record['n'], 'image')}. Errors alone reward gray, the mean of all guesses; so "
        "colourfulness (33: moderate) is beside."
    )
