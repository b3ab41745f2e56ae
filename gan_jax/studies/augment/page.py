"""Figure and HTML page of a study of synthetic images for a classifier."""

import html

from matplotlib.figure import Figure

from gan_jax.metrics import significance
from gan_jax.report import page
from gan_jax.studies import table_format
from gan_jax.studies.augment import results as augment_study

TITLE = "Do a GAN's images help a classifier?"


def panels(results):
    """[(share, measure, title)] of the figure's panels, a row per measure."""
    names = augment_study.measures(results["rare"])
    return [
        (
            share,
            name,
            f"{augment_study.percent(int(share))} of the labels, {found['gan']['n_real']:,} images: {words}",
        )
        for name, words in names.items()
        for share, found in results["shares"].items()
    ]


def draw_panel(axes, results, share, name):
    """Every arm's mean with its 95 % interval over seeds, from above; a line at that of real images only."""
    rows = results["shares"][share]["arms"]
    keys = [key for key in results["arms"] if key in rows]
    for i, key in enumerate(keys):
        mean, half = significance.interval([100 * value for value in rows[key][name]])
        color = page.INK if key == "real" else page.COLORS[0]
        axes.errorbar(mean, -i, xerr=half or 0, color=color, marker="o", ms=4, lw=1.3, capsize=3)
        if key == "real":
            axes.axvline(mean, color=page.INK, lw=0.8, ls=":")
    axes.set_yticks([-i for i in range(len(keys))], [results["arms"][key]["text"] for key in keys])
    axes.margins(y=0.08)
    axes.set_xlabel(f"{augment_study.measures(results['rare'])[name]}, %")


def draw(results, path):
    """All panels as PNG, a column per share of the labels and a row per measure."""
    shown, columns = panels(results), len(results["shares"]) or 1
    rows = max(1, len(shown) // columns)
    height = 1.3 + 0.26 * len(results["arms"])
    figure = Figure(figsize=(2.2 + 3.4 * columns, height * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, (share, name, title) in zip(grid.flat, shown, strict=False):
        draw_panel(axes, results, share, name)
        axes.set_title(title.partition(":")[0], loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        if axes not in grid[:, 0]:
            axes.tick_params(labelleft=_differs(results, share))
    figure.savefig(path, dpi=110)


def _differs(results, share):
    """Whether a share has other arms than the first."""
    first, own = (
        list(found["arms"])
        for found in (next(iter(results["shares"].values())), results["shares"][share])
    )
    return first != own


def document(results, root):
    """The page. root: the study's folder, whose sample grids are shown."""
    height = 1 + 0.22 * len(results["arms"])
    drawn = ""
    for share, name, title in panels(results):
        draw_one = lambda axes, share=share, name=name: draw_panel(axes, results, share, name)
        drawn += page.figure(page.embed(page.chart(draw_one, 4.6, height), "svg+xml", title), title)
    said, *details = [html.escape(line) for line in augment_study.verdicts(results)] or [
        "Nothing is compared yet."
    ]
    details = "".join(f"<li>{line}</li>" for line in details)
    tables = "".join(
        f"<h2>{html.escape(augment_study.heading(share, found))}</h2>{table_format.table(augment_study.rows_of(results, share))}"
        for share, found in results["shares"].items()
    )
    return page.document(
        TITLE,
        f'<h1>{TITLE}</h1><p class="soft">{html.escape(results["protocol"])}</p><h2>Verdict</h2><p><strong>{said}</strong> '
        f'{augment_study.ALTERNATIVE}</p><div class="pairs">{drawn}</div><p class="soft">Means and 95 % intervals over seeds, '
        f"each by itself; the dotted line is real images only.</p>{tables}"
        '<p class="soft">Mean over seeds (95 % interval by itself). Differences in points, paired by seed; their intervals '
        f"hold together.</p><h2>In words</h2><ul>{details}</ul>"
        f"<h2>Generated images, seen as their class</h2>{table_format.table(augment_study.readings_of(results))}"
        f"{_samples(results, root)}",
    )


def _samples(results, root):
    """The last sample grid of every share's GAN."""
    shown = ""
    for share, found in results["shares"].items():
        for path in sorted(
            (augment_study.place(root, int(share)) / "gan" / "samples").glob("*.png")
        )[-1:]:
            caption = f"GAN of {augment_study.heading(share, found)}; a column per class."
            shown += page.figure(page.embed(path.read_bytes(), "png", caption, "pixel"), caption)
    return f'<h2>Samples</h2><div class="row">{shown}</div>' if shown else ""
