"""The scores of a record on a page: every one with a sentence, and a scale from real images to the worst control."""

import html

import numpy as np

from gan_jax.metrics import protocol
from gan_jax.report import page, score_text

N_CLASSES = 12  # most frequent classes in the chart
COLORS = {"real": page.COLORS[2], "untrained": page.COLORS[3], "collapsed": page.COLORS[4]}


def span(rows, key):
    """(score of real images, the control's that is farthest from it) of a record's rows; None without controls or distance."""
    real = rows["real"][key]
    controls = [rows[name][key] for name in ("untrained", "collapsed") if key in rows.get(name, {})]
    if not controls:
        return None
    worst = max(controls, key=lambda value: abs(value - real))
    return None if worst == real else (real, worst)


def place(value, ends):
    """Where a score lies between real images (0) and the worst control (1); what is better than real lies at 0."""
    real, worst = ends
    return float(np.clip((value - real) / (worst - real), 0, 1))


def scale(rows, key, main):
    """The scale of one score as HTML: a tick for each control, a bar for the interval, a mark for the value itself."""
    ends = span(rows, key)
    if ends is None:
        return ""
    out = '<div class="scale" role="img" aria-label="scale from real images to the worst control">'
    for name, color in COLORS.items():
        if key in rows.get(name, {}):
            at = place(rows[name][key], ends)
            out += f'<i style="left:{100 * at:.1f}%;background:{color}" title="{html.escape(score_text.LABELS[name])}"></i>'
    found = score_text.interval(rows[main], key)
    if found:
        low, high = sorted(place(value, ends) for value in found)
        out += f'<span style="left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%"></span>'
    return out + f'<b style="left:{100 * place(rows[main][key], ends):.1f}%"></b></div>'


def card(record, key):
    """One score: value, interval, sentence, scale, and the numbers beside it."""
    rows, main, score = record["rows"], score_text.judged(record), score_text.known()[key]
    beside = " · ".join(
        f'<span style="color:{COLORS[name]}">{html.escape(score_text.LABELS[name])}</span> {score_text.cell({key: row[key]}, key)}'
        for name, row in rows.items()
        if name in COLORS and key in row
    )
    value = score_text.cell(rows[main], key).replace("+-", "±")
    found = score_text.interval_text(rows[main], key)
    interval = "" if found == "-" else f' <span class="soft">95 %: {found}</span>'
    return (
        f'<div class="card score"><h3>{html.escape(score.title)}</h3><p><strong>{value}</strong>{interval}</p>'
        f'{scale(rows, key, main)}<p class="soft">{beside}</p>'
        f'<p class="soft">{html.escape(score.text)} {score_text.BETTER[score.better].capitalize()}.</p></div>'
    )


def scores(record):
    """All scores as cards, the same as a table, and the protocol."""
    main, rows = score_text.judged(record), record["rows"]
    at = f" at step {record['step']:,}" if "step" in record else ""
    cards = "".join(card(record, key) for key in score_text.listed(record))
    labels = [score_text.LABELS.get(name, name) for name in rows]
    head = ["", *page.heads(labels), *page.heads(["95 % interval"])]
    lines = [
        [
            score_text.known()[key].title,
            *(
                page.Markup(f'<td class="n">{score_text.cell(row, key).replace("+-", "±")}</td>')
                for row in rows.values()
            ),
            score_text.interval_text(rows[main], key),
        ]
        for key in score_text.listed(record)
    ]
    counts = ["images", *(str(row["n_fake"]) for row in rows.values()), ""]
    legend = (
        f"On each scale the left end is real images (floor), the right end the worse control; the mark is the {main}, the bar "
        "its interval. "
    )
    line = html.escape(protocol.line(record, score_text.LABELS))
    return (
        f'<h2>Scores{at}</h2><p>{html.escape(legend + score_text.HOW_TO_READ)}</p><div class="row">{cards}</div>'
        f"<details><summary>The same as a table</summary>{page.table([head, *lines, counts])}</details>"
        f'<p class="soft">{line}</p>'
    )


def fractions(record):
    """Bars of class fractions: training data, floor, model and controls."""
    groups = score_text.fractions(record)
    colors = {
        "training data": page.INK,
        score_text.LABELS[score_text.judged(record)]: page.COLORS[0],
    }
    colors |= {score_text.LABELS[name]: color for name, color in COLORS.items()}
    shown = np.argsort(-np.array(record["real_fractions"]), kind="stable")[:N_CLASSES]

    def draw(axes):
        for i, (name, values) in enumerate(groups.items()):
            at = np.arange(len(shown)) + (i - (len(groups) - 1) / 2) * 0.8 / len(groups)
            axes.barh(
                at,
                100 * np.array(values)[shown],
                0.75 / len(groups),
                label=name,
                color=colors[name],
            )
        axes.set_yticks(range(len(shown)), [record["classes"][i] for i in shown])
        axes.invert_yaxis()
        axes.set_xlabel("% of the images, by one classifier")

    caption = (
        "A generator that covers all modes has bars as long as the training data's: a class without a bar is a "
        "lost mode, a far too long bar is where it collapsed to."
    )
    plot = page.embed(page.chart(draw, 4.2, 1 + 0.55 * len(shown)), "svg+xml", "class fractions")
    shares = ""
    for kind, suffix in score_text.KINDS.items():
        if found := score_text.fractions(record, suffix):
            head = [f"% of images, {kind}", *page.heads(found)]
            body = [
                [name, *(f"{100 * f[i]:.1f}" for f in found.values())]
                for i, name in enumerate(record["classes"])
            ]
            shares += page.table([head, *body])
    note = "Corrected: with the classifier's confusions, measured on held-out images, undone."
    numbers = f'<details><summary>The same in numbers</summary>{shares}<p class="soft">{note}</p></details>'
    return f"<h2>Classes of the samples</h2>{page.figure(plot, caption, 'card plot')}{numbers}"
