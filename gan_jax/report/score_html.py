"""Scores of an evaluation as sections of a page.

Every score has a card with a sentence, and a scale from real images to the worst control.
"""

import numpy as np
from matplotlib.axes import Axes

from gan_jax.metrics import protocol
from gan_jax.metrics.metric import Score
from gan_jax.report import charts, page, score_text
from gan_jax.report.verdict import Verdict, verdict

N_CLASSES = 12  # most frequent classes in the chart
COLORS = {"real": charts.COLORS[2], "untrained": charts.COLORS[3], "collapsed": charts.COLORS[4]}


def scale_ends(rows: dict[str, dict], key: str) -> tuple[float, float] | None:
    """Return the ends of the scale of a score, None where it has no length.

    They are the score of real images and that of the control farthest from it.
    """
    real = rows["real"][key]
    controls = [rows[name][key] for name in ("untrained", "collapsed") if key in rows.get(name, {})]
    worst = max(controls, key=lambda value: abs(value - real), default=real)
    return None if worst == real else (real, worst)


def scale_position(value: float, ends: tuple[float, float], better: str) -> float:
    """Return the position of a score on its scale in percent.

    Args:
      value: the score.
      ends: see `scale_ends`.
      better: Score.better. A score that is best as for real images is as far from the left end as
        it is from that of real images, to either side; any other that is better than real is at 0.

    Returns:
      0 to 100.
    """
    real, worst = ends
    share = (value - real) / (worst - real)
    return 100 * float(np.clip(abs(share) if better == "real" else share, 0, 1))


def scale_interval(
    interval: tuple[float, float], ends: tuple[float, float], better: str
) -> tuple[float, float]:
    """Return the positions (low, high) of an interval on a scale in percent.

    Args:
      interval: the score's, low and high.
      ends, better: see `scale_position`.

    Returns:
      low is 0 where the score of real images lies inside.
    """
    low, high = sorted(scale_position(value, ends, better) for value in interval)
    return (0.0, high) if interval[0] <= ends[0] <= interval[1] else (low, high)


def scale(evaluation: dict, key: str) -> page.Html:
    """Draw the scale of a score.

    It has ticks for the controls, a bar for the interval and a mark for the value.
    """
    rows, subject = evaluation["rows"], score_text.subject_row(evaluation)
    ends = scale_ends(rows, key)
    if ends is None:
        return page.Html()
    better = score_text.all_scores(evaluation)[key].better
    parts = []
    for name, color in COLORS.items():
        if key in rows.get(name, {}):
            at = scale_position(rows[name][key], ends, better)
            style = f"left:{at:.1f}%;background:{color}"
            parts.append(page.element("i", style=style, title=score_text.LABELS[name]))
    interval = score_text.confidence_interval(evaluation, key)
    if interval:
        low, high = scale_interval(interval, ends, better)
        parts.append(page.element("span", style=f"left:{low:.1f}%;width:{high - low:.1f}%"))
    at = scale_position(rows[subject][key], ends, better)
    parts.append(page.element("b", style=f"left:{at:.1f}%"))
    label = "scale from real images to the worst control"
    return page.element("div", *parts, css="scale", role="img", aria_label=label)


def verdict_paragraph(evaluation: dict | None) -> page.Html:
    """Show the sentence that sums an evaluation up; nothing where there is none."""
    found = verdict(evaluation) if evaluation else Verdict("", "")
    if not found.text:
        return page.Html()
    return page.element("p", found.text, css=f"verdict {found.kind}")


def format_score(row: dict, key: str) -> str:
    """Format a score as score_text does, with a sign for +-."""
    return score_text.format_score(row, key).replace("+-", "±")


def score_note(score: Score) -> page.Html:
    """Explain a score, and say which end of it is good."""
    return page.note(f"{score.text} {score_text.BETTER[score.better].capitalize()}.")


def score_card(title: str, *parts: str) -> page.Html:
    """Build the card of one score."""
    return page.element("div", page.element("h3", title), *parts, css="card score")


