"""The figure and the page of a study of voting."""

import pathlib
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gan_jax.metrics import significance
from gan_jax.report import charts, page, run_files
from gan_jax.studies import table_format
from gan_jax.studies.ensemble import results as ensemble_results

TITLE = "Nodes that share the data out and vote"


def draw_accuracy(axes: Axes, results: dict) -> None:
    """Draw the accuracy of the mean node and of the vote over the number of nodes."""
    _draw_lines(axes, results, {"single": "mean node", "voted": "vote"}, 100, most=1)
    axes.set_ylabel("test accuracy, %")


def draw_time(axes: Axes, results: dict) -> None:
    """Draw the training time over the number of nodes."""
    _draw_lines(
        axes, results, {"parallel_s": "all at once", "sequential_s": "one after another"}, 1
    )
    axes.set_ylabel("training time, s")
    axes.set_ylim(bottom=0)


def _draw_lines(axes, results, labels, scale, most=np.inf):
    """Draw means over repeats with 95 % intervals, within 0 and `most`.

    labels: {value: label of its line}; scale: factor of the values.
    """
    counts = results["counts"]
    x = [int(n_nodes) for n_nodes in counts]
    style = {"marker": "o", "ms": 4, "lw": 1.3, "capsize": 3}
    for i, (name, label) in enumerate(labels.items()):
        found = [significance.confidence_interval(v[name], 0, most) for v in counts.values()]
        means = scale * np.array([mean for mean, _ in found])
        ends = scale * np.array([interval or (mean, mean) for mean, interval in found]).T
        axes.errorbar(x, means, np.abs(ends - means), label=label, color=charts.color(i), **style)
    axes.set_xticks(x)
    axes.set_xlabel("nodes")


CHARTS = {
    draw_accuracy: "Accuracy on the test images; bars are 95 % intervals of the mean over repeats "
    "(Student's t, on the logit).",
    draw_time: "Seconds of training of the GANs: the slowest node, and the sum over nodes.",
}


def draw(results: dict, path: pathlib.Path) -> None:
    """Draw both charts side by side, as PNG."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    for axes, draw_chart in zip(figure.subplots(1, len(CHARTS)), CHARTS, strict=True):
        draw_chart(axes, results)
        charts.hide_box(axes)
        axes.legend(frameon=False)
    charts.save(figure, path)


def document(results: dict, root: pathlib.Path) -> str:
    """Build the page. root: the study's folder, whose sample grids are shown."""
    figures = (
        page.chart_figure(
            lambda axes, draw_chart=draw_chart: draw_chart(axes, results), text, 4.6, 3
        )
        for draw_chart, text in CHARTS.items()
    )
    return page.document(
        TITLE,
        page.note(results["protocol"]),
        page.section(
            "Verdict", page.bullets(ensemble_results.verdicts(results)), page.grid(figures, "pairs")
        ),
        table_format.sections(ensemble_results.tables(results)),
        page.section("Samples", page.grid(_samples(results, root))),
    )


def _samples(results, root) -> Iterator[page.Html]:
    """The newest sample grid of the first node for each number of nodes."""
    for n_nodes, values in results["counts"].items():
        folder = root / f"repeat_{values['repeats'][0]}" / n_nodes / "node_1"
        for _, path in run_files.sample_grids(folder)[-1:]:
            alt = f"samples of node 1 of {n_nodes}"
            nodes = f"{n_nodes} node{'s' if n_nodes != '1' else ''}"
            caption = f"{nodes}: images of node 1, a column per generator."
            yield page.figure(page.image(path.read_bytes(), "png", alt, "pixel"), caption)
