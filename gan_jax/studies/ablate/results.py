"""What a sweep says of its runs: which differ from the first configuration, what failed and why."""

import numpy as np

from gan_jax.errors import EXIT_REFUSED, counted
from gan_jax.metrics import significance
from gan_jax.report import page, score_text
from gan_jax.studies import jobs
from gan_jax.studies.ablate.plan import SweepRun
from gan_jax.studies.ablate.state import SweepState

# Scores in the table of configurations.
SHOWN = (
    "frechet",
    "coverage",
    "total_variation",
    "classes_5pct",
    "modes",
    "modes_kl",
    "modes_covered",
    "registered",
    "modes_3sd",
    "high_quality",
    "reverse_kl",
    "intended",
    "asked_correlation",
    "psnr",
    "colourfulness",
)
# Scores that configurations differ by.
COMPARED = (
    *("frechet", "total_variation", "modes_kl", "registered", "reverse_kl"),
    *("intended", "asked_correlation", "psnr"),
)


def summary(state: SweepState, incomparable: str = "") -> str:
    """Format summary.md.

    Args:
      state: SweepState.
      incomparable: why the scores may not share a table; "" if they may.
    """
    sentences = [f"No comparison: {incomparable}"] if incomparable else verdicts(state)
    for name, outcome in state.outcomes.items():
        if outcome["reason"]:
            sentences.append(f"{name}: {state.status(name)}. {outcome['reason']}")
    for name, first in state.plan.duplicates.items():
        sentences.append(f"{name} is the same run as {first}, and made once.")
    blocks = [_configuration_table(state, not incomparable)]
    if sentences:
        blocks.append("\n".join(f"- {sentence}" for sentence in sentences))
    return "\n\n".join(blocks) + "\n"


def _by_configuration(state):
    """Group runs: {name of a configuration: [(SweepRun, its scores)]}."""
    groups: dict[str, list[tuple[SweepRun, dict]]] = {}
    for run in state.plan.runs:
        groups.setdefault(run.configuration.name, []).append((run, state.scores(run.name)))
    return groups


def _configuration_table(state, with_scores):
    groups = _by_configuration(state)
    scored = [scores for runs in groups.values() for _, scores in runs if scores]
    keys = []
    if with_scores and scored:
        keys = [key for key in SHOWN if all(key in scores for scores in scored)]
    titles = [score_text.all_scores()[key].title for key in keys]
    head = ["configuration", "runs", "done", "minutes", *titles]
    lines = [head, ["---"] * len(head)]
    for name, runs in groups.items():
        done = [run for run, _ in runs if state.status(run.name) == "done"]
        minutes = [state.progress(run.name)[1] for run in done]
        cells = [
            name,
            str(len(runs)),
            str(len(done)),
            significance.mean_std_text(minutes, 1) if done else "-",
        ]
        for key in keys:
            values = [scores[key] for _, scores in runs if scores]
            cells.append(significance.mean_std_text(values, 3) if values else "-")
        lines.append(cells)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def unfinished_section(state: SweepState) -> page.Html:
    """Say on a page what became of the runs that are not trained to their end, or not scored."""
    rows = []
    for run in state.plan.runs:
        outcome, status = state.outcomes[run.name], state.status(run.name)
        if status == "done" and outcome["scored"]:
            continue
        step = 0 if status == jobs.status(EXIT_REFUSED) else state.progress(run.name)[0]
        status = "done, not scored" if status == "done" else status
        rows.append([run.name, status, f"{step:,}", outcome["reason"]])
    head = ["run", "what became of it", "steps", "why"]
    n = counted(len(state.plan.runs), "run")
    return page.section(
        "Runs that are not compared",
        page.table([head, *rows], prose=True) if rows else "",
        page.note(f"{len(rows)} of {n} of this sweep.") if rows else "",
    )


def verdicts(state: SweepState) -> list[str]:
    """Compare every configuration with the first, by Welch's t over seeds, in sentences.

    All intervals hold together.
    """
    scored = {
        name: [scores for _, scores in runs if scores]
        for name, runs in _by_configuration(state).items()
    }
    (first, base), *others = scored.items()
    comparisons = [
        (name, runs, key)
        for name, runs in others
        for key in COMPARED
        if runs and base and all(key in run for run in (*runs, *base))
    ]
    sentences = []
    for name, runs, key in comparisons:
        score = score_text.all_scores()[key]
        a, b = ([np.float64(run[key]) for run in group] for group in (runs, base))
        sentences.append(
            significance.compare_seeds(
                name, a, first, b, score.title, 3, len(comparisons), score.better, score.limits()
            )
        )
    return sentences
