"""What an evaluation may hold beside its scores, as words and tables: one entry a part."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from gan_jax.metrics import asked_quantities, class_accuracy, colorization, evaluate, memorization
from gan_jax.metrics.metric import Score

Rows = Sequence[Sequence[str]]  # cells, the head first


class Part(NamedTuple):
    """One part, as functions of its record."""

    title: str
    finding: Callable[[dict], str]  # in a sentence; "" without one
    tables: Callable[[dict, list[str]], list[Rows]]  # (record, names of the data's classes)
    protocol: Callable[[dict], str]  # how it was measured, and how to read it
    scores: dict[str, Score]  # what it adds to the rows of the evaluation
    row_scores: Callable[[dict], tuple[dict, dict]]  # (of the images in question, of real ones)


# By their keys in the evaluation, in the order of pages.
PARTS = {
    "intended": Part(
        "Images asked for by class",
        class_accuracy.summary_text,
        lambda record, classes: [class_accuracy.table_rows(record, classes)],
        class_accuracy.protocol_text,
        class_accuracy.SCORES,
        class_accuracy.row_scores,
    ),
    "asked": Part(
        "Quantities asked for",
        asked_quantities.summary_text,
        lambda record, _: [asked_quantities.table_rows(record)],
        asked_quantities.protocol_text,
        asked_quantities.SCORES,
        asked_quantities.row_scores,
    ),
    "pairs": Part(
        "Made against original",
        lambda _: "",
        lambda record, _: [colorization.table_rows(record)],
        colorization.protocol_text,
        colorization.SCORES,
        colorization.row_scores,
    ),
    "neighbours": Part(
        "Nearest training images",
        lambda record: record["verdict"],
        lambda record, _: memorization.tables(record),
        memorization.protocol_text,
        memorization.SCORES,
        memorization.row_scores,
    ),
}
SCORES: dict[str, Score] = {key: s for part in PARTS.values() for key, s in part.scores.items()}


def add_scores(evaluation: dict) -> None:
    """Add the scores of its parts to the rows of an evaluation."""
    subject = next(name for name in evaluate.SUBJECT_ROWS if name in evaluation["rows"])
    for key, part in PARTS.items():
        if key in evaluation:
            scores = part.row_scores(evaluation[key])
            for row, own in zip((subject, "real"), scores, strict=True):
                evaluation["rows"][row] |= own


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
