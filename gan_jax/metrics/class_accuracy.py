"""Does a generator that is asked for a class make images of that class, and all kinds of them?

Whether images are what was asked for is for the classifier to say. That alone is passed by one memorised image per class; so
each class is also compared with real images of that class, and those with others of it:

  intended   share of the images that the classifier takes for what was asked for. It errs on real images too.
  coverage   share of real images of the class in whose neighbourhood lies a generated image of it; see metrics.coverage. A
             perfect generator reaches what as many other real images of the class do.
  diversity  mean distance between two generated images of the class, over that between two real ones.
"""

import numpy as np
from scipy.spatial import distance

from gan_jax.metrics import precision_recall

N_PER_CLASS = 1000  # generated images, at most
COLUMNS = {  # of the table: (key in the record, factor, decimals)
    "classified %": ("intended_per_class", 100, 1),
    "real %": ("intended_real_per_class", 100, 1),
    "coverage": ("coverage_per_class", 1, 3),
    "real": ("coverage_real_per_class", 1, 3),
    "diversity": ("diversity_per_class", 1, 3),
    "images": ("compared_per_class", 1, 0),
}


def study(generated, asked, real, labels, control=None, k=precision_recall.K):
    """Scores by class. Every class is compared at equal counts, the first n of each set, so the rows must come in random order.

    Args:
      generated: views with features and probs [N, K], see metrics.metric. asked: int [N], the class each image was asked for.
      real: views of real images. labels: int [M], their classes; -1 for unknown, such images are not used.
      control: (views, labels) of other real images; None: every second image of `real` is taken out for it.
      k: neighbours, see metrics.coverage.

    Returns:
      JSON-able finite dict: "intended", share of all images in [0, 1]; and lists over the K classes with None where there are
      too few images: "intended_per_class", "coverage_per_class" and "coverage_real_per_class" (by the control) in [0, 1],
      "diversity_per_class" >= 0, "compared_per_class", the number of images n that coverage and diversity are of.
    """
    right = generated["probs"].argmax(1) == asked
    rows = []
    for c in range(generated["probs"].shape[1]):
        pool = real["features"][labels == c]
        pool, other = (
            (pool[::2], pool[1::2])
            if control is None
            else (pool, control[0]["features"][control[1] == c])
        )
        own = asked == c
        rows.append(
            {
                "intended_per_class": float(right[own].mean()) if own.any() else None,
                **_compare(generated["features"][own], pool, other, k),
            }
        )
    return {"intended": float(right.mean())} | {
        name: [row[name] for row in rows] for name in rows[0]
    }


def _compare(made, pool, other, k):
    """One class: generated images and other real ones against a pool of real ones, all float [., F], at equal counts."""
    n = min(len(made), len(pool), len(other))
    if n <= k:
        return {
            "coverage_per_class": None,
            "coverage_real_per_class": None,
            "diversity_per_class": None,
            "compared_per_class": n,
        }
    made, pool, other = made[:n], pool[:n], other[:n]
    spread = distance.pdist(pool).mean()
    return {
        "coverage_per_class": precision_recall.covered(pool, made, k),
        "coverage_real_per_class": precision_recall.covered(pool, other, k),
        "diversity_per_class": float(distance.pdist(made).mean() / spread) if spread else None,
        "compared_per_class": n,
    }


def lines(record, classes):
    """Rows of text of a record with "intended_real_per_class": the head, and one for each class."""

    def cell(value, factor, decimals):
        return "-" if value is None else f"{factor * value:.{decimals}f}"

    body = [
        [name, *(cell(record[key][i], *form) for key, *form in COLUMNS.values())]
        for i, name in enumerate(classes)
    ]
    return [["asked for", *COLUMNS], *body]


def verdict(record):
    """The record in one sentence."""
    pairs = zip(record["coverage_per_class"], record["coverage_real_per_class"], strict=True)
    kept = [made / real for made, real in pairs if real]
    text = (
        f"{100 * record['intended']:.1f} % of the images show the class they were asked for, says a classifier that is right "
        f"on {100 * record['intended_real']:.1f} % of real images (balanced, held-out)"
    )
    if not kept:
        return text + "."
    return (
        text
        + f"; they cover {100 * np.mean(kept):.0f} % of what as many real images of their class do."
    )


def protocol_line(record):
    """How it was measured, and how to read it."""
    return (
        f"{record['n_per_class']} images per class, as classified, beside the classifier's recall on real held-out images. "
        f"Coverage: share of real images of the class with a generated one of it no further than their neighbour number "
        f"{record['k']}, beside that by {record['control']} of the class, which a perfect generator reaches. Diversity: mean "
        f"distance between two images of the class over that between real ones; 0 where one image is made again and again. "
        f"Both with as many images of each kind as the last column says, in the features of the classifier."
    )
