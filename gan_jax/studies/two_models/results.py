"""Results of a study of two models: tables over the number of images, and what floors say of them.

Results are those of the command's `collect`. "rows" has the comparison of each pair of models, see
scorer.Judge.score_pair, by number of images (as text, in JSON).
"""

from typing import Any

import numpy as np

from gan_jax.metrics import significance
from gan_jax.report import score_text
from gan_jax.studies import image_sets, table_format
from gan_jax.studies.image_sets import counts, images_text
from gan_jax.studies.table_format import Table

# Scores of tables: {key: decimals}.
SCORES = {
    "frechet": 2,
    "kernel": 3,
    "precision": 2,
    "recall": 2,
    "coverage": 2,
    "total_variation": 2,
}
FIRST = "frechet"  # by which distributions are compared with the floor
PAIRS = {"pixel": "pixels", "feature": "features"}
NOTE = (
    "Means over pairs of models, in brackets their 95 % interval. Concordance: 1 where the two "
    "models make the same image of the same noise, 0 where images of the same noise have no more "
    "in common than any two. By chance: what shuffled pairs stay below in 97.5 % of the cases. "
    "Floor: two sets of real images, as many in each. Repeated halves: as far apart are two models "
    "that know their halves by heart. Between two pairs: the difference between models of other "
    "seeds and other halves. Nearest in the own half: 50 % where nothing is copied. "
    f"{significance.MEANS_NOTE}"
)


def between(results: dict[str, Any], count: str, key: str, what: str = "between") -> list[float]:
    """List a distance between the two models of each pair. what: "between", or "own"."""
    return [row[what][key] for row in results["rows"][count]]


def concordances(results: dict[str, Any], count: str, view: str) -> list[float]:
    """List the concordance of each pair of models. view: key of PAIRS."""
    return [row[view]["concordance"] for row in results["rows"][count]]


def of_models(results: dict[str, Any], count: str, key: str) -> np.ndarray:
    """Return a score of all models: float64 [pairs, 2]."""
    rows = results["rows"][count]
    return np.array([[model[key] for model in row["models"]] for row in rows], float)


def floor(results: dict[str, Any], key: str) -> tuple[float, float]:
    """Return the mean and the largest distance between sets of real images."""
    values = [one[key] for one in results["floor"]]
    return float(np.mean(values)), max(values)


def differences(scores: np.ndarray) -> tuple[float, float | None]:
    """Compare how much a score differs within pairs, and between models of different pairs.

    Args:
      scores: float [pairs, 2].

    Returns:
      (mean absolute difference between the two models of a pair, the same between models of two
      pairs; None of one pair).
    """
    within = float(np.abs(scores[:, 0] - scores[:, 1]).mean())
    others = [
        np.abs(scores[i, side] - scores[j, other])
        for i in range(len(scores))
        for j in range(i)
        for side in (0, 1)
        for other in (0, 1)
    ]
    return within, float(np.mean(others)) if others else None


def settled(results: dict[str, Any], key: str) -> str | None:
    """Return the smallest number of images from which on a score is as with the largest number.

    Args:
      results: the results.
      key: key of SCORES.

    Returns:
      See significance.settled; None where the largest number has no interval.
    """
    names = [name for name in counts(results) if results["rows"][name]]
    groups = [of_models(results, name, key).mean(1) for name in names]
    i = significance.settled(groups, *limits(key)) if groups else None
    return None if i is None else names[i]


def tables(results: dict[str, Any]) -> list[Table]:
    """Build all tables."""
    return [
        Table("Are the distributions alike?", distribution_rows(results)),
        Table("Do they make the same image of the same noise?", pair_rows(results)),
        Table("Do their scores agree?", score_rows(results)),
        Table("Copies of training images", copy_rows(results)),
        Table("Length of training", length_rows(results)),
    ]


def known_scores(results: dict[str, Any]) -> list[str]:
    """List the keys of SCORES that the data have."""
    return image_sets.known_scores(results, SCORES)


