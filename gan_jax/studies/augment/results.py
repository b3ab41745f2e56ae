"""What classifiers of a study of synthetic images say together: accuracies by arm, paired differences, tables and sentences.

The study's folder holds 1_of_V for every share of the labels: gan.json, written when the GAN's images are there, and
classifiers/ARM_SEED.json, one per classifier.
"""

import json

import numpy as np

from gan_jax.metrics import significance
from gan_jax.studies import table_format, vote

CONCLUSIONS = {"better": "better", "worse": "worse", "open": "these seeds cannot tell"}
AGAINST = (
    "against real only",
    "against the alternative",
)  # heads of the columns of differences, in points
ALTERNATIVE = (
    "The alternative to synthetic images: ordinary augmentation; to synthetic images of one class: copies of its real ones, "
    "both with ordinary augmentation or both without."
)


def place(root, share):
    """The folder of a share of the labels, 1 / share."""
    return root / f"1_of_{share}"


def percent(share):
    """1 / share in words: "1 %", "100 %"."""
    return f"{100 / share:.3g} %"


def measures(rare):
    """{key: in words} of what arms are compared by. rare: name of the class that is filled up, or ""."""
    return (
        {"recall": f"recall of {rare}", "others": "mean recall of the other classes"}
        if rare
        else {"accuracy": "accuracy"}
    )


def score(confusion, rare=-1):
    """Shares of test images that are classified rightly.

    Args:
      confusion: int [K, K] counts, rows are true classes. rare: a class, or -1.

    Returns:
      {"accuracy": of all; "balanced": mean recall of the classes that occur; and with a rare class "recall", its own, and
      "others", the mean recall of the others}.
    """
    confusion = np.asarray(confusion)
    n = confusion.sum(1)
    recall = np.diag(confusion)[n > 0] / n[n > 0]
    out = {"accuracy": float(np.trace(confusion) / n.sum()), "balanced": float(recall.mean())}
    if rare < 0:
        return out
    own = np.flatnonzero(n > 0) == rare
    return out | {"recall": float(recall[own].mean()), "others": float(recall[~own].mean())}


def read(folder, arms, rare):
    """({arm: {seed: scores}}, {arm_seed: why it failed}) of the classifiers in a folder. arms: {key: training_sets.Arm}."""
    found, failed = {key: {} for key in arms}, {}
    for path in sorted(folder.glob("classifiers/*.json")):
        key, _, seed = path.stem.rpartition("_")
        record = json.loads(path.read_text())
        if "failed" in record:
            failed[path.stem] = record["failed"]
        else:
            found[key][int(seed)] = score(record["confusion"], rare)
    return {key: dict(sorted(rows.items())) for key, rows in found.items()}, failed


def collect(root, arms, classes, rare=""):
    """Results as a JSON-able dict.

    Args:
      root: pathlib.Path of the study. arms: {key: training_sets.Arm}. classes: names. rare: the class that is filled up, or "".

    Returns:
      "shares": for each share V of the labels "gan" (what gan.json says) and "arms", for each arm "seeds" and a list of every
      score; "comparisons": vote.Paired of every arm with its rivals over the seeds that both have; the intervals hold together;
      "failed": what did not end well.
    """
    shares, failed = {}, {}
    number = list(classes).index(rare) if rare else -1
    for share in sorted(
        int(path.parent.name.removeprefix("1_of_")) for path in root.glob("1_of_*/gan.json")
    ):
        folder = place(root, share)
        gan = json.loads((folder / "gan.json").read_text())
        rows, bad = read(folder, arms, number)
        failed |= {f"{folder.name}/gan": gan["failed"]} if "failed" in gan else {}
        failed |= {f"{folder.name}/classifiers/{name}": why for name, why in bad.items()}
        shares[str(share)] = {
            "gan": gan,
            "arms": {key: _lists(found) for key, found in rows.items() if found},
        }
    return {
        "classes": list(classes),
        "rare": rare,
        "arms": {
            key: {"text": arm.text, "rivals": list(arm.rivals), "generated": arm.generated}
            for key, arm in arms.items()
        },
        "shares": shares,
        "comparisons": compare(shares, arms, measures(rare)),
        "failed": failed,
    }


def _lists(found):
    return {"seeds": list(found)} | {
        name: [row[name] for row in found.values()] for name in next(iter(found.values()))
    }


