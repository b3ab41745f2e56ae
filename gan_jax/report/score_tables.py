"""An evaluation as tables for a terminal, at most 100 columns wide."""

import textwrap
from collections.abc import Sequence

from gan_jax.metrics import evaluate, protocol
from gan_jax.report import parts, score_text
from gan_jax.report.score_text import FRACTION_KINDS, HOW_TO_READ, LABELS
from gan_jax.report.verdict import verdict

WIDTH = 100  # columns of a terminal
MAX_CLASSES = 40  # rows of a table of shares


def format_evaluation(evaluation: dict) -> str:
    """Format an evaluation as plain text: the verdict, then all tables."""
    how = f"low, high: which is better; real: best as real images have it. {HOW_TO_READ}"
    lines = [*_wrap(verdict(evaluation).text), ""] if verdict(evaluation).text else []
    lines += _score_lines(evaluation)
    for kind, suffix in FRACTION_KINDS.items():
        lines += _fraction_lines(evaluation, kind, suffix)
    lines += ["", *_wrap(how, protocol.describe(evaluation, LABELS))]
    for part in parts.of(evaluation):
        for rows in part.tables:
            lines += ["", *with_names([name for name, *_ in rows], [row[1:] for row in rows])]
        lines += ["", *_wrap(part.finding, part.protocol)]
    return "\n".join(lines)


def align(table: Sequence[Sequence[str]]) -> list[str]:
    """Format a table as lines: the first column to the left, the others to the right.

    Columns are as wide as their widest cell, so that no two run together.
    """
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in table
    ]


def with_names(names: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    """Format a table whose first column holds long names: they are shortened to fit WIDTH.

    Names that differ still differ. Where even short ones do not fit, lines are longer.

    Args:
      names: of the rows.
      cells: the other cells of each row.
    """
    rest = max(map(len, align([["", *row] for row in cells])))
    shortened = shorten(names, max(WIDTH - rest, 12))
    return align([[name, *row] for name, row in zip(shortened, cells, strict=True)])


def shorten(names: Sequence[str], width: int) -> list[str]:
    """Shorten names to so many characters, from their middle; two different ones stay different."""
    head, tail = width - width // 2 - 1, width // 2
    short = [n if len(n) <= width else f"{n[:head]}…{n[-tail:]}" for n in names]
    taken = {}
    for i, (name, text) in enumerate(zip(names, short, strict=True)):
        if taken.setdefault(text, name) != name:  # alike at both ends
            number = f"…{i + 1}"
            short[i] = name[: width - len(number)] + number
    return short


def _wrap(*paragraphs):
    return [line for text in paragraphs for line in textwrap.wrap(text, WIDTH)]


def _score_lines(evaluation):
    rows, scores = evaluation["rows"], score_text.all_scores(evaluation)
    main = score_text.subject_row(evaluation)
    others = [name for name in rows if name not in ("real", *evaluate.SUBJECT_ROWS)]
    labels = map(score_text.row_label, others)
    table = [["", LABELS["real"], LABELS[main], "95 % interval", *labels]]
    for key in score_text.score_keys(evaluation):
        title = f"{scores[key].title} ({scores[key].better})"
        real, model = (score_text.format_score(rows[name], key) for name in ("real", main))
        rest = (score_text.format_score(rows[name], key) for name in others)
        table.append([title, real, model, score_text.format_interval(evaluation, key), *rest])
    return align(table)


def _fraction_lines(evaluation, kind, suffix):
    fractions = score_text.class_fractions(evaluation, suffix)
    if not fractions:
        return []
    names = evaluation["classes"][:MAX_CLASSES]
    cells = [[f"{100 * shares[i]:.1f}" for shares in fractions.values()] for i in range(len(names))]
    n_more = len(evaluation["classes"]) - len(names)
    more = [f"and {n_more:,} more classes, in the report and in eval.json"] if n_more else []
    return ["", *with_names([f"% {kind}", *names], [[*fractions], *cells]), *more]