def distribution_rows(results: dict[str, Any]) -> list[list[str]]:
    """Build the table of distances: between models, of one with itself, to real images."""
    title = score_text.all_scores()[FIRST].title
    head = ["images", f"{title} between the models", "one model twice", "real images (floor)"]
    head += ["repeated halves", "models to real images", "kernel distance between the models"]
    lines = [[*head, "real images (floor)"]]
    digits, kernel_digits = SCORES[FIRST], SCORES["kernel"]
    for count in counts(results):
        name = _row_name(results, count)
        copies = f"{results['copies'][count][FIRST]:.{digits}f}"
        floors = [f"{floor(results, key)[0]:.{SCORES[key]}f}" for key in (FIRST, "kernel")]
        if not results["rows"][count]:
            lines.append([name, "-", "-", floors[0], copies, "-", "-", floors[1]])
            continue
        lines.append(
            [
                name,
                significance.interval_text(between(results, count, FIRST), digits, 0),
                significance.interval_text(between(results, count, FIRST, "own"), digits, 0),
                floors[0],
                copies,
                significance.interval_text(of_models(results, count, FIRST).mean(1), digits, 0),
                significance.interval_text(between(results, count, "kernel"), kernel_digits),
                floors[1],
            ]
        )
    return lines


def pair_rows(results: dict[str, Any]) -> list[list[str]]:
    """Build the table of images of the same noise."""
    head = ["images"]
    for words in PAIRS.values():
        head += [f"concordance in {words}", "by chance", "distance of pairs", "of others"]
    lines = [head]
    for count in counts(results):
        cells = []
        for view in PAIRS:
            rows = [row[view] for row in results["rows"][count]]
            if not rows:
                cells += ["-"] * 4
                continue
            cells.append(significance.interval_text([row["concordance"] for row in rows], 2, -1, 1))
            means = {key: np.mean([row[key] for row in rows]) for key in rows[0]}
            cells.append(f"{means['chance']:.2f}")
            cells += [f"{means[key]:.1f}" for key in ("paired", "unpaired")]
        lines.append([_row_name(results, count), *cells])
    return lines


def score_rows(results: dict[str, Any]) -> list[list[str]]:
    """Build the table of the models' scores and their differences."""
    head = ["images", "score", "first model", "second model", "difference"]
    lines = [[*head, "between two pairs"]]
    for count in counts(results):
        for key in known_scores(results) if results["rows"][count] else ():
            scores, digits = of_models(results, count, key), SCORES[key]
            within, others = differences(scores)
            lines.append(
                [
                    images_text(count),
                    score_text.all_scores()[key].title,
                    *(_score_text(scores[:, side], key) for side in (0, 1)),
                    f"{within:.{digits}f}",
                    "-" if others is None else f"{others:.{digits}f}",
                ]
            )
    return lines


def copy_rows(results: dict[str, Any]) -> list[list[str]]:
    """Build the table of copies."""
    lines = [["images", "copies, %", "of real images, %", "models with signs of copying"]]
    lines[0] += [f"nearest in the own half by {words}, %" for words in PAIRS.values()]
    for count in counts(results):
        models = [model for row in results["rows"][count] for model in row["models"]]
        if not models:
            lines.append([_row_name(results, count), *["-"] * 5])
            continue
        signs = [model["copying"] for model in models]
        text = f"{sum(map(bool, signs))} of {len(signs)}"
        if None in signs:
            text += f" ({signs.count(None)} cannot be told)"
        cells = [
            significance.interval_text(100 * of_models(results, count, key).mean(1), 1, 0, 100)
            for key in ("copied", "copied_real")
        ]
        near = [100 * nearest_own(results, count, view) for view in PAIRS]
        lines.append(
            [
                _row_name(results, count),
                *cells,
                text,
                *(significance.interval_text(values, 1, 0, 100) for values in near),
            ]
        )
    return lines


def nearest_own(results: dict[str, Any], count: str, view: str) -> np.ndarray:
    """Return the share of images nearest to the own half, of each pair: float64 [pairs]."""
    rows = results["rows"][count]
    return np.array([np.mean([m["nearest_own"][view] for m in row["models"]]) for row in rows])


def length_rows(results: dict[str, Any]) -> list[list[str]]:
    """Build the table of updates, passes over the half, and minutes of each model."""
    lines = [["images", "images of each model", "steps", "passes", "minutes"]]
    for count in counts(results):
        cells = ["-"] * 3
        if results["rows"][count]:
            steps, passes, seconds = (
                of_models(results, count, key).mean() for key in ("steps", "passes", "train_s")
            )
            cells = [f"{steps:,.0f}", f"{passes:,.1f}", f"{seconds / 60:.1f}"]
        lines.append([images_text(count), f"{int(count) // 2:,}", *cells])
    return lines


def _row_name(results, count):
    n = len(results["rows"][count])
    return table_format.system_label(images_text(count), n, results["repeats"])


def limits(key: str) -> tuple[float, float]:
    """Return the least and the largest value that a score can have, which intervals stay within."""
    return score_text.all_scores()[key].limits()


def _score_text(values, key):
    return significance.interval_text(values, SCORES[key], *limits(key))
