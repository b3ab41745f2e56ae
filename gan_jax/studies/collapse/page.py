"""The figures and the page of a study of mode collapse."""

import itertools
import pathlib
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gan_jax import images
from gan_jax.data.datasets import Dataset
from gan_jax.report import charts, page, point_plots
from gan_jax.studies import table_format
from gan_jax.studies.collapse import results as collapse
from gan_jax.studies.collapse.scorer import KINDS
from gan_jax.studies.collapse.systems import SYSTEMS, split_name

TITLE = "Mode collapse and its cures"
# {table: (key of a curve that is its x-axis, label)}
X_AXES = {"updates": ("step", "steps"), "time": ("train_s", "seconds of training")}
N_IMAGES, N_POINTS = 8, 2000  # shown of each system
COLUMNS = 3  # of densities
FIGURES = {
    "shares.png": (
        "Shares of the classes in the training data and in each system's images; bars: standard "
        "deviation."
    ),
    "disc_sizes.png": (
        "Modes covered against the width of D, in widths of G: mean and range over seeds."
    ),
    "samples.png": "What the first seed of each system makes, beside real data.",
}


def line_styles(systems: Iterable) -> dict[str, tuple[str, str]]:
    """Return {system: (colour, line style)}, all different for up to 20 systems."""
    styles = [(color, line) for line in ("-", "--", ":", "-.") for color in charts.COLORS]
    return dict(zip(systems, itertools.cycle(styles), strict=False))


def has_curves(results: dict) -> bool:
    """Whether any run was scored while it trained."""
    systems = [runs for table in results["curves"].values() for runs in table.values()]
    return any(run["step"] for runs in systems for run in runs)


def draw_curve(axes: Axes, results: dict, table: str, key: str) -> None:
    """Draw one score of every system over training: mean and range over seeds.

    Args:
      axes: where to draw.
      results: the results.
      table: key of results["tables"]; over steps, or over seconds for equal time.
      key: the score.
    """
    kind, (across, label) = KINDS[results["kind"]], X_AXES[table]
    styles = line_styles(results["systems"])
    for system, runs in results["curves"][table].items():
        runs = [run for run in runs if run["step"]]
        if runs:
            x, y = (np.array([run[name] for run in runs], float) for name in (across, key))
            color, line = styles[system]
            name = results["systems"][system]
            style = {"lw": 1.4, "ls": line, "alpha": 0.15}
            charts.draw_mean_and_range(axes, x.mean(0), y, color, name, **style)
    if key == kind.covered:
        axes.axhline(results["n_modes"], color=charts.INK, lw=0.8, ls=":")
        axes.set_ylim(bottom=0)
    else:
        axes.set_yscale("log")
    axes.set_xlabel(label)
    axes.set_ylabel(kind.scores[key])


def draw_curves(results: dict, path: pathlib.Path) -> None:
    """Draw all curves as PNG, a row per score and a column per table."""
    kind = KINDS[results["kind"]]
    figure = Figure(figsize=(11, 7), layout="constrained")
    panels = figure.subplots(2, len(results["tables"]), squeeze=False)
    for row, key in zip(panels, (kind.covered, kind.distance), strict=True):
        for axes, (table, title) in zip(row, collapse.table_titles(results).items(), strict=True):
            draw_curve(axes, results, table, key)
            axes.set_title(title, loc="left")
            charts.hide_box(axes)
    _save_with_legend(figure, panels[0, 0], path)


def _save_with_legend(figure, axes, path):
    """Save a figure with the legend of one of its panels below all of them."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
    charts.save(figure, path)


def draw_shares(results: dict, path: pathlib.Path) -> None:
    """Draw S3's figure 3 as PNG: the share of every class in the data and for each system."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    panels = figure.subplots(1, len(results["tables"]), sharey=True, squeeze=False)[0]
    for axes, (table, title) in zip(panels, collapse.table_titles(results).items(), strict=True):
        _draw_bars(axes, results, table)
        axes.set_title(title, loc="left")
        charts.hide_box(axes)
    panels[0].set_ylim(bottom=0)
    panels[0].set_ylabel("% of the images, by one classifier")
    _save_with_legend(figure, panels[0], path)


def has_sizes(results: dict) -> bool:
    """Whether systems were trained with several sizes of D."""
    return len({split_name(system)[1] for system in results["systems"]}) > 1


def draw_sizes(results: dict, path: pathlib.Path) -> None:
    """Draw the modes that each system covers against the size of its D, as PNG."""
    kind = KINDS[results["kind"]]
    names = dict.fromkeys(split_name(system)[0] for system in results["systems"])
    styles = line_styles(names)
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    panels = figure.subplots(1, len(results["tables"]), sharey=True, squeeze=False)[0]
    for axes, (table, heading) in zip(panels, collapse.table_titles(results).items(), strict=True):
        rows = {split_name(system): runs for system, runs in results["tables"][table].items()}
        for name in names:
            sizes = sorted(size for key, size in rows if key == name and rows[key, size])
            n_runs = min((len(rows[name, size]) for size in sizes), default=0)
            values = [[run[kind.covered] for run in rows[name, size][:n_runs]] for size in sizes]
            color, line = styles[name]
            if sizes:
                style = {"lw": 1.4, "ls": line, "marker": "o", "ms": 4, "alpha": 0.12}
                label = SYSTEMS[name].title
                charts.draw_mean_and_range(axes, sizes, np.transpose(values), color, label, **style)
        axes.axhline(results["n_modes"], color=charts.INK, lw=0.8, ls=":")
        axes.set_xscale("log", base=2)
        ticks = sorted({size for _, size in rows})
        axes.set_xticks(ticks, [f"{size:g}" for size in ticks])
        axes.set_xlabel("width of D, in widths of G")
        axes.set_title(heading, loc="left")
        charts.hide_box(axes)
    panels[0].set_ylabel(f"{kind.noun}, of {results['n_modes']:,}")
    panels[0].set_ylim(bottom=0)
    _save_with_legend(figure, panels[0], path)


