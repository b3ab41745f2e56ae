"""Charts of pages and of PNG files: colours, sizes and what several charts have in common."""

import io
import pathlib
import textwrap
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

MAX_POINTS = 400  # of a curve; longer ones are averaged

# Readable on a dark and on a light background.
INK = "#80858d"
COLORS = (
    *("#3b82d6", "#e8833a", "#2fa37c", "#9a6bd0", "#c95f86"),
    *("#a88a1f", "#2f9fb8", "#d65a4a", "#7d8c3a", "#8a7468"),
)
LINES = ("-", "--", ":", "-.")
_STYLE: Any = {
    "svg.hashsalt": "gan_jax",
    "text.parse_math": False,  # names of classes, folders and systems may hold "$"
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def color(i: int) -> str:
    """Return the colour of curve i; they repeat, with other lines, see `line`."""
    return COLORS[i % len(COLORS)]


def line(i: int) -> str:
    """Return the line style of curve i: another one when all colours are used."""
    return LINES[i // len(COLORS) % len(LINES)]


def wrapped(label: str, width: int = 26) -> str:
    """Break a label into lines of so many characters."""
    return "\n".join(textwrap.wrap(label, width)) or label


def svg(draw: Callable[[Axes], None], width: float = 3.6, height: float = 2.2) -> bytes:
    """Render an SVG chart without background.

    Args:
      draw: function that draws into the axes; two labels or more make a legend above them.
      width, height: inches; the legend adds to the height.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.add_subplot()
        hide_box(axes)
        draw(axes)
        labels = axes.get_legend_handles_labels()[1]
        if len(labels) > 1:
            longest = max(len(text) for label in labels for text in label.split("\n"))
            inches = 0.45 + 0.07 * longest  # of a line and of its letters
            columns = max(1, min(3, int(width / inches)))
            n_lines = max(label.count("\n") + 1 for label in labels)
            rows = -(-len(labels) // columns) * n_lines
            figure.set_figheight(height + 0.17 * (rows - 1))
            figure.legend(
                frameon=False,
                loc="outside upper left",
                ncols=columns,
                handlelength=1.2,
                columnspacing=1.2,
            )
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()


def hide_box(axes: Axes) -> None:
    """Hide the upper and the right edge of the axes."""
    axes.spines[["top", "right"]].set_visible(False)


def save(figure: Figure, path: pathlib.Path, **options) -> None:
    """Save a figure of a study as PNG. options: further arguments of Figure.savefig."""
    figure.savefig(path, dpi=110, **options)


def downsample(points: np.ndarray) -> np.ndarray:
    """Average the neighbouring points [n, d] of a curve, so that at most MAX_POINTS are left."""
    parts = np.array_split(points, min(len(points), MAX_POINTS))
    return np.stack([part.mean(0) for part in parts])


def cut_extremes(axes: Axes, values: np.ndarray | list[float]) -> bool:
    """Fit the y-axis to the bulk of the values if extremes would flatten it. Returns whether."""
    ordered = np.sort(values)
    n_cut = max(1, round(0.03 * len(ordered)))  # at each end; one of a few values, too
    low, high = ordered[min(n_cut, len(ordered) - 1)], ordered[-1 - n_cut :][0]
    cut = np.ptp(ordered) > 4 * (high - low) > 0
    if cut:
        axes.set_ylim(low - 0.2 * (high - low), high + 0.2 * (high - low))
    return bool(cut)


def draw_mean_and_range(
    axes: Axes,
    x: np.ndarray,
    values: np.ndarray,
    color: str,
    label: str,
    alpha: float = 0.2,
    **line,
) -> None:
    """Draw the mean of several runs as a line, and a band from the lowest to the highest.

    Args:
      axes: where to draw.
      x: float [T].
      values: float [runs, T].
      color, label: of the line.
      alpha: opacity of the band.
      **line: further arguments of Axes.plot.
    """
    axes.plot(x, values.mean(0), color=color, label=label, **line)
    if len(values) > 1:
        axes.fill_between(x, values.min(0), values.max(0), color=color, alpha=alpha, lw=0)


def label_step_axis(axes: Axes, title: str = "") -> None:
    """Label the x-axis as training steps, such as 10k; set the title if there is one."""
    if title:
        axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel("step")
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))
