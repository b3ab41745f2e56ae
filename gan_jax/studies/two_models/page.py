"""The figures and the page of a study of two models."""

import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gan_jax.metrics import significance
from gan_jax.report import charts, page, score_text
from gan_jax.studies import table_format
from gan_jax.studies.two_models import results as two_models
from gan_jax.studies.two_models import verdicts
from gan_jax.studies.two_models.results import FIRST, PAIRS
from gan_jax.studies.two_models.scorer import PICTURE

TITLE = "Do two models on disjoint halves agree?"


def _curve(axes, results, of_count, i, label, style="-"):
    """Draw a value over the number of images: mean and range of the pairs of models."""
    names = [name for name in two_models.counts(results) if results["rows"][name]]
    values = [np.asarray(of_count(name), float) for name in names]
    x, color = [float(name) for name in names], charts.color(i)
    axes.vlines(x, [v.min() for v in values], [v.max() for v in values], color, lw=1)
    means = [v.mean() for v in values]
    axes.plot(x, means, color=color, ls=style, marker="o", ms=3.5, lw=1.3, label=label)


def _number_axis(axes, results):
    names = two_models.counts(results)
    axes.set_xscale("log")
    axes.set_xticks([float(n) for n in names], [f"{int(n):,}" for n in names])
    axes.minorticks_off()
    axes.set_xlabel("images, half of them for each model")


def draw_distance(axes: Axes, results: dict[str, Any]) -> None:
    """Draw the distances between models, to real images, and between real images."""
    _curve(axes, results, lambda n: two_models.between(results, n, FIRST), 0, "between the models")
    own = lambda n: two_models.between(results, n, FIRST, "own")
    _curve(axes, results, own, 2, "one model twice", ":")
    to_real = lambda n: two_models.of_models(results, n, FIRST).ravel()
    _curve(axes, results, to_real, 1, "models to real images")
    names = two_models.counts(results)
    copies = [results["copies"][n][FIRST] for n in names]
    label = "repeated halves"
    axes.plot([float(n) for n in names], copies, color=charts.INK, ls=":", lw=1.1, label=label)
    values = [one[FIRST] for one in results["floor"]]
    axes.axhspan(min(values), max(values), color=charts.INK, alpha=0.4, lw=0, label="floor")
    _number_axis(axes, results)
    axes.set_yscale("log")
    axes.set_ylabel(score_text.all_scores()[FIRST].title)


def draw_concordance(axes: Axes, results: dict[str, Any]) -> None:
    """Draw how much images of the same noise have in common."""
    for i, (view, words) in enumerate(PAIRS.items()):
        values = lambda n, view=view: two_models.concordances(results, n, view)
        _curve(axes, results, values, i, f"in {words}")
    names = [name for name in two_models.counts(results) if results["rows"][name]]
    by_chance = [max(row[v]["chance"] for row in results["rows"][n] for v in PAIRS) for n in names]
    x = [float(n) for n in names]
    axes.plot(x, by_chance, color=charts.INK, ls="--", lw=1.1, label="by chance, at most")
    _number_axis(axes, results)
    axes.set_ylim(min(0, axes.get_ylim()[0]), 1)
    axes.set_ylabel("concordance")


def draw_copies(axes: Axes, results: dict[str, Any]) -> None:
    """Draw the share of copies, and of images that are nearest to the own half."""
    for i, (view, words) in enumerate(PAIRS.items()):
        values = lambda n, view=view: 100 * two_models.nearest_own(results, n, view)
        _curve(axes, results, values, i, f"nearest in the own half by {words}")
    copied = lambda n: 100 * two_models.of_models(results, n, "copied").ravel()
    _curve(axes, results, copied, 4, "copies of one image")
    axes.axhline(50, color=charts.INK, ls="--", lw=1.1, label="half")
    _number_axis(axes, results)
    axes.set_ylim(0, 103)
    axes.set_ylabel("% of the generated images")


