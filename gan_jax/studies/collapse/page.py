"""Figures and HTML page of a study of mode collapse."""

import html
import itertools

import numpy as np
from matplotlib.figure import Figure

from gan_jax import images
from gan_jax.report import page, point_plots
from gan_jax.studies import interleaved, table_format
from gan_jax.studies.collapse import results as collapse

TITLE = "Mode collapse and its cures"
AXES = {
    "updates": ("step", "steps"),
    "time": ("train_s", "seconds of training"),
}  # of a curve, by table
N_IMAGES, N_POINTS = 8, 2000  # shown of each system
COLUMNS = 3  # of densities


def styles(systems):
    """{system: (colour, line style)}, all different for up to 20."""
    looks = itertools.cycle(
        (color, line) for line in ("-", "--", ":", "-.") for color in page.COLORS
    )
    return dict(zip(systems, looks))  # noqa: B905, the looks never end


def has_curves(results):
    """Whether any run was scored while it trained."""
    return any(
        c["step"] for part in results["curves"].values() for runs in part.values() for c in runs
    )


def draw_curve(axes, results, which, key):
    """One score of every system over training: mean and range over seeds; against steps, or against seconds for equal time.

    Args:
      which: key of interleaved.TABLES. key: a score.
    """
    kind, (across, label) = collapse.KINDS[results["kind"]], AXES[which]
    looks = styles(results["systems"])
    for system, found in results["curves"][which].items():
        if runs := [c for c in found if c["step"]]:
            x, y = (np.array([c[name] for c in runs], float) for name in (across, key))
            color, line = looks[system]
            axes.plot(
                x.mean(0), y.mean(0), line, color=color, lw=1.4, label=results["systems"][system]
            )
            axes.fill_between(x.mean(0), y.min(0), y.max(0), color=color, alpha=0.15, lw=0)
    if key == kind.covered:
        axes.axhline(results["n_modes"], color=page.INK, lw=0.8, ls=":")
        axes.set_ylim(bottom=0)
    else:
        axes.set_yscale("log")
    axes.set_xlabel(label)
    axes.set_ylabel(kind.scores[key])


def draw_curves(results, path):
    """All curves, a row per score and a column per table, as PNG."""
    kind = collapse.KINDS[results["kind"]]
    figure = Figure(figsize=(11, 7), layout="constrained")
    panels = figure.subplots(2, len(interleaved.TABLES), squeeze=False)
    for row, key in zip(panels, (kind.covered, kind.distance), strict=True):
        for axes, which in zip(row, interleaved.TABLES, strict=True):
            draw_curve(axes, results, which, key)
            axes.set_title(interleaved.TABLES[which], loc="left")
            axes.spines[["top", "right"]].set_visible(False)
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=5,
        frameon=False,
    )
    figure.savefig(path, dpi=110)


