"""Results of a study of mode collapse: modes covered, differences, time, tables, sentences."""

import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gan_jax.errors import counted
from gan_jax.metrics import significance
from gan_jax.report import score_text
from gan_jax.studies import table_format
from gan_jax.studies.collapse import published
from gan_jax.studies.collapse.scorer import KINDS, Kind, Scorer, read_curve, score_run
from gan_jax.studies.collapse.systems import SYSTEMS
from gan_jax.studies.interleaved import TABLES
from gan_jax.studies.table_format import Table, mean_std_column

SHARE = 0.9  # of the way from the first score to the best: S4's question how long to train
NOTE = (
    "Mean +- standard deviation over seeds. A step is one update of G, but where a rule skips "
    "some. Times are of training alone, without compiling and scoring. 90 % is at the first score "
    "where none was better."
)


def collect(
    scorer: Scorer,
    folders: dict[tuple[str, str], list[pathlib.Path]],
    words: dict[str, str],
    against: str,
    net: str,
    diverged: dict[str, str],
    kept: Sequence[str] = tuple(TABLES),
) -> tuple[dict, dict[str, dict[str, Any]]]:
    """Score all runs.

    A system as slow as the slowest has the same runs in both tables.

    Args:
      scorer: Scorer.
      folders: {(table, system): a run folder per seed}, all finished but for those that diverged.
      words: {system: its name in tables}.
      against: the system that the others are compared with, those of a size of D with its own of
        that size.
      net: nets of most systems, see flags.SharedSettings.
      diverged: {folder name: why}.
      kept: keys of TABLES, those that the results have.

    Returns:
      (JSON-able results, {table: {system: images or points of the first seed, or None}}).
    """
    kind, rows, samples, curves = KINDS[scorer.kind], {}, {}, {}
    for job, paths in folders.items():
        ended = [path for path in paths if path.name not in diverged]
        scored = [score_run(path, scorer) for path in ended]
        rows[job] = [row for row, _ in scored]
        samples[job] = scored[0][1] if scored else None
        curves[job] = [read_curve(path, kind) for path in ended]

    def by_table(of_job):
        return {
            table: {s: of_job.get((table, s), of_job["updates", s]) for s in words}
            for table in kept
        }

    results = {
        "kind": scorer.kind,
        "systems": words,
        "against": against,
        "net": net,
        "classes": scorer.classes,
        "n_modes": scorer.n_modes,
        "seeds": len(next(iter(folders.values()))),
        "protocol": scorer.protocol,
        "training data": {"fractions": scorer.fractions},
        "controls": scorer.controls,
        "tables": by_table(rows),
        "curves": by_table(curves),
        "diverged": diverged,
    }
    return results, by_table(samples)


def table_titles(results: dict) -> dict[str, str]:
    """Return the titles of the tables that the results have, by their keys."""
    return {table: TABLES[table] for table in results["tables"]}


def first_reaching(scores: list[float], better: str, share: float = SHARE) -> int:
    """Return the index of the first score that is `share` of the way from the first to the best.

    It is 0 where no score is better than the first. There is no interpolation: the index is exact
    to one distance between evaluations.

    Args:
      scores: floats [T], T >= 1, over training.
      better: "low" or "high".
      share: see above.
    """
    gains = (np.asarray(scores, float) - scores[0]) * (1 if better == "high" else -1)
    return int(np.argmax(gains >= share * gains.max()))


def tables(results: dict) -> list[Table]:
    """Build all tables that have rows."""
    differences = (
        f"Against {_against_title(results)}: ratio or difference, interval (95 % for all together)"
    )
    lengths = f"How long to train: {100 * SHARE:g} % of the way from the first score to the best"
    built = [
        *(
            Table(title, score_rows(results, table))
            for table, title in table_titles(results).items()
        ),
        Table(differences, difference_rows(results)),
        Table(lengths, length_rows(results)),
        *([published.table(results["net"])] if results["kind"] == "stacks" else []),
    ]
    return [table for table in built if table.rows]


def score_rows(results: dict, table: str) -> list[list[str]]:
    """Build a table of scores and class fractions: mean +- standard deviation over seeds."""
    kind = KINDS[results["kind"]]
    head = ["system", "updates of G", "minutes", *kind.scores.values(), *results["classes"]]
    lines = [head]
    for system, rows in results["tables"][table].items():
        name = table_format.system_label(results["systems"][system], len(rows), results["seeds"])
        if rows:
            updates = f"{np.mean([row['updates'] for row in rows]):,.0f}"
            minutes = mean_std_column(rows, "train_s", 1, 1 / 60)
            lines.append([name, updates, minutes, *_score_cells(results, rows)])
        else:
            lines.append([name, *[""] * (len(head) - 1)])
    for name, row in results["controls"].items():
        lines.append([name, "", "", *_score_cells(results, [row])])
    return lines


