"""Results of a study of a GAN and a DCGAN: tables and sentences.

Results are those of the command's `collect`: "tables" has rows of scores, one per seed, for each
system at S2's "lengths" and at equal "time"; "folders" has the names of their run folders.
"""

import pathlib
from collections.abc import Iterator

import numpy as np

from gan_jax.metrics import significance
from gan_jax.report import score_text
from gan_jax.studies import run_outputs, table_format
from gan_jax.studies.table_format import Table

# Systems are compared by these, by the first above all.
SCORES = ("frechet", "total_variation", "precision", "recall")
DECIMALS = {"frechet": 2}  # of the others 3
LAST_SHARE = 0.1  # of a run, at whose mean losses are read
NOTE = (
    "Mean +- standard deviation over seeds; of classes the mean. Precision: share of the "
    "generated images that look real; recall: share of the real images that the generator could "
    "have made. Total variation: how far the shares of classes are from those of the training "
    "data."
)


def score_title(key: str) -> str:
    """Return the name of a score in tables."""
    return score_text.all_scores()[key].title


def distinct_tables(results: dict) -> dict[str, str]:
    """Return {table: its title}, once where the lengths are of equal time themselves."""
    same = results["folders"]["time"] == results["folders"]["lengths"]
    titles = results["titles"]
    return {table: titles[table] for table in titles if table == "lengths" or not same}


def distinct_runs(results: dict) -> list[tuple[str, str]]:
    """List (table, system) of the runs; those that are in both tables, once."""
    folders = results["folders"]
    return [
        (table, system)
        for table in folders
        for system in folders[table]
        if table == "lengths" or folders[table][system] != folders["lengths"][system]
    ]


def score_rows(results: dict, table: str) -> list[list[str]]:
    """Build a table of length, time and scores, mean +- standard deviation over seeds."""
    titles = map(score_title, SCORES)
    head = [
        "system",
        "updates",
        "epochs",
        "ms per update",
        "training, s",
        *titles,
        "classes >= 5 %",
    ]
    lines = [head]
    for system, rows in results["tables"][table].items():
        name = _system_label(results, system, rows)
        if not rows:
            lines.append([name, *"-" * (len(head) - 1)])
            continue
        steps, seconds = rows[0]["steps"], np.array([row["train_s"] for row in rows])
        epochs = steps / results["systems"][system]["steps_per_epoch"]
        pace = significance.mean_std_text(1000 * seconds / steps)
        times = [f"{steps:,}", f"{epochs:.1f}", pace, significance.mean_std_text(seconds, 1)]
        lines.append([name, *times, *_score_cells(rows)])
    for control in ("real (floor)", "collapsed"):
        lines.append([control, *"----", *_score_cells([results[control]])])
    return lines


def _score_cells(rows):
    decimals = {key: DECIMALS.get(key, 3) for key in SCORES} | {"classes_5pct": 1}
    return [table_format.mean_std_column(rows, key, digits) for key, digits in decimals.items()]


def class_rows(results: dict) -> list[list[str]]:
    """Build the table of classes, in percent of the images; means over seeds."""
    groups = {"training data": [results["training data"]]}
    for table, system in distinct_runs(results):
        rows = results["tables"][table][system]
        if rows:
            name = _system_label(results, system, rows)
            groups[f"{name}, {results['titles'][table]}"] = rows
    lines = [["% of the images", *results["classes"]]]
    for name, rows in groups.items():
        percent = 100 * np.mean([row["fractions"] for row in rows], 0)
        lines.append([name, *(f"{x:.1f}" for x in percent)])
    return lines


def _system_label(results, system, rows):
    title = results["systems"][system]["title"]
    return table_format.system_label(title, len(rows), results["seeds"])


def tables(results: dict) -> list[Table]:
    """Build all tables."""
    titles = distinct_tables(results).items()
    scores = [Table(f"At {title}", score_rows(results, table)) for table, title in titles]
    return [*scores, Table("Classes", class_rows(results), NOTE)]