def compare(shares, arms, names):
    """[{"share", "arm", "rival", "measure", and what vote.Paired has}] of all arms with their rivals, in every measure."""
    pairs = []
    for share, found in shares.items():
        for key, rival in [(key, rival) for key, arm in arms.items() for rival in arm.rivals]:
            a, b = (found["arms"].get(name, {"seeds": []}) for name in (key, rival))
            both = sorted(set(a["seeds"]) & set(b["seeds"]))
            for name in names if both else ():
                values = [
                    [side[name][side["seeds"].index(seed)] for seed in both] for side in (a, b)
                ]
                pairs.append(
                    ({"share": share, "arm": key, "rival": rival, "measure": name}, values)
                )
    return [what | vote.paired(*values, len(pairs))._asdict() for what, values in pairs]


def picked(results, **what):
    """The comparisons of some share, arm, rival or measure."""
    return [
        row
        for row in results["comparisons"]
        if all(row[name] == value for name, value in what.items())
    ]


def conclusion(gain):
    """A key of CONCLUSIONS: "open" where the interval holds 0 or there is none. gain: vote.Paired as a dict."""
    if gain["p"] is None or gain["low"] <= 0 <= gain["high"]:
        return "open"
    return "better" if gain["mean"] > 0 else "worse"


def heading(share, found):
    """One line on a share of the labels."""
    return f"{percent(int(share))} of the labels: {found['gan']['n_real']:,} images"


def interval_text(values):
    """Mean of shares in per cent, with its 95 % interval over seeds where there is one."""
    mean, half = significance.interval(100 * np.asarray(values, float))
    return f"{mean:.2f}" if half is None else f"{mean:.2f} ({mean - half:.2f} to {mean + half:.2f})"


def rows_of(results, share):
    """Cells of the table of one share of the labels, with its head."""
    words = measures(results["rare"])
    heads = [f"{words[name]} {against}" for name in words for against in AGAINST]
    out = [
        [
            "training set",
            "seeds",
            *(f"{text}, %" for text in words.values()),
            "balanced accuracy, %",
            *heads,
        ]
    ]
    for key, arm in results["arms"].items():
        rows = results["shares"][share]["arms"].get(key)
        if rows is None:
            out.append([arm["text"], "0", *"-" * (len(words) + 1 + len(heads))])
            continue
        pairs = [(name, arm["rivals"][i : i + 1]) for name in words for i in range(len(AGAINST))]
        gains = [
            rival and picked(results, share=share, arm=key, rival=rival[0], measure=name)
            for name, rival in pairs
        ]
        cells = [significance.gain_text(found[0]) if found else "-" for found in gains]
        out.append(
            [
                arm["text"],
                str(len(rows["seeds"])),
                *(interval_text(rows[name]) for name in (*words, "balanced")),
                *cells,
            ]
        )
    return out


def _rivals(results):
    return list(dict.fromkeys(rival for arm in results["arms"].values() for rival in arm["rivals"]))


def readings_of(results):
    """Cells of the table of the three readings of an accuracy of generated images, with its head."""
    out = [["labels", "images", "D's class head, %", "the same, real test images, %", "independent classifier, %",
            "the same, real test images, %", "trained on synthetic only, %"]]  # fmt: skip
    for share, found in results["shares"].items():
        gan = found["gan"]
        names = ("head", "head_real", "judge", "judge_real")
        cells = ["-" if gan.get(name) is None else f"{100 * gan[name]:.1f}" for name in names]
        only = found["arms"].get("synthetic")
        out.append(
            [
                percent(int(share)),
                f"{gan['n_real']:,}",
                *cells,
                "-" if only is None else interval_text(only["accuracy"]),
            ]
        )
    return out


def tables(results):
    """All tables as Markdown."""
    titled = {
        heading(share, found): rows_of(results, share) for share, found in results["shares"].items()
    }
    if results["shares"]:
        titled["Generated images, seen as their class"] = readings_of(results)
    return [table_format.markdown(title, rows) for title, rows in titled.items()]


