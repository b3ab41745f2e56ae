"""Results of a study of voting nodes: accuracies, tests, times, tables and sentences.

The study's folder holds repeat_R/V/node_I. There node.json is written last; votes.npz holds the
node's probabilities for the test images.
"""

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from gan_jax.metrics import exact_tests, significance
from gan_jax.studies import vote
from gan_jax.studies.table_format import Table

LEVEL = 0.05  # of significance, S0's
TABLE_NOTES = (
    "Mean +- standard deviation over repeats. Single: mean over the nodes. Gain: vote less "
    "single, paired by repeat. McNemar: vote against node 1. t per image: vote against the mean "
    "node.",
    "Labeller: test accuracy of the classifier that labels the images of a node. Purity: share of "
    "images that a central classifier sees in the most frequent class of their generator; beside "
    "it the share of the most frequent class of all, the purity of generators that are all alike.",
)


def read_nodes(root: pathlib.Path) -> dict[int, dict[int, list[dict]]]:
    """Read the ensembles whose nodes are all finished, those with failed nodes included.

    Returns:
      {V: {repeat: [record of each node]}}. A record is that of node.json, with "folder" and,
      unless the node failed, "probs" float32 [N, K].
    """
    nodes: dict[int, dict[int, dict[int, dict]]] = {}
    for path in root.glob("repeat_*/*/node_*/node.json"):
        folder = path.parent
        record = json.loads(path.read_text()) | {"folder": folder}
        if "failed" not in record:
            with np.load(folder / "votes.npz") as file:
                record["probs"] = file["probs"]
        repeat, n_nodes, number = (int(name.split("_")[-1]) for name in folder.parts[-3:])
        nodes.setdefault(n_nodes, {}).setdefault(repeat, {})[number] = record
    return {
        n_nodes: {
            repeat: [by_number[i] for i in sorted(by_number)]
            for repeat, by_number in sorted(repeats.items())
            if len(by_number) == n_nodes
        }
        for n_nodes, repeats in sorted(nodes.items())
    }


def score_ensemble(nodes: list[dict], labels: np.ndarray) -> dict:
    """Score one ensemble.

    Args:
      nodes: records of its nodes, none of which failed.
      labels: int [N] of the test images.

    Returns:
      JSON-able values.
    """
    probs = np.stack([node["probs"] for node in nodes])
    correct, voted = probs.argmax(-1) == labels, vote.plurality_vote(probs) == labels
    counts = np.array([node["generators"] for node in nodes])  # [V, generators, classes]
    # Nodes that are trained in one program share its seconds.
    own_seconds = [node["train_s"] / node["together"] for node in nodes]
    return {
        "nodes": correct.mean(1).tolist(),
        "single": float(correct.mean()),
        "voted": float(voted.mean()),
        "mcnemar": exact_tests.mcnemar_test(voted, correct[0])._asdict(),
        "per_image": vote.t_test_over_images(voted, correct)._asdict(),
        "labeller": float(np.mean([node["labeller_accuracy"] for node in nodes])),
        "kept": float(np.mean([np.sum(node["kept"]) for node in nodes]) / counts[0].sum()),
        "purity": float(np.mean(counts.max(2).sum(1) / counts.sum((1, 2)))),
        "unspecialised": float(np.mean(counts.sum(1).max(1) / counts.sum((1, 2)))),
        "classes_of_generators": float(np.mean([len(set(c.argmax(1))) for c in counts])),
        "parallel_s": float(max(node["train_s"] for node in nodes)),
        "sequential_s": float(sum(own_seconds)),
    }


def collect(root: pathlib.Path, labels: np.ndarray, classes: list[str]) -> dict:
    """Collect the results of all complete ensembles.

    Args:
      root: the study's folder.
      labels: int [N] of the test images.
      classes: their names.

    Returns:
      A JSON-able dict. "counts" has for each V: "repeats" that are complete; the values of
      `score_ensemble`, one per repeat; "gain", the paired test of the vote against the mean node
      over repeats.
    """
    counts, failed = {}, {}
    for n_nodes, repeats in read_nodes(root).items():
        scores = {}
        for repeat, nodes in repeats.items():
            failures = [node for node in nodes if "failed" in node]
            for node in failures:
                failed[str(node["folder"].relative_to(root))] = node["failed"]
            if not failures:
                scores[repeat] = score_ensemble(nodes, labels)
        if scores:
            names = next(iter(scores.values()))
            values: dict[str, Any] = {
                name: [row[name] for row in scores.values()] for name in names
            }
            values["gain"] = significance.paired_t_test(
                values["voted"], values["single"], widest=1
            )._asdict()
            n_shard = next(iter(repeats.values()))[0]["n_shard"]
            counts[str(n_nodes)] = {"n_shard": n_shard, "repeats": list(scores), **values}
    return {"classes": list(classes), "n_test": len(labels), "counts": counts, "failed": failed}


def format_p(p: float | None) -> str:
    """Format a p-value with two digits; "-" where there is none."""
    return "-" if p is None else "< 1e-300" if p == 0 else f"{p:.2g}"


def format_t(tests: list[dict]) -> str:
    """Format the median of t over repeats, with the range of its p-values."""
    tests = [test for test in tests if test["p"] is not None]
    if not tests:
        return "-"
    p = [test["p"] for test in tests]
    t = np.median([test["t"] for test in tests])
    return f"{t:.1f} ({format_p(min(p))} to {format_p(max(p))})"


