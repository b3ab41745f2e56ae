"""The figure and the page of a study of synthetic images for a classifier."""

import pathlib
from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gan_jax.metrics import significance
from gan_jax.report import charts, page, run_files
from gan_jax.studies import table_format
from gan_jax.studies.augment import results as augment_results
from gan_jax.studies.augment import verdicts

TITLE = "Do a GAN's images help a classifier?"


def _panels(results):
    """[(share, score, title)] of the figure's panels, a row per score."""
    return [
        (
            share,
            name,
            f"{augment_results.format_share(int(share))} of the labels, "
            f"{results_of_share['gan']['n_real']:,} images: {words}",
        )
        for name, words in augment_results.compared_scores(results["rare"]).items()
        for share, results_of_share in results["shares"].items()
    ]


def _draw_panel(axes: Axes, results, share, name):
    """Draw the mean of every arm with its 95 % interval, and a line at real images only."""
    values = results["shares"][share]["arms"]
    keys = [key for key in results["arms"] if key in values]
    for i, key in enumerate(keys):
        mean, interval = significance.confidence_interval(values[key][name], 0, 1)
        low, high = interval or (mean, mean)
        low, mean, high = (100 * x for x in (low, mean, high))
        color = charts.INK if key == "real" else charts.COLORS[0]
        style = {"color": color, "marker": "o", "ms": 4, "lw": 1.3, "capsize": 3}
        axes.errorbar(mean, -i, xerr=[[mean - low], [high - mean]], **style)
        if key == "real":
            axes.axvline(mean, color=charts.INK, lw=0.8, ls=":")
    axes.set_yticks([-i for i in range(len(keys))], [results["arms"][key]["text"] for key in keys])
    axes.margins(y=0.08)
    axes.set_xlabel(f"{augment_results.compared_scores(results['rare'])[name]}, %")


def draw(results: dict, path: pathlib.Path) -> None:
    """Draw all panels as PNG, a column per share of the labels and a row per score."""
    panels, columns = _panels(results), len(results["shares"]) or 1
    rows = max(1, len(panels) // columns)
    height = 1.3 + 0.26 * len(results["arms"])
    figure = Figure(figsize=(2.2 + 3.4 * columns, height * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, (share, name, title) in zip(grid.flat, panels, strict=False):
        _draw_panel(axes, results, share, name)
        axes.set_title(title.partition(":")[0], loc="left", fontsize=10)
        charts.hide_box(axes)
        if axes not in grid[:, 0]:
            axes.tick_params(labelleft=_has_other_arms(results, share))
    charts.save(figure, path)


def _has_other_arms(results, share):
    """Whether a share has other arms than the first."""
    first = next(iter(results["shares"].values()))
    return list(first["arms"]) != list(results["shares"][share]["arms"])


def document(results: dict, root: pathlib.Path) -> str:
    """Build the page. root: the study's folder, whose sample grids are shown."""
    headline, *sentences = verdicts.verdicts(results) or ["Nothing is compared yet."]
    return page.document(
        TITLE,
        page.note(results["protocol"]),
        page.section(
            "Verdict",
            page.paragraph(page.strong(headline), f" {augment_results.ALTERNATIVE_NOTE}"),
            page.grid(_figures(results), "pairs"),
            page.note(
                "Means and 95 % intervals over seeds, each by itself; the dotted line is real "
                f"images only. {significance.MEANS_NOTE}"
            ),
        ),
        table_format.sections(augment_results.share_tables(results)),
        page.note(
            "Mean over seeds (95 % interval by itself). Differences in points, paired by seed; "
            "their intervals hold together."
        ),
        page.section("In words", page.bullets(sentences)),
        table_format.section(augment_results.readings_table(results)),
        page.section("Samples", page.grid(_samples(results, root))),
    )


def _figures(results) -> Iterator[page.Html]:
    height = 1 + 0.22 * len(results["arms"])
    for share, name, title in _panels(results):
        draw_one = lambda axes, share=share, name=name: _draw_panel(axes, results, share, name)
        yield page.chart_figure(draw_one, title, 4.6, height)


def _samples(results, root) -> Iterator[page.Html]:
    """The newest sample grid of every share's GAN."""
    for share, results_of_share in results["shares"].items():
        folder = augment_results.share_folder(root, int(share)) / "gan"
        for _, path in run_files.sample_grids(folder)[-1:]:
            heading = augment_results.share_heading(share, results_of_share)
            caption = f"GAN of {heading}; a column per class."
            yield page.figure(page.image(path.read_bytes(), "png", caption, "pixel"), caption)
