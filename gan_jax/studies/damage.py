"""What the scores say of images that were damaged on purpose: they must get worse, step by step, and each sees other damage.

Takes real held-out images and adds noise, blurs them, leaves out class after class, or puts copies of training images in their
place; scores each set like a generator's. Copies are perfect to every score of quality and variety: only the search for nearest
training images sees them. Writes damage.png (a row per score, a column per damage), bias.png (the Frechet distance of real
images against sample count, with the value that it tends to) and damage.json. Flagfiles in experiments/flagfiles: damage_smoke.
"""

import dataclasses
import json
import pathlib
import sys

import numpy as np

from gan_jax.commands import command_line
from gan_jax.settings import setting


@dataclasses.dataclass(frozen=True)
class Study(command_line.Command):
    """Flags of this command."""

    workdir: str = setting("runs/damage", "the folder for figures and numbers")
    data: str = setting("galaxies", "images with labels and a test split, see any training command")
    size: int = setting(32, "side of the images in pixels", low=8, high=1024)
    n_images: int = setting(4000, "images of every set", low=200)
    scores: str = setting("", "which, with commas; empty: all that suit the data")
    seed: int = setting(0, "seed of every draw", low=0, high=2**31 - 1)


GROUPS = (Study(),)
LEVELS = {  # of damage, in the unit that the title names
    "noise": (0, 4, 8, 16, 32, 64),
    "blur": (0.0, 0.5, 1.0, 2.0, 4.0),
    "classes": (0, 1, 2, 3, 4),
    "copies": (0.0, 0.25, 0.5, 0.75, 1.0),
}
TITLES = {
    "noise": "noise (sd, grey levels)",
    "blur": "blur (sigma, pixels)",
    "classes": "classes left out",
    "copies": "share of training images",
}
DRAWS = 20  # of each count
SHARES = (
    0.05,
    0.1,
    0.2,
    0.35,
    0.5,
    0.7,
    1.0,
)  # of n_images: sample counts at which the bias is measured


def damaged(kind, level, clean, labels, training, rng):
    """A set of images with one kind of damage.

    Args:
      kind: of LEVELS. level: how much. clean: uint8 [N, H, W, C]. labels: int [N]. training: uint8 [M, H, W, C].

    Returns:
      uint8 [N, H, W, C].
    """
    from scipy import ndimage

    if kind == "noise":
        return (clean + rng.normal(0, level, clean.shape)).round().clip(0, 255).astype(np.uint8)
    if kind == "blur":
        return (
            ndimage.gaussian_filter(clean.astype(np.float32), (0, level, level, 0))
            .round()
            .astype(np.uint8)
        )
    if kind == "classes":
        frequent = np.argsort(-np.bincount(labels[labels >= 0]), kind="stable")
        kept = np.flatnonzero(np.isin(labels, frequent[level:]))
        return clean[np.resize(rng.permutation(kept), len(clean))]
    out, which = clean.copy(), rng.permutation(len(clean))[: round(level * len(clean))]
    out[which] = training[rng.permutation(len(training))[: len(which)]]
    return out


def score_all(see, source, heldout, n, seed):
    """{kind: [{score: value} at each level]} of held-out images with damage; the first level is none."""
    from gan_jax.metrics import evaluate, memorization

    rng = np.random.default_rng(seed)
    ref, _ = evaluate.reference(see, source, seed)
    rows = rng.permutation(len(heldout.images))[:n]
    clean, labels = np.asarray(heldout.images)[rows], heldout.labels[rows]
    training = np.asarray(source.images)
    n_classes = len(np.unique(labels[labels >= 0]))
    out = {}
    for kind, levels in LEVELS.items():
        out[kind] = []
        for level in levels:
            if kind == "classes" and level >= n_classes:
                break
            print(f"{TITLES[kind]}: {level}", file=sys.stderr, flush=True)
            made = damaged(kind, level, clean, labels, training, np.random.default_rng([seed, 1]))
            row = evaluate.summary(evaluate.row(see, [(ref, see(made))]))
            found, _ = memorization.study(
                see.extractor, source, heldout, made[rng.permutation(n)[:256]], seed
            )
            out[kind].append({"level": level, **row, **memorization.scores(found)[0]})
    return out


