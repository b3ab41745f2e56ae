"""The figures and the page of a study of few images."""

import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from gan_jax import images
from gan_jax.report import charts, page, run_files
from gan_jax.settings import Size
from gan_jax.studies import table_format
from gan_jax.studies.few_images import results as few_images
from gan_jax.studies.few_images import verdicts
from gan_jax.studies.few_images.scorer import COPIES, FLOOR

TITLE = "Which recipe for how many images?"
COLUMNS = 4  # of the grids on the page
SHOWN = 8  # images in a row of samples.png, and of the grids of runs
REAL = "real_{}.png"  # in the study's folder: real training images, by their number
DRAWN = ("frechet", "coverage", "recall", "copied")  # scores over the number of images


def save_real(sets: dict[int, Any], root: pathlib.Path) -> None:
    """Save a grid of images of every training set {number of images: Dataset}."""
    for count, train in sets.items():
        rows = np.random.default_rng(0).permutation(len(train.images))[: SHOWN**2]
        images.save_png(root / REAL.format(count), images.grid(train.images[rows], SHOWN))


def draw_score(axes: Axes, results: dict[str, Any], key: str) -> None:
    """Draw a score of every recipe over the number of training images: mean and range."""
    scale = 100 if key in few_images.PERCENT else 1
    names = few_images.counts(results)
    for i, (recipe, info) in enumerate(results["recipes"].items()):
        ended = [n for n in names if results["rows"][n][recipe]]
        of_seeds = [
            [scale * x for x in few_images.values(results["rows"][n][recipe], key)] for n in ended
        ]
        if not ended:
            continue
        # Beside each other, so that ranges do not hide each other.
        x = np.array(ended, float) * 1.03 ** (i - (len(results["recipes"]) - 1) / 2)
        mean = [np.mean(v) for v in of_seeds]
        color, style = charts.color(i), charts.line(i)
        axes.vlines(x, [min(v) for v in of_seeds], [max(v) for v in of_seeds], color, lw=1)
        axes.plot(x, mean, color=color, ls=style, label=info["title"], marker="o", ms=3.5, lw=1.3)
    for name, style in ((COPIES, ":"), (FLOOR, "--")):
        y = [scale * results["controls"][n][name][key] for n in names]
        x = [float(n) for n in names]
        label = few_images.CONTROLS[name]
        axes.plot(x, y, color=charts.INK, ls=style, lw=1.1, marker="_", label=label)
    axes.set_xscale("log")
    axes.set_xticks([float(n) for n in names], [f"{int(n):,}" for n in names])
    axes.minorticks_off()
    axes.set_xlabel("training images")
    axes.set_ylabel(few_images.title_of(key))
    if key == few_images.FIRST:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)


def draw_scores(results: dict[str, Any], path: pathlib.Path) -> None:
    """Draw all scores of DRAWN side by side, as PNG."""
    figure = Figure(figsize=(14, 4.2), layout="constrained")
    panels = figure.subplots(1, len(DRAWN))
    for axes, key in zip(panels, DRAWN, strict=True):
        draw_score(axes, results, key)
        charts.hide_box(axes)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
    charts.save(figure, path)


def sample_files(
    results: dict[str, Any], root: pathlib.Path, count: str
) -> dict[str, pathlib.Path]:
    """Find the last sample grid of the first seed of every recipe: {recipe: PNG file}."""
    files = {}
    for recipe, folders in results["folders"][count].items():
        grids = run_files.sample_grids(root / folders[0]) if folders else []
        if grids:
            files[recipe] = grids[-1][1]
    return files


def draw_samples(results: dict[str, Any], root: pathlib.Path, path: pathlib.Path) -> None:
    """Draw samples of every recipe as PNG, a panel per number of images, real ones first."""
    names = few_images.counts(results)
    n_rows = len(results["recipes"]) + 1
    figure = Figure(figsize=(5 * len(names), 0.6 + 0.6 * n_rows), layout="constrained")
    for axes, count in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        files = {"real": root / REAL.format(count)}
        for recipe, file in sample_files(results, root, count).items():
            files[results["recipes"][recipe]["title"]] = file
        side = Size.of(results["size"]).height
        strips = [np.asarray(Image.open(file).convert("RGB"))[:side] for file in files.values()]
        width = max(strip.shape[1] for strip in strips)
        tiles = [np.pad(s, ((0, 1), (0, width - s.shape[1]), (0, 0))) for s in strips]
        axes.imshow(np.concatenate(tiles), interpolation="nearest")
        axes.set_yticks([(i + 0.5) * (side + 1) for i in range(len(files))], list(files))
        axes.set_xticks([])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(f"{few_images.images_text(count)}", loc="left")
    charts.save(figure, path, bbox_inches="tight")


def figures(
    results: dict[str, Any], root: pathlib.Path
) -> dict[str, Callable[[pathlib.Path], None]]:
    """List the figures: {file name: function that draws the figure into a path}."""
    return {
        "scores.png": lambda path: draw_scores(results, path),
        "samples.png": lambda path: draw_samples(results, root, path),
    }


def document(results: dict[str, Any], root: pathlib.Path) -> str:
    """Build the page. root: the study's folder, whose sample grids are shown."""
    first, *sentences = verdicts.answers(results)
    built = few_images.tables(results)
    return page.document(
        TITLE,
        page.note(results["protocol"]),
        page.section("Verdict", page.paragraph(page.strong(first)), page.bullets(sentences)),
        page.section("Scores over the number of images", page.grid(_charts(results), "pairs")),
        *(
            page.section(
                f"Samples: {few_images.images_text(count)}",
                page.grid(_samples(results, root, count), "snaps"),
            )
            for count in few_images.counts(results)
        ),
        table_format.sections(built),
        page.note(few_images.NOTE),
        page.section("In words", page.bullets(verdicts.details(results))),
    )


def _charts(results) -> Iterator[page.Html]:
    for key in DRAWN:
        text = (
            f"{few_images.score_of(key).title}: mean over seeds, from the lowest to the highest. "
            f"{few_images.score_of(key).text}"
        )
        draw_one = lambda axes, key=key: draw_score(axes, results, key)
        yield page.chart_figure(draw_one, text, 4.6, 3.2)


def _samples(results, root, count) -> Iterator[page.Html]:
    """Show a grid of real training images, and one of each recipe's first seed."""
    sides = (COLUMNS * (s + images.GAP) - images.GAP for s in Size.of(results["size"]))
    corner = Size(*sides)
    real = f"real: some of the {int(count):,} training images"
    files = {real: root / REAL.format(count)}
    for recipe, file in sample_files(results, root, count).items():
        files[results["recipes"][recipe]["title"]] = file
    for caption, file in files.items():
        yield page.figure(page.sample_grid(file, caption, 300, corner), caption)
