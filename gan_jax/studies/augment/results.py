"""Results of a study of synthetic images: accuracies by arm, differences, tables.

The study's folder holds 1_of_V for every share of the labels. There gan.json is written once the
images of the GAN are there, and classifiers/ARM_SEED.json for every classifier.
"""

import json
import pathlib

import numpy as np

from gan_jax.metrics import detection, significance
from gan_jax.studies.augment.training_sets import Arm
from gan_jax.studies.table_format import Table

CONCLUSIONS = {"better": "better", "worse": "worse", "open": "these seeds cannot tell"}
# Heads of the columns of differences, in the order of Arm.rivals.
AGAINST = ("against real only", "against the alternative")
ALTERNATIVE_NOTE = (
    "The alternative to synthetic images: ordinary augmentation; to synthetic images of one "
    "class: copies of its real ones, both with ordinary augmentation or both without."
)


def share_folder(root: pathlib.Path, share: int) -> pathlib.Path:
    """Return the folder of a share of the labels, 1 / share."""
    return root / f"1_of_{share}"


def format_share(share: int) -> str:
    """Format 1 / share as "1 %" or "100 %"."""
    return f"{100 / share:.3g} %"


def share_heading(share: str, results_of_share: dict) -> str:
    """Name a share of the labels and its number of images."""
    return f"{format_share(int(share))} of the labels: {results_of_share['gan']['n_real']:,} images"


def compared_scores(rare: str) -> dict[str, str]:
    """Return {key: in words} of the scores that arms are compared by.

    Args:
      rare: name of the class that is filled up, or "".
    """
    if rare:
        return {
            "recall": f"recall of {rare}",
            "others": "mean recall of the other classes",
            "detected": f"recall of {rare} at {100 * detection.RATE:g} % false positives",
        }
    return {"accuracy": "accuracy"}


def score_classifier(record: dict, rare: int) -> dict[str, float]:
    """Return all scores of a classifier by its file; those of detection with a rare class alone."""
    scores = score_confusion(record["confusion"], rare)
    if rare >= 0:
        n_others = int(np.delete(record["confusion"], rare, axis=0).sum())
        scores["detected"] = detection.recall_at(record["alarms"], n_others)
    return scores


def score_confusion(confusion: np.ndarray, rare: int = -1) -> dict[str, float]:
    """Return shares of test images that are classified rightly.

    Args:
      confusion: int [K, K] counts, rows are true classes.
      rare: a class, or -1.

    Returns:
      {"accuracy": of all; "balanced": mean recall of the classes that occur; and with a rare class
      "recall", its own, and "others", the mean recall of the others}.
    """
    confusion = np.asarray(confusion)
    n = confusion.sum(1)
    recall = np.diag(confusion)[n > 0] / n[n > 0]
    scores = {"accuracy": float(np.trace(confusion) / n.sum()), "balanced": float(recall.mean())}
    if rare < 0:
        return scores
    own = np.flatnonzero(n > 0) == rare
    return scores | {"recall": float(recall[own].mean()), "others": float(recall[~own].mean())}


def read_classifiers(
    folder: pathlib.Path, arms: dict[str, Arm], rare: int
) -> tuple[dict[str, dict[int, dict]], dict[str, str]]:
    """Read the classifiers of a share.

    Returns:
      ({arm: {seed: scores}}, {arm_seed: why it failed}).
    """
    scores, failed = {key: {} for key in arms}, {}
    for path in sorted(folder.glob("classifiers/*.json")):
        key, _, seed = path.stem.rpartition("_")
        record = json.loads(path.read_text())
        if "failed" in record:
            failed[path.stem] = record["failed"]
        else:
            scores[key][int(seed)] = score_classifier(record, rare)
    return {key: dict(sorted(by_seed.items())) for key, by_seed in scores.items()}, failed


def collect(root: pathlib.Path, arms: dict[str, Arm], classes: list[str], rare: str = "") -> dict:
    """Collect the results of all that is finished in the study's folder.

    Args:
      root: the study's folder.
      arms: {key: Arm}.
      classes: their names.
      rare: the class that is filled up, or "".

    Returns:
      A JSON-able dict. "shares": for each share V of the labels "gan" (what gan.json says) and
      "arms", for each arm "seeds" and a list of every score. "comparisons": see `compare_arms`.
      "failed": what did not end well, and why. "test": numbers of test images of the rare class,
      "own", and of "others"; {} without one.
    """
    shares, failed = {}, {}
    rare_index = list(classes).index(rare) if rare else -1
    names = (path.parent.name for path in root.glob("1_of_*/gan.json"))
    for share in sorted(int(name.removeprefix("1_of_")) for name in names):
        folder = share_folder(root, share)
        gan = json.loads((folder / "gan.json").read_text())
        scores, failures = read_classifiers(folder, arms, rare_index)
        if "failed" in gan:
            failed[f"{folder.name}/gan"] = gan["failed"]
        failed |= {f"{folder.name}/classifiers/{name}": why for name, why in failures.items()}
        lists = {key: _lists(by_seed) for key, by_seed in scores.items() if by_seed}
        shares[str(share)] = {"gan": gan, "arms": lists}
    test = _count_test(root, rare_index)
    described = {
        key: {"text": arm.text, "rivals": list(arm.rivals), "generated": arm.generated}
        for key, arm in arms.items()
    }
    return {
        "classes": list(classes),
        "rare": rare,
        "arms": described,
        "shares": shares,
        "comparisons": compare_arms(shares, arms, compared_scores(rare)),
        "failed": failed,
        "test": test,
    }


