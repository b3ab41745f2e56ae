"""Figure and HTML page of a study of voting."""

import html

from matplotlib.figure import Figure

from gan_jax.metrics import significance
from gan_jax.report import page
from gan_jax.studies import table_format
from gan_jax.studies.ensemble import results as ensemble

TITLE = "Nodes that share the data out and vote"


def draw_accuracy(axes, results):
    """Accuracy of the mean node and of the vote against the number of nodes, with 95 % intervals."""
    _lines(axes, results, {"single": "mean node", "voted": "vote"}, 100)
    axes.set_ylabel("test accuracy, %")


def draw_time(axes, results):
    """Training time against the number of nodes, with 95 % intervals."""
    _lines(axes, results, {"parallel_s": "all at once", "sequential_s": "one after another"}, 1)
    axes.set_ylabel("training time, s")
    axes.set_ylim(bottom=0)


def _lines(axes, results, names, scale):
    counts = results["counts"]
    places = [int(of) for of in counts]
    for i, (name, label) in enumerate(names.items()):
        found = [significance.interval(rows[name]) for rows in counts.values()]
        means, halves = (
            [scale * mean for mean, _ in found],
            [scale * (half or 0) for _, half in found],
        )
        axes.errorbar(
            places,
            means,
            halves,
            label=label,
            color=page.COLORS[i],
            marker="o",
            ms=4,
            lw=1.3,
            capsize=3,
        )
    axes.set_xticks(places)
    axes.set_xlabel("nodes")


def draw(results, path):
    """Both plots beside each other, as PNG."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    for axes, plot in zip(figure.subplots(1, 2), (draw_accuracy, draw_time), strict=True):
        plot(axes, results)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


def document(results, root):
    """The page. root: the study's folder, whose sample grids are shown."""
    plots = (
        (
            draw_accuracy,
            "Accuracy on the test images; bars are 95 % intervals of the mean over repeats.",
        ),
        (draw_time, "Seconds of training of the GANs: the slowest node, and the sum over nodes."),
    )
    drawn = "".join(
        page.figure(
            page.embed(
                page.chart(lambda axes, plot=plot: plot(axes, results), 4.6, 3), "svg+xml", caption
            ),
            caption,
        )
        for plot, caption in plots
    )
    accuracy, images = ensemble.rows_of(results)
    said = "".join(f"<li>{html.escape(line)}</li>" for line in ensemble.verdicts(results))
    return page.document(
        TITLE,
        f'<h1>{TITLE}</h1><p class="soft">{html.escape(results["protocol"])}</p><h2>Verdict</h2><ul>{said}</ul>'
        f'<div class="pairs">{drawn}</div><h2>Accuracy and time</h2>{table_format.table(accuracy)}'
        '<p class="soft">Mean +- standard deviation over repeats. Single: mean over the nodes. Gain: vote less single, paired '
        "by repeat. McNemar: vote against node 1. t per image: vote against the mean node.</p>"
        f"<h2>Images and generators</h2>{table_format.table(images)}"
        '<p class="soft">Labeller: test accuracy of the classifier that labels the images of a node. Purity: share of images '
        "that a central classifier sees in the most frequent class of their generator; beside it the share of the most "
        f"frequent class of all, the purity of generators that are all alike.</p>{_samples(results, root)}",
    )


def _samples(results, root):
    """The last sample grid of the first node for each number of nodes."""
    shown = ""
    for of, found in results["counts"].items():
        folder = root / f"repeat_{found['repeats'][0]}" / of / "node_1"
        for path in sorted((folder / "samples").glob("*.png"))[-1:]:
            picture = page.embed(path.read_bytes(), "png", f"samples of node 1 of {of}", "pixel")
            shown += page.figure(
                picture,
                f"{of} node{'s' if of != '1' else ''}: images of node 1, a column per generator.",
            )
    return f'<h2>Samples</h2><div class="row">{shown}</div>' if shown else ""
