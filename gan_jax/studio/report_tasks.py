"""Tasks of the worker: reports, comparisons, and tables of scores in the report's words.

Imports JAX, so only the worker process imports this module.
"""

import tempfile
from pathlib import Path
from typing import Any

from gan_jax.errors import InputError
from gan_jax.metrics import protocol
from gan_jax.report import (
    compare,
    compare_page,
    run_files,
    run_page,
    score_html,
    score_text,
    verdict,
)


def comparison_page(folders: list[Path]) -> str:
    """Write the page of commands.compare about run folders, and return its HTML.

    Raises:
      InputError: there are fewer than two, or they cannot be compared.
    """
    if len(folders) < 2:
        raise InputError("Choose two or more runs to compare.")
    systems = compare.group_runs([compare.read_run(folder) for folder in folders])
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        compare_page.write(systems, out)
        return (out / "compare.html").read_text()


def report_page(folder: Path) -> str:
    """Write report.html of a run from its files now, and return its HTML."""
    return run_page.write(folder).read_text()


def score_table(folder: Path) -> dict[str, Any] | None:
    """Format the scores of a run as its report does; None where it is not scored.

    Returns:
      {"step": of the checkpoint or None, "verdict": {"kind", "text"}, see report.verdict, "how":
      how to read them, "protocol": what they depend on, "shares_warning": see
      protocol.shares_warning, "rows": [see `_row`], "neighbours": a sentence or ""}.

    Raises:
      InputError: eval.json is damaged.
    """
    try:
        evaluation = run_files.read_evaluation(folder)
        if evaluation is None:
            return None
        found = evaluation.get("neighbours") or {}
        return {
            "step": evaluation.get("step"),
            "verdict": verdict.verdict(evaluation)._asdict(),
            "how": score_text.HOW_TO_READ,
            "protocol": protocol.describe(evaluation, score_text.LABELS),
            "shares_warning": protocol.shares_warning(evaluation),
            "rows": [_row(evaluation, key) for key in score_text.score_keys(evaluation)],
            "neighbours": str(found.get("verdict", "")),
        }
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"eval.json cannot be read ({error}); evaluate the run again.") from error


def _row(evaluation, key):
    """Describe a score.

    Returns:
      {"title", "better": which end is good, in words, "text", "value", "interval" or "",
      "references": [[name, value]], "scale": see `_scale`}.
    """
    rows, subject = evaluation["rows"], score_text.subject_row(evaluation)
    score = score_text.all_scores(evaluation)[key]
    others = [name for name in rows if name != subject and key in rows[name]]
    interval = score_text.confidence_interval(evaluation, key)
    return {
        "key": key,
        "title": score.title,
        "better": score_text.BETTER[score.better],
        "text": score.text,
        "value": score_html.format_score(rows[subject], key),
        "interval": score_text.format_interval(evaluation, key) if interval else "",
        "references": [
            [score_text.row_label(name), score_text.format_score({key: rows[name][key]}, key)]
            for name in others
        ],
        "scale": _scale(rows, key, subject, interval, score.better),
    }


def _scale(rows, key, subject, interval, better):
    """Place a score between real images (0) and the worst control (100); None without a scale.

    Returns:
      {"value": position, "interval": [low, high] or None, "references": {row: position}}.
    """
    ends = score_html.scale_ends(rows, key) if key in rows.get("real", {}) else None
    if ends is None:
        return None
    at = lambda value: round(score_html.scale_position(value, ends, better), 1)
    bar = score_html.scale_interval(interval, ends, better) if interval else None
    controls = [name for name in rows if name != subject and key in rows[name]]
    return {
        "value": at(rows[subject][key]),
        "interval": [round(end, 1) for end in bar] if bar else None,
        "references": {name: at(rows[name][key]) for name in controls},
    }


TASKS = {task.__name__: task for task in (comparison_page, report_page, score_table)}
