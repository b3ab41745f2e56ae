"""The figure and the page of a study of curves."""

import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gan_jax.metrics import significance
from gan_jax.report import charts, page
from gan_jax.studies import table_format
from gan_jax.studies.curves import results as curves
from gan_jax.studies.image_sets import images_text

TITLE = "Scores over training images and over training"


def _curve(axes, results, key, x, groups, i, label=""):
    """Draw the means of groups of seeds over x, and their intervals as a band."""
    intervals = [significance.confidence_interval(g, *curves.limits(results, key)) for g in groups]
    means = [mean for mean, _ in intervals]
    low, high = np.array([interval or (mean, mean) for mean, interval in intervals]).T
    style = {"color": charts.color(i), "ls": charts.line(i), "marker": "o", "ms": 3.5, "lw": 1.3}
    axes.plot(x, means, label=label or None, **style)
    axes.fill_between(x, low, high, color=charts.color(i), alpha=0.18, lw=0)


def _axis(axes, results, key, x, words):
    """Label both axes; x is spaced by its logarithm."""
    axes.set_xscale("log")
    axes.set_xticks(x, [f"{value:,.0f}" for value in x])
    axes.minorticks_off()
    axes.set_xlabel(words)
    axes.set_ylabel(charts.wrapped(curves.score_of(key).title))
    if key in results["floor"]:
        axes.axhline(results["floor"][key], color=charts.INK, ls="--", lw=1)
    means = [curves.values(results, name, key).mean(0) for name in curves.ended(results)]
    lowest, highest = min(map(np.min, means)), max(map(np.max, means))
    if curves.score_of(key).better == "low" and lowest > 0 and highest > 20 * lowest:
        axes.set_yscale("log")
        return
    # Intervals of two seeds may be as wide as the range of the score.
    margin = 0.6 * (highest - lowest) or 0.1 * abs(highest) or 1
    bottom, top = axes.get_ylim()
    axes.set_ylim(max(bottom, lowest - margin), min(top, highest + margin))


def draw_over_images(axes: Axes, results: dict[str, Any], key: str) -> None:
    """Draw a score at the end of training over the number of images."""
    names = curves.ended(results)
    x = [float(name) for name in names]
    groups = [curves.values(results, name, key)[:, -1] for name in names]
    _curve(axes, results, key, x, groups, 0)
    at = curves.settled_images(results, key)
    if at is not None:
        axes.axvline(float(at), color=charts.INK, ls=":", lw=1)
    _axis(axes, results, key, x, "training images")


def draw_over_steps(axes: Axes, results: dict[str, Any], key: str) -> None:
    """Draw a score over training, a line for each number of images."""
    names = curves.ended(results)
    for i, name in enumerate(names):
        x = [float(step) for step in curves.steps(results, name)]
        columns = list(curves.values(results, name, key).T)
        _curve(axes, results, key, x, columns, i, images_text(name))
    _axis(axes, results, key, [float(step) for step in curves.steps(results, names[0])], "steps")


Draw = Callable[[Axes, dict[str, Any], str], None]


def _columns(results) -> list[Draw]:
    several = len(curves.ended(results)) > 1
    return [draw_over_images, draw_over_steps] if several else [draw_over_steps]


def draw(results: dict[str, Any], path: pathlib.Path) -> None:
    """Draw all curves as PNG: a row per score, columns over images and over training."""
    keys, columns = curves.score_keys(results), _columns(results)
    size = (5 * len(columns), 0.4 + 2.5 * len(keys))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(keys), len(columns), squeeze=False)
    for key, row in zip(keys, grid, strict=True):
        for axes, draw_one in zip(row, columns, strict=True):
            draw_one(axes, results, key)
            charts.hide_box(axes)
    if len(curves.ended(results)) > 1:
        grid[0, -1].legend(frameon=False, fontsize=8)
    charts.save(figure, path)


def figures(results: dict[str, Any]) -> dict[str, Callable[[pathlib.Path], None]]:
    """List the figures: {file name: function that draws the figure into a path}."""
    if not curves.score_keys(results):
        return {}
    return {"curves.png": lambda path: draw(results, path)}


def document(results: dict[str, Any], root: pathlib.Path) -> str:
    """Build the page. root: the study's folder; not read."""
    first, *sentences = curves.verdicts(results) or ["One seed at one point: nothing to compare."]
    return page.document(
        TITLE,
        page.note(f"Each model: {results['typed']}"),
        page.note(results["protocol"]),
        page.section("Verdict", page.paragraph(page.strong(first)), page.bullets(sentences)),
        page.section("Curves", page.grid(_charts(results), "pairs")),
        table_format.sections(curves.tables(results)),
        page.note(curves.NOTE),
    )


def _charts(results) -> Iterator[page.Html]:
    for key in curves.score_keys(results):
        score = curves.score_of(key)
        title = score.title[0].upper() + score.title[1:]
        text = (
            f"{title}: means over seeds, bands are 95 % intervals, dashed real images, dotted "
            f"where the score has settled. {score.text}"
        )
        for draw_one in _columns(results):
            one = lambda axes, draw_one=draw_one, key=key: draw_one(axes, results, key)
            yield page.chart_figure(one, text, 4.6, 3.0)