def bias(see, source, heldout, n, seed):
    """The Frechet distance of real images against other real ones at several counts, and its limit.

    An unlimited count of either side would be at the line's end in 1 / count; distances scatter by about as much as they are
    biased, so a count weighs as much as it is.

    Returns:
      {"counts", "distances": [counts][DRAWS], "slope", "limit": where the line ends}.
    """
    from gan_jax import metrics
    from gan_jax.metrics import metric

    real = np.asarray(source.images)
    rows = np.random.default_rng(seed).permutation(len(real))[
        : 4 * n
    ]  # more than are drawn, so that draws differ
    sets = see(real[rows]), see(np.asarray(heldout.images)[:n])
    most = min(len(views["features"]) for views in sets)
    least = metrics.TABLE["frechet"].least(sets[0]["features"].shape[1])
    counts = sorted({max(round(share * most), least) for share in SHARES})
    distances = []
    for count in counts:
        rngs = [np.random.default_rng([seed, count, i]) for i in range(DRAWS)]
        drawn = [
            [metric.take(views, rng.permutation(len(views["features"]))[:count]) for views in sets]
            for rng in rngs
        ]
        distances.append([metrics.TABLE["frechet"].measure(*pair)["frechet"] for pair in drawn])
    weights = np.repeat(np.array(counts, float), DRAWS)
    slope, limit = np.polyfit(1 / weights, np.ravel(distances), 1, w=weights)
    return {"counts": counts, "distances": distances, "slope": float(slope), "limit": float(limit)}


def draw(found, path):
    """A row of small plots per score, a column per damage; the dashed line is the score of undamaged images."""
    from matplotlib.figure import Figure

    from gan_jax.report import score_text

    keys = [key for key in score_text.known() if key in found["noise"][0]]
    figure = Figure(figsize=(10, 1.25 * len(keys)), layout="constrained")
    panels = figure.subplots(len(keys), len(LEVELS), sharey="row", squeeze=False)
    for key, line in zip(keys, panels, strict=True):
        for (kind, rows), axes in zip(found.items(), line, strict=True):
            axes.plot(
                range(len(rows)),
                [row[key] for row in rows],
                marker="o",
                ms=3,
                lw=1.2,
                color="#3b82d6",
            )
            axes.axhline(rows[0][key], color="#80858d", lw=0.8, ls="--")
            axes.set_xticks(range(len(rows)), [f"{row['level']:g}" for row in rows], fontsize=7)
            axes.tick_params(axis="y", labelsize=7)
            axes.spines[["top", "right"]].set_visible(False)
            if key == keys[-1]:
                axes.set_xlabel(TITLES[kind], fontsize=8)
        title = f"{score_text.known()[key].title}\n({score_text.known()[key].better})"
        line[0].set_ylabel(title, fontsize=7.5, rotation=0, ha="right", va="center")
    figure.savefig(path, dpi=90)


def draw_bias(found, path):
    """Distances over 1 / count, the line through them and where it ends."""
    from matplotlib.figure import Figure

    counts, distances = np.array(found["counts"]), np.array(found["distances"])
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.plot(
        np.repeat(1 / counts, DRAWS),
        distances.ravel(),
        "o",
        ms=3,
        alpha=0.4,
        mew=0,
        color="#3b82d6",
        label="draws",
    )
    axes.plot(1 / counts, distances.mean(1), "_", ms=14, mew=2, color="#1f4e8c", label="their mean")
    ends = np.array([0, 1 / counts.min()])
    label = f"{found['limit']:.3g} + {found['slope']:.3g} / images"
    axes.plot(ends, found["limit"] + found["slope"] * ends, color="#e8833a", lw=1.2, label=label)
    axes.set_xticks([0, *1 / counts[:4]], ["unlimited", *(f"{count:,}" for count in counts[:4])])
    axes.set_xticks(1 / counts, minor=True)
    axes.set_xlabel("images on each side (spaced as 1 / images)")
    axes.set_ylabel("Frechet distance of real images")
    axes.set_ylim(min(0, found["limit"]), 1.1 * np.quantile(distances, 0.98))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def run(argv):
    """Command line to figures."""
    from gan_jax import cache
    from gan_jax.data import datasets
    from gan_jax.errors import InputError
    from gan_jax.metrics import evaluate, features

    (study,), _ = command_line.parse(__doc__, "experiments.damage", list(GROUPS), argv)
    view = datasets.DataOptions(study.size)
    source = datasets.load(study.data, view)
    heldout = datasets.load_heldout(source, view)
    if heldout is None or heldout.labels is None or len(heldout.images) < study.n_images:
        raise InputError(
            f"--data={study.data} has no {study.n_images} labelled test images to damage; use other data or a lower --n_images."
        )
    evaluate.check(source, study.n_images, "n_images", study.scores)
    extractor = features.load(source, heldout)
    see, see_features = (
        evaluate.make_evaluator(extractor, source, scores) for scores in (study.scores, "frechet")
    )
    root = pathlib.Path(study.workdir).expanduser()
    root.mkdir(parents=True, exist_ok=True)
    found = {"damage": score_all(see, source, heldout, study.n_images, study.seed)}
    found["bias"] = bias(see_features, source, heldout, len(heldout.images), study.seed)
    draw(found["damage"], root / "damage.png")
    draw_bias(found["bias"], root / "bias.png")
    cache.write_atomic(root / "damage.json", json.dumps(found, indent=1, allow_nan=False) + "\n")
    print(f"Written: damage.png, bias.png, damage.json in {root}")