def verdicts(results):
    """Sentences: all in one, which training sets are better and by how much, what that rests on, the three readings, what
    failed."""
    lines = headline(results)
    for share in results["shares"]:
        lines += _of_rare(results, share) if results["rare"] else _of_all(results, share)
    n = len(results["comparisons"])
    tested = [row for row in results["comparisons"] if row["p"] is not None]
    if tested:
        lines.append(
            f"All intervals of differences hold together with 95 % (Bonferroni, {n} comparisons), paired by seed. They "
            "are over trainings of the classifier, with one GAN and one choice of labels for each share: another may differ."
        )
    lines += [
        _reading(share, found)
        for share, found in results["shares"].items()
        if "judge" in found["gan"]
    ]
    return lines + [
        f"Failed, and left out: {name}: {why}." for name, why in results["failed"].items()
    ]


def headline(results):
    """What adding synthetic images to real ones did in all shares, in a list of one sentence, or of none before there is any.

    For each of AGAINST the range of mean differences and how many comparisons are better or worse.
    """
    name, words = next(iter(measures(results["rare"]).items()))
    mixed = {
        key: arm["rivals"]
        for key, arm in results["arms"].items()
        if arm["generated"] and key != "synthetic"
    }
    said = []
    for i, against in enumerate(AGAINST):
        rows = [
            row
            for row in results["comparisons"]
            if row["rival"] in mixed.get(row["arm"], ())[i : i + 1]
        ]
        rows = [row for row in rows if row["measure"] == name]
        if rows:
            gains, how = [100 * row["mean"] for row in rows], [conclusion(row) for row in rows]
            better, worse = (how.count(word) or "none" for word in ("better", "worse"))
            span = f"{min(gains):+.1f} to {max(gains):+.1f} points"
            said.append(f"{against} {span}, better in {better} and worse in {worse} of {len(rows)}")
    return [f"Synthetic images added to real ones, {words}: {'; '.join(said)}."] if said else []


def _of_all(results, share):
    """A sentence for each rival: the training sets that are compared with it, by how that turned out."""
    found = results["shares"][share]
    for rival in _rivals(results):
        rows, said = picked(results, share=share, rival=rival), []
        for how, words in CONCLUSIONS.items():
            some = [
                f"{results['arms'][row['arm']]['text']} {significance.gain_text(row)}"
                for row in rows
                if conclusion(row) == how
            ]
            said += [f"{words}: {', '.join(some)}"] if some else []
        if rows:
            level = f"{results['arms'][rival]['text']} ({100 * np.mean(found['arms'][rival]['accuracy']):.1f} %)"
            yield f"{heading(share, found)}; accuracy against {level}, in points: {'; '.join(said)}."


def _of_rare(results, share):
    """A sentence for each pair of training sets: what became of the rare class, and what of the others."""
    found = results["shares"][share]
    names = measures(results["rare"])
    for key, rival in [
        (key, rival) for key, arm in results["arms"].items() for rival in arm["rivals"]
    ]:
        rows, said = picked(results, share=share, arm=key, rival=rival), []
        for row in rows:
            level = f"{100 * np.mean(found['arms'][rival][row['measure']]):.1f} %"
            said.append(
                f"{names[row['measure']]} ({level}) {significance.gain_text(row)}, {CONCLUSIONS[conclusion(row)]}"
            )
        if rows:
            pair = f"{results['arms'][key]['text']} against {results['arms'][rival]['text']}"
            yield f"{heading(share, found)}; {pair}, in points: {'; '.join(said)}."


def _reading(share, found):
    """The readings of "accuracy of generated images" in one sentence."""
    gan, arms = found["gan"], found["arms"]
    of = {name: f"{100 * value:.1f} %" for name, value in gan.items() if isinstance(value, float)}
    said = "D has no class head"
    if gan["head"] is not None:
        said = (
            f"D's class head takes {of['head']} of the generated images for what was asked for (and is right on "
            f"{of['head_real']} of real test images)"
        )
    said += (
        f"; an independent classifier, trained on all real labels, takes {of['judge']} for it (right on {of['judge_real']} of "
        "real test images)"
    )
    if "synthetic" in arms and "real" in arms:
        only, real = (
            f"{100 * np.mean(arms[key]['accuracy']):.1f} %" for key in ("synthetic", "real")
        )
        said += f"; a classifier trained on them alone is right on {only} of those, one trained on real ones on {real}"
    return f"{heading(share, found)}; three readings of an accuracy of generated images: {said}."
