"""What an evaluation may hold beside its scores, as words and tables: one entry a part."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from gan_jax.metrics import asked_quantities, class_accuracy, colorization, memorization

Rows = Sequence[Sequence[str]]  # cells, the head first


class Part(NamedTuple):
    """One part, as functions of its record."""

    title: str
    finding: Callable[[dict], str]  # in a sentence; "" without one
    tables: Callable[[dict, list[str]], list[Rows]]  # (record, names of the data's classes)
    protocol: Callable[[dict], str]  # how it was measured, and how to read it


# By their keys in the evaluation, in the order of pages.
PARTS = {
    "intended": Part(
        "Images asked for by class",
        class_accuracy.summary_text,
        lambda record, classes: [class_accuracy.table_rows(record, classes)],
        class_accuracy.protocol_text,
    ),
    "asked": Part(
        "Quantities asked for",
        asked_quantities.summary_text,
        lambda record, _: [asked_quantities.table_rows(record)],
        asked_quantities.protocol_text,
    ),
    "pairs": Part(
        "Made against original",
        lambda _: "",
        lambda record, _: [colorization.table_rows(record)],
        colorization.protocol_text,
    ),
    "neighbours": Part(
        "Nearest training images",
        lambda record: record["verdict"],
        lambda record, _: memorization.tables(record),
        memorization.protocol_text,
    ),
}


class Filled(NamedTuple):
    """A part of one evaluation."""

    key: str
    title: str
    finding: str
    tables: list[Rows]
    protocol: str


def of(evaluation: dict) -> Iterator[Filled]:
    """Yield the parts that an evaluation has."""
    for key, part in PARTS.items():
        if key in evaluation:
            record, classes = evaluation[key], evaluation.get("classes", [])
            yield Filled(
                key,
                part.title,
                part.finding(record),
                part.tables(record, classes),
                part.protocol(record),
            )
