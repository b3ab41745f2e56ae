"""What a score depends on besides the images: written into every record, and compared before scores share a table."""

import hashlib

import numpy as np

TRUSTED = 0.9  # balanced accuracy below which class shares come with a warning
TOLERANCE = 1e-3  # relative: statistics of one set of features, computed on two kinds of machines, differ by less

# In the order in which differences are named; what else a record's protocol holds are words.
SAME = {
    "data": "data",
    "digest": "content of the data",
    "split": "split",
    "size": "image size",
    "n_real": "real images",
    "n_fake": "generated images",
    "net": "feature net",
    "n_features": "features",
    "resize": "resize",
    "seed": "seed",
    "floor": "floor",
    "sample_stats": "BatchNorm statistics when sampling",
    "ema": "averaged generator",
}


def build(extractor, real, ref, settings):
    """The protocol of a record, JSON-able.

    Args:
      extractor: metrics.features.Extractor. real: data.datasets.Dataset of the training images. ref: views of the reference.
      settings: what the caller adds: n_fake, repeats, seed, floor, collapsed.
    """
    seen = ref["features"]
    return {
        "n_real": len(seen),
        **settings,
        "net": extractor.name,
        "net_accuracy": None if extractor.accuracy is None else float(extractor.accuracy),
        "n_features": int(seen.shape[1]),
        "resize": extractor.resize,
        "split": "train",
        "size": int(real.images.shape[1]),
        "data": real.name,
        "digest": real.digest,
        "reference": fingerprint(seen),
    }


def fingerprint(features):
    """Of the reference's features float [N, F]: their sha256, and two statistics for machines that round otherwise."""
    seen = np.ascontiguousarray(features, "<f4")
    wide = seen.astype(np.float64)
    return {
        "sha256": hashlib.sha256(seen).hexdigest()[:16],
        "mean": float(np.abs(wide.mean(0)).mean()),
        "variance": float(wide.var(0).sum()),
    }


def differences(a, b):
    """["feature net: x, y", ...] of two protocols; [] if their scores may share a table.

    The same data at another place are the same data; nets of one name that see otherwise are not one net: a classifier is
    trained on each machine.
    """
    out = []
    for name, words in SAME.items():
        if name == "data" and a.get("digest") == b.get("digest"):
            continue
        if name == "digest" and a.get("data") != b.get("data"):
            continue  # said already
        if a.get(name) != b.get(name):
            out.append(f"{words}: {a.get(name)}, {b.get(name)}")
    if not out and not _alike(a.get("reference"), b.get("reference")):
        out.append(
            "features of the same real images: the classifiers were trained on different machines"
        )
    return out


def _alike(a, b):
    if a is None or b is None or a["sha256"] == b["sha256"]:
        return a is b or (a is not None and b is not None)
    return all(abs(a[name] - b[name]) <= TOLERANCE * abs(b[name]) for name in ("mean", "variance"))


def line(record, labels):
    """The protocol in words. labels: {row: its name}."""
    p = record["protocol"]
    if p["net"] is None:
        return (
            f"{p['n_fake']} points against {p['n_real']} held-out ones of {p['data']} (digest {p['digest'][:12]}), "
            f"{p['repeats']} repeats from seed {p['seed']}. A point is registered within 2.83 standard deviations of a mode; "
            "a mode is covered by 1 % of the points. Row real: training points."
        )
    accuracy = ""
    if p["net"] == "random":
        accuracy = " (untrained: without labels there is nothing better; compare only runs on the same data)"
    if p["net_accuracy"] is not None:
        weak = "; too low to trust class shares" if p["net_accuracy"] < TRUSTED else ""
        accuracy = f" (balanced accuracy {100 * p['net_accuracy']:.1f} %{weak})"
    odd = [
        f" Counts of row {labels.get(name, name)}: {row['n_fake']} against {row['n_real']}."
        for name, row in record["rows"].items()
        if (row["n_real"], row["n_fake"]) != (p["n_real"], p["n_fake"])
    ]
    model = ""
    if "ema" in p:
        model = f" {'Averaged' if p['ema'] else 'Last'} generator, {p['sample_stats']} BatchNorm statistics."
    return (
        f"{p['n_fake']} images against {p['n_real']} real ones of {p['data']} at {p['size']} px (split "
        f"{p['split']}, digest {p['digest'][:12]}), {p['repeats']} repeats from seed {p['seed']}, in "
        f"{p['n_features']} features of {p['net']}{accuracy}, resize {p['resize']}, reference {p['reference']['sha256']}."
        f"{model} Floor: {p['floor']}. Collapsed: {p['collapsed']}." + "".join(odd)
    )