def _count_test(root, rare):
    """Count the test images of the rare class and of the others; {} without a rare class."""
    for path in sorted(root.glob("1_of_*/classifiers/*.json")) if rare >= 0 else ():
        confusion = json.loads(path.read_text()).get("confusion")
        if confusion:
            own = sum(confusion[rare])
            return {"own": own, "others": int(np.sum(confusion)) - own}
    return {}


def _lists(by_seed):
    """{"seeds": [...], score: [a value per seed]} of {seed: scores}."""
    names = next(iter(by_seed.values()))
    return {"seeds": list(by_seed)} | {
        name: [scores[name] for scores in by_seed.values()] for name in names
    }


def compare_arms(shares: dict, arms: dict[str, Arm], scores: dict[str, str]) -> list[dict]:
    """Compare all arms with their rivals, in every score, paired by seed.

    Returns:
      [{"share", "arm", "rival", "measure", and the fields of significance.PairedTest}] over the
      seeds that both arms have. The intervals hold together.
    """
    pairs = []
    for share, results_of_share in shares.items():
        for key, rival in [(key, rival) for key, arm in arms.items() for rival in arm.rivals]:
            sides = [results_of_share["arms"].get(name, {"seeds": []}) for name in (key, rival)]
            both = sorted(set.intersection(*(set(side["seeds"]) for side in sides)))
            for name in scores if both else ():
                a, b = ([side[name][side["seeds"].index(seed)] for seed in both] for side in sides)
                what = {"share": share, "arm": key, "rival": rival, "measure": name}
                pairs.append((what, a, b))
    return [
        what | significance.paired_t_test(a, b, len(pairs), 1)._asdict() for what, a, b in pairs
    ]


def select_comparisons(results: dict, **where: str) -> list[dict]:
    """List the comparisons of a share, an arm, a rival or a measure."""
    rows = results["comparisons"]
    return [row for row in rows if all(row[name] == value for name, value in where.items())]


def conclusion(gain: dict) -> str:
    """Return a key of CONCLUSIONS: "open" where the interval holds 0, or where there is none.

    Args:
      gain: a significance.PairedTest as a dict.
    """
    if gain["p"] is None or gain["low"] <= 0 <= gain["high"]:
        return "open"
    return "better" if gain["mean"] > 0 else "worse"


def format_percent(values: list[float]) -> str:
    """Format the mean of shares in percent, with its 95 % interval over seeds if there is one."""
    return significance.interval_text(values, 2, 0, 1, 100)


def share_rows(results: dict, share: str) -> list[list[str]]:
    """Build the table of one share of the labels, a row per arm."""
    words = compared_scores(results["rare"])
    scores = [f"{text}, %" for text in words.values()]
    gains = [f"{text} {against}" for text in words.values() for against in AGAINST]
    rows = [["training set", "seeds", *scores, "balanced accuracy, %", *gains]]
    for key, arm in results["arms"].items():
        values = results["shares"][share]["arms"].get(key)
        if values is None:
            rows.append([arm["text"], "0", *"-" * (len(rows[0]) - 2)])
            continue
        cells = [format_percent(values[name]) for name in (*words, "balanced")]
        for name in words:
            for i in range(len(AGAINST)):
                cells.append(_gain_cell(results, share, key, arm["rivals"][i : i + 1], name))
        rows.append([arm["text"], str(len(values["seeds"])), *cells])
    return rows


def _gain_cell(results, share, key, rivals, name):
    """Format an arm's gain over its rival, a list of one arm or none."""
    for rival in rivals:
        for row in select_comparisons(results, share=share, arm=key, rival=rival, measure=name):
            return significance.paired_gain_text(row)
    return "-"


def readings_rows(results: dict) -> list[list[str]]:
    """Build the table of the three readings of an accuracy of generated images."""
    real = "the same, real test images, %"
    head = ["labels", "images", "D's class head, %", real, "independent classifier, %", real]
    rows = [[*head, "classification accuracy score, %"]]
    for share, results_of_share in results["shares"].items():
        gan = results_of_share["gan"]
        readings = [gan.get(name) for name in ("head", "head_real", "judge", "judge_real")]
        cells = ["-" if value is None else f"{100 * value:.1f}" for value in readings]
        only = results_of_share["arms"].get("synthetic")
        cells.append("-" if only is None else format_percent(only["accuracy"]))
        rows.append([format_share(int(share)), f"{gan['n_real']:,}", *cells])
    return rows


def share_tables(results: dict) -> list[Table]:
    """Build the tables of all shares of the labels."""
    return [
        Table(share_heading(share, results_of_share), share_rows(results, share))
        for share, results_of_share in results["shares"].items()
    ]


def readings_table(results: dict) -> Table:
    """Build the titled table of the three readings."""
    return Table("Generated images, seen as their class", readings_rows(results))


def tables(results: dict) -> list[Table]:
    """Build all tables."""
    return share_tables(results) + ([readings_table(results)] if results["shares"] else [])
