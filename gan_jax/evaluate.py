"""Scores of a generator, beside the floor and the controls that give them a meaning.

A single distance says nothing: it depends on the feature net, the number of images and the data. So every record holds
four rows computed alike (same reference, net and number of images), and the protocol they came from:

  real       real images against other real images: the floor, what a perfect generator would reach.
  model      the trained generator.
  untrained  the same generator before training.
  collapsed  real images of one class only: perfect pictures, no variety.
"""

import math
import textwrap
from typing import NamedTuple

import numpy as np

from gan_jax import errors
from gan_jax.data import toys
from gan_jax.metrics import coverage, frechet, intended, modes, neighbours, pairs
from gan_jax.metrics import points as point_scores
from gan_jax.nets import classifier

N_REFERENCE = 10_000  # real training images that everything is compared with, at most
TRUSTED = 0.9  # balanced accuracy below which class shares come with a warning
N_REPEATED = 8  # different images in the collapsed control where there are no classes

LABELS = {"real": "real (floor)", "model": "model", "untrained": "untrained", "collapsed": "collapsed"}
SCORES = {
    "frechet": "Frechet distance",
    "total_variation": "total variation",
    "kl": "KL (nats)",
    "classes_5pct": "classes >= 5 %",
    "modes_covered": "modes covered",
    "registered": "registered",
    "kl_modes": "KL of modes (nats)",
    "wasserstein": "Wasserstein",
    "mean_error": "error of the mean",
    "sd_error": "error of the sd",
}
KINDS = {"as classified": "", "corrected": "_corrected"}  # class fractions, and with the classifier's confusions undone
HOW_TO_READ = (
    "Distances: lower is better. A perfect generator would score like the floor (real images against other real "
    "images); a useful one lies far below both controls (an untrained generator; real images without variety)."
)


class Embedding(NamedTuple):
    """What the feature net saw in N images: features float32 [N, F], probs float32 [N, K] or None."""

    features: np.ndarray
    probs: np.ndarray | None

    def take(self, rows):
        """The embedding of some of the images."""
        return Embedding(self.features[rows], None if self.probs is None else self.probs[rows])


def embed(extractor, source, rows):
    """Embedding of the given rows of a source, read in file order, returned in the order given."""
    order = np.argsort(rows)
    return Embedding(*extractor.apply(source.images[rows[order]])).take(np.argsort(order))


def reference(extractor, real, seed):
    """What samples are compared with: min(N_REFERENCE, N) training images, drawn by the seed without replacement.

    Returns:
      (Embedding, int64 rows of `real.images`), in the order drawn.
    """
    rows = np.random.default_rng(seed).permutation(len(real.images))[:N_REFERENCE]
    return embed(extractor, real, rows), rows


def score(ref, sample, confusion=None):
    """Scores of one set of images.

    Args:
      ref, sample: Embeddings by the same net.
      confusion: float64 [K, K] of the net's classifier, or None.

    Returns:
      {"frechet"} and, where the net has classes, {"total_variation", "kl", "fractions", "fractions_corrected"}. The
      class fractions of both sides are what the classifier reports, even where labels are known: its mistakes must hit
      both sides alike. fractions_corrected: the sample's, with the classifier's confusions undone.
    """
    out = {"frechet": frechet.frechet(ref.features, sample.features)}
    if sample.probs is not None:
        p, q = modes.fractions(sample.probs), modes.fractions(ref.probs)
        out |= {"total_variation": modes.total_variation(p, q), "kl": modes.kl(p, q), "fractions": p}
        if confusion is not None:
            out["fractions_corrected"] = modes.corrected(p, confusion)
    return out


def check(real, n, flag, dim=classifier.WIDTHS[-1]):
    """Refuses counts that cannot be scored, before anything expensive.

    Args:
      real: Source, the training images. n: images per sample. flag: what the user set n by, for the message.
      dim: features of the net; the default is what metrics.features makes.

    Raises:
      InputError: n, or half of the real images, is not more than the number of features.
    """
    if n <= dim:
        raise errors.InputError(f"--{flag}={n} is too few for {dim} features; use at least {dim + 1}.")
    if len(real.images) // 2 <= dim:
        raise errors.InputError(
            f"--data={real.name} has {len(real.images)} images, too few to be scored in {dim} features; "
            f"use at least {2 * dim + 2}."
        )