def _evaluation_card(evaluation, key):
    rows, subject = evaluation["rows"], score_text.subject_row(evaluation)
    score = score_text.all_scores(evaluation)[key]
    value = [page.strong(format_score(rows[subject], key))]
    if score_text.confidence_interval(evaluation, key):
        interval = score_text.format_interval(evaluation, key)
        value += [" ", page.element("span", f"95 %: {interval}", css="soft")]
    controls = []
    for name in [name for name in rows if name in COLORS and key in rows[name]]:
        # A coloured mark: text in these colours would have too little contrast.
        mark = page.element("span", "■", style=f"color:{COLORS[name]}")
        number = score_text.format_score({key: rows[name][key]}, key)
        controls += [" · "] * bool(controls) + [mark, f" {score_text.LABELS[name]} {number}"]
    return score_card(
        score.title,
        page.paragraph(*value),
        scale(evaluation, key),
        page.note(*controls),
        score_note(score),
    )


def scores_section(evaluation: dict) -> page.Html:
    """Show all scores as cards and as a table, and the protocol that they depend on."""
    subject = score_text.subject_row(evaluation)
    step = f" at step {evaluation['step']:,}" if "step" in evaluation else ""
    legend = (
        "On each scale the left end is real images (floor), the right end the worse control; the "
        f"mark is the {subject}, the bar its interval. {score_text.HOW_TO_READ.replace('+-', '±')}"
    )
    cards = [_evaluation_card(evaluation, key) for key in score_text.score_keys(evaluation)]
    return page.section(
        f"Scores{step}",
        page.paragraph(legend),
        page.grid(cards),
        page.details("The same as a table", _score_table(evaluation)),
        page.note(protocol.describe(evaluation, score_text.LABELS)),
    )


def _score_table(evaluation):
    rows, scores = evaluation["rows"], score_text.all_scores(evaluation)
    lines = [["", *map(score_text.row_label, rows), "95 % interval"]]
    for key in score_text.score_keys(evaluation):
        title = scores[key].title
        values = (format_score(row, key) for row in rows.values())
        lines.append([title, *values, score_text.format_interval(evaluation, key)])
    lines.append(["images", *(row["n_fake"] for row in rows.values()), ""])
    return page.table(lines)


def classes_section(evaluation: dict) -> page.Html:
    """Show the class fractions of the training data, the floor, the model and the controls."""
    caption = (
        "A generator that covers all modes has bars as long as the training data's: a class "
        "without a bar is a lost mode, a far too long bar is where it collapsed to."
    )
    warning = protocol.shares_warning(evaluation)
    height = 1 + 0.55 * min(len(evaluation["classes"]), N_CLASSES)
    draw = lambda axes: _draw_fractions(axes, evaluation)
    chart = page.chart(draw, "class fractions", 4.2, height)
    return page.section(
        "Classes of the samples",
        page.figure(chart, caption, "card plot"),
        page.note(warning) if warning else page.Html(),
        page.details(
            "The same in numbers",
            *_fraction_tables(evaluation),
            page.note(
                "Corrected: with the classifier's confusions, measured on held-out images, undone."
            ),
        ),
    )


def _draw_fractions(axes: Axes, evaluation):
    groups = score_text.class_fractions(evaluation)
    subject = score_text.LABELS[score_text.subject_row(evaluation)]
    colors = {"training data": charts.INK, subject: charts.COLORS[0]}
    colors |= {score_text.LABELS[name]: color for name, color in COLORS.items()}
    by_frequency = np.argsort(-np.array(evaluation["real_fractions"]), kind="stable")
    shown = by_frequency[:N_CLASSES]
    for i, (name, values) in enumerate(groups.items()):
        at = np.arange(len(shown)) + (i - (len(groups) - 1) / 2) * 0.8 / len(groups)
        percent = 100 * np.array(values)[shown]
        axes.barh(at, percent, 0.75 / len(groups), label=name, color=colors[name])
    axes.set_yticks(range(len(shown)), [evaluation["classes"][i] for i in shown])
    axes.invert_yaxis()
    axes.set_xlabel("% of the images, by one classifier")


def _fraction_tables(evaluation):
    for kind, suffix in score_text.FRACTION_KINDS.items():
        fractions = score_text.class_fractions(evaluation, suffix)
        if fractions:
            rows = [[f"% of images, {kind}", *fractions]]
            for i, name in enumerate(evaluation["classes"]):
                rows.append([name, *(f"{100 * values[i]:.1f}" for values in fractions.values())])
            yield page.table(rows)
