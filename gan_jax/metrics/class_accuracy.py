"""Class accuracy of a conditional generator, and the variety within each class.

Class accuracy alone is perfect for one memorised image per class, so coverage and diversity are
reported too:

  intended   share of the images that the classifier assigns to their requested class; it errs on
             real images too
  coverage   share of the real images of the class in whose neighbourhood lies a generated image of
             it, see metrics.precision_recall; a perfect generator reaches what as many other real
             images of the class do
  diversity  mean distance between two generated images of the class, divided by that between two
             real ones
"""

import numpy as np
import scipy

from gan_jax.metrics import precision_recall
from gan_jax.metrics.metric import Score, Views, number_text

N_PER_CLASS = 1000  # generated images, at most
SCORES = {
    "intended": Score(
        "intended class",
        "high",
        "Share of the images that show the class they were asked for, says a classifier; at the "
        "left its balanced accuracy on real ones.",
        least=0,
        most=1,
    )
}
COLUMNS = {  # of the table: (key in the record, factor, decimals)
    "classified %": ("intended_per_class", 100, 1),
    "real %": ("intended_real_per_class", 100, 1),
    "coverage": ("coverage_per_class", 1, 3),
    "real": ("coverage_real_per_class", 1, 3),
    "diversity": ("diversity_per_class", 1, 3),
    "images": ("compared_per_class", 1, 0),
}


def score_classes(
    generated: Views,
    requested: np.ndarray,
    real: Views,
    labels: np.ndarray,
    control: tuple[Views, np.ndarray] | None = None,
    k: int = precision_recall.K,
) -> dict:
    """Score generated images by class.

    Every class is compared at equal counts, with the first n images of each set: images must come
    in random order.

    Args:
      generated: views "features" and "probs" [N, K] of generated images.
      requested: int [N], the class requested of each image.
      real: views of real images.
      labels: int [M], classes of the real images; images with -1, unknown, are not used.
      control: (views, labels) of other real images; None: every second image of `real`.
      k: neighbours, see metrics.precision_recall.

    Returns:
      JSON-able finite dict: "intended", share of all images in [0, 1], and lists over the classes,
      with None where there are too few images: "intended_per_class", "coverage_per_class" and
      "coverage_real_per_class" (of the control) in [0, 1], "diversity_per_class" >= 0, and
      "compared_per_class", the number of images that coverage and diversity are of.
    """
    is_right = generated["probs"].argmax(1) == requested
    rows = []
    for c in range(generated["probs"].shape[1]):
        pool = real["features"][labels == c]
        if control is None:
            pool, other = pool[::2], pool[1::2]
        else:
            other = control[0]["features"][control[1] == c]
        of_class = requested == c
        accuracy = float(is_right[of_class].mean()) if of_class.any() else None
        compared = _compare_class(generated["features"][of_class], pool, other, k)
        rows.append({"intended_per_class": accuracy, **compared})
    by_class = {name: [row[name] for row in rows] for name in rows[0]}
    return {"intended": float(is_right.mean()), **by_class}


def _compare_class(generated, pool, other, k):
    """Compare generated and other real images with a pool of real ones, all float [., F]."""
    n = min(len(generated), len(pool), len(other))
    if n <= k:
        return {
            "coverage_per_class": None,
            "coverage_real_per_class": None,
            "diversity_per_class": None,
            "compared_per_class": n,
        }
    generated, pool, other = generated[:n], pool[:n], other[:n]
    spread = scipy.spatial.distance.pdist(pool).mean()
    diversity = float(scipy.spatial.distance.pdist(generated).mean() / spread) if spread else None
    return {
        "coverage_per_class": precision_recall.coverage(pool, generated, k),
        "coverage_real_per_class": precision_recall.coverage(pool, other, k),
        "diversity_per_class": diversity,
        "compared_per_class": n,
    }


def row_scores(record: dict) -> tuple[dict[str, float], dict[str, float]]:
    """Return SCORES of the generated images, with its standard error, and of real ones.

    The error is that of a share. Where all images are right, or none, it is the one with which the
    95 % interval (significance.bounded_interval) ends where Wilson's does.

    Args:
      record: of evaluate.evaluate_class_accuracy.

    Source: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    share, n = record["intended"], record["n_per_class"] * len(record["intended_per_class"])
    se = float(np.sqrt(share * (1 - share) / n)) or 1.96 / (n + 1.96**2)
    return {"intended": share, "intended_se": se}, {"intended": record["intended_real"]}


def table_rows(record: dict, classes: list[str] | tuple[str, ...]) -> list[list[str]]:
    """Format a record of evaluate.evaluate_class_accuracy as rows of cells, the head first."""

    def cells(i):
        columns = COLUMNS.values()
        return [number_text(record[key][i], decimals, factor) for key, factor, decimals in columns]

    body = [[name, *cells(i)] for i, name in enumerate(classes)]
    return [["asked for", *COLUMNS], *body]


def summary_text(record: dict) -> str:
    """Say in one sentence how the generator did."""
    text = (
        f"{100 * record['intended']:.1f} % of the images show the class they were asked for, "
        f"says a classifier that is right on {100 * record['intended_real']:.1f} % of real "
        "images (balanced, held-out)"
    )
    pairs = zip(record["coverage_per_class"], record["coverage_real_per_class"], strict=True)
    ratios = [generated / real for generated, real in pairs if real]
    if not ratios:
        return text + "."
    share = 100 * np.mean(ratios)
    return f"{text}; they cover {share:.0f} % of what as many real images of their class do."


def protocol_text(record: dict) -> str:
    """Say how the scores were measured, and how to read them."""
    return (
        f"{record['n_per_class']} images per class, as classified, beside the classifier's "
        "recall on real held-out images. Coverage: share of real images of the class with a "
        f"generated one of it no further than their neighbour number {record['k']}, beside that "
        f"by {record['control']} of the class, which a perfect generator reaches. Diversity: "
        "mean distance between two images of the class over that between real ones; 0 where one "
        "image is made again and again. Both with as many images of each kind as the last "
        "column says, in the features of the classifier."
    )
