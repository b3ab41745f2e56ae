"""Lookup by name in the tables of penalties, norms, optimizers and schedules."""

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


def lookup(table: Mapping[str, T], what: str, name: str) -> T:
    """Return table[name].

    Raises:
      ValueError: unknown name; it lists the names.
    """
    if name not in table:
        *names, last = table
        raise ValueError(f"{what} {name!r} is not known; use {', '.join(names)} or {last}.")
    return table[name]
