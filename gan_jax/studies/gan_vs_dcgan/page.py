"""The figure and the page of a study of a GAN against a DCGAN."""

import pathlib
from collections.abc import Callable, Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gan_jax.report import charts, page, run_files
from gan_jax.studies import run_outputs, table_format
from gan_jax.studies.gan_vs_dcgan import results as gan_vs_dcgan

TITLE = "GAN against DCGAN"
LOSSES = {"disc/loss": ("D", 2), "gen/loss": ("G", 1)}  # {loss: (label, equilibrium / ln 2)}


def logged_values(
    folders: list[pathlib.Path], name: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Read a logged value of runs that differ in their seed alone.

    Returns:
      (steps [T], mean seconds of training [T], values [seeds, T]); None where nothing was logged.
    """
    runs = [run_outputs.read_logged(folder, name) for folder in folders]
    if not runs or not len(runs[0][0]):
        return None
    steps, seconds, values = zip(*runs, strict=True)
    return steps[0], np.mean(seconds, 0), np.stack(values)


def draw_losses(axes: Axes, results: dict, root: pathlib.Path, system: str) -> None:
    """Draw the losses of D and G over passes over the data."""
    info, drawn = results["systems"][system], []
    folders = [root / folder for folder in results["folders"]["lengths"][system]]
    for i, (name, (label, level)) in enumerate(LOSSES.items()):
        color = charts.COLORS[i]
        axes.axhline(level * np.log(2), color=color, lw=1, ls="--")
        logged = logged_values(folders, name)
        if logged is not None:
            steps, _, values = logged
            epochs = steps / info["steps_per_epoch"]
            charts.draw_mean_and_range(axes, epochs, values, color, label, lw=1.3, ms=3)
            drawn.append(values.ravel())
    if drawn:
        charts.cut_extremes(axes, np.concatenate(drawn))
    axes.set_title(f"{info['title']}, {info['steps']:,} updates", fontsize=10, loc="left")
    axes.set_xlabel("epochs (passes over the training images)")
    axes.set_ylabel("loss")


def draw_scores(axes: Axes, results: dict, root: pathlib.Path) -> None:
    """Draw the Frechet distance over seconds of training, a curve for each different run."""
    for i, (table, system) in enumerate(gan_vs_dcgan.distinct_runs(results)):
        folders = [root / folder for folder in results["folders"][table][system]]
        logged = logged_values(folders, "eval/frechet")
        if logged is not None:
            _, seconds, values = logged
            title = results["systems"][system]["title"]
            label = f"{title}, equal time" if table == "time" else title
            style = {"lw": 1.3, "ms": 3, "marker": "o"}
            charts.draw_mean_and_range(axes, seconds, values, charts.COLORS[i], label, **style)
    axes.set_yscale("log")
    axes.set_xlabel("seconds of training")
    axes.set_ylabel("Frechet distance")


def _charts(results, root) -> list[tuple[Callable[[Axes], None], str]]:
    """[(function that draws into axes, caption)]."""
    level = "Dashed: 2 ln 2 = 1.386 for D and ln 2 = 0.693 for G, their values where D cannot tell."
    band = "Mean over seeds; the band reaches from the lowest to the highest."
    drawn = []
    for system, info in results["systems"].items():
        draw_one = lambda axes, system=system: draw_losses(axes, results, root, system)
        drawn.append((draw_one, f"Losses of the {info['title']}. {level} {band}"))
    caption = (
        "Frechet distance while training, of fewer images than at the end, so somewhat higher. "
        f"{band}"
    )
    return [*drawn, (lambda axes: draw_scores(axes, results, root), caption)]


def draw(results: dict, root: pathlib.Path, path: pathlib.Path) -> None:
    """Draw all charts side by side, as PNG."""
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    drawn = _charts(results, root)
    for axes, (draw_one, _) in zip(figure.subplots(1, len(drawn)), drawn, strict=True):
        draw_one(axes)
        charts.hide_box(axes)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=8)
    charts.save(figure, path)


def document(results: dict, root: pathlib.Path) -> str:
    """Build the page. root: the study's folder, whose curves and sample grids are shown."""
    figures = (
        page.chart_figure(draw_one, text, 4.6, 3) for draw_one, text in _charts(results, root)
    )
    return page.document(
        TITLE,
        page.note(results["protocol"]),
        page.section("Verdict", page.bullets(gan_vs_dcgan.verdicts(results, root))),
        page.section("Samples", page.grid(_samples(results, root))),
        page.section("Training", page.grid(figures, "pairs")),
        table_format.sections(gan_vs_dcgan.tables(results)),
    )


def _samples(results, root) -> Iterator[page.Html]:
    """S2's figures 3 and 6 of the first seed: at the steps that S2 shows, and at equal time."""
    for table, system in gan_vs_dcgan.distinct_runs(results):
        info, folders = results["systems"][system], results["folders"][table][system]
        if not folders:
            continue
        grids = dict(run_files.sample_grids(root / folders[0]))
        step, where = max(grids), f"the end at {results['titles'][table]}"
        if table == "lengths":
            step, where = info["shown"], f"S2 shows {info['place']}"
        epoch = step / info["steps_per_epoch"]
        caption = f"{info['title']}, update {step:,} (epoch {epoch:.1f}): {where}."
        grid = page.sample_grid(grids[step], f"samples of {info['title']}", 360)
        yield page.figure(grid, caption)
