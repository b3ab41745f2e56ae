"""Charts of the values that a run logs, each with a sentence on how to read it."""

import numpy as np
from matplotlib.axes import Axes

from gan_jax.report import charts, equilibrium, page
from gan_jax.rundir import health

# By a value's whole name, by what comes before it ("eval"), or by its last part, see `caption`.
CAPTIONS = {
    "loss": (
        "Depends on the opponent too: it should stay bounded; lower does not mean better pictures."
    ),
    "prob": "The discriminator's mean output, 1 = surely real.",
    "penalty": (
        "Penalty on the discriminator's slope, before its weight: it should settle, not grow."
    ),
    "watch/diversity": (
        "How much generated images differ from one another; 1 = as much as the data do. Falling "
        "far is mode collapse; far above 1 is noise. It does not tell whether they look real."
    ),
    "watch/gap": (
        "D's mean output for real images less that for generated ones: 1 = it has won, 0 = it "
        "cannot tell."
    ),
    "watch/augment": "ADA's probability, divided by the largest that it may take.",
    "watch/modes": "Classes that hold 1 % of the generated images or more.",
    "watch/largest_class": "Share of the most frequent class among the generated images.",
    "eval": (
        "Scored while training: compare along this curve, never with scores from other numbers of "
        "images."
    ),
}
# Groups of values, in the order of the page. Other values are folded away.
GROUPS = ("loss", "prob", "penalty", "watch", "eval")


def training_section(config: dict, log: list[dict]) -> page.Html:
    """Show every logged value over training.

    Args:
      config: config.json of the run.
      log: records of metrics.jsonl.
    """
    names = sorted({n for record in log for n, value in record.items() if _is_curve(n, value)})
    if not names:
        text = "Nothing logged yet: the first values come after --log_every steps."
        return page.section("Training", page.paragraph(text))
    groups = _figures(config, log, names)
    training = [figure for group in GROUPS if group != "eval" for figure in groups[group]]
    return page.join([
        page.section("Training", page.element("div", *training, css="row")),
        page.section("Scores over training", page.grid(groups["eval"])),
        page.details("Other logged values", page.grid(groups["other"])),
    ])  # fmt: skip


def _is_curve(name, value):
    return "/" in name and isinstance(value, (int, float)) and not name.endswith("/ran")


def _figures(config, log, names):
    """Figures by group; the outputs of D share one."""
    run_health = health.Health(config)
    for record in log:
        run_health.add(record)
    levels = equilibrium.of_losses(config)
    groups = {group: [] for group in (*GROUPS, "other")}
    probs = [name for name in names if name.endswith("_prob")]
    if probs:
        level = equilibrium.of_probabilities(config)
        text = CAPTIONS["prob"] + (equilibrium.PROB_TEXT if level else "")
        groups["prob"].append(page.figure(curve(log, probs, level), text))
    for name in [name for name in names if name not in probs]:
        prefix, _, kind = name.rpartition("/")
        group = prefix if prefix in ("eval", "watch") else kind
        figure = curve_figure(log, name, levels.get(name), run_health.bounds(name))
        groups[group if group in GROUPS else "other"].append(figure)
    return groups


def curve_figure(
    log: list[dict], name: str, level: int | None = None, bounds: tuple[float, float] | None = None
) -> page.Html:
    """Show one logged value over training.

    Args:
      log: records of metrics.jsonl.
      name: the value.
      level: its value at equilibrium in units of ln 2, or None.
      bounds: its healthy range, or None.
    """
    if level is not None:
        value = level * np.log(2)
        words = f"{level} ln 2 = {value:.3f}" if value else "0"
        text = f"Dashed: {words}, its value when the discriminator cannot tell real from fake."
        text += " Near 0 it has won." if name == "disc/loss" else ""
        return page.figure(curve(log, [name], value), text)
    text = caption(name) + describe_range(bounds)
    return page.figure(curve(log, [name], bounds=bounds), text)


def caption(name: str) -> str:
    """Say how to read a logged value; of values that nothing is known of, what they are."""
    keys = (name, name.split("/")[0], name.split("/")[-1])
    known = (CAPTIONS[key] for key in keys if key in CAPTIONS)
    return next(known, f"{name}, mean over each log interval.")


def curve(
    log: list[dict],
    names: list[str],
    level: float | None = None,
    bounds: tuple[float, float] | None = None,
) -> page.Html:
    """Draw logged values over steps.

    Args:
      log: records of metrics.jsonl.
      names: the values.
      level: where a dashed line is drawn, or None.
      bounds: the range that is shaded, or None.
    """

    def draw(axes):
        for i, name in enumerate(names):
            pairs = [(record["step"], record[name]) for record in log if name in record]
            points = charts.downsample(np.array(pairs, float))
            marker = "o" if len(points) < 25 else None
            label = name.split("/")[-1]
            axes.plot(*points.T, color=charts.color(i), lw=1.3, label=label, marker=marker, ms=3)
        if level is not None:
            axes.axhline(level, color=charts.INK, lw=1, ls="--")
        values = [record[name] for record in log for name in names if name in record]
        cut = charts.cut_extremes(axes, values)
        if bounds is not None:
            _shade(axes, *bounds)
        title = f"{names[0]}{' (extremes cut off)' if cut else ''}" if len(names) == 1 else ""
        charts.label_step_axis(axes, title)

    return page.chart(draw, f"{', '.join(names)} over steps")


def _shade(axes: Axes, low, high):
    """Shade a range; an edge of it shows even where all values lie outside."""
    bottom, top = axes.get_ylim()
    margin = 0.15 * (top - bottom)
    bottom, top = min(bottom, high - margin), max(top, low + margin)
    axes.axhspan(max(bottom, low), min(top, high), color=charts.COLORS[2], alpha=0.14, lw=0)
    axes.set_ylim(bottom, top)


def describe_range(bounds: tuple[float, float] | None) -> str:
    """Say in words at which values of a curve the monitor does not warn; "" without bounds."""
    if bounds is None:
        return ""
    low, high = (
        np.format_float_positional(bound, precision=2, fractional=False, trim="-")
        for bound in bounds
    )
    if np.isfinite(bounds).all() and bounds[0] != 0:
        words = f"{low} to {high}"
    else:
        words = f"up to {high}" if np.isfinite(bounds[1]) else f"{low} or more"
    return f" Shaded: no warning, {words}."