def tables(results: dict) -> list[Table]:
    """Build the tables of accuracy and time, and of images and generators."""
    accuracy = [["nodes", "images each", "repeats", "single, %", "voted, %", "gain, points (95 %)",
                 "p over repeats", f"McNemar p < {LEVEL:g}", "t per image, median (p)",
                 "parallel, s", "sequential, s"]]  # fmt: skip
    images = [["nodes", "labeller, %", "images kept, %", "purity, %", "most frequent class, %",
               "classes of generators"]]  # fmt: skip
    for n_nodes, values in results["counts"].items():
        percent = [_mean_std(values, name, 2, 100) for name in ("single", "voted")]
        seconds = [_mean_std(values, name, 1) for name in ("parallel_s", "sequential_s")]
        tests = _test_cells(values) if int(n_nodes) > 1 else "----"
        n_repeats = str(len(values["repeats"]))
        head = [n_nodes, f"{values['n_shard']:,}", n_repeats]
        accuracy.append([*head, *percent, *tests, *seconds])
        shares = [
            _mean_std(values, name, 1, 100)
            for name in ("labeller", "kept", "purity", "unspecialised")
        ]
        images.append([n_nodes, *shares, _mean_std(values, "classes_of_generators", 1)])
    titles = ("Accuracy and time", "Images and generators")
    return [Table(*parts) for parts in zip(titles, (accuracy, images), TABLE_NOTES, strict=True)]


def _mean_std(values, name, decimals, scale=1):
    return significance.mean_std_text(scale * np.array(values[name]), decimals)


def _test_cells(values):
    small = sum(test["p"] is not None and test["p"] < LEVEL for test in values["mcnemar"])
    return [
        significance.paired_gain_text(values["gain"]),
        format_p(values["gain"]["p"]),
        f"{small} of {len(values['repeats'])}",
        format_t(values["per_image"]),
    ]


def verdicts(results: dict) -> list[str]:
    """Say in sentences how S0's claims fare: effect, uncertainty, and what each test means."""
    counts = results["counts"]
    several = {n_nodes: values for n_nodes, values in counts.items() if int(n_nodes) > 1}
    lines = [_gain(n_nodes, values) for n_nodes, values in several.items()]
    if sum(values["gain"]["p"] is not None for values in several.values()) > 1:
        lines[-1] += " Each of these intervals holds by itself with 95 %."
    if "1" in counts:
        for n_nodes, values in several.items():
            lines += _against_one_node(n_nodes, values, counts["1"])
    lines += [_mcnemar(n_nodes, values) for n_nodes, values in several.items()]
    if several:
        lines.append(_over_images(several))
    if counts:
        lines.append(_purity(counts))
    failed = results["failed"].items()
    return lines + [f"Failed, so its ensemble is left out: {name}: {why}." for name, why in failed]


def _gain(n_nodes, values):
    gain = values["gain"]
    points = significance.paired_gain_text(gain)
    head = f"{n_nodes} nodes, vote against the mean node: {points} points"
    if gain["p"] is None:
        return f"{head}; {gain['note']}."
    if gain["low"] <= 0 <= gain["high"]:
        conclusion = "these repeats cannot tell"
    else:
        conclusion = "voting is better" if gain["mean"] > 0 else "voting is worse"
    return (
        f"{head} (95 % interval); paired t {gain['t']:.2f} over {gain['n']} repeats, "
        f"p = {format_p(gain['p'])}: {conclusion}."
    )


def _against_one_node(n_nodes, values, one) -> Iterator[str]:
    """Compare nodes that share the data out with one that has them all: in accuracy and in time."""
    for name, who in (("voted", "the vote"), ("single", "the mean node")):
        a, b = (100 * np.array(side[name]) for side in (values, one))
        name_a, score = f"{n_nodes} nodes, {who}", "accuracy in points"
        yield significance.compare_seeds(
            name_a, a, "one node with all data", b, score, better="high", limits=(0, 100)
        )
    parallel, sequential = (
        np.mean(values[name]) / np.mean(one[name]) for name in ("parallel_s", "sequential_s")
    )
    yield (
        f"{n_nodes} nodes: all at once {parallel:.2f} of the time of one node with all data, one "
        f"after another {sequential:.2f}."
    )


def _mcnemar(n_nodes, values):
    p = [test["p"] for test in values["mcnemar"] if test["p"] is not None]
    n = len(values["mcnemar"])
    if not p:
        return (
            f"{n_nodes} nodes: the vote and node 1 are right on the same images: no p-value "
            "(McNemar)."
        )
    equal = ""
    if len(p) < n:
        equal = f"; in {n - len(p)} they are right on the same images, which has no p-value"
    small = sum(value < LEVEL for value in p)
    return (
        f"{n_nodes} nodes: the vote and node 1 are right unequally often at p < {LEVEL:g} in "
        f"{small} of {n} repeats (McNemar, exact; p from {format_p(min(p))} to "
        f"{format_p(max(p))}){equal}."
    )


def _over_images(several):
    tests = ", ".join(f"{v} nodes {format_t(values['per_image'])}" for v, values in several.items())
    return (
        f"t over test images, as S0 must have tested (median over repeats, range of p): {tests}. "
        "It says that these very classifiers would differ on other test images as well; it grows "
        "with the number of test images, and says nothing of what another training would give, "
        "which is what the paired t over repeats asks."
    )


def _purity(counts):
    shares = ", ".join(
        f"{n_nodes} node{'s' if n_nodes != '1' else ''} {100 * np.mean(values['purity']):.1f} % "
        f"({100 * np.mean(values['unspecialised']):.1f} % if no generator had a class of its own)"
        for n_nodes, values in counts.items()
    )
    return (
        "One central classifier, each generator standing for the class of most of its images: of "
        f"that class are {shares}."
    )
