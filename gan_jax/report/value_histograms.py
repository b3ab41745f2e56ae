"""Histograms of the values of images before and after their stretch, as a picture."""

import io
import os

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gan_jax import cache
from gan_jax.data import pixel_format
from gan_jax.data.types import Dataset

_N_VALUES = 2**20  # of a band, evenly spread, that are counted
_N_BINS = 128


def spread_rows(n: int, most: int) -> np.ndarray:
    """Choose at most so many of n rows, at least one, evenly spread: int, each once, in order."""
    return np.arange(n) if n <= most else np.linspace(0, n - 1, max(1, most)).astype(int)


def draw(path: str | os.PathLike, dataset: Dataset) -> None:
    """Draw two histograms of each band: in the data's units, and as the nets see them.

    Args:
      path: the PNG file; its folder is made if there is none.
      dataset: images with a format.
    """
    form, stored = dataset.format, dataset.stored
    assert form is not None and stored is not None
    channels = stored.shape[-1]
    rows = spread_rows(len(stored), _N_VALUES // stored[0, ..., 0].size)
    before = pixel_format.in_units(stored[rows], form).reshape(-1, channels).astype(np.float64)
    after = np.asarray(dataset.images[rows]).reshape(-1, channels) / 255
    figure = Figure(figsize=(9, 3.2), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for band in range(channels):
        name = form.bands[band] if form.bands else f"band {band}"
        for axes, values in ((left, before), (right, after)):
            axes.hist(values[:, band], _N_BINS, histtype="step", log=True, label=name)
    # Names and units are text, even with "$".
    left.set_xlabel(f"value{f' in {form.unit}' if form.unit else ''}", parse_math=False)
    left.set_ylabel("pixels")
    right.set_xlabel(f"after {form.stretch or 'linear'}")
    right.set_xlim(-0.02, 1.02)
    if 1 < channels <= 8:
        for text in left.legend(frameon=False).get_texts():
            text.set_parse_math(False)
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    figure.savefig(buffer := io.BytesIO(), format="png")
    cache.write_atomic(path, buffer.getvalue())
