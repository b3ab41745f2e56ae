"""Real images that the models of a study are compared with, and what other real images score."""

from typing import Any, NamedTuple

from gan_jax.data.types import Dataset
from gan_jax.metrics import controls, features, scoring
from gan_jax.metrics.metric import Views
from gan_jax.settings import Size
from gan_jax.studies import image_sets


class Reference(NamedTuple):
    """One large set of real images, the same for all models of a study."""

    evaluator: scoring.Evaluator
    views: Views  # of the images
    floor: dict[str, Any]  # scores of other real images, see scoring.make_row
    classes: list[str]  # names; [] where the features have none
    protocol: str  # all of this in words


def open_reference(
    source: Dataset,
    heldout: Dataset | None,
    sets: dict[int, Dataset],
    n: int,
    metrics: str,
    repeats: int,
) -> Reference:
    """Choose the real images, and score the floor.

    Args:
      source: the training split of the source.
      heldout: its test split, or None.
      sets: training sets, see image_sets.open_sets.
      n: images that are scored.
      metrics: names, see scoring.make_evaluator.
      repeats: of the floor.
    """
    extractor = features.load(source, heldout)
    evaluator = scoring.make_evaluator(extractor, source, metrics)
    words, pool = image_sets.choose_pool(source, sets, n)
    views, rows = controls.choose_reference(evaluator, pool, 0)
    floor_words, floors = controls.floor_pairs(evaluator, pool, heldout, views, rows, n, repeats, 0)
    known = ""
    if extractor.accuracy is not None:
        known = f" (balanced accuracy {100 * extractor.accuracy:.1f} %)"
    protocol = (
        f"Scores: {n:,} images against {len(rows):,} real ones of {source.name} at "
        f"{Size.of(source.images.shape[1:3])} px, {words}, in "
        f"{views['features'].shape[1]} features of "
        f"{extractor.name}{known}. Floor: {floor_words}."
    )
    classes = list(extractor.classes) if "probs" in views else []
    return Reference(evaluator, views, scoring.make_row(evaluator, floors), classes, protocol)
