"""What the nodes of a study of voting say together: accuracies, tests, times, tables and sentences.

The study's folder holds repeat_R/V/node_I, in each of which node.json is written last; votes.npz holds what the node says of
the test images.
"""

import json

import numpy as np

from gan_jax.metrics import significance
from gan_jax.studies import table_format, vote

LEVEL = 0.05  # of significance, S0's


def read(root):
    """{V: {repeat: [record of each node]}} of the ensembles whose nodes are all finished, those that failed included.

    Records are those of node.json, with "folder" and, unless the node failed, "probs" float32 [N, K].
    """
    found = {}
    for path in root.glob("repeat_*/*/node_*/node.json"):
        folder = path.parent
        record = json.loads(path.read_text()) | {"folder": folder}
        if "failed" not in record:
            with np.load(folder / "votes.npz") as file:
                record["probs"] = file["probs"]
        repeat, of, number = (int(name.split("_")[-1]) for name in folder.parts[-3:])
        found.setdefault(of, {}).setdefault(repeat, {})[number] = record
    return {
        of: {
            r: [nodes[i] for i in sorted(nodes)]
            for r, nodes in sorted(repeats.items())
            if len(nodes) == of
        }
        for of, repeats in sorted(found.items())
    }


def score(nodes, labels):
    """One ensemble. nodes: records, none of which failed. labels: int [N] of the test images. Returns JSON-able values."""
    probs = np.stack([node["probs"] for node in nodes])
    right, voted = probs.argmax(-1) == labels, vote.plurality(probs) == labels
    counts = np.array([node["generators"] for node in nodes])  # [V, generators, classes]
    times = [node["train_s"] for node in nodes]
    shares = [
        node["train_s"] / node["together"] for node in nodes
    ]  # members of one program share its seconds
    return {
        "nodes": right.mean(1).tolist(),
        "single": float(right.mean()),
        "voted": float(voted.mean()),
        "mcnemar": vote.mcnemar(voted, right[0])._asdict(),
        "per_image": vote.per_image(voted, right)._asdict(),
        "labeller": float(np.mean([node["labeller_accuracy"] for node in nodes])),
        "kept": float(np.mean([np.sum(node["kept"]) for node in nodes]) / counts[0].sum()),
        "purity": float(np.mean(counts.max(2).sum(1) / counts.sum((1, 2)))),
        "unspecialised": float(np.mean(counts.sum(1).max(1) / counts.sum((1, 2)))),
        "classes_of_generators": float(np.mean([len(set(c.argmax(1))) for c in counts])),
        "parallel_s": float(max(times)),
        "sequential_s": float(sum(shares)),
    }


def collect(root, labels, classes):
    """Results as a JSON-able dict. root: the study's folder. labels: int [N] of the test images. classes: their names.

    "counts" has for each V: "repeats" that are complete; the values of `score`, one per repeat; "gain", the paired test of the
    vote against the mean node over repeats.
    """
    counts, failed = {}, {}
    for of, repeats in read(root).items():
        bad = {r: [n for n in nodes if "failed" in n] for r, nodes in repeats.items()}
        failed |= {
            str(n["folder"].relative_to(root)): n["failed"] for nodes in bad.values() for n in nodes
        }
        rows = {r: score(nodes, labels) for r, nodes in repeats.items() if not bad[r]}
        if rows:
            values = {
                name: [row[name] for row in rows.values()] for name in next(iter(rows.values()))
            }
            values["gain"] = vote.paired(values["voted"], values["single"])._asdict()
            n_shard = next(iter(repeats.values()))[0]["n_shard"]
            counts[str(of)] = {"n_shard": n_shard, "repeats": list(rows), **values}
    return {"classes": list(classes), "n_test": len(labels), "counts": counts, "failed": failed}


def p_text(p):
    """A p-value to two digits; "-" where there is none."""
    return "-" if p is None else "< 1e-300" if p == 0 else f"{p:.2g}"


def t_text(rows):
    """Median of the per-image t over repeats, with the range of its p-values."""
    tested = [row for row in rows if row["p"] is not None]
    if not tested:
        return "-"
    low, high = (pick(row["p"] for row in tested) for pick in (min, max))
    return f"{np.median([row['t'] for row in tested]):.1f} ({p_text(low)} to {p_text(high)})"


