"""Scores of an evaluation as text: names, values and intervals."""

import math

from gan_jax import metrics
from gan_jax.metrics import evaluate, point_scores, significance
from gan_jax.metrics.metric import Score
from gan_jax.report import parts

LABELS = {
    "real": "real (floor)",
    "model": "model",
    "images": "images",
    "untrained": "untrained",
    "collapsed": "collapsed",
}
# {in words: suffix of the keys}: class fractions as the classifier counts them, and with its
# confusions undone
FRACTION_KINDS = {"as classified": "", "corrected": "_corrected"}
BETTER = {
    "low": "lower is better",
    "high": "higher is better",
    "real": "as for real images is best",
}
HOW_TO_READ = (
    "A perfect generator would score like the floor (real images against other real images); a "
    "useful one is far better than both controls (an untrained generator; real images without "
    "variety). The interval (95 %) tells what other samples of both kinds would give; +- is the "
    "spread over repeats of sampling, of one training."
)
Z = 1.96  # standard errors on each side of a 95 % interval
# A spread is rounding below this share of the score, or where six decimals would not show it.
ROUNDING, SMALLEST_SHOWN = 1e-6, 5e-7


def all_scores(*evaluations: dict) -> dict[str, Score]:
    """Return the scores of images and of points, by key, in the order of tables.

    Args:
      *evaluations: their scores by plug-ins, which they describe themselves, come last.
    """
    known = metrics.SCORES | parts.SCORES | point_scores.SCORES
    for evaluation in evaluations:
        for key, words in evaluation.get("scores", {}).items():
            better = words["better"] if words["better"] in BETTER else "real"
            limits = (_limit(words.get(name)) for name in ("least", "most"))
            known.setdefault(key, Score(str(words["title"]), better, str(words["text"]), *limits))
    return known


def _limit(value):
    """Read a limit of a score that a record describes; None for what is none."""
    return value if value == "classes" or type(value) in (int, float) else None


def subject_row(evaluation: dict) -> str:
    """Return the key of the row that an evaluation is about."""
    return next(name for name in evaluate.SUBJECT_ROWS if name in evaluation["rows"])


def row_label(name: str) -> str:
    """Return the name of a row in words."""
    return LABELS.get(name, name)


def score_keys(evaluation: dict) -> list[str]:
    """List the keys of the scores of an evaluation, in the order of tables."""
    row = evaluation["rows"][subject_row(evaluation)]
    return [key for key in all_scores(evaluation) if key in row]


def _decimals(spread):
    """Count the decimals that show two digits of the spread; at most 6."""
    return min(max(1 - math.floor(math.log10(spread)), 0), 6)


def _is_rounding(spread, value):
    """Say whether a spread is that of rounding, as between orders of the same images."""
    return spread <= max(ROUNDING * abs(value), SMALLEST_SHOWN)


def format_score(row: dict, key: str) -> str:
    """Format a score: "1.234 +- 0.056" where it was repeated, "-" where there is none."""
    if key not in row:
        return "-"
    std = row.get(f"{key}_std", 0)
    if not _is_rounding(std, row[key]):
        return f"{row[key]:.{_decimals(std)}f} +- {std:.{_decimals(std)}f}"
    return f"{row[key]:.4g}"


def confidence_interval(evaluation: dict, key: str) -> tuple[float, float] | None:
    """Return the 95 % interval (low, high) of a score; None where there is none.

    It is that of a normal distribution, and stays within what the score can be: see
    significance.bounded_interval.
    """
    row = evaluation["rows"][subject_row(evaluation)]
    if f"{key}_se" not in row:
        return None
    return significance.bounded_interval(row[key], row[f"{key}_se"], Z, *limits(evaluation, key))


def limits(evaluation: dict, key: str) -> tuple[float, float]:
    """Return the least and the largest value that a score can have in an evaluation."""
    return all_scores(evaluation)[key].limits(len(evaluation["classes"]))


def format_interval(evaluation: dict, key: str) -> str:
    """Format the 95 % interval of a score, as "1.23 to 1.45"; "-" where there is none."""
    interval = confidence_interval(evaluation, key)
    if interval is None:
        return "-"
    row = evaluation["rows"][subject_row(evaluation)]
    se = row[f"{key}_se"]
    decimals = None if _is_rounding(se, row[key]) else _decimals(se)
    return " to ".join(f"{x:.4g}" if decimals is None else f"{x:.{decimals}f}" for x in interval)


def class_fractions(evaluation: dict, suffix: str = "") -> dict[str, list[float]]:
    """Return {row in words: class fractions}, the training data first; {} where there are none.

    Args:
      evaluation: the evaluation.
      suffix: one of FRACTION_KINDS.
    """
    if f"real_fractions{suffix}" not in evaluation:
        return {}
    fractions = {"training data": evaluation[f"real_fractions{suffix}"]}
    for name, row in evaluation["rows"].items():
        fractions[row_label(name)] = row[f"fractions{suffix}"]
    return fractions
