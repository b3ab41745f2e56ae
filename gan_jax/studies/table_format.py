"""Tables of a study, for a Markdown file and for a page, and cells that several studies share."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from gan_jax.metrics import significance
from gan_jax.report import page


class Table(NamedTuple):
    """A titled table of text."""

    title: str
    rows: list[list[str]]  # the first is the head
    note: str = ""  # how to read it; for the page alone
    prose: bool = False  # whether the last column holds text that the page may break into lines


def markdown(table: Table) -> str:
    """Format a table in Markdown."""
    head, *lines = [f"| {' | '.join(row)} |" for row in table.rows]
    rule = "|---" * len(table.rows[0]) + "|"
    return "\n".join([f"**{table.title}**", "", head, rule, *lines])


def section(table: Table) -> page.Html:
    """Show a table on a page."""
    note = page.note(table.note) if table.note else ""
    return page.section(table.title, page.table(table.rows, prose=table.prose), note)


def sections(tables: Iterable[Table]) -> page.Html:
    """Show several tables on a page."""
    return page.join(section(table) for table in tables)


def system_label(name: str, n_ended: int, n_seeds: int) -> str:
    """Name a system in the first cell of its row; counts its seeds if some of them diverged."""
    if n_ended == n_seeds:
        return name
    return f"{name} ({n_ended} of {n_seeds} seeds, the others diverged)"


def mean_std_column(rows: Iterable[dict], key: str, decimals: int = 2, scale: float = 1) -> str:
    """Format a value of several seeds as "mean +- standard deviation".

    Args:
      rows: a dict per seed.
      key: of the value.
      decimals: how many are shown.
      scale: factor, such as 100 for percent.
    """
    values = [scale * np.float64(row[key]) for row in rows]
    return significance.mean_std_text(values, decimals)