def draw_shares(results, path):
    """S3's figure 3: the share of every class, for the data and each system, a panel per table, as PNG."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    panels, looks = (
        figure.subplots(1, len(interleaved.TABLES), sharey=True),
        styles(results["systems"]),
    )
    for axes, which in zip(panels, interleaved.TABLES, strict=True):
        bars = {"training data": ([results["training data"]], page.INK, "-")}
        bars |= {
            results["systems"][s]: (rows, *looks[s])
            for s, rows in results["tables"][which].items()
            if rows
        }
        place, width = np.arange(len(results["classes"])), 0.84 / len(bars)
        for i, (name, (rows, color, line)) in enumerate(bars.items()):
            shares = 100 * np.array([row["fractions"] for row in rows])
            spread = shares.std(0, ddof=1) if len(rows) > 1 else None
            at = place + (i - len(bars) / 2 + 0.5) * width
            axes.bar(
                at,
                shares.mean(0),
                width,
                yerr=spread,
                label=name,
                color=color,
                hatch="" if line == "-" else "///",
            )
        axes.set_xticks(place, results["classes"])
        axes.set_title(interleaved.TABLES[which], loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylim(bottom=0)
    panels[0].set_ylabel("% of the images, by one classifier")
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False
    )
    figure.savefig(path, dpi=110)


def draw_samples(results, made, source, path):
    """What every system makes (first seed), a panel per table, real data first, as PNG: eight images each, or a density.

    Args:
      made: {table: {system: images or points, or None}}. source: the training Source.
    """
    n = len(results["systems"]) + 1
    figure = Figure(figsize=(14, 1 + 0.8 * n), layout="constrained")
    for panel, which in zip(
        figure.subplots(1, len(interleaved.TABLES)), interleaved.TABLES, strict=True
    ):
        shown = {results["systems"][s]: part for s, part in made[which].items() if part is not None}
        if source.points:
            _densities(panel, {"real": source.images, **shown}, source)
        else:
            _rows(panel, {"real": source.images, **shown})
        panel.set_xticks([])
        panel.tick_params(length=0)
        panel.set_title(interleaved.TABLES[which], loc="left")
        panel.spines[:].set_visible(False)
    figure.savefig(path, dpi=110, bbox_inches="tight")


def _rows(panel, rows):
    grid = images.grid(np.concatenate([part[:N_IMAGES] for part in rows.values()]), N_IMAGES, 4)
    panel.imshow(grid.squeeze(), cmap="gray", interpolation="nearest")
    step = grid.shape[0] / len(rows)
    panel.set_yticks([(i + 0.5) * step for i in range(len(rows))], list(rows))


def _densities(panel, parts, source):
    pictures = [
        point_plots.picture(part[:N_POINTS], source.images, source.name) for part in parts.values()
    ]
    panel.imshow(images.grid(np.stack(pictures), COLUMNS))
    for i, name in enumerate(parts):
        row, column = divmod(i, COLUMNS)
        panel.text(
            column * (point_plots.SIDE + images.GAP) + 8,
            row * (point_plots.SIDE + images.GAP) + 28,
            name,
            color="white",
            size=7,
        )
    panel.set_yticks([])


def figures(results, made, source, root):
    """Draws all figures that the results have into the study's folder; returns their names."""
    drawn = {"samples.png": lambda path: draw_samples(results, made, source, path)}
    if results["classes"]:
        drawn["shares.png"] = lambda path: draw_shares(results, path)
    if has_curves(results):
        drawn["curves.png"] = lambda path: draw_curves(results, path)
    for name, draw in drawn.items():
        draw(root / name)
    return list(drawn)


def document(results, root):
    """The page. root: the study's folder, whose figures of shares and samples are shown."""
    said, *details = [html.escape(line) for line in collapse.verdicts(results)]
    details = "".join(f"<li>{line}</li>" for line in details)
    tables = "".join(
        f"<h2>{html.escape(title)}</h2>{table_format.table(rows)}"
        for title, rows in collapse.titled(results)
    )
    pictures = {
        "shares.png": "Shares of the classes in the training data and in each system's images; bars: standard deviation.",
        "samples.png": "What the first seed of each system makes, beside real data.",
    }
    shown = "".join(
        page.figure(page.embed((root / name).read_bytes(), "png", text), text) + "<br>"
        for name, text in pictures.items()
        if name != "shares.png" or results["classes"]
    )
    return page.document(
        TITLE,
        f'<h1>{TITLE}</h1><p class="soft">{html.escape(results["protocol"])}</p><h2>Verdict</h2><p><strong>{said}</strong></p>'
        f"{_curves(results) if has_curves(results) else ''}{tables}"
        '<p class="soft">Mean +- standard deviation over seeds. A step is one update of G, but where a rule skips some. '
        "Times are of training alone, without compiling and scoring. 90 % is at the first score where none was better.</p>"
        f"<h2>Pictures</h2>{shown}<h2>In words</h2><ul>{details}</ul>",
    )


def _curves(results):
    kind, drawn = collapse.KINDS[results["kind"]], ""
    for key in (kind.covered, kind.distance):
        for which, words in interleaved.TABLES.items():
            text = f"{words}: {kind.scores[key]} over training, mean and range over seeds."
            chart = page.chart(
                lambda axes, which=which, key=key: draw_curve(axes, results, which, key), 4.6, 3.4
            )
            drawn += page.figure(page.embed(chart, "svg+xml", text), text)
    return f'<h2>Over training</h2><div class="pairs">{drawn}</div>'
