"""The sentences of a study of two models: from which number of images on do they agree?"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy

from gan_jax.metrics import significance
from gan_jax.report import score_text
from gan_jax.studies.two_models.results import (
    FIRST,
    PAIRS,
    SCORES,
    between,
    concordances,
    counts,
    differences,
    floor,
    images_text,
    known_scores,
    nearest_own,
    of_models,
    settled,
)

SAME = 0.5  # concordance above which images of the same noise are more alike than different


def agrees(results: dict[str, Any], count: str) -> bool | None:
    """Say whether two models of so many images are as alike as two sets of real images.

    Returns:
      True if the mean distance between the models is at most the largest between sets of real
      images; None if the 95 % interval of the mean reaches down to that, or no pair ended.
    """
    values = between(results, count, FIRST)
    if not values:
        return None
    largest = floor(results, FIRST)[1]
    mean, interval = significance.confidence_interval(values, 0)
    if mean <= largest:
        return True
    return None if interval is not None and interval[0] <= largest else False


def same_images(results: dict[str, Any], count: str) -> bool | None:
    """Say whether the same noise gives mostly the same image, by features; None without a pair."""
    values = concordances(results, count, "feature")
    return bool(np.mean(values) >= SAME) if values else None


def copies(results: dict[str, Any], count: str) -> bool | None:
    """Say whether any model copies its half; None if none does and some cannot be told."""
    signs = [model["copying"] for row in results["rows"][count] for model in row["models"]]
    if any(signs):
        return True
    return None if None in signs or not signs else False


def first_from(results: dict[str, Any], holds) -> str | None:
    """Return the smallest number of images from which on `holds`(results, count); None if none."""
    first = None
    for count in reversed(counts(results)):
        if holds(results, count) is not True:
            break
        first = count
    return first


def verdicts(results: dict[str, Any]) -> list[str]:
    """Say all that there is to say: `answers`, then `details`."""
    return [*answers(results), *details(results)]


def answers(results: dict[str, Any]) -> list[str]:
    """Answer the questions of the study, the headline first."""
    parts = headline(results), *_trend(results), _noise(results), _copying(results)
    return [*parts, *_scores(results)]


def details(results: dict[str, Any]) -> list[str]:
    """Say how each number of images stands, and what diverged."""
    return [
        *_settled(results),
        *(_standing(results, count) for count in counts(results) if results["rows"][count]),
        *(f"Diverged: {name}: {why}" for name, why in results["diverged"].items()),
    ]


def headline(results: dict[str, Any]) -> str:
    """Say from which number of images on two models agree within the floor."""
    first, names = first_from(results, agrees), counts(results)
    if not any(results["rows"].values()):
        return "No pair of models ended."
    if first is not None:
        from_here = (
            "at all numbers of images" if first == names[0] else f"from {images_text(first)} on"
        )
        return (
            f"Two models on disjoint halves agree within the floor of real images {from_here}; "
            f"each is {_times_floor(results, first)} times as far from real images as those are "
            "from each other."
        )
    undecided = [name for name in names if agrees(results, name) is None]
    if undecided == names:
        return (
            "Whether two models on disjoint halves agree within the floor of real images cannot be "
            "told for any number of images; more pairs may tell (--repeats)."
        )
    text = (
        "Two models on disjoint halves do not agree within the floor of real images up to "
        f"{images_text(names[-1])}"
    )
    if undecided:
        text += f" (not decided: {', '.join(map(images_text, undecided))})"
    return f"{text}."


def _trend(results):
    """Say whether the distance between two models falls with the number of images.

    It does where the models differ by their sample. Chance in training does not know the number.
    """
    points = [(n, d) for n in counts(results) for d in between(results, n, FIRST) if d > 0]
    if len({n for n, _ in points}) < 2 or len(points) < 3:
        return []
    x, y = np.log10(np.array([(int(n), d) for n, d in points], np.float64)).T
    line = scipy.stats.linregress(x, y)
    reach = scipy.stats.t.ppf(0.975, len(x) - 2) * line.stderr
    low, middle, high = (10 ** (line.slope + sign * reach) for sign in (-1, 0, 1))
    factor = f"by a factor of {middle:.2f} ({low:.2f} to {high:.2f}) for ten times as many images"
    if high < 1:
        why = "so what they learned depends on the sample that they saw"
        return [f"The distance between the models changes {factor}: it falls, {why}."]
    why = "so they differ by chance in training as much as by the sample that they saw, or more"
    return [f"The distance between the models changes {factor}: no fall is seen, {why}."]


def _times_floor(results, count):
    """Format the distance of models to real images, in units of the floor."""
    ratio = of_models(results, count, FIRST).mean() / floor(results, FIRST)[0]
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.1f}"


def _noise(results):
    """Say whether the same noise gives the same image."""
    parts = []
    for count in counts(results):
        rows = results["rows"][count]
        if rows:
            values = (
                f"{np.mean(concordances(results, count, view)):.2f} in {words}"
                for view, words in PAIRS.items()
            )
            parts.append(f"{images_text(count)} {', '.join(values)}")
    first = first_from(results, same_images)
    text = "The same noise does not give the same image"
    if first is not None:
        text = f"The same noise gives mostly the same image from {images_text(first)} on"
    return f"{text} (concordance, 1 is the same: {'; '.join(parts) or 'no pair ended'})."


def _copying(results):
    """Say which models copy."""
    signs = {count: copies(results, count) for count in counts(results)}
    copying, unsure = (
        ", ".join(images_text(count) for count, sign in signs.items() if sign is wanted)
        for wanted in (True, None)
    )
    text = f"Signs of copying the own half: {copying or 'none'}."
    return f"{text} It cannot be told: {unsure}." if unsure else text


def _scores(results) -> Iterator[str]:
    """Say for each number of images which scores differ more within pairs than between them."""
    for count in counts(results):
        rows = results["rows"][count]
        if len(rows) < 2:
            continue
        more = []
        for key in known_scores(results):
            within, others = differences(of_models(results, count, key))
            if others is not None and within > others:
                title, digits = score_text.all_scores()[key].title, SCORES[key]
                more.append(f"{title} ({within:.{digits}f} against {others:.{digits}f})")
        yield (
            f"{images_text(count).capitalize()}, scores that differ more within a pair than "
            f"between two pairs: {', '.join(more) or 'none'}."
        )


def _settled(results) -> Iterator[str]:
    """Say from which number of images on each score is as with the largest number."""
    from_count = {key: settled(results, key) for key in known_scores(results)}
    parts = [
        f"{score_text.all_scores()[key].title} {images_text(count)}"
        for key, count in from_count.items()
        if count is not None
    ]
    if parts:
        yield (
            "The smallest number from which on a score lies in its interval of the largest number: "
            f"{', '.join(parts)}."
        )


def _standing(results, count):
    """Say how far models are from each other and from real images."""
    mean, largest = floor(results, FIRST)
    digits, title = SCORES[FIRST], score_text.all_scores()[FIRST].title
    words = {True: "within the floor", False: "above the floor", None: "not decided"}
    values = significance.interval_text(between(results, count, FIRST), digits, 0)
    to_real = of_models(results, count, FIRST).mean()
    twice = np.mean(between(results, count, FIRST, "own"))
    own = np.mean([nearest_own(results, count, view).mean() for view in PAIRS])
    return (
        f"{images_text(count).capitalize()}: {title} between the models {values}, "
        f"{words[agrees(results, count)]} (real images {mean:.{digits}f}, at most "
        f"{largest:.{digits}f}; one model twice {twice:.{digits}f}; repeated halves "
        f"{results['copies'][count][FIRST]:.{digits}f}); of "
        f"each to real images {to_real:.{digits}f}; {100 * own:.0f} % of the images are nearest to "
        "one of the own half."
    )
