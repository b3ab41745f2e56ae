"""What systems of a study of mode collapse cover: scores beside controls, curves, time to 90 %, tables and sentences.

Data are of one of two kinds, images with classes and points with modes. A class is covered that holds 5 % of the images, a mode
that holds 1 % of the points.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gan_jax import metrics
from gan_jax.data import toys
from gan_jax.errors import InputError
from gan_jax.metrics import class_balance, evaluate, features, point_scores, significance
from gan_jax.rundir import log, run_folder
from gan_jax.studies import curves, interleaved, table_format
from gan_jax.training import sampling

SHARE = 0.9  # of the way from the first score to the best: S4's question how long to train


class Kind(NamedTuple):
    """Scores of one kind of data.

    scores: {key: name in tables}. covered: the one that counts modes. distance: the one of how far from data it is.
    compared: those that systems are compared by, all of them better when low. noun: what is covered.
    """

    scores: dict
    covered: str
    distance: str
    compared: tuple
    noun: str


KINDS = {
    "images": Kind(
        {key: metrics.SCORES[key].title for key in ("frechet", "total_variation", "kl", "classes_5pct")},
        "classes_5pct",
        "frechet",
        ("total_variation", "frechet"),
        "classes",
    ),
    "points": Kind(
        {key: point_scores.SCORES[key].title for key in ("modes_covered", "registered", "kl_modes", "wasserstein")},
        "modes_covered",
        "wasserstein",
        ("kl_modes", "wasserstein"),
        "modes",
    ),
}  # fmt: skip


class Judge(NamedTuple):
    """What generated data are scored by.

    kind: key of KINDS. n: images or points that are scored. row: function of those -> {score: value}. controls: {name: scores}.
    n_modes: what real data cover. classes: their names, none for points. fractions: of the classes in real data, as
    classified. protocol: all of this in words.
    """

    kind: str
    n: int
    row: Callable
    controls: dict
    n_modes: int
    classes: list
    fractions: list
    protocol: str


def check(source, counts):
    """Refuses data without modes, and counts too small to be scored. counts: {flag: images or points}. Raises InputError."""
    if source.labels is None or len(np.unique(source.labels[source.labels >= 0])) < 2:
        what = (
            "toys with several modes, such as toys:gaussians25"
            if source.points
            else "one folder per class"
        )
        raise InputError(
            f"--data={source.name} has no two classes, so no modes to count; use {what}."
        )
    if source.points:
        return
    shares = np.bincount(source.labels[source.labels >= 0]) / (source.labels >= 0).sum()
    if class_balance.n_holding(shares) < 2:
        raise InputError(
            f"--data={source.name} has no two classes with 5 % of the images each; use data with fewer classes."
        )
    for flag, n in counts.items():
        evaluate.check(source, n, flag, metrics.TRAINING)


def judge(source, heldout, n):
    """The Judge for n images or points. source, heldout: Sources of training and (or None) held-out data."""
    return _judge_points(source, n) if source.points else _judge_images(source, heldout, n)


def _judge_points(source, n):
    rng, n_test = np.random.default_rng(0), len(toys.draw(toys.geometry(source.name), "test")[0])

    def row(*made):
        return evaluate.averaged(
            [point_scores.score(some, source.name) for some in made], n_test, n
        )

    floors = [source.images[rng.permutation(len(source.images))[:n]] for _ in range(3)]
    one = source.images[rng.choice(np.flatnonzero(source.labels == 0), n)]
    controls = {"real (floor)": row(*floors), "collapsed": row(one)}
    protocol = (
        f"{n} points against {n_test} held-out ones of {source.name}. A point is registered within "
        f"{point_scores.RADIUS:.2f} standard deviations of a mode; {100 * point_scores.SHARE:g} % of the points cover a mode. "
        "Floor: training points. Collapsed: points of one mode."
    )
    return Judge("points", n, row, controls, len(source.classes), [], [], protocol)


def _judge_images(source, heldout, n):
    extractor = features.load(source, heldout)
    see = evaluate.make_evaluator(extractor, source, metrics.TRAINING)
    ref, drawn = evaluate.reference(see, source, 0)
    where, floors = evaluate.floor(see, source, heldout, ref, drawn, n, 3, 0)
    what, control = evaluate.collapsed(ref, n, 0)
    shares = class_balance.fractions(ref["probs"])
    protocol = (
        f"{n} images against {len(drawn)} real ones of {source.name} at {source.images.shape[1]} px in "
        f"{ref['features'].shape[1]} features of {extractor.name} (balanced accuracy {100 * extractor.accuracy:.1f} %). "
        f"Floor: {where}. Collapsed: {what}."
    )
    return Judge(
        "images",
        n,
        lambda made: evaluate.row(see, [(ref, see(made))]),
        {
            "real (floor)": evaluate.row(see, floors),
            "collapsed": evaluate.row(see, [(ref, control)]),
        },
        class_balance.n_holding(shares),
        list(extractor.classes),
        shares.tolist(),
        protocol,
    )


def score(folder, judge):
    """(row of one finished run: its scores, steps, updates of G and seconds of training; what it makes)."""
    import jax

    trained = run_folder.load(folder)
    made = sampling.build_sampler(trained.method)(
        trained.state.vars(ema=True), jax.random.key(0), judge.n
    )
    spent = log.read(folder / "metrics.jsonl")[-1]["wall"]["train_s"]
    row = judge.row(made) | {"steps": trained.step, "updates": updates(folder), "train_s": spent}
    return row, made


def updates(folder):
    """Updates of G that a run made: fewer than steps where a rule skips some."""
    records = log.read(folder / "metrics.jsonl")
    lengths = np.diff([0, *(record["step"] for record in records)])
    return round(
        sum(n * record.get("gen/ran", 1.0) for n, record in zip(lengths, records, strict=True))
    )


def curve(folder, kind):
    """The scores that a run took while training: {"step", "train_s" and a Kind's covered and distance: list}."""
    found = {}
    for key in (kind.covered, kind.distance):
        step, seconds, values = curves.read(folder, f"eval/{key}")
        found |= {"step": step.tolist(), "train_s": seconds.tolist(), key: values.tolist()}
    return found


def reached(scores, better, share=SHARE):
    """Index of the first score that is `share` of the way from the first score to the best one; 0 where none is better than it.

    There is no interpolation: what the index stands for is known to one distance between evaluations.

    Args:
      scores: floats [T], T >= 1, over training. better: "low" or "high".
    """
    gains = (np.asarray(scores, float) - scores[0]) * (1 if better == "high" else -1)
    return int(np.argmax(gains >= share * gains.max()))


def collect(judge, folders, words, against, diverged):
    """Results of the study.

    Args:
      judge: Judge. folders: {(table, system): one run folder per seed}, all finished but for those that diverged.
      words: {system: its name in tables}. against: the system that the others are compared with.
      diverged: {folder name: why}.

    Returns:
      (JSON-able dict; {table: {system: what the first seed made, or None}}). A system as slow as the slowest has the same runs
      in both tables.
    """
    kind, rows, made, drawn = KINDS[judge.kind], {}, {}, {}
    for job, paths in folders.items():
        kept = [path for path in paths if path.name not in diverged]
        scored = [score(path, judge) for path in kept]
        rows[job], made[job] = [row for row, _ in scored], scored[0][1] if scored else None
        drawn[job] = [curve(path, kind) for path in kept]

    def by_table(found):
        return {
            t: {s: found.get((t, s), found["updates", s]) for s in words}
            for t in interleaved.TABLES
        }

    return {
        "kind": judge.kind,
        "systems": words,
        "against": against,
        "classes": judge.classes,
        "n_modes": judge.n_modes,
        "seeds": len(next(iter(folders.values()))),
        "protocol": judge.protocol,
        "training data": {"fractions": judge.fractions},
        "controls": judge.controls,
        "tables": by_table(rows),
        "curves": by_table(drawn),
        "diverged": diverged,
    }, by_table(made)


def rows_of(results, which):
    """Cells of one of interleaved.TABLES, head first: mean +- standard deviation over seeds."""
    kind = KINDS[results["kind"]]
    out = [["system", "updates of G", "minutes", *kind.scores.values(), *results["classes"]]]

    def cells(name, rows, made="", minutes=""):
        scores = [
            significance.text([row[key] for row in rows], 1 if key == kind.covered else 3)
            for key in kind.scores
        ]
        shares = [
            significance.text([100 * row["fractions"][i] for row in rows], 1)
            for i in range(len(results["classes"]))
        ]
        return [name, made, minutes, *scores, *shares]

    for system, rows in results["tables"][which].items():
        name = table_format.system(results["systems"][system], len(rows), results["seeds"])
        if rows:
            minutes = significance.text([row["train_s"] / 60 for row in rows], 1)
            out.append(
                cells(name, rows, f"{np.mean([row['updates'] for row in rows]):,.0f}", minutes)
            )
        else:
            out.append([name, *[""] * (len(out[0]) - 1)])
    return out + [cells(name, [row]) for name, row in results["controls"].items()]


def lengths_of(results):
    """Cells of the table of how long to train, head first, from the runs of equal wall time; [] where no curve was taken.

    For both scores of a Kind that have curves: the first, the best and the last; and the steps, the seconds of training and the
    share of the run after which it was `SHARE` of the way from the first to the best.
    """
    kind = KINDS[results["kind"]]
    found = {s: [c for c in part if c["step"]] for s, part in results["curves"]["time"].items()}
    if not any(found.values()):
        return []
    head = [
        "system",
        "score",
        "first",
        "best",
        "last",
        f"steps to {100 * SHARE:g} %",
        f"seconds to {100 * SHARE:g} %",
        "of the run, %",
    ]
    out = [head]
    for system, part in found.items():
        for key, better in ((kind.covered, "high"), (kind.distance, "low")) if part else ():
            values, places = [c[key] for c in part], [reached(c[key], better) for c in part]
            best = [max(v) if better == "high" else min(v) for v in values]
            scores = [
                significance.text(v, 1 if key == kind.covered else 3)
                for v in ([v[0] for v in values], best, [v[-1] for v in values])
            ]
            steps, seconds = (
                [c[name][i] for c, i in zip(part, places, strict=True)]
                for name in ("step", "train_s")
            )
            share = [100 * s / c["step"][-1] for s, c in zip(steps, part, strict=True)]
            times = [
                significance.text(steps, 0),
                significance.text(seconds, 1),
                significance.text(share, 0),
            ]
            out.append([results["systems"][system], kind.scores[key], *scores, *times])
    return out


def comparisons(results):
    """{(table, system, score): (that system's scores, the others')} of every system with `against`; equal runs once."""
    found, against, pairs = results["tables"], results["against"], {}
    for which in interleaved.TABLES:
        base = found[which][against]
        for system, rows in found[which].items():
            fresh = (
                which == "updates"
                or rows != found["updates"][system]
                or base != found["updates"][against]
            )
            if system != against and rows and base and fresh:
                for key in KINDS[results["kind"]].compared:
                    pairs[which, system, key] = tuple(
                        [row[key] for row in part] for part in (rows, base)
                    )
    return pairs


def differences_of(results):
    """Cells of the table of differences from `against`, head first; all intervals hold together with 95 %. [] if none."""
    pairs, kind = comparisons(results), KINDS[results["kind"]]
    columns = list(dict.fromkeys((which, key) for which, _, key in pairs))
    out = (
        [
            [
                "system",
                *(
                    f"{interleaved.TABLES[which].lower()}: {kind.scores[key]}"
                    for which, key in columns
                ),
            ]
        ]
        if pairs
        else []
    )
    for system in dict.fromkeys(system for _, system, _ in pairs):
        cells = []
        for which, key in columns:
            pair = pairs.get((which, system, key))
            gap, low, high = (
                significance.difference(*pair, len(pairs)) if pair else (None, None, None)
            )
            interval = "" if low is None else f" ({low:+.3f} to {high:+.3f})"
            cells.append("the same runs" if gap is None else f"{gap:+.3f}{interval}")
        out.append([results["systems"][system], *cells])
    return out


def titled(results):
    """[(title, cells)] of all tables that have rows."""
    against = results["systems"][results["against"]]
    out = [(words, rows_of(results, which)) for which, words in interleaved.TABLES.items()]
    out.append(
        (
            f"Difference from {against}, mean and interval (95 % for all together)",
            differences_of(results),
        )
    )
    out.append(
        (
            f"How long to train: {100 * SHARE:g} % of the way from the first score to the best",
            lengths_of(results),
        )
    )
    return [(title, rows) for title, rows in out if rows]


def tables(results):
    """All tables as Markdown."""
    return [table_format.markdown(title, rows) for title, rows in titled(results)]


def verdicts(results):
    """Sentences: all in one, which systems lose modes, which differ from `against`, what time was taken, what diverged."""
    lines = (
        [headline(results)]
        + [_covered(results, which) for which in interleaved.TABLES]
        + _better(results)
    )
    for which, words in interleaved.TABLES.items():
        for system, rows in results["tables"][which].items():
            if skipped := [
                1 - row["updates"] / row["steps"] for row in rows if row["updates"] < row["steps"]
            ]:
                share = f"{100 * np.mean(skipped):.0f} %"
                lines.append(
                    f"{words}: {results['systems'][system]} left out {share} of its updates of G, as its rule has it."
                )
    times = {
        s: np.mean([row["train_s"] for row in rows])
        for s, rows in results["tables"]["time"].items()
        if rows
    }
    ratios = ", ".join(
        f"{results['systems'][s]} {t / max(times.values()):.2f}" for s, t in times.items()
    )
    lines += (
        [f"{interleaved.TABLES['time']}, as it turned out (the longest is 1): {ratios}."]
        if times
        else []
    )
    return lines + [f"Diverged: {name}: {why}" for name, why in results["diverged"].items()]


def headline(results):
    """One sentence: which systems cover all modes in every seed, and how many of the differences from `against` are clear."""
    kind, pairs, words = KINDS[results["kind"]], comparisons(results), results["systems"]
    said = "; ".join(
        f"{title.lower()}, {_whole(results, which)}" for which, title in interleaved.TABLES.items()
    )
    ends = [
        (low, high)
        for _, low, high in (significance.difference(*pair, len(pairs)) for pair in pairs.values())
        if low is not None
    ]
    better, worse = sum(high < 0 for _, high in ends), sum(low > 0 for low, _ in ends)
    return (
        f"Systems that cover all {results['n_modes']} {kind.noun} in every seed: {said}. Against "
        f"{words[results['against']]}, {better or 'none'} of {len(pairs)} differences are clearly better and "
        f"{worse or 'none'} clearly worse."
    )


def _whole(results, which):
    """Which systems of a table cover all modes in every seed, or which comes nearest on average."""
    covered = KINDS[results["kind"]].covered
    counts = {
        s: [row[covered] for row in rows] for s, rows in results["tables"][which].items() if rows
    }
    whole = [results["systems"][s] for s, some in counts.items() if min(some) >= results["n_modes"]]
    if whole or not counts:
        return f"{', '.join(whole) or 'none'} of {len(counts)}"
    most = max(counts, key=lambda s: sum(counts[s]))
    return f"none of {len(counts)} (most: {results['systems'][most]}, {np.mean(counts[most]):.1f})"


def _covered(results, which):
    """What each system covers, by seed, and what became of it."""
    kind, n_modes = KINDS[results["kind"]], results["n_modes"]
    said = []
    for system, rows in results["tables"][which].items():
        if rows:
            counts = ", ".join(f"{row[kind.covered]:g}" for row in rows)
            said.append(f"{results['systems'][system]} {counts} ({_fate(rows, kind, n_modes)})")
    return f"{interleaved.TABLES[which]}, {kind.noun} covered by seed, of {n_modes} in real data: {'; '.join(said) or 'no run ended'}."


def _fate(rows, kind, n_modes):
    """In how many seeds modes are lost, and whether to collapse: points that lie between modes have not collapsed."""
    between = sum(row.get("registered", 1.0) < 0.5 for row in rows)
    lost = sum(row[kind.covered] < n_modes for row in rows)
    collapsed = sum(row[kind.covered] <= 1 and row.get("registered", 1.0) >= 0.5 for row in rows)
    said = f"{lost} of {len(rows)} seeds lose some" if lost else "none lost"
    said += f", {collapsed} collapsed to one or none" if collapsed else ""
    return said + (f", {between} with most points between modes" if between else "")


def _better(results):
    """A sentence for each difference that is one, and for each table and score one on the others."""
    kind, pairs, words = KINDS[results["kind"]], comparisons(results), results["systems"]
    lines, unsure = [], {}
    for (which, system, key), (a, b) in pairs.items():
        _, low, high = significance.difference(a, b, len(pairs))
        if low is not None and not low <= 0 <= high:
            said = significance.verdict(
                words[system], a, words[results["against"]], b, kind.scores[key], 3, len(pairs)
            )
            lines.append(f"{interleaved.TABLES[which]}: {said}")
        else:
            unsure.setdefault((which, key), []).append(words[system])
    for (which, key), names in unsure.items():
        lines.append(
            f"{interleaved.TABLES[which]}, {kind.scores[key]}: whether {', '.join(names)} differ{'s' * (len(names) == 1)} from "
            f"{words[results['against']]}, these seeds cannot tell."
        )
    return lines
