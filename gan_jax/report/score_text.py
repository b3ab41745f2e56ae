"""The scores of a record as text: cells, and tables for a terminal."""

import math
import textwrap

from gan_jax import metrics
from gan_jax.metrics import (
    class_accuracy,
    colorization,
    evaluate,
    memorization,
    point_scores,
    protocol,
)

LABELS = {
    "real": "real (floor)",
    "model": "model",
    "images": "images",
    "untrained": "untrained",
    "collapsed": "collapsed",
}
KINDS = {
    "as classified": "",
    "corrected": "_corrected",
}  # class fractions, and with the classifier's confusions undone
BETTER = {
    "low": "lower is better",
    "high": "higher is better",
    "real": "as for real images is best",
}
HOW_TO_READ = (
    "A perfect generator would score like the floor (real images against other real images); a useful one is far better than "
    "both controls (an untrained generator; real images without variety). The interval (95 %) tells what other samples of both "
    "kinds would give; +- is the spread over repeats of sampling, of one training."
)
Z = 1.96  # standard errors on each side of a 95 % interval


def known():
    """{key: metrics.metric.Score} of all scores, of images and of points, in the order of tables."""
    return metrics.SCORES | memorization.SCORES | point_scores.SCORES


def judged(record):
    """The key of the row that the record is about."""
    return next(name for name in evaluate.JUDGED if name in record["rows"])


def listed(record):
    """Keys of the scores that a record has, in the order of tables."""
    return [key for key in known() if key in record["rows"][judged(record)]]


def _decimals(spread):
    """As many as show two digits of the spread."""
    return min(max(1 - math.floor(math.log10(spread)), 0), 9)


def cell(row, name):
    """A score as text: "1.234 +- 0.056" where it was repeated, "-" where there is none."""
    if name not in row:
        return "-"
    std = row.get(f"{name}_std", 0)
    return (
        f"{row[name]:.{_decimals(std)}f} +- {std:.{_decimals(std)}f}"
        if std > 0
        else f"{row[name]:.4g}"
    )


def interval(row, name):
    """(low, high), 95 %, of a score; None where there is none."""
    se = row.get(f"{name}_se")
    return None if se is None else (row[name] - Z * se, row[name] + Z * se)


def interval_text(row, name):
    """The same as text, "1.23 to 1.45"; "-" where there is none."""
    found = interval(row, name)
    if found is None:
        return "-"
    se = row[f"{name}_se"]
    return " to ".join(f"{x:.{_decimals(se)}f}" if se > 0 else f"{x:.4g}" for x in found)


def fractions(record, suffix=""):
    """{row in words: class fractions}, the training data first; suffix: one of KINDS. {} where there are none."""
    if f"real_fractions{suffix}" not in record:
        return {}
    rows = {
        LABELS.get(name, name): row[f"fractions{suffix}"] for name, row in record["rows"].items()
    }
    return {"training data": record[f"real_fractions{suffix}"], **rows}


def table(record):
    """The record as plain text for a terminal, at most 100 columns wide."""
    rows, scores = record["rows"], known()
    main, others = judged(record), [name for name in rows if name not in ("real", *evaluate.JUDGED)]
    head = f"{'':25}{LABELS['real']:>19}{LABELS[main]:>19}{'95 % interval':>17}"
    lines = [head + "".join(f"{LABELS.get(name, name):>10}" for name in others)]
    for key in listed(record):
        title = f"{scores[key].title} ({scores[key].better})"
        cells = f"{cell(rows['real'], key):>19}{cell(rows[main], key):>19}{interval_text(rows[main], key):>17}"
        lines.append(
            f"{title:25}{cells}" + "".join(f"{cell(rows[name], key):>10}" for name in others)
        )
    for kind, suffix in KINDS.items():
        shares = fractions(record, suffix)
        lines += (
            ["", f"{f'% {kind}':20}" + "".join(f"{name:>16}" for name in shares)] if shares else []
        )
        lines += [
            f"{name[:19]:20}" + "".join(f"{100 * f[i]:16.1f}" for f in shares.values())
            for i, name in enumerate(record["classes"] if shares else [])
        ]
    how = "low, high: which is better; real: best as real images have it. " + HOW_TO_READ
    lines += ["", *textwrap.wrap(how, 100), *textwrap.wrap(protocol.line(record, LABELS), 100)]
    lines += intended_lines(record["intended"], record["classes"]) if "intended" in record else []
    lines += pair_lines(record["pairs"]) if "pairs" in record else []
    lines += neighbour_lines(record["neighbours"]) if "neighbours" in record else []
    return "\n".join(lines)


def intended_lines(record, classes):
    """What evaluate.conditional found, as lines for a terminal."""
    body = [
        f"{row[0][:19]:20}" + "".join(f"{cell:>13}" for cell in row[1:])
        for row in class_accuracy.lines(record, classes)
    ]
    text = [
        line
        for part in (class_accuracy.verdict(record), class_accuracy.protocol_line(record))
        for line in textwrap.wrap(part, 100)
    ]
    return ["", *body, "", *text]


def pair_lines(record):
    """What `colorization.study` found, as lines for a terminal."""
    return [
        "",
        *(
            "".join(f"{cell:>26}" if i else f"{cell:20}" for i, cell in enumerate(row))
            for row in colorization.lines(record)
        ),
    ]


def neighbour_lines(record):
    """What `memorization.study` found, as lines for a terminal."""
    head = "".join(f"{f'{100 * q:.0f} %':>7}" for q in memorization.QUANTILES)
    body = [
        f"{text:30}" + "".join(f"{value:7.3g}" for values in measures.values() for value in values)
        for text, measures in memorization.lines(record)
    ]
    names = "".join(f"{'by ' + word:>35}" for word in memorization.MEASURES.values())
    text = [
        line
        for part in (record["verdict"], memorization.protocol_line(record))
        for line in textwrap.wrap(part, 100)
    ]
    return [
        "",
        f"{'distance to the nearest':30}{names}",
        f"{'quantile':30}{head * len(memorization.MEASURES)}",
        *body,
        "",
        *text,
    ]
