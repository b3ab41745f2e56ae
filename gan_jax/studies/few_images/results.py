"""Results of a study of few images: tables with intervals over seeds, differences from a baseline.

Results are those of the command's `collect`; "rows" has the scores of each seed by number of
training images (as text, in JSON) and recipe. The sentences are in the module verdicts.
"""

import itertools
from typing import Any

from gan_jax.metrics import significance
from gan_jax.metrics.metric import Score
from gan_jax.report import score_text
from gan_jax.studies import image_sets, table_format
from gan_jax.studies.few_images.scorer import COLLAPSED, COPIES, FLOOR
from gan_jax.studies.image_sets import counts, images_text
from gan_jax.studies.table_format import Table

# Scores of tables: {key: decimals}; shares are in percent.
SCORES = {
    "frechet": 2,
    "kernel": 3,
    "precision": 2,
    "recall": 2,
    "coverage": 2,
    "copied": 1,
    "total_variation": 2,
    "directions": 3,
}
FIRST = "frechet"  # by which recipes are ranked
COMPARED = (FIRST, "coverage")  # with the baseline
PERCENT = ("copied",)
CONTROLS = {
    FLOOR: "real images (floor)",
    COPIES: "copies of the training images",
    COLLAPSED: "real images of one class or of few",
}
NOTE = (
    "Means over seeds, in brackets their 95 % interval. Frechet distance, kernel distance, copies, "
    "total variation and directions are best when low, the others when high. Precision: share of "
    "the generated images that look real. Recall: share of the real images that the generator "
    "could have made. Coverage: share of the real images with a generated one near. Copies: share "
    "of the generated images that match one single training image. Total variation: share of the "
    "images that would have to change class for the classes to be as in the data. Directions: how "
    "far the ways that generated things lie are from the real ones. Floor: no generator is "
    "expected to do better than real images. Passes: how often a run has seen each training image. "
    f"{significance.MEANS_NOTE}"
)


def score_of(key: str) -> Score:
    """Return what is known of a score: title, and which end of its scale is good."""
    return score_text.all_scores()[key]


def title_of(key: str) -> str:
    """Return the name of a score in tables."""
    return score_of(key).title + (", %" if key in PERCENT else "")


def known_scores(results: dict[str, Any]) -> list[str]:
    """List the keys of SCORES that the data have."""
    return image_sets.known_scores(results, SCORES)


def tables(results: dict[str, Any]) -> list[Table]:
    """Build all tables."""
    out = [
        Table(images_text(count).capitalize(), score_rows(results, count))
        for count in counts(results)
    ]
    against = results["recipes"][results["against"]]["title"]
    differences = difference_rows(results)
    if len(differences) > 1:
        title = f"Against {against}: ratio or difference, interval (95 % for all together)"
        out.append(Table(title, differences))
    out.append(Table("Equal wall time", length_rows(results)))
    return [*out, Table("What to type", command_rows(results), prose=True)]


def score_rows(results: dict[str, Any], count: str) -> list[list[str]]:
    """Build the table of one number of training images."""
    keys = known_scores(results)
    lines = [["recipe", *map(title_of, keys)]]
    for recipe, rows in results["rows"][count].items():
        title = results["recipes"][recipe]["title"]
        name = table_format.system_label(title, len(rows), results["seeds"])
        lines.append([name, *(interval_cell(rows, key) if rows else "-" for key in keys)])
    for name, row in results["controls"][count].items():
        cells = [interval_cell([row], key) if key in row else "" for key in keys]
        lines.append([CONTROLS[name], *cells])
    return lines


def length_rows(results: dict[str, Any]) -> list[list[str]]:
    """Build the table of updates, and of minutes and passes for each number of images."""
    head = (f"{images_text(n)}: {what}" for n in counts(results) for what in ("minutes", "passes"))
    lines = [["recipe", "updates", *head]]
    for recipe, info in results["recipes"].items():
        steps, cells = "-", []
        for count in counts(results):
            rows = results["rows"][count][recipe]
            if not rows:
                cells += ["-", "-"]
                continue
            steps = f"{rows[0]['steps']:,}"
            minutes = sum(row["train_s"] for row in rows) / len(rows) / 60
            cells += [f"{minutes:.1f}", f"{rows[0]['passes']:,.1f}"]
        lines.append([info["title"], steps, *cells])
    return lines


def interval_cell(rows: list[dict], key: str) -> str:
    """Format the mean of a score over seeds, and its 95 % interval where there is one."""
    score, digits, scale = score_of(key), SCORES[key], 100 if key in PERCENT else 1
    return significance.interval_text(values(rows, key), digits, *score.limits(), scale)


Pair = tuple[list[float], list[float]]


def values(rows: list[dict], key: str) -> list[float]:
    """List a score of several seeds."""
    return [row[key] for row in rows]


def comparisons(results: dict[str, Any]) -> dict[tuple[str, str, str], Pair]:
    """Pair the scores of every recipe with those of the baseline.

    Returns:
      {(number of images, recipe, score): (scores of the recipe, scores of the baseline)}.
    """
    against, pairs = results["against"], {}
    for count, key in itertools.product(counts(results), COMPARED):
        of_count = results["rows"][count]
        for recipe, rows in of_count.items():
            if recipe != against and rows and of_count[against]:
                pairs[count, recipe, key] = values(rows, key), values(of_count[against], key)
    return pairs


def difference_rows(results: dict[str, Any]) -> list[list[str]]:
    """Build the table of differences from the baseline; all intervals hold together with 95 %."""
    pairs = comparisons(results)
    columns = list(dict.fromkeys((count, key) for count, _, key in pairs))
    head = [f"{images_text(count)}: {score_of(key).title}" for count, key in columns]
    lines = [["recipe", *head]]
    for recipe in dict.fromkeys(recipe for _, recipe, _ in pairs):
        cells = []
        for count, key in columns:
            pair = pairs.get((count, recipe, key))
            cells.append("-" if pair is None else _difference_cell(pair, key, len(pairs)))
        lines.append([results["recipes"][recipe]["title"], *cells])
    return lines


def _difference_cell(pair, key, n_comparisons):
    comparison = significance.compare_means(*pair, n_comparisons, score_of(key).limits())
    return comparison.cell(SCORES[key])


def command_rows(results: dict[str, Any]) -> list[list[str]]:
    """Build the table of what a user types to train each recipe, the data left open."""
    lines = [["recipe", "command"]]
    lines += [[recipe["title"], recipe["typed"]] for recipe in results["recipes"].values()]
    return lines
