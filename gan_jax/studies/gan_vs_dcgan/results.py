"""What the runs of a GAN and of a DCGAN say together: tables and sentences.

Results are those of experiments.gan_vs_dcgan.collect: "tables" has rows of scores, one per seed, for each system at S2's
"lengths" and at equal "time"; "folders" the names of their run folders.
"""

import numpy as np

from gan_jax.metrics import significance
from gan_jax.report import score_text
from gan_jax.studies import curves, table_format

SCORES = (
    "frechet",
    "total_variation",
    "precision",
    "recall",
)  # that systems are compared by, the first above all
ROUNDED = {"frechet": 2}  # decimals; of the others 3
LAST = 0.1  # the share of a run whose losses are called its last


def title(key):
    """A score in words."""
    return score_text.known()[key].title


def distinct(results):
    """{table: its title}, without that of equal time where the lengths are of equal time themselves, so that both are one."""
    one = results["folders"]["time"] == results["folders"]["lengths"]
    return {
        table: words for table, words in results["titles"].items() if table == "lengths" or not one
    }


def different(results):
    """[(table, system)] of the runs; those that stand in both tables, once."""
    names = results["folders"]
    return [
        (t, s)
        for t in names
        for s in names[t]
        if t == "lengths" or names[t][s] != names["lengths"][s]
    ]


def rows_of(results, table):
    """Cells of one table, with their head: length, time and scores, mean +- standard deviation over seeds."""
    head = [
        "system",
        "updates",
        "epochs",
        "ms per update",
        "training, s",
        *map(title, SCORES),
        "classes >= 5 %",
    ]

    def scores(rows):
        cells = [
            significance.text([row[key] for row in rows], ROUNDED.get(key, 3)) for key in SCORES
        ]
        return [*cells, significance.text([row["classes_5pct"] for row in rows], 1)]

    lines = [head]
    for system, rows in results["tables"][table].items():
        known = results["systems"][system]
        if not rows:
            lines.append([_name(results, system, rows), *"-" * (len(head) - 1)])
            continue
        steps, spent = rows[0]["steps"], np.array([row["train_s"] for row in rows])
        times = [significance.text(1000 * spent / steps), significance.text(spent, 1)]
        length = [f"{steps:,}", f"{steps / known['steps_per_epoch']:.1f}"]
        lines.append([_name(results, system, rows), *length, *times, *scores(rows)])
    return lines + [
        [name, *"----", *scores([results[name]])] for name in ("real (floor)", "collapsed")
    ]


def shares_of(results):
    """Cells of the table of classes, in per cent of the images, with their head; means over seeds."""
    groups = {"training data": [results["training data"]]}
    for table, system in different(results):
        rows, words = results["tables"][table][system], results["titles"][table]
        groups |= {f"{_name(results, system, rows)}, {words}": rows} if rows else {}
    means = {
        name: 100 * np.mean([row["fractions"] for row in rows], 0) for name, rows in groups.items()
    }
    return [
        ["% of the images", *results["classes"]],
        *([name, *(f"{x:.1f}" for x in found)] for name, found in means.items()),
    ]


def _name(results, system, rows):
    return table_format.system(results["systems"][system]["title"], len(rows), results["seeds"])


def compared(results):
    """[(words, rows of the DCGAN, rows of the GAN)] of the tables that differ and have both."""
    found = [(words, results["tables"][table]) for table, words in distinct(results).items()]
    return [
        (words, rows["dcgan"], rows["gan"])
        for words, rows in found
        if rows["dcgan"] and rows["gan"]
    ]


def verdicts(results, root):
    """Sentences on S2's claim, that the DCGAN's images are better, and on time and losses. root: Path of the study's folder."""
    pairs = compared(results)
    lines = [claim(pairs)] if pairs else []
    for key in SCORES:
        for words, dcgan, gan in pairs:
            a, b = ([row[key] for row in rows] for rows in (dcgan, gan))
            n = len(pairs) * (1 if key == SCORES[0] else len(SCORES) - 1)
            said = significance.verdict(
                "DCGAN",
                a,
                "GAN",
                b,
                title(key),
                ROUNDED.get(key, 3),
                n,
                score_text.known()[key].better,
            )
            lines.append(f"At {words}: {said}")
    lines += times(results)
    lines += [line for system in results["systems"] for line in losses(results, system, root)]
    return lines + [f"Diverged: {name}: {why}" for name, why in results["diverged"].items()]


def claim(pairs):
    """The verdict itself, from the intervals of the Frechet distance, which hold together."""
    answers = []
    for words, *rows in pairs:
        gap, low, high = significance.difference(
            *([row[SCORES[0]] for row in part] for part in rows), len(pairs)
        )
        if low is None:
            answer = "nothing follows without several seeds that differ"
        elif low <= 0 <= high:
            answer = "these seeds cannot tell"
        else:
            answer = "they are" if gap < 0 else "GAN's are better"
        answers.append(f"at {words} {answer}")
    return f"S2 says, by eye, that DCGAN's images are better than GAN's. By {title(SCORES[0])}: {'; '.join(answers)}."


def times(results):
    """What an update and a whole training cost, one system against the other, as it turned out."""
    found = {
        table: {s: np.mean([row["train_s"] for row in rows]) for s, rows in systems.items() if rows}
        for table, systems in results["tables"].items()
    }
    spent = found["lengths"]
    if len(spent) < 2:
        return
    each = {s: spent[s] / results["tables"]["lengths"][s][0]["steps"] for s in spent}
    ratios = {table: f"{found[table]['dcgan'] / found[table]['gan']:.2f}" for table in found}
    equal = (
        f"; at equal wall time, as it turned out, {ratios['time']}"
        if "time" in distinct(results)
        else ", as good as equal"
    )
    yield (
        f"An update of the DCGAN takes {each['dcgan'] / each['gan']:.2f} times as long as one of the GAN; training at "
        f"{results['titles']['lengths']} {ratios['lengths']} times as long{equal}."
    )


def losses(results, system, root):
    """Where the losses of a system end, beside their values where D cannot tell: S2 reads their settling as success."""
    ends = {}
    for name in ("disc/loss", "gen/loss"):
        found = [
            curves.read(root / folder, name) for folder in results["folders"]["lengths"][system]
        ]
        ends[name] = [values[steps > (1 - LAST) * steps[-1]].mean() for steps, _, values in found]
    if ends["disc/loss"]:
        yield (
            f"{results['systems'][system]['title']}, losses in the last {100 * LAST:.0f} % of the updates: D "
            f"{significance.text(ends['disc/loss'])} (where D cannot tell: 2 ln 2 = {2 * np.log(2):.3f}), G "
            f"{significance.text(ends['gen/loss'])} (ln 2 = {np.log(2):.3f})."
        )


def blocks(results):
    """{heading: cells} of all tables."""
    named = {f"At {words}": rows_of(results, table) for table, words in distinct(results).items()}
    return {**named, "Classes": shares_of(results)}


def as_markdown(results):
    """All tables as Markdown."""
    return [table_format.markdown(heading, rows) for heading, rows in blocks(results).items()]
