"""Images made from images, against the originals: error, and how colourful they are.

Errors alone reward gray: where a colour cannot be known, its mean is the best guess. So colourfulness stands beside them, and
the gray image itself is a row.
"""

import numpy as np

ROWS = {"made": "made", "gray": "gray (no colours)", "original": "original"}
COLUMNS = {"l1": "mean error (grey levels)", "psnr": "PSNR (dB)", "colourfulness": "colourfulness"}


def l1(a, b):
    """Mean absolute difference in grey levels of images uint8 [N, H, W, C]."""
    return float(np.abs(a.astype(np.float64) - b).mean())


def psnr(a, b):
    """Mean over images of the peak signal-to-noise ratio in dB, uint8 [N, H, W, C]; at most 99, for equal images."""
    mse = ((a.astype(np.float64) - b) ** 2).mean((1, 2, 3))
    return float(np.minimum(20 * np.log10(255) - 10 * np.log10(np.maximum(mse, 1e-12)), 99).mean())


def colourfulness(x):
    """Mean over images uint8 [N, H, W, 3] of M of Hasler and Suesstrunk 2003 (for sRGB): 0 gray, 33 moderate, 109 extreme."""
    r, g, b = np.moveaxis(x.astype(np.float64), -1, 0)
    parts = np.stack([r - g, (r + g) / 2 - b])
    sd, mean = parts.std((2, 3)), parts.mean((2, 3))
    return float((np.hypot(*sd) + 0.3 * np.hypot(*mean)).mean())


def study(made, gray, original):
    """{row: {column: score}} of images uint8 [N, H, W, 3]; errors are against the originals, which have none."""
    out = {
        name: {"l1": l1(x, original), "psnr": psnr(x, original)}
        for name, x in (("made", made), ("gray", gray))
    }
    out["original"] = {}
    for name, x in (("made", made), ("gray", gray), ("original", original)):
        out[name]["colourfulness"] = colourfulness(x)
    return {"n": len(made), "rows": out}


def lines(record):
    """The record as rows of text cells, the head first."""
    rows = record["rows"]
    body = [
        [title, *(f"{rows[name][c]:.2f}" if c in rows[name] else "-" for c in COLUMNS)]
        for name, title in ROWS.items()
    ]
    return [["", *COLUMNS.values()], *body]