def _score_cells(results, rows):
    kind = KINDS[results["kind"]]
    counts = (kind.covered, "modes_3sd")
    scores = [mean_std_column(rows, key, 1 if key in counts else 3) for key in kind.scores]
    fractions = np.array([row["fractions"] for row in rows]) if results["classes"] else None
    for i in range(len(results["classes"])):
        scores.append(significance.mean_std_text(100 * fractions[:, i], 1))
    return scores


def length_rows(results: dict) -> list[list[str]]:
    """Build the table of how long to train, from the runs of equal wall time where there are any.

    For both scores that have curves it has the first, the best and the last value; and the steps,
    the seconds of training and the share of the run after which the score was `SHARE` of the way
    from the first to the best. [] where no curve was taken.
    """
    kind, lines = KINDS[results["kind"]], []
    for system, runs in list(results["curves"].values())[-1].items():
        runs = [run for run in runs if run["step"]]
        if runs:
            name = results["systems"][system]
            lines.append([name, *_length_cells(runs, kind, kind.covered, "high", 1)])
            lines.append([name, *_length_cells(runs, kind, kind.distance, "low", 3)])
    percent = f"{100 * SHARE:g} %"
    head = [
        "system",
        "score",
        "first",
        "best",
        "last",
        f"steps to {percent}",
        f"seconds to {percent}",
    ]
    return [[*head, "of the run, %"], *lines] if lines else []


def _length_cells(runs, kind, key, better, decimals):
    """Cells of one score of one system. runs: curves, see scorer.read_curve."""
    best = max if better == "high" else min
    ends = [[pick(run[key]) for run in runs] for pick in (lambda v: v[0], best, lambda v: v[-1])]
    reached = [(run, first_reaching(run[key], better)) for run in runs]
    steps = [run["step"][i] for run, i in reached]
    seconds = [run["train_s"][i] for run, i in reached]
    percent = [100 * run["step"][i] / run["step"][-1] for run, i in reached]
    return [
        kind.scores[key],
        *(significance.mean_std_text(values, decimals) for values in ends),
        significance.mean_std_text(steps, 0),
        significance.mean_std_text(seconds, 1),
        significance.mean_std_text(percent, 0),
    ]


def against_of(results: dict, system: str) -> str:
    """Return the system that a system is compared with, whose D has the same size."""
    _, at, size = system.partition("@")
    return results["against"] + at + size


def _against_title(results):
    """Name the system that all are compared with, without a size."""
    return SYSTEMS[results["against"]].title


def comparisons(results: dict) -> dict[tuple[str, str, str], tuple[list[float], list[float]]]:
    """Pair the scores of every system with those of `against`; equal runs once.

    Returns:
      {(table, system, score): (scores of the system, scores of `against`)}.
    """
    by_table, pairs = results["tables"], {}
    for table, systems in by_table.items():
        for system, rows in systems.items():
            against = against_of(results, system)
            sides = (rows, systems[against])
            first = tuple(by_table["updates"][s] for s in (system, against))
            repeated = table != "updates" and sides == first
            if system != against and all(sides) and not repeated:
                for key in KINDS[results["kind"]].compared:
                    a, b = ([row[key] for row in side] for side in sides)
                    pairs[table, system, key] = (a, b)
    return pairs


def difference_rows(results: dict) -> list[list[str]]:
    """Build the table of differences from `against`; all intervals hold together with 95 %."""
    pairs, kind = comparisons(results), KINDS[results["kind"]]
    if not pairs:
        return []
    columns = list(dict.fromkeys((table, key) for table, _, key in pairs))
    titles = (f"{TABLES[table].lower()}: {kind.scores[key]}" for table, key in columns)
    lines = [["system", *titles]]
    cells = {k: _compare(k, pair, len(pairs)).cell(3) for k, pair in pairs.items()}
    for system in dict.fromkeys(system for _, system, _ in pairs):
        keys = [(table, system, key) for table, key in columns]
        lines.append([results["systems"][system], *(cells.get(k, "the same runs") for k in keys)])
    return lines


def _compare(name, pair, n_comparisons):
    """Compare a pair of `comparisons` by its name, (table, system, key of the score)."""
    limits = score_text.all_scores()[name[2]].limits()
    return significance.compare_means(*pair, n_comparisons, limits)


def verdicts(results: dict) -> list[str]:
    """Say in sentences which systems lose modes, which differ from `against`, and what diverged."""
    return [
        headline(results),
        *(_covered(results, table) for table in results["tables"]),
        *_differences(results),
        *_skipped_updates(results),
        *_times(results),
        *(f"Diverged: {name}: {why}" for name, why in results["diverged"].items()),
    ]