def rows_of(results):
    """(cells of the main table, cells of the table of images and generators), each with its head."""
    main = [["nodes", "images each", "repeats", "single, %", "voted, %", "gain, points (95 %)", "p over repeats",
             f"McNemar p < {LEVEL:g}", "t per image, median (p)", "parallel, s", "sequential, s"]]  # fmt: skip
    images = [
        [
            "nodes",
            "labeller, %",
            "images kept, %",
            "purity, %",
            "most frequent class, %",
            "classes of generators",
        ]
    ]
    for of, found in results["counts"].items():
        n, several = len(found["repeats"]), int(of) > 1
        small = sum(row["p"] is not None and row["p"] < LEVEL for row in found["mcnemar"])
        tests = [
            significance.gain_text(found["gain"]),
            p_text(found["gain"]["p"]),
            f"{small} of {n}",
            t_text(found["per_image"]),
        ]
        accuracies = [
            significance.text(100 * np.array(found[name])) for name in ("single", "voted")
        ]
        times = [significance.text(found[name], 1) for name in ("parallel_s", "sequential_s")]
        main.append(
            [
                of,
                f"{found['n_shard']:,}",
                str(n),
                *accuracies,
                *(tests if several else "----"),
                *times,
            ]
        )
        shares = [
            significance.text(100 * np.array(found[name]), 1)
            for name in ("labeller", "kept", "purity", "unspecialised")
        ]
        images.append([of, *shares, significance.text(found["classes_of_generators"], 1)])
    return main, images


def tables(results):
    """The two tables as Markdown, mean +- standard deviation over repeats."""
    titles = ("Accuracy and time", "Images and generators")
    return [
        table_format.markdown(title, rows)
        for title, rows in zip(titles, rows_of(results), strict=True)
    ]


def verdicts(results):
    """Sentences on S0's claims: effect, uncertainty, and what each test means."""
    counts = results["counts"]
    several = {of: found for of, found in counts.items() if int(of) > 1}
    lines = [_gain(of, found) for of, found in several.items()]
    if sum(found["gain"]["p"] is not None for found in several.values()) > 1:
        lines[-1] += " Each of these intervals holds by itself with 95 %."
    if "1" in counts:
        lines += [
            line for of, found in several.items() for line in _against_one(of, found, counts["1"])
        ]
    lines += [_mcnemar(of, found) for of, found in several.items()]
    if several:
        lines.append(_per_image(several))
    lines += [_purity(counts)] if counts else []
    return lines + [
        f"Failed, so its ensemble is left out: {name}: {why}."
        for name, why in results["failed"].items()
    ]


def _gain(of, found):
    gain, head = (
        found["gain"],
        f"{of} nodes, vote against the mean node: {significance.gain_text(found['gain'])} points",
    )
    if gain["p"] is None:
        return f"{head}; {gain['note']}."
    if gain["low"] <= 0 <= gain["high"]:
        said = "these repeats cannot tell"
    else:
        said = "voting is better" if gain["mean"] > 0 else "voting is worse"
    return f"{head} (95 % interval); paired t {gain['t']:.2f} over {gain['n']} repeats, p = {p_text(gain['p'])}: {said}."


def _against_one(of, found, one):
    """The two costs and benefits of sharing the data out, against a single node that has them all."""
    for name, who in (("voted", "the vote"), ("single", "the mean node")):
        a, b = (100 * np.array(rows[name]) for rows in (found, one))
        yield significance.verdict(
            f"{of} nodes, {who}",
            a,
            "one node with all data",
            b,
            "accuracy in points",
            better="high",
        )
    parallel, sequential = (
        np.mean(found[k]) / np.mean(one[k]) for k in ("parallel_s", "sequential_s")
    )
    yield f"{of} nodes: all at once {parallel:.2f} of the time of one node with all data, one after another {sequential:.2f}."


def _mcnemar(of, found):
    tested = [row["p"] for row in found["mcnemar"] if row["p"] is not None]
    if not tested:
        return (
            f"{of} nodes: the vote and node 1 are right on the same images: no p-value (McNemar)."
        )
    small, n = sum(p < LEVEL for p in tested), len(found["mcnemar"])
    alike = (
        f"; in {n - len(tested)} they are right on the same images, which has no p-value"
        if len(tested) < n
        else ""
    )
    return (
        f"{of} nodes: the vote and node 1 are right unequally often at p < {LEVEL:g} in {small} of {n} repeats (McNemar, "
        f"exact; p from {p_text(min(tested))} to {p_text(max(tested))}){alike}."
    )


def _per_image(several):
    said = ", ".join(f"{of} nodes {t_text(found['per_image'])}" for of, found in several.items())
    return (
        f"t over test images, as S0 must have tested (median over repeats, range of p): {said}. It says that these very "
        "classifiers would differ on other test images as well; it grows with the number of test images, and says nothing of "
        "what another training would give, which is what the paired t over repeats asks."
    )


def _purity(counts):
    said = ", ".join(
        f"{of} node{'s' if of != '1' else ''} {100 * np.mean(found['purity']):.1f} % "
        f"({100 * np.mean(found['unspecialised']):.1f} % if no generator had a class of its own)"
        for of, found in counts.items()
    )
    return f"One central classifier, each generator standing for the class of most of its images: of that class are {said}."