def _draw_bars(axes, results, table):
    styles = line_styles(results["systems"])
    groups = {"training data": ([results["training data"]], charts.INK, "-")}
    for system, rows in results["tables"][table].items():
        if rows:
            groups[results["systems"][system]] = (rows, *styles[system])
    x, width = np.arange(len(results["classes"])), 0.84 / len(groups)
    for i, (name, (rows, color, line)) in enumerate(groups.items()):
        percent = 100 * np.array([row["fractions"] for row in rows])
        spread = percent.std(0, ddof=1) if len(rows) > 1 else None
        at = x + (i - len(groups) / 2 + 0.5) * width
        hatch = "" if line == "-" else "///"
        axes.bar(at, percent.mean(0), width, yerr=spread, label=name, color=color, hatch=hatch)
    axes.set_xticks(x, results["classes"])


def draw_samples(
    results: dict, samples: dict[str, dict], source: Dataset, path: pathlib.Path
) -> None:
    """Draw samples of every system as PNG, a panel per table, real data first.

    Args:
      results: the results.
      samples: {table: {system: images or points of the first seed, or None}}.
      source: the training data.
      path: the file.
    """
    n = len(results["systems"]) + 1
    figure = Figure(figsize=(14, 1 + 0.8 * n), layout="constrained")
    for axes, (table, title) in zip(
        figure.subplots(1, len(results["tables"]), squeeze=False)[0],
        collapse.table_titles(results).items(),
        strict=True,
    ):
        parts = {"real": source.images}
        for system, sample in samples[table].items():
            if sample is not None:
                parts[results["systems"][system]] = sample
        if source.points:
            _show_densities(axes, parts, source)
        else:
            _show_images(axes, parts)
        axes.set_xticks([])
        axes.tick_params(length=0)
        axes.set_title(title, loc="left")
        axes.spines[:].set_visible(False)
    charts.save(figure, path, bbox_inches="tight")


def _show_images(axes, parts):
    """Show a row of images for each part."""
    tiles = np.concatenate([part[:N_IMAGES] for part in parts.values()])
    grid = images.grid(tiles, N_IMAGES, 4)
    axes.imshow(grid.squeeze(), cmap="gray", interpolation="nearest")
    height = grid.shape[0] / len(parts)
    axes.set_yticks([(i + 0.5) * height for i in range(len(parts))], list(parts))


def _show_densities(axes, parts, source):
    """Show a density for each part, with its name in the corner."""
    densities = [
        point_plots.draw_density(part[:N_POINTS], source.images, source.name)
        for part in parts.values()
    ]
    axes.imshow(images.grid(np.stack(densities), COLUMNS))
    side = point_plots.SIDE + images.GAP
    for i, name in enumerate(parts):
        row, column = divmod(i, COLUMNS)
        axes.text(column * side + 8, row * side + 28, name, color="white", size=7)
    axes.set_yticks([])


def figures(
    results: dict, samples: dict, source: Dataset
) -> dict[str, Callable[[pathlib.Path], None]]:
    """List the figures that the results have.

    Args:
      results: the results.
      samples, source: see `draw_samples`.

    Returns:
      {file name: function that draws the figure into a path}.
    """
    drawers = {"samples.png": lambda path: draw_samples(results, samples, source, path)}
    if results["classes"]:
        drawers["shares.png"] = lambda path: draw_shares(results, path)
    if has_sizes(results):
        drawers["disc_sizes.png"] = lambda path: draw_sizes(results, path)
    if has_curves(results):
        drawers["curves.png"] = lambda path: draw_curves(results, path)
    return drawers


def document(results: dict, root: pathlib.Path) -> str:
    """Build the page. root: the study's folder, whose figures of shares and samples are shown."""
    headline, *sentences = collapse.verdicts(results)
    return page.document(
        TITLE,
        page.note(results["protocol"]),
        page.section("Verdict", page.paragraph(page.strong(headline))),
        page.section("Over training", page.grid(_curve_figures(results), "pairs")),
        table_format.sections(collapse.tables(results)),
        page.note(collapse.NOTE),
        page.section("Pictures", page.grid(_picture_figures(results, root), "stack")),
        page.section("In words", page.bullets(sentences)),
    )


def _curve_figures(results) -> Iterator[page.Html]:
    kind = KINDS[results["kind"]]
    for key in (kind.covered, kind.distance) if has_curves(results) else ():
        for table, title in collapse.table_titles(results).items():
            text = f"{title}: {kind.scores[key]} over training, mean and range over seeds."
            draw_one = lambda axes, table=table, key=key: draw_curve(axes, results, table, key)
            yield page.chart_figure(draw_one, text, 4.6, 3.4)


def _picture_figures(results, root) -> Iterator[page.Html]:
    drawn = {
        "samples.png": True,
        "shares.png": results["classes"],
        "disc_sizes.png": has_sizes(results),
    }
    for name, text in FIGURES.items():
        if drawn[name]:
            yield page.figure(page.image((root / name).read_bytes(), "png", text), text)