def headline(results: dict) -> str:
    """Say which systems cover all modes in every seed, and how many differences are clear."""
    kind, pairs = KINDS[results["kind"]], comparisons(results)
    whole = "; ".join(
        f"{title.lower()}, {_whole(results, t)}" for t, title in table_titles(results).items()
    )
    clear = [
        x for name, pair in pairs.items() if (x := _compare(name, pair, len(pairs))).is_decided
    ]
    worse = sum(x.is_larger for x in clear)
    better = len(clear) - worse
    return (
        f"Systems that cover all {results['n_modes']} {kind.noun} in every seed: {whole}. Against "
        f"{_against_title(results)}, {better or 'none'} of {len(pairs)} "
        f"differences are clearly better and {worse or 'none'} clearly worse."
    )


def _whole(results, table):
    """Name the systems that cover all modes in every seed, or the one that comes nearest."""
    covered, words = KINDS[results["kind"]].covered, results["systems"]
    systems = results["tables"][table].items()
    counts = {s: [row[covered] for row in rows] for s, rows in systems if rows}
    whole = [words[s] for s, values in counts.items() if min(values) >= results["n_modes"]]
    if whole or not counts:
        return f"{', '.join(whole) or 'none'} of {len(counts)}"
    most = max(counts, key=lambda s: sum(counts[s]))
    return f"none of {len(counts)} (most: {words[most]}, {np.mean(counts[most]):.1f})"


def _covered(results, table):
    """Say how many modes each system covers, by seed."""
    kind, n_modes, parts = KINDS[results["kind"]], results["n_modes"], []
    for system, rows in results["tables"][table].items():
        if rows:
            counts = ", ".join(f"{row[kind.covered]:g}" for row in rows)
            losses = describe_losses(rows, kind, n_modes)
            parts.append(f"{results['systems'][system]} {counts} ({losses})")
    return (
        f"{TABLES[table]}, {kind.noun} covered by seed, of {n_modes} in real data: "
        f"{'; '.join(parts) or 'no run ended'}."
    )


def describe_losses(rows: list[dict], kind: Kind, n_modes: int) -> str:
    """Say in how many seeds modes are lost, and whether to collapse.

    Points that lie between modes have not collapsed.
    """
    registered = [row.get("registered", 1.0) >= 0.5 for row in rows]
    covered = [row[kind.covered] for row in rows]
    n_losing = sum(n < n_modes for n in covered)
    collapsed = sum(n <= 1 and near for n, near in zip(covered, registered, strict=True))
    between = len(rows) - sum(registered)
    text = f"{n_losing} of {counted(len(rows), 'seed')} lost some" if n_losing else "none lost"
    text += f", {collapsed} collapsed to one or none" if collapsed else ""
    return text + (f", {between} with most points between modes" if between else "")


def _differences(results) -> Iterator[str]:
    """Say which differences are clear; for each table and score, name the systems that are not."""
    kind, pairs, words = KINDS[results["kind"]], comparisons(results), results["systems"]
    unsure = {}
    for (table, system, key), (a, b) in pairs.items():
        if _compare((table, system, key), (a, b), len(pairs)).is_decided:
            score, n = kind.scores[key], len(pairs)
            other = words[against_of(results, system)]
            limits = score_text.all_scores()[key].limits()
            verdict = significance.compare_seeds(
                words[system], a, other, b, score, 3, n, limits=limits
            )
            yield f"{TABLES[table]}: {verdict}"
        else:
            unsure.setdefault((table, key), []).append(words[system])
    against = _against_title(results)
    for (table, key), names in unsure.items():
        yield (
            f"{TABLES[table]}, {kind.scores[key]}: whether {', '.join(names)} "
            f"differ{'s' * (len(names) == 1)} from {against}, these seeds cannot tell."
        )


def _skipped_updates(results) -> Iterator[str]:
    """Say which systems left out updates of G."""
    for table, title in table_titles(results).items():
        for system, rows in results["tables"][table].items():
            skipped = [1 - r["updates"] / r["steps"] for r in rows if r["updates"] < r["steps"]]
            if skipped:
                yield (
                    f"{title}: {results['systems'][system]} left out {100 * np.mean(skipped):.0f} "
                    "% of its updates of G, as its rule has it."
                )


def _times(results) -> Iterator[str]:
    """Say how equal the equal wall times are."""
    systems = results["tables"].get("time", {}).items()
    seconds = {s: np.mean([row["train_s"] for row in rows]) for s, rows in systems if rows}
    if seconds:
        longest, words = max(seconds.values()), results["systems"]
        ratios = ", ".join(f"{words[s]} {mean / longest:.2f}" for s, mean in seconds.items())
        yield f"{TABLES['time']}, as it turned out (the longest is 1): {ratios}."