def floor(extractor, real, heldout, ref, rows, n, repeats, seed):
    """Pairs of real images that share none, for the row "real".

    n held-out images if there are that many, else n training images outside the reference, else the reference cut in
    two (the sample is then at most half of it; the counts are smaller and the floor a little higher).

    Returns:
      (where the samples come from, in words; list of (reference, sample) Embeddings).
    """
    others = np.setdiff1d(np.arange(len(real.images)), rows)
    rngs = [np.random.default_rng([seed, repeat]) for repeat in range(repeats)]
    if heldout is not None and len(heldout.images) >= n:
        chosen = [rng.permutation(len(heldout.images))[:n] for rng in rngs]
        return "held-out images", [(ref, embed(extractor, heldout, rows)) for rows in chosen]
    if len(others) >= n:
        chosen = [rng.permutation(others)[:n] for rng in rngs]
        return "other training images", [(ref, embed(extractor, real, rows)) for rows in chosen]
    mixed, cut = [rng.permutation(len(rows)) for rng in rngs], min(n, len(rows) // 2)
    return "disjoint parts of the training images", [(ref.take(m[cut:]), ref.take(m[:cut])) for m in mixed]


def collapsed(ref, n, seed):
    """n real images without variety, taken from the reference (again and again where it has too few).

    They are of the class the classifier reports most often; without classes `N_REPEATED` images.

    Returns:
      (what they are, in words; Embedding).
    """
    rng = np.random.default_rng([seed, len(ref.features)])
    if ref.probs is None:
        pool, what = rng.permutation(len(ref.features))[:N_REPEATED], f"{N_REPEATED} training images, repeated"
    else:
        pool, what = np.flatnonzero(ref.probs.argmax(1) == modes.counts(ref.probs).argmax()), "most frequent class only"
    return what, ref.take(rng.choice(pool, n, replace=len(pool) < n))


def averaged(scores, n_real, n_fake):
    """{name: mean, and NAME_std where there are several} of equal dicts of scores; with the counts they come from."""
    out = {"n_real": n_real, "n_fake": n_fake, "repeats": len(scores)}
    for name in scores[0]:
        values = np.array([s[name] for s in scores], np.float64)
        out[name] = values.mean(0).tolist()
        if len(scores) > 1:
            out[f"{name}_std"] = values.std(0, ddof=1).tolist()
    return out


def row(pairs, confusion):
    """One row of the record: mean scores of (reference, sample) pairs, and standard deviations if there are several."""
    out = averaged([score(*pair, confusion) for pair in pairs], len(pairs[0][0].features), len(pairs[0][1].features))
    if "fractions" in out:
        out["classes_5pct"] = modes.n_holding(out["fractions"])
    return out


def true_fractions(real, rows, n_classes):
    """Class fractions of the given rows by their labels: the net has seen them, so its confusions do not apply to them."""
    labels = real.labels[rows]
    counts = np.bincount(labels[labels >= 0], minlength=n_classes)
    return counts / counts.sum()


def evaluate(extractor, real, heldout, samplers, n, repeats, seed):
    """Scores samples against real training images, beside the floor and the controls.

    Args:
      extractor: features.Extractor.
      real: Source, the training images.
      heldout: Source of the test split, or None.
      samplers: {"model": f, "untrained": f} or the first alone; f(seed, n) -> uint8 [n, H, W, C].
      n: images per sample, more than the number of features.
      repeats: how often "model" and "real" are drawn (model with seeds seed, seed + 1, ...); the controls once.
        Repeated floors share reference and pool, so their spread is somewhat too small.
      seed: int, of every draw.

    Returns:
      JSON-able finite dict: "protocol"; "classes" (names); with classes, "real_fractions" of the reference as reported,
      "real_fractions_corrected" by its labels, and "confusion"; "rows": one dict per row with n_real, n_fake, repeats, frechet,
      total_variation, kl, fractions, fractions_corrected (each with NAME_std if repeated) and classes_5pct, the number
      of classes that hold at least 5 % of the images.

    Raises:
      InputError: too few images for the features, or features that are not finite.
    """
    dim = extractor.apply(real.images[:1])[0].shape[1]
    check(real, n, "n_images", dim)
    ref, drawn = reference(extractor, real, seed)
    kind, floors = floor(extractor, real, heldout, ref, drawn, n, repeats, seed)
    what, control = collapsed(ref, n, seed)
    rows = {"real": row(floors, extractor.confusion)}
    for name, sampler in samplers.items():
        times = repeats if name == "model" else 1
        samples = [Embedding(*extractor.apply(sampler(seed + i, n))) for i in range(times)]
        rows[name] = row([(ref, sample) for sample in samples], extractor.confusion)
    rows["collapsed"] = row([(ref, control)], extractor.confusion)
    record = {
        "protocol": {
            "n_real": len(drawn),
            "n_fake": n,
            "repeats": repeats,
            "seed": seed,
            "net": extractor.name,
            "net_accuracy": None if extractor.accuracy is None else float(extractor.accuracy),
            "n_features": dim,
            "split": "train",
            "floor": kind,
            "collapsed": what,
            "size": int(real.images.shape[1]),
            "data": real.name,
            "digest": real.digest,
        },
        "classes": [],
        "rows": rows,
    }
    if ref.probs is not None:
        record |= {"classes": list(extractor.classes), "real_fractions": modes.fractions(ref.probs).tolist()}
        if extractor.confusion is not None:
            record["confusion"] = np.asarray(extractor.confusion).tolist()
            known = real.labels is not None and (real.labels[drawn] >= 0).any()
            undone = modes.corrected(record["real_fractions"], extractor.confusion)
            record["real_fractions_corrected"] = (true_fractions(real, drawn, len(undone)) if known else undone).tolist()
    return record


def conditional(extractor, real, heldout, sampler, n, seed):
    """Do images show the classes they were asked for, and all of each class? See metrics.intended.

    Args:
      extractor: features.Extractor with classes, those that the generator is asked for, in their order.
      real: Source, the training images, with labels. heldout: Source of the test split, or None.
      sampler: (seed, int [n] classes) -> uint8 [n, H, W, C].
      n: images in all, of which metrics.intended.N_PER_CLASS per class are enough.
      seed: int, of every draw.

    Returns:
      What intended.study does, and "n_per_class", "k", "control" in words, and the classifier on real held-out images:
      "intended_real" (balanced accuracy) and "intended_real_per_class" (recalls).
    """
    rng, classes = np.random.default_rng(seed), range(len(extractor.classes))
    n = max(1, min(n // len(classes), intended.N_PER_CLASS))

    def some(source, n):
        """Up to n images of each class: (Embedding, labels), in random order."""
        rows = np.concatenate([rng.permutation(np.flatnonzero(source.labels == c))[:n] for c in classes])
        return embed(extractor, source, rows), source.labels[rows]

    asked = np.tile(classes, n)  # mixed, for generators that normalise over the batch
    made = Embedding(*extractor.apply(sampler(seed, asked)))
    apart = heldout is not None and heldout.labels is not None and (heldout.labels >= 0).any()
    control = some(heldout, n) if apart else None
    return {
        **intended.study(made, asked, *some(real, n if apart else 2 * n), control),
        "intended_real": extractor.accuracy,
        "intended_real_per_class": np.diag(extractor.confusion).tolist(),
        "n_per_class": n,
        "k": coverage.K,
        "control": "as many held-out images" if apart else "as many other training images",
    }


def points(real, samplers, n, repeats, seed):
    """Scores of points against the toy's held-out points: modes covered, registered points, distances (metrics.points).

    Args, errors: as in `evaluate`. Returns: its "protocol", "classes" (none) and "rows", of which "real" are training points.
    """

    def of_real(seed):
        return real.images[np.random.default_rng(seed).permutation(len(real.images))[:n]]

    rows, n_test = {}, len(toys.draw(toys.geometry(real.name), "test")[0])
    for name, sampler in ({"real": lambda seed, n: of_real(seed)} | samplers).items():
        times = repeats if name in ("model", "real") else 1
        drawn = [sampler(seed + i, n) for i in range(times)]
        rows[name] = averaged([point_scores.score(made, real.name) for made in drawn], n_test, len(drawn[0]))
    kept = {"n_real": n_test, "n_fake": n, "repeats": repeats, "seed": seed, "split": "test", "data": real.name}
    return {"protocol": {**kept, "digest": real.digest, "net": None}, "classes": [], "rows": rows}


def summary(row):
    """A row's scalars, for the training log: frechet and, with classes, total_variation, kl, classes_5pct."""
    return {name: row[name] for name in SCORES if name in row}


def cell(row, name):
    """A score as text: "1.234 +- 0.056" where it was repeated, "-" where the net has no classes."""
    if name not in row:
        return "-"
    std = row.get(f"{name}_std", 0)
    decimals = min(max(1 - math.floor(math.log10(std)), 0), 9) if std > 0 else 0  # two digits of the spread
    return f"{row[name]:.{decimals}f} +- {std:.{decimals}f}" if std > 0 else f"{row[name]:.4g}"


def protocol_line(record):
    """Everything the scores depend on: two records compare only if this agrees (rows with other counts say so)."""
    p = record["protocol"]
    if p["net"] is None:
        return (
            f"{p['n_fake']} points against {p['n_real']} held-out ones of {p['data']} (digest {p['digest'][:12]}), "
            f"{p['repeats']} repeats from seed {p['seed']}. A point is registered within 2.83 standard deviations of a mode; "
            "a mode is covered by 1 % of the points. Row real: training points."
        )
    accuracy = " (untrained: without labels there is nothing better; compare only runs on the same data)"
    if p["net_accuracy"] is not None:
        weak = "; too low to trust class shares" if p["net_accuracy"] < TRUSTED else ""
        accuracy = f" (balanced accuracy {100 * p['net_accuracy']:.1f} %{weak})"
    odd = [
        f" Counts of row {LABELS.get(name, name)}: {row['n_fake']} against {row['n_real']}."
        for name, row in record["rows"].items()
        if (row["n_real"], row["n_fake"]) != (p["n_real"], p["n_fake"])
    ]
    return (
        f"{p['n_fake']} images against {p['n_real']} real ones of {p['data']} at {p['size']} px (split "
        f"{p['split']}, digest {p['digest'][:12]}), {p['repeats']} repeats from seed {p['seed']}, in "
        f"{p['n_features']} features of {p['net']}{accuracy}. Floor: {p['floor']}. Collapsed: {p['collapsed']}." + "".join(odd)
    )


def fractions(record, suffix=""):
    """{row in words: class fractions}, the training data first; suffix: one of KINDS. {} where there are none."""
    if f"real_fractions{suffix}" not in record:
        return {}
    rows = {LABELS.get(name, name): row[f"fractions{suffix}"] for name, row in record["rows"].items()}
    return {"training data": record[f"real_fractions{suffix}"], **rows}


def table(record):
    """The record as plain text for a terminal, at most 100 columns wide."""
    rows, names = record["rows"], [n for n in SCORES if n in record["rows"]["model"]]
    lines = [f"{'':14}" + "".join(f"{SCORES[n]:>21}" for n in names)]
    lines += [f"{LABELS.get(r, r):14}" + "".join(f"{cell(rows[r], n):>21}" for n in names) for r in rows]
    for kind, suffix in KINDS.items():
        shares = fractions(record, suffix)
        lines += ["", f"{f'% {kind}':20}" + "".join(f"{name:>16}" for name in shares)] if shares else []
        lines += [
            f"{name[:19]:20}" + "".join(f"{100 * f[i]:16.1f}" for f in shares.values())
            for i, name in enumerate(record["classes"] if shares else [])
        ]
    lines += ["", *textwrap.wrap(HOW_TO_READ, 100), *textwrap.wrap(protocol_line(record), 100)]
    lines += intended_lines(record["intended"], record["classes"]) if "intended" in record else []
    lines += pair_lines(record["pairs"]) if "pairs" in record else []
    lines += neighbour_lines(record["neighbours"]) if "neighbours" in record else []
    return "\n".join(lines)


def intended_lines(record, classes):
    """What `conditional` found, as lines for a terminal."""
    body = [f"{row[0][:19]:20}" + "".join(f"{cell:>13}" for cell in row[1:]) for row in intended.lines(record, classes)]
    text = [line for part in (intended.verdict(record), intended.protocol_line(record)) for line in textwrap.wrap(part, 100)]
    return ["", *body, "", *text]


def pair_lines(record):
    """What `pairs.study` found, as lines for a terminal."""
    return ["", *("".join(f"{cell:>26}" if i else f"{cell:20}" for i, cell in enumerate(row)) for row in pairs.lines(record))]


def neighbour_lines(record):
    """What `neighbours.study` found, as lines for a terminal."""
    head = "".join(f"{f'{100 * q:.0f} %':>7}" for q in neighbours.QUANTILES)
    body = [
        f"{text:30}" + "".join(f"{value:7.3g}" for values in measures.values() for value in values)
        for text, measures in neighbours.lines(record)
    ]
    names = "".join(f"{'by ' + word:>35}" for word in neighbours.MEASURES.values())
    text = [line for part in (record["verdict"], neighbours.protocol_line(record)) for line in textwrap.wrap(part, 100)]
    return ["", f"{'distance to the nearest':30}{names}", f"{'quantile':30}{head * len(neighbours.MEASURES)}", *body, "", *text]
