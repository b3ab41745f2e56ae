"""Scores of an evaluation as text: single values, and tables for a terminal."""

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
from gan_jax.metrics.metric import Score

LABELS = {
    "real": "real (floor)",
    "model": "model",
    "images": "images",
    "untrained": "untrained",
    "collapsed": "collapsed",
}
# {in words: suffix of the keys}: class fractions as the classifier counts them, and with its
# confusions undone
FRACTION_KINDS = {"as classified": "", "corrected": "_corrected"}
BETTER = {
    "low": "lower is better",
    "high": "higher is better",
    "real": "as for real images is best",
}
HOW_TO_READ = (
    "A perfect generator would score like the floor (real images against other real images); a "
    "useful one is far better than both controls (an untrained generator; real images without "
    "variety). The interval (95 %) tells what other samples of both kinds would give; +- is the "
    "spread over repeats of sampling, of one training."
)
Z = 1.96  # standard errors on each side of a 95 % interval
WIDTH = 100  # columns of a terminal


def all_scores(*evaluations: dict) -> dict[str, Score]:
    """Return the scores of images and of points, by key, in the order of tables.

    Args:
      *evaluations: their scores by plug-ins, which they describe themselves, come last.
    """
    known = metrics.SCORES | memorization.SCORES | point_scores.SCORES
    for evaluation in evaluations:
        for key, words in evaluation.get("scores", {}).items():
            better = words["better"] if words["better"] in BETTER else "real"
            known.setdefault(key, Score(str(words["title"]), better, str(words["text"])))
    return known


def subject_row(evaluation: dict) -> str:
    """Return the key of the row that an evaluation is about."""
    return next(name for name in evaluate.SUBJECT_ROWS if name in evaluation["rows"])


def row_label(name: str) -> str:
    """Return the name of a row in words."""
    return LABELS.get(name, name)


def score_keys(evaluation: dict) -> list[str]:
    """List the keys of the scores of an evaluation, in the order of tables."""
    row = evaluation["rows"][subject_row(evaluation)]
    return [key for key in all_scores(evaluation) if key in row]


def _decimals(spread):
    """Count the decimals that show two digits of the spread; at most 6."""
    return min(max(1 - math.floor(math.log10(spread)), 0), 6)


def format_score(row: dict, key: str) -> str:
    """Format a score: "1.234 +- 0.056" where it was repeated, "-" where there is none."""
    if key not in row:
        return "-"
    std = row.get(f"{key}_std", 0)
    if std > 1e-9 * abs(row[key]):  # less is rounding, as between orders of the same images
        return f"{row[key]:.{_decimals(std)}f} +- {std:.{_decimals(std)}f}"
    return f"{row[key]:.4g}"


def confidence_interval(row: dict, key: str) -> tuple[float, float] | None:
    """Return the 95 % interval (low, high) of a score; None where there is none."""
    se = row.get(f"{key}_se")
    return None if se is None else (row[key] - Z * se, row[key] + Z * se)


def format_interval(row: dict, key: str) -> str:
    """Format the 95 % interval of a score, as "1.23 to 1.45"; "-" where there is none."""
    interval = confidence_interval(row, key)
    if interval is None:
        return "-"
    se = row[f"{key}_se"]
    return " to ".join(f"{x:.{_decimals(se)}f}" if se > 0 else f"{x:.4g}" for x in interval)


def class_fractions(evaluation: dict, suffix: str = "") -> dict[str, list[float]]:
    """Return {row in words: class fractions}, the training data first; {} where there are none.

    Args:
      evaluation: the evaluation.
      suffix: one of FRACTION_KINDS.
    """
    if f"real_fractions{suffix}" not in evaluation:
        return {}
    fractions = {"training data": evaluation[f"real_fractions{suffix}"]}
    for name, row in evaluation["rows"].items():
        fractions[row_label(name)] = row[f"fractions{suffix}"]
    return fractions


def format_evaluation(evaluation: dict) -> str:
    """Format an evaluation as plain text for a terminal, at most 100 columns wide."""
    how = f"low, high: which is better; real: best as real images have it. {HOW_TO_READ}"
    lines = _score_lines(evaluation)
    for kind, suffix in FRACTION_KINDS.items():
        lines += _fraction_lines(evaluation, kind, suffix)
    lines += ["", *_wrap(how, protocol.describe(evaluation, LABELS))]
    if "intended" in evaluation:
        lines += class_accuracy_lines(evaluation["intended"], evaluation["classes"])
    if "pairs" in evaluation:
        lines += colorization_lines(evaluation["pairs"])
    if "neighbours" in evaluation:
        lines += memorization_lines(evaluation["neighbours"])
    return "\n".join(lines)


def _wrap(*paragraphs):
    return [line for text in paragraphs for line in textwrap.wrap(text, WIDTH)]


def _score_lines(evaluation):
    rows, scores, main = evaluation["rows"], all_scores(evaluation), subject_row(evaluation)
    others = [name for name in rows if name not in ("real", *evaluate.SUBJECT_ROWS)]
    table = [["", LABELS["real"], LABELS[main], "95 % interval", *map(row_label, others)]]
    for key in score_keys(evaluation):
        title = f"{scores[key].title} ({scores[key].better})"
        real, model = (format_score(rows[name], key) for name in ("real", main))
        rest = (format_score(rows[name], key) for name in others)
        table.append([title, real, model, format_interval(rows[main], key), *rest])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        line[0].ljust(widths[0])
        + "".join(f"  {cell:>{width}}" for cell, width in zip(line[1:], widths[1:], strict=True))
        for line in table
    ]


def _fraction_lines(evaluation, kind, suffix):
    fractions = class_fractions(evaluation, suffix)
    if not fractions:
        return []
    lines = ["", f"{f'% {kind}':20}" + "".join(f"{name:>16}" for name in fractions)]
    for i, name in enumerate(evaluation["classes"]):
        cells = "".join(f"{100 * values[i]:16.1f}" for values in fractions.values())
        lines.append(f"{name[:19]:20}{cells}")
    return lines


def class_accuracy_lines(found: dict, classes: list[str]) -> list[str]:
    """Format the result of evaluate.evaluate_class_accuracy as lines for a terminal."""
    body = [
        f"{name[:19]:20}" + "".join(f"{cell:>13}" for cell in cells)
        for name, *cells in class_accuracy.table_rows(found, classes)
    ]
    text = _wrap(class_accuracy.summary_text(found), class_accuracy.protocol_text(found))
    return ["", *body, "", *text]


def colorization_lines(found: dict) -> list[str]:
    """Format the result of colorization.score_colorization as lines for a terminal."""
    rows = colorization.table_rows(found)
    return ["", *(f"{name:20}" + "".join(f"{cell:>26}" for cell in cells) for name, *cells in rows)]


def memorization_lines(found: dict) -> list[str]:
    """Format the result of memorization.detect_copies as lines for a terminal."""
    quantiles = "".join(f"{f'{100 * q:.0f} %':>10}" for q in memorization.QUANTILES)
    lines = []
    for name, word in memorization.DISTANCES.items():
        lines += ["", f"{f'nearest by {word}, quantile':32}{quantiles}"]
        for text, measures in memorization.distance_rows(found):
            lines.append(f"{text:32}" + "".join(f"{value:10.3g}" for value in measures[name]))
    return [*lines, "", *_wrap(found["verdict"], memorization.protocol_text(found))]
