"""The protocol of a record: everything that its scores depend on besides the images.

Scores share a table only if their protocols are equal.
"""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from gan_jax.data import titles
from gan_jax.data.types import Dataset
from gan_jax.errors import counted
from gan_jax.metrics.metric import Views
from gan_jax.settings import Size

if TYPE_CHECKING:  # comparing records needs no feature space, and no JAX
    from gan_jax.metrics.features import Extractor

MIN_TRUSTED_ACCURACY = 0.9  # balanced accuracy below which class shares come with a warning
# Relative. Statistics of the same features, computed on two kinds of machines, differ by less.
REFERENCE_TOLERANCE = 1e-3

# Values of fields in records that were written before there was the field.
_BEFORE = {"drawn_by": "place in the data"}
# Fields that must be equal, in the order in which differences are reported. The remaining fields of
# a protocol are words, or settings of the run that is scored.
COMPARED_FIELDS = {
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
    "drawn_by": "images drawn by",
    "floor": "floor",
    "ema": "averaged generator",
}
OF_TRAINING = ("data", "digest", "size")  # fields that no other evaluation makes equal


def build(extractor: "Extractor", real: Dataset, reference: Views, settings: dict) -> dict:
    """Build the protocol of a record.

    Args:
      extractor: the feature space.
      real: training images.
      reference: views of the reference images.
      settings: n_fake, repeats, seed, floor and collapsed.

    Returns:
      JSON-able dict.
    """
    features = reference["features"]
    return {
        "n_real": len(features),
        "drawn_by": "content",
        **settings,
        "net": extractor.name,
        "net_accuracy": None if extractor.accuracy is None else float(extractor.accuracy),
        "n_features": int(features.shape[1]),
        "resize": extractor.resize,
        "split": "train",
        "size": Size.of(real.images.shape[1:3]).value,
        "data": real.name,
        "digest": real.digest,
        "reference": fingerprint(features),
    }


def fingerprint(features: np.ndarray) -> dict:
    """Identify the reference's features [N, F].

    Returns:
      {"sha256", "mean", "variance"}: a hash, and two statistics, as machines round differently.
    """
    features = np.ascontiguousarray(features, "<f4")
    wide = features.astype(np.float64)
    return {
        "sha256": hashlib.sha256(features.tobytes()).hexdigest()[:16],
        "mean": float(np.abs(wide.mean(0)).mean()),
        "variance": float(wide.var(0).sum()),
    }


def differences(a: dict, b: dict) -> list[str]:
    """List the differences of two protocols.

    The same data in another place are the same data. Feature nets of one name with other features
    differ: every machine trains a classifier of its own.

    Returns:
      ["feature net: x, y", ...]; [] if the scores may share a table.
    """
    out = []
    for name, words in COMPARED_FIELDS.items():
        if name == "data" and a.get("digest") == b.get("digest"):
            continue
        if name == "digest" and a.get("data") != b.get("data"):
            continue  # reported as "data" already
        values = [p.get(name, _BEFORE.get(name)) for p in (a, b)]
        if values[0] != values[1]:
            out.append(f"{words}: {values[0]}, {values[1]}")
    a_plugins, b_plugins = (p.get("plugins") or {} for p in (a, b))
    for name in [name for name in a_plugins if name in b_plugins]:
        if a_plugins[name] != b_plugins[name]:
            out.append(f"code of {name}")
    if not out and not _same_reference(a.get("reference"), b.get("reference")):
        out.append(
            "features of the same real images: the classifiers were trained on different machines"
        )
    return out


def training_differences(a: dict, b: dict) -> list[str]:
    """List the differences of two protocols that no evaluation can mend: those of the data.

    Returns:
      ["image size: 28, 32", ...]; [] if scores may be made anew so that they share a table.
    """
    of_training = {name: COMPARED_FIELDS[name] for name in OF_TRAINING}
    if a.get("size") != b.get("size"):
        del of_training["digest"]  # of the resized images
    found = differences(a, b)
    return [text for text in found if text.partition(":")[0] in of_training.values()]


def _same_reference(a, b):
    if a is None or b is None:
        return a is b
    if a["sha256"] == b["sha256"]:
        return True
    statistics = ("mean", "variance")
    return all(abs(a[name] - b[name]) <= REFERENCE_TOLERANCE * abs(b[name]) for name in statistics)


def describe(record: dict, labels: dict[str, str]) -> str:
    """Describe the protocol of a record in words. labels: {row: its name}."""
    p = record["protocol"]
    repeats, data = (
        f"{counted(p['repeats'], 'repeat')} from seed {p['seed']}",
        titles.title(p["data"]),
    )
    if p["net"] is None:
        return (
            f"{p['n_fake']} points against {p['n_real']} held-out ones of {data} (digest "
            f"{p['digest'][:12]}), {repeats}. A point is "
            "registered within 2.83 standard deviations of a mode; a mode is covered by 1 % of the "
            "points. By the literature's rules a point is of high quality within 3, and one such "
            "point covers a mode. Row real: training points."
        )
    model = ""
    if "ema" in p:
        which = "Averaged" if p["ema"] else "Last"
        model = f" {which} generator, {p['sample_stats']} BatchNorm statistics."
    other_counts = [
        f" Counts of row {labels.get(name, name)}: {row['n_fake']} against {row['n_real']}."
        for name, row in record["rows"].items()
        if (row["n_real"], row["n_fake"]) != (p["n_real"], p["n_fake"])
    ]
    return (
        f"{p['n_fake']} images against {p['n_real']} real ones of {data} at {p['size']} px "
        f"(split {p['split']}, digest {p['digest'][:12]}), {repeats}, "
        f"in {p['n_features']} features of {p['net']}{_accuracy_text(p)}, resize "
        f"{p['resize']}, reference {p['reference']['sha256']}.{model} Floor: {p['floor']}. "
        f"Collapsed: {p['collapsed']}." + "".join(other_counts)
    )


def shares_warning(record: dict) -> str:
    """Say why class shares cannot be trusted; "" if they can.

    Args:
      record: an evaluation.
    """
    p = record["protocol"]
    if p.get("net_accuracy") is None or not _is_weak(p):
        return ""
    return (
        f"Do not trust these shares: of held-out images the classifier names "
        f"{100 * p['net_accuracy']:.0f} % rightly, averaged over the classes."
    )


def _is_weak(p):
    return p["net_accuracy"] < MIN_TRUSTED_ACCURACY


def _accuracy_text(p):
    """Say in parentheses how far the feature net can be trusted."""
    if p["net_accuracy"] is not None:
        weak = "; too low to trust class shares" if _is_weak(p) else ""
        return f" (balanced accuracy {100 * p['net_accuracy']:.1f} %{weak})"
    if p["net"] == "random":
        return (
            " (untrained: without labels there is nothing better; compare only runs on the same "
            "data)"
        )
    return ""
