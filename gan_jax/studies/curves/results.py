"""Results of a study of curves: tables over images and over steps, and from where on a score holds.

Results are those of the command's `collect`. "rows" has, for each number of images (as text, in
JSON), the scores of every seed at every point.
"""

from typing import Any

import numpy as np

from gan_jax.errors import counted
from gan_jax.metrics import significance
from gan_jax.metrics.metric import Score
from gan_jax.report import score_text
from gan_jax.studies import table_format
from gan_jax.studies.image_sets import counts, images_text
from gan_jax.studies.table_format import Table

DIGITS = 3  # significant, of the mean
NOTE = (
    "Means over seeds, in brackets their 95 % interval. A score has settled at the smallest number "
    "of images, or of steps, from which on its mean lies within its interval of the largest; the "
    "largest itself where none is smaller; over steps, also the interval of the seeds' changes to "
    "the end holds 0. That says that these seeds see no gain from there on, "
    f"not that there is none. {significance.MEANS_NOTE}"
)


def score_keys(results: dict[str, Any]) -> list[str]:
    """List the scores that all runs have, in the order of tables."""
    points = [point for rows in results["rows"].values() for row in rows for point in row["points"]]
    return [key for key in score_text.all_scores() if points and all(key in p for p in points)]


def score_of(key: str) -> Score:
    """Return what is known of a score."""
    return score_text.all_scores()[key]


def limits(results: dict[str, Any], key: str) -> tuple[float, float]:
    """Return the least and the largest value of a score, which intervals stay within."""
    return score_of(key).limits(len(results["classes"]))


def values(results: dict[str, Any], count: str, key: str) -> np.ndarray:
    """Return a score of all seeds at all points: float64 [seeds, points]."""
    rows = results["rows"][count]
    return np.array([[point[key] for point in row["points"]] for row in rows], float)


def steps(results: dict[str, Any], count: str) -> list[int]:
    """Return the steps of the points; the same for all seeds."""
    return [point["step"] for point in results["rows"][count][0]["points"]]


def ended(results: dict[str, Any]) -> list[str]:
    """List the numbers of images of which a run has ended, ascending."""
    return [count for count in counts(results) if results["rows"][count]]


def settled_images(results: dict[str, Any], key: str) -> str | None:
    """Return the smallest number of images from which on a score is as with the largest.

    None where the largest has no interval, or is the only one.
    """
    names = ended(results)
    groups = [values(results, name, key)[:, -1] for name in names]
    i = significance.settled(groups, *limits(results, key)) if len(groups) > 1 else None
    return None if i is None else names[i]


def settled_steps(results: dict[str, Any], count: str, key: str) -> int | None:
    """Return the smallest step from which on a score is as at the end; None without intervals."""
    columns = list(values(results, count, key).T)
    i = significance.settled(columns, *limits(results, key), True) if len(columns) > 1 else None
    return None if i is None else steps(results, count)[i]


def tables(results: dict[str, Any]) -> list[Table]:
    """Build all tables."""
    names = ended(results)
    out = []
    if len(names) > 1:
        out.append(Table("Over the number of images", count_rows(results)))
    out += [
        Table(f"Over training: {images_text(name)}", step_rows(results, name)) for name in names
    ]
    return [*out, Table("From where on", settled_rows(results))] if names else out


def _cell(results, key, of_seeds):
    mean = abs(float(np.mean(of_seeds)))
    digits = 2 if mean == 0 else min(max(DIGITS - 1 - int(np.floor(np.log10(mean))), 0), 6)
    return significance.interval_text(of_seeds, digits, *limits(results, key))


def count_rows(results: dict[str, Any]) -> list[list[str]]:
    """Build the table over the number of images, at the end of training."""
    keys = score_keys(results)
    lines = [["images", *(score_of(key).title for key in keys)]]
    for name in counts(results):
        rows = results["rows"][name]
        label = table_format.system_label(images_text(name), len(rows), results["seeds"])
        cells = (_cell(results, k, values(results, name, k)[:, -1]) if rows else "-" for k in keys)
        lines.append([label, *cells])
    return [*lines, _floor_row(results, keys)]


def step_rows(results: dict[str, Any], count: str) -> list[list[str]]:
    """Build the table over the steps of one number of images."""
    keys = score_keys(results)
    lines = [["steps", *(score_of(key).title for key in keys)]]
    for i, step in enumerate(steps(results, count)):
        cells = (_cell(results, key, values(results, count, key)[:, i]) for key in keys)
        lines.append([f"{step:,}", *cells])
    return [*lines, _floor_row(results, keys)]


def _floor_row(results, keys):
    known = results["floor"]
    return ["real (floor)", *(f"{known[key]:.{DIGITS}g}" if key in known else "" for key in keys)]


def settled_rows(results: dict[str, Any]) -> list[list[str]]:
    """Build the table of where each score has settled."""
    names = ended(results)
    lines = [["score", "images", *(f"steps, {images_text(name)}" for name in names)]]
    for key in score_keys(results):
        at = settled_images(results, key)
        over_steps = (settled_steps(results, name, key) for name in names)
        cells = ["-" if step is None else f"{step:,}" for step in over_steps]
        lines.append([score_of(key).title, "-" if at is None else f"{int(at):,}", *cells])
    return lines


def verdicts(results: dict[str, Any]) -> list[str]:
    """Say in sentences from where on each score has settled, and what diverged."""
    names, lines = ended(results), []
    if not names:
        lines.append("No run ended.")
    by_images = {key: settled_images(results, key) for key in score_keys(results)}
    if any(by_images.values()):
        parts = [f"{score_of(k).title} {images_text(n)}" for k, n in by_images.items() if n]
        lines.append(
            "The smallest number from which on a score lies within its interval of "
            f"{images_text(names[-1])}: {', '.join(parts)}."
        )
    elif len(names) > 1:
        lines.append("Over the number of images nothing follows without several seeds that differ.")
    for name in names:
        at = {key: settled_steps(results, name, key) for key in score_keys(results)}
        parts = [f"{score_of(k).title} {counted(n, 'step')}" for k, n in at.items() if n]
        if parts:
            lines.append(
                f"{images_text(name).capitalize()}, the smallest number of steps from which on a "
                f"score lies within its interval of the end: {', '.join(parts)}."
            )
    return lines + [f"Diverged: {name}: {why}" for name, why in results["diverged"].items()]
