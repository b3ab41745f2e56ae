"""The sentences of a study of synthetic images: which training sets are better, what they find."""

from collections.abc import Iterator

import numpy as np

from gan_jax.metrics import detection, exact_tests, significance
from gan_jax.studies.augment.results import (
    AGAINST,
    CONCLUSIONS,
    compared_scores,
    conclusion,
    format_percent,
    select_comparisons,
    share_heading,
)


def verdicts(results: dict) -> list[str]:
    """Say in sentences which training sets are better, what that rests on, and what failed."""
    lines = headline(results)
    for share in results["shares"]:
        lines += (_rare_class if results["rare"] else _all_classes)(results, share)
        lines += _detection(results, share) if results["test"] else []
        lines += _accuracy_score(results, share)
    if any(row["p"] is not None for row in results["comparisons"]):
        lines.append(
            "All intervals of differences hold together with 95 % (Bonferroni, "
            f"{len(results['comparisons'])} comparisons), paired by seed. They are over trainings "
            "of the classifier, with one GAN and one choice of labels for each share: another may "
            "differ."
        )
    for share, results_of_share in results["shares"].items():
        if "judge" in results_of_share["gan"]:
            lines.append(_readings(share, results_of_share))
    failed = results["failed"].items()
    return lines + [f"Failed, and left out: {name}: {why}." for name, why in failed]


def headline(results: dict) -> list[str]:
    """Sum up the gain of synthetic images added to real ones, in one sentence or in none.

    For each of AGAINST it has the range of mean differences over all shares, and how many
    comparisons are better or worse.
    """
    name, words = next(iter(compared_scores(results["rare"]).items()))
    mixed = {
        key: arm["rivals"]
        for key, arm in results["arms"].items()
        if arm["generated"] and key != "synthetic"
    }
    parts = []
    for i, against in enumerate(AGAINST):
        rows = select_comparisons(results, measure=name)
        rows = [row for row in rows if row["rival"] in mixed.get(row["arm"], ())[i : i + 1]]
        if rows:
            gains, ends = [100 * row["mean"] for row in rows], [conclusion(row) for row in rows]
            better, worse = (ends.count(end) or "none" for end in ("better", "worse"))
            span = f"{min(gains):+.1f} to {max(gains):+.1f} points"
            parts.append(
                f"{against} {span}, better in {better} and worse in {worse} of {len(rows)}"
            )
    return [f"Synthetic images added to real ones, {words}: {'; '.join(parts)}."] if parts else []


def _all_classes(results, share) -> Iterator[str]:
    """Say for each rival which training sets are better, which worse, and which are open."""
    results_of_share, arms = results["shares"][share], results["arms"]
    for rival in dict.fromkeys(rival for arm in arms.values() for rival in arm["rivals"]):
        rows, parts = select_comparisons(results, share=share, rival=rival), []
        for end, words in CONCLUSIONS.items():
            gains = [
                f"{arms[row['arm']]['text']} {significance.paired_gain_text(row)}"
                for row in rows
                if conclusion(row) == end
            ]
            parts += [f"{words}: {', '.join(gains)}"] if gains else []
        if rows:
            accuracy = 100 * np.mean(results_of_share["arms"][rival]["accuracy"])
            yield (
                f"{share_heading(share, results_of_share)}; accuracy against {arms[rival]['text']} "
                f"({accuracy:.1f} %), in points: {'; '.join(parts)}."
            )


def _rare_class(results, share) -> Iterator[str]:
    """Say for each pair of training sets how the rare class fares, and how the others do."""
    results_of_share, arms = results["shares"][share], results["arms"]
    names = compared_scores(results["rare"])
    for key, rival in [(key, rival) for key, arm in arms.items() for rival in arm["rivals"]]:
        rows, parts = select_comparisons(results, share=share, arm=key, rival=rival), []
        for row in rows:
            level = 100 * np.mean(results_of_share["arms"][rival][row["measure"]])
            parts.append(
                f"{names[row['measure']]} ({level:.1f} %) {significance.paired_gain_text(row)}, "
                f"{CONCLUSIONS[conclusion(row)]}"
            )
        if rows:
            yield (
                f"{share_heading(share, results_of_share)}; {arms[key]['text']} against "
                f"{arms[rival]['text']}, in points: {'; '.join(parts)}."
            )


def _detection(results, share) -> Iterator[str]:
    """Say how much of the rare class each training set finds within the false alarms allowed."""
    results_of_share, n, n_others = results["shares"][share], *results["test"].values()
    parts = []
    for key, values in results_of_share["arms"].items():
        detected = values["detected"]
        low, high = exact_tests.binomial_interval(n * np.mean(detected), n)
        exact = f"{100 * low:.0f} to {100 * high:.0f} by the test images"
        parts.append(f"{results['arms'][key]['text']} {format_percent(detected)}, {exact}")
    if parts:
        least = detection.allowed(n_others)
        yield (
            f"{share_heading(share, results_of_share)}; {results['rare']} found, % of {n:,} test "
            f"images, where {least:,} of {n_others:,} others may be taken for it: "
            f"{'; '.join(parts)}. In brackets 95 % intervals over seeds; by the test images, of "
            "which there might be others: exact (Clopper-Pearson)."
        )


def _accuracy_score(results, share) -> Iterator[str]:
    """Say what generated images alone are worth as training data, beside real ones and both."""
    results_of_share, arms = results["shares"][share], results["arms"]
    values = results_of_share["arms"]
    if "synthetic" in values and "real" in values:
        both = [key for key in values if key.startswith("synthetic_")]
        parts = [
            f"{arms[key]['text']} {format_percent(values[key]['accuracy'])}"
            for key in ("real", *both)
        ]
        score = format_percent(values["synthetic"]["accuracy"])
        yield (
            f"{share_heading(share, results_of_share)}; classification accuracy score, which is "
            f"the accuracy in % on real test images after training on generated images alone: "
            f"{score}; {', '.join(parts)}."
        )


def _readings(share, results_of_share):
    """Say the three readings of an accuracy of generated images in one sentence."""
    gan, arms = results_of_share["gan"], results_of_share["arms"]
    percent = {k: f"{100 * value:.1f} %" for k, value in gan.items() if isinstance(value, float)}
    text = "D has no class head"
    if gan["head"] is not None:
        text = (
            f"D's class head takes {percent['head']} of the generated images for what was asked "
            f"for (and is right on {percent['head_real']} of real test images)"
        )
    text += (
        f"; an independent classifier, trained on all real labels, takes {percent['judge']} for "
        f"it (right on {percent['judge_real']} of real test images)"
    )
    if "synthetic" in arms and "real" in arms:
        only, real = (f"{100 * np.mean(arms[k]['accuracy']):.1f} %" for k in ("synthetic", "real"))
        text += (
            f"; a classifier trained on them alone is right on {only} of those, one trained on "
            f"real ones on {real}"
        )
    heading = share_heading(share, results_of_share)
    return f"{heading}; three readings of an accuracy of generated images: {text}."