def draw_score(axes: Axes, results: dict[str, Any], key: str) -> None:
    """Draw a score of all models over the number of images, with intervals over pairs."""
    names = [name for name in two_models.counts(results) if results["rows"][name]]
    for i, side in enumerate(("first", "second")):
        values = lambda n, i=i: two_models.of_models(results, n, key)[:, i]
        _curve(axes, results, values, i, f"{side} model")
    for name in names:
        means = two_models.of_models(results, name, key).mean(1)
        _, interval = significance.confidence_interval(means, *two_models.limits(key))
        if interval:
            ends = np.multiply(float(name), (0.93, 1.07))
            axes.fill_betweenx(interval, *ends, color=charts.INK, alpha=0.25, lw=0)
    _number_axis(axes, results)
    axes.set_ylabel(score_text.all_scores()[key].title)


# {name: (function that draws the chart, caption)}
CHARTS = {
    "distance": (
        draw_distance,
        "Are the distributions alike? Below the floor two models are as alike as two sets of real "
        "images. Dots: mean over pairs of models, from the lowest to the highest.",
    ),
    "concordance": (
        draw_concordance,
        "Do the models make the same image of the same noise? 1: the same, 0: no more alike than "
        "any two.",
    ),
    "copies": (
        draw_copies,
        "Do they copy? Half of the images of a model that copies nothing are nearest to an image "
        "of the other half.",
    ),
}


def draw_curves(results: dict[str, Any], path: pathlib.Path) -> None:
    """Draw all charts side by side, as PNG."""
    figure = Figure(figsize=(14, 4.6), layout="constrained")
    panels = figure.subplots(1, len(CHARTS))
    for axes, (draw, _) in zip(panels, CHARTS.values(), strict=True):
        draw(axes, results)
        charts.hide_box(axes)
        axes.legend(frameon=False, fontsize=8)
    charts.save(figure, path)


def figures(results: dict[str, Any]) -> dict[str, Callable[[pathlib.Path], None]]:
    """List the figures: {file name: function that draws the figure into a path}."""
    if not any(results["rows"].values()):
        return {}
    return {"curves.png": lambda path: draw_curves(results, path)}


def document(results: dict[str, Any], root: pathlib.Path) -> str:
    """Build the page. root: the study's folder, whose pictures of pairs are shown."""
    first, *sentences = verdicts.answers(results)
    return page.document(
        TITLE,
        page.note(f"Each model: {results['typed']}"),
        page.note(results["protocol"]),
        page.section("Verdict", page.paragraph(page.strong(first)), page.bullets(sentences)),
        page.section("Over the number of images", page.grid(_charts(results), "pairs")),
        page.section(
            "Images of the same noise",
            page.note("Above the first model's images, below the second's of the same noise."),
            page.grid(_pictures(results, root), "stack"),
        ),
        page.section("Scores over the number of images", page.grid(_scores(results), "pairs")),
        table_format.sections(two_models.tables(results)),
        page.note(two_models.NOTE),
        page.section("In words", page.bullets(verdicts.details(results))),
    )


def _charts(results) -> Iterator[page.Html]:
    for draw, text in CHARTS.values() if any(results["rows"].values()) else ():
        yield page.chart_figure(lambda axes, draw=draw: draw(axes, results), text, 4.6, 3.2)


def _scores(results) -> Iterator[page.Html]:
    """Show a chart of every score of the models."""
    for key in two_models.known_scores(results) if any(results["rows"].values()) else ():
        score = score_text.all_scores()[key]
        title = score.title[0].upper() + score.title[1:]
        text = (
            f"{title}: mean over pairs of models, from the lowest to the highest; bars: 95 % "
            f"interval of both models' mean, where there are several pairs. {score.text}"
        )
        draw_one = lambda axes, key=key: draw_score(axes, results, key)
        yield page.chart_figure(draw_one, text, 4.6, 3.2)


def _pictures(results, root) -> Iterator[page.Html]:
    """Show the pairs of the first repeat for each number of images."""
    for count in two_models.counts(results):
        for folders in results["folders"][count][:1]:
            caption = f"{two_models.images_text(count)}, half of them for each model"
            picture = page.sample_grid(root / folders[0] / PICTURE, caption, 900)
            yield page.figure(picture, caption)
