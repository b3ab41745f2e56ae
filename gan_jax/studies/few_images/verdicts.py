"""The sentences of a study of few images: which recipe for how many, who copies, what is open."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from gan_jax.errors import counted
from gan_jax.metrics import significance
from gan_jax.studies.few_images.results import (
    COMPARED,
    FIRST,
    SCORES,
    comparisons,
    counts,
    images_text,
    interval_cell,
    score_of,
    values,
)
from gan_jax.studies.few_images.scorer import COLLAPSED, COPIES, FLOOR


class Standing(NamedTuple):
    """How the recipes stand for one number of training images; keys of recipes."""

    best: str | None  # the lowest mean of those that do not copy; None where all do, or none ended
    undecided: list[str]  # which these seeds cannot tell from the best
    worse: list[str]  # clearly worse than the best
    copiers: list[str]  # with signs of copying in a seed


def standing(results: dict[str, Any], count: str) -> Standing:
    """Rank the recipes by the Frechet distance; those that copy are left out.

    Intervals of all pairs of recipes, of all numbers of images, hold together: the best one is
    chosen by the same scores, so any pair could have been compared.
    """
    ended = {recipe: rows for recipe, rows in results["rows"][count].items() if rows}
    copiers = [r for r, rows in ended.items() if any(row["copying"] for row in rows)]
    honest = {r: values(rows, FIRST) for r, rows in ended.items() if r not in copiers}
    if not honest:
        return Standing(None, [], [], copiers)
    best = min(honest, key=lambda recipe: np.mean(honest[recipe]))
    n_comparisons = max(1, math.comb(len(results["recipes"]), 2) * len(results["rows"]))
    undecided, worse = [], []
    for recipe, scores in honest.items():
        if recipe != best:
            comparison = significance.compare_means(
                scores, honest[best], n_comparisons, score_of(FIRST).limits()
            )
            (worse if comparison.is_decided else undecided).append(recipe)
    return Standing(best, undecided, worse, copiers)


def verdicts(results: dict[str, Any]) -> list[str]:
    """Say all that there is to say: `answers`, then `details`."""
    return [*answers(results), *details(results)]


def answers(results: dict[str, Any]) -> list[str]:
    """Say which recipe is for how many images, how they rank, and which copy."""
    return [
        headline(results),
        *(_ranking(results, count) for count in counts(results)),
        *(_copying(results, count) for count in counts(results)),
    ]


def details(results: dict[str, Any]) -> list[str]:
    """Say which differences from the baseline are clear, how equal times are, what diverged."""
    return [
        *_differences(results),
        *_times(results),
        *([results["start"]] if results["start"] else []),
        *(f"Diverged: {name}: {why}" for name, why in results["diverged"].items()),
    ]


def headline(results: dict[str, Any]) -> str:
    """Say in one sentence which recipe is for how many images."""
    return f"Which recipe: {'; '.join(_choice(results, count) for count in counts(results))}."


def _titles(results, recipes):
    return ", ".join(results["recipes"][recipe]["title"] for recipe in recipes)


def _choice(results, count):
    found, place = standing(results, count), images_text(count)
    if found.best is None:
        why = "every recipe copies" if found.copiers else "no run ended"
        return f"{place}: none, {why}"
    best = _titles(results, [found.best])
    if _no_better_than(results, count, found.best, COLLAPSED):
        return f"{place}: none is better than real images without variety (nearest: {best})"
    if not found.undecided:
        return f"{place}: {best}"
    return f"{place}: {best}, or {_titles(results, found.undecided)} (not decided)"


def _no_better_than(results, count, recipe, control):
    """Say whether the mean of a recipe is no better than a control."""
    mean = np.mean(values(results["rows"][count][recipe], FIRST))
    return bool(mean >= results["controls"][count][control][FIRST])


def _ranking(results, count):
    """Say how the recipes rank for one number of images, beside floor and controls."""
    found, place = standing(results, count), images_text(count).capitalize()
    controls = results["controls"][count]
    real, copies, one = (
        f"{controls[name][FIRST]:.{SCORES[FIRST]}f}" for name in (FLOOR, COPIES, COLLAPSED)
    )
    beside = (
        f"Real images have {real}, copies of the training images {copies}, real images without "
        f"variety {one}."
    )
    if found.best is None:
        return f"{place}: no recipe can be named, see below. {beside}"
    score = interval_cell(results["rows"][count][found.best], FIRST)
    parts = [f"{place}: {_titles(results, [found.best])} has the lowest {_score()}, {score}."]
    if found.worse:
        parts.append(f"Clearly worse: {_titles(results, found.worse)}.")
    if found.undecided:
        parts.append(f"Not decided by these seeds: {_titles(results, found.undecided)}.")
    if found.copiers:
        parts.append(f"Left out, for they copy: {_titles(results, found.copiers)}.")
    if not _no_better_than(results, count, found.best, COPIES):
        parts.append("It is better than copies of the training images would be.")
    return " ".join([*parts, beside])


def _score():
    return score_of(FIRST).title


def _copying(results, count):
    """Say which recipes show signs of copying, and where the search cannot tell."""
    copying, unsure = [], []
    for recipe, rows in results["rows"][count].items():
        title, signs = results["recipes"][recipe]["title"], [row["copying"] for row in rows]
        if any(signs):
            copied, real = (100 * np.mean(values(rows, key)) for key in ("copied", "copied_real"))
            copying.append(
                f"{title} in {sum(map(bool, signs))} of {counted(len(rows), 'seed')} ({copied:.1f} "
                f"% of its images match one training image, of real images {real:.1f} %)"
            )
        elif None in signs:
            n = sum(sign is None for sign in signs)
            unsure.append(f"{title} in {n} of {counted(len(rows), 'seed')}")
    text = f"{images_text(count).capitalize()}, signs of copying: {'; '.join(copying) or 'none'}."
    if unsure:
        text += f" It cannot be told, for the images are too much alike: {', '.join(unsure)}."
    return text


def _differences(results) -> Iterator[str]:
    """Say which differences from the baseline are clear; name the recipes whose are not."""
    pairs, unsure = comparisons(results), {}
    against = results["recipes"][results["against"]]["title"]
    for (count, recipe, key), (a, b) in pairs.items():
        title, score = results["recipes"][recipe]["title"], score_of(key)
        if significance.compare_means(a, b, len(pairs), score.limits()).is_decided:
            sentence = significance.compare_seeds(
                title,
                a,
                against,
                b,
                score.title,
                SCORES[key],
                len(pairs),
                score.better,
                score.limits(),
            )
            yield f"{images_text(count).capitalize()}: {sentence}"
        else:
            unsure.setdefault((count, key), []).append(title)
    for count in counts(results):
        for key in COMPARED:
            if names := unsure.get((count, key)):
                yield (
                    f"{images_text(count).capitalize()}, {score_of(key).title}: whether "
                    f"{', '.join(names)} differ{'s' * (len(names) == 1)} from {against}, these "
                    "seeds cannot tell."
                )


def _times(results) -> Iterator[str]:
    """Say how equal the equal wall times are."""
    seconds = {}
    for of_count in results["rows"].values():
        for recipe, rows in of_count.items():
            seconds.setdefault(recipe, []).extend(values(rows, "train_s"))
    means = {recipe: np.mean(times) for recipe, times in seconds.items() if times}
    if means:
        longest = max(means.values())
        ratios = ", ".join(
            f"{results['recipes'][recipe]['title']} {mean / longest:.2f}"
            for recipe, mean in means.items()
        )
        yield f"Equal wall time, as it turned out (the longest is 1): {ratios}."
