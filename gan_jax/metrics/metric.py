"""What a metric is: numbers that compare two sets of images, from what each set was seen as.

A set of images is a dict of views, arrays whose first axis is the images: "images" uint8 [N, H, W, C]; "features" float32
[N, F] and "probs" float32 [N, K], by one feature net (see metrics.features), "probs" only where the net has classes; and what a
metric itself sees in images ("morphology"). All that is slow is done once per image, in a view; `measure` compares views, and
is also asked about parts of both sets, which is how intervals are made.

A metric is one file that ends in METRIC, and one entry of metrics.TABLE.
"""

from collections.abc import Callable
from typing import NamedTuple


class Score(NamedTuple):
    """One number. title: its name in tables. better: "low", "high", or "real" (as real images have it). text: what it says, in
    a sentence that a newcomer understands."""

    title: str
    better: str
    text: str


class Metric(NamedTuple):
    """Scores that are computed together.

    scores: {key: Score}. needs: names of the views that `measure` reads. measure: (real, fake), dicts of views of N and M
    images -> {key: finite float}, deterministic; raises InputError where it has no value. least: (features F) -> images that
    each side needs at least. views: {name: images uint8 [N, H, W, C] -> array [N, ...]} that only this metric has. suits:
    (data.datasets.Dataset) -> whether it means anything for such data.
    """

    scores: dict
    needs: tuple
    measure: Callable
    least: Callable = lambda dim: 2
    views: dict = {}  # noqa: RUF012, never mutated
    suits: Callable = lambda source: True


def take(views, rows):
    """The views of some of the images. rows: int [n] or a slice."""
    return {name: view[rows] for name, view in views.items()}