def compared_pairs(results: dict) -> list[tuple[str, list[dict], list[dict]]]:
    """List (title, rows of the DCGAN, rows of the GAN) of the tables that have both."""
    pairs = []
    for table, title in distinct_tables(results).items():
        rows = results["tables"][table]
        if rows["dcgan"] and rows["gan"]:
            pairs.append((title, rows["dcgan"], rows["gan"]))
    return pairs


def verdicts(results: dict, root: pathlib.Path) -> list[str]:
    """Say in sentences whether the DCGAN's images are better, as S2 claims; times and losses.

    Args:
      results: the results.
      root: the study's folder.
    """
    pairs = compared_pairs(results)
    lines = [claim(pairs)] if pairs else []
    for key in SCORES:
        n = len(pairs) * (1 if key == SCORES[0] else len(SCORES) - 1)
        lines += [f"At {title}: {_compare(key, *rows, n)}" for title, *rows in pairs]
    lines += times(results)
    for system in results["systems"]:
        lines += losses(results, system, root)
    return lines + [f"Diverged: {name}: {why}" for name, why in results["diverged"].items()]


def _compare(key, dcgan, gan, n_comparisons):
    a, b = ([row[key] for row in rows] for rows in (dcgan, gan))
    score, decimals = score_text.all_scores()[key], DECIMALS.get(key, 3)
    return significance.compare_seeds(
        "DCGAN", a, "GAN", b, score.title, decimals, n_comparisons, score.better, score.limits()
    )


def claim(pairs: list[tuple[str, list[dict], list[dict]]]) -> str:
    """Say whether the DCGAN's images are better, from intervals of the Frechet distance.

    Args:
      pairs: see `compared_pairs`; the intervals of all of them hold together.
    """
    answers = []
    for title, *sides in pairs:
        dcgan, gan = ([row[SCORES[0]] for row in rows] for rows in sides)
        limits = score_text.all_scores()[SCORES[0]].limits()
        comparison = significance.compare_means(dcgan, gan, len(pairs), limits)
        if comparison.low is None:
            answer = "nothing follows without several seeds that differ"
        elif not comparison.is_decided:
            answer = "these seeds cannot tell"
        else:
            answer = "GAN's are better" if comparison.is_larger else "they are"
        answers.append(f"at {title} {answer}")
    return (
        f"S2 says, by eye, that DCGAN's images are better than GAN's. By {score_title(SCORES[0])}: "
        f"{'; '.join(answers)}."
    )


def times(results: dict) -> Iterator[str]:
    """Say how long an update and a training of one system take, against the other."""
    seconds = {
        table: {s: np.mean([row["train_s"] for row in rows]) for s, rows in systems.items() if rows}
        for table, systems in results["tables"].items()
    }
    lengths = seconds["lengths"]
    if len(lengths) < 2:
        return
    per_update = {s: lengths[s] / results["tables"]["lengths"][s][0]["steps"] for s in lengths}
    ratios = {table: f"{mean['dcgan'] / mean['gan']:.2f}" for table, mean in seconds.items()}
    equal = ", as good as equal"
    if "time" in distinct_tables(results):
        equal = f"; at equal wall time, as it turned out, {ratios['time']}"
    yield (
        f"An update of the DCGAN takes {per_update['dcgan'] / per_update['gan']:.2f} times as "
        f"long as one of the GAN; training at {results['titles']['lengths']} {ratios['lengths']} "
        f"times as long{equal}."
    )


def losses(results: dict, system: str, root: pathlib.Path) -> Iterator[str]:
    """Say where the losses of a system end: S2 reads their settling as success."""
    ends = {}
    for name in ("disc/loss", "gen/loss"):
        runs = [
            run_outputs.read_logged(root / folder, name)
            for folder in results["folders"]["lengths"][system]
        ]
        ends[name] = [
            values[steps > (1 - LAST_SHARE) * steps[-1]].mean() for steps, _, values in runs
        ]
    if ends["disc/loss"]:
        yield (
            f"{results['systems'][system]['title']}, losses in the last {100 * LAST_SHARE:.0f} % "
            f"of the updates: D {significance.mean_std_text(ends['disc/loss'])} (where D cannot "
            f"tell: 2 ln 2 = {2 * np.log(2):.3f}), G "
            f"{significance.mean_std_text(ends['gen/loss'])} (ln 2 = {np.log(2):.3f})."
        )
