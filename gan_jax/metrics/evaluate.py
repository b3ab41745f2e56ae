"""Scores of a generator, beside the floor and the controls that give them a meaning.

A single score says nothing: it depends on the feature net, the number of images and the data. So every record holds rows
computed alike (same reference, net and number of images), and the protocol they came from:

  real       real images against other real images: the floor, what a perfect generator would reach.
  model      the trained generator.
  untrained  the same generator before training.
  collapsed  real images of one class only: perfect pictures, no variety.

The metrics are those of gan_jax.metrics.TABLE; one function, `score`, computes them, while training and afterwards.
"""

from typing import NamedTuple

import numpy as np

from gan_jax import errors, metrics
from gan_jax.data import toys
from gan_jax.metrics import (
    class_accuracy,
    class_balance,
    features,
    metric,
    point_scores,
    precision_recall,
    protocol,
)
from gan_jax.nets import classifier

N_REFERENCE = 10_000  # real training images that everything is compared with, at most
N_REPEATED = 8  # different images in the collapsed control where there are no classes
JUDGED = (
    "model",
    "images",
)  # rows that a record is about, one of them; the others are there for comparison
N_HALVES = 20  # random halves that an interval is made of


class Evaluator(NamedTuple):
    """How images are looked at. extractor: features.Extractor. metrics: {name: metrics.metric.Metric}."""

    extractor: features.Extractor
    metrics: dict

    def __call__(self, images):
        """The views of images uint8 [N, H, W, C] that the metrics need, see metrics.metric."""
        seen, probs = self.extractor.apply(images)
        views = {"images": images, "features": seen} | ({} if probs is None else {"probs": probs})
        for found in self.metrics.values():
            views |= {name: view(images) for name, view in found.views.items()}
        return views

    def of(self, source, rows):
        """The views of the given rows of a source, read in file order, returned in the order given."""
        order = np.argsort(rows)
        return metric.take(self(source.images[rows[order]]), np.argsort(order))


def make_evaluator(extractor, source, names="", strict=False):
    """Look with the metrics that are asked for, less those that need classes where the net has none.

    Args:
      extractor: features.Extractor. source: data.datasets.Dataset that it looks at.
      names: names of metrics.TABLE, with commas; "" for all that mean something for these data.
      strict: refuse what would be left out.

    Raises:
      InputError: no such metric; strict, and one needs classes that there are not.
    """
    asked = metrics.named(names)
    blind = extractor.apply(np.asarray(source.images[:1]))[1] is None
    classless = [name for name in asked if blind and "probs" in metrics.TABLE[name].needs]
    if strict and names and classless:
        raise errors.InputError(
            f"--scores={names}: {classless[0]} needs a classifier, and {extractor.name} has no classes; leave it out."
        )
    kept = {name: metrics.TABLE[name] for name in asked if name not in classless}
    return Evaluator(extractor, {name: m for name, m in kept.items() if names or m.suits(source)})


def check(real, n, flag, names="", dim=classifier.WIDTHS[-1]):
    """Refuses counts that cannot be scored, before anything expensive.

    Args:
      real: Source, the training images. n: images per sample. flag: what the user set n by, for the message.
      names: as in `make_evaluator`. dim: features of the net; the default is that of the nets that metrics.features makes.

    Raises:
      InputError: n, or half of the real images, is too few for a metric.
    """
    least = {name: metrics.TABLE[name].least(dim) for name in metrics.named(names)}
    worst = max(least, key=least.get)

    def instead(n):
        fits = [
            name
            for name in metrics.TABLE
            if metrics.TABLE[name].least(dim) <= n and metrics.TABLE[name].suits(real)
        ]
        return f", or ask only for what so few can tell: --scores={','.join(fits)}" if fits else ""

    if n < least[worst]:
        raise errors.InputError(
            f"--{flag}={n} is too few for the score {worst} in {dim} features; use at least {least[worst]}{instead(n)}."
        )
    if len(real.images) // 2 < least[worst]:
        raise errors.InputError(
            f"--data={real.name} has {len(real.images)} images, too few for the score {worst} in {dim} features, which needs "
            f"{2 * least[worst]}{instead(len(real.images) // 2)}."
        )


def reference(see, real, seed):
    """What samples are compared with: min(N_REFERENCE, N) training images, drawn by the seed without replacement.

    Returns:
      (views, int64 rows of `real.images`), in the order drawn.
    """
    rows = np.random.default_rng(seed).permutation(len(real.images))[:N_REFERENCE]
    return see.of(real, rows), rows


def score(see, ref, sample):
    """Scores of one set of images.

    Args:
      see: Look. ref, sample: its views of real images and of those to be scored.

    Returns:
      {key of metrics.SCORES: float} and, where the net has classes, {"fractions", "fractions_corrected"}. The class fractions
      of both sides are what the classifier reports, even where labels are known: its mistakes must hit both sides alike.
      fractions_corrected: the sample's, with the classifier's confusions undone.
    """
    out = {}
    for found in see.metrics.values():
        out |= found.measure(ref, sample)
    if "probs" in sample:
        out["fractions"] = class_balance.fractions(sample["probs"])
        if see.extractor.confusion is not None:
            out["fractions_corrected"] = class_balance.corrected(
                out["fractions"], see.extractor.confusion
            )
    return out


def standard_errors(see, ref, sample, seed):
    """{key: standard error of `score`'s value, from the sampling of both sets of images}.

    The spread over scores of random halves of both sets, drawn without replacement; a half of n varies, given the n, as n do:
    a bootstrap without copies, which would lie at no distance from each other and so spoil every score of neighbours. Metrics
    that halves are too small for are left out.

    Source: the delete-d jackknife of Shao and Wu 1989 with d = n / 2.
    """
    sizes, dim = [len(views["features"]) for views in (ref, sample)], ref["features"].shape[1]
    possible = {name: m for name, m in see.metrics.items() if m.least(dim) <= min(sizes) // 2}
    needed = {name for found in possible.values() for name in found.needs}
    pair = [
        {name: view for name, view in views.items() if name in needed} for views in (ref, sample)
    ]
    rng, values = np.random.default_rng([seed, *sizes]), {}
    for _ in range(N_HALVES):
        half = [
            metric.take(views, np.sort(rng.permutation(n)[: n // 2]))
            for views, n in zip(pair, sizes, strict=True)
        ]
        for found in possible.values():
            for key, value in found.measure(*half).items():
                values.setdefault(key, []).append(value)
    return {key: float(np.std(drawn, ddof=1)) for key, drawn in values.items()}


def floor(see, real, heldout, ref, rows, n, repeats, seed):
    """Pairs of real images that share none, for the row "real".

    n held-out images if there are that many, else n training images outside the reference, else the reference cut in
    two (the sample is then at most half of it; the counts are smaller and the floor a little higher).

    Returns:
      (where the samples come from, in words; list of (reference, sample) views).
    """
    others = np.setdiff1d(np.arange(len(real.images)), rows)
    rngs = [np.random.default_rng([seed, repeat]) for repeat in range(repeats)]
    if heldout is not None and len(heldout.images) >= n:
        chosen = [rng.permutation(len(heldout.images))[:n] for rng in rngs]
        return "held-out images", [(ref, see.of(heldout, rows)) for rows in chosen]
    if len(others) >= n:
        chosen = [rng.permutation(others)[:n] for rng in rngs]
        return "other training images", [(ref, see.of(real, rows)) for rows in chosen]
    mixed, cut = [rng.permutation(len(rows)) for rng in rngs], min(n, len(rows) // 2)
    pairs = [(metric.take(ref, m[cut:]), metric.take(ref, m[:cut])) for m in mixed]
    return "disjoint parts of the training images", pairs


def collapsed(ref, n, seed):
    """n real images without variety, taken from the reference (again and again where it has too few).

    They are of the class the classifier reports most often; without classes `N_REPEATED` images.

    Returns:
      (what they are, in words; views).
    """
    size = len(ref["features"])
    rng = np.random.default_rng([seed, size])
    if "probs" not in ref:
        pool, what = rng.permutation(size)[:N_REPEATED], f"{N_REPEATED} training images, repeated"
    else:
        pool, what = (
            np.flatnonzero(ref["probs"].argmax(1) == class_balance.counts(ref["probs"]).argmax()),
            "most frequent class only",
        )
    return what, metric.take(ref, rng.choice(pool, n, replace=len(pool) < n))


def averaged(scores, n_real, n_fake):
    """{name: mean, and NAME_std where there are several} of equal dicts of scores; with the counts they come from."""
    out = {"n_real": n_real, "n_fake": n_fake, "repeats": len(scores)}
    for name in scores[0]:
        values = np.array([s[name] for s in scores], np.float64)
        out[name] = values.mean(0).tolist()
        if len(scores) > 1:
            out[f"{name}_std"] = values.std(0, ddof=1).tolist()
    return out


def row(see, pairs, seed=None):
    """One row of the record: mean scores of (reference, sample) pairs of views, standard deviations NAME_std if there are
    several pairs, and with a seed NAME_se, the standard errors of the first."""
    counts = [len(views["features"]) for views in pairs[0]]
    out = averaged([score(see, *pair) for pair in pairs], *counts)
    errors_of = {} if seed is None else standard_errors(see, *pairs[0], seed)
    return out | {f"{name}_se": value for name, value in errors_of.items()}


def true_fractions(real, rows, n_classes):
    """Class fractions of the given rows by their labels: the net has seen them, so its confusions do not apply to them."""
    labels = real.labels[rows]
    counts = np.bincount(labels[labels >= 0], minlength=n_classes)
    return counts / counts.sum()


def evaluate(see, real, heldout, samplers, n, repeats, seed):
    """Scores samples against real training images, beside the floor and the controls.

    Args:
      see: Look.
      real: Source, the training images.
      heldout: Source of the test split, or None.
      samplers: {"model": f}, or "images", and more rows, such as "untrained"; f(seed, n) -> uint8 [n, H, W, C].
      n: images per sample.
      repeats: how often "model" and "real" are drawn (model with seeds seed, seed + 1, ...); the controls once.
        Repeated floors share reference and pool, so their spread is somewhat too small.
      seed: int, of every draw.

    Returns:
      JSON-able finite dict: "protocol", see protocol.build; "classes" (names); with classes, "real_fractions" of the reference
      as reported, "real_fractions_corrected" by its labels, and "confusion"; "rows": one dict per row with n_real, n_fake,
      repeats, the scores of metrics.SCORES (each with NAME_std if repeated; NAME_se, see `standard_errors`, in the rows model
      and real), fractions and fractions_corrected.

    Raises:
      InputError: too few images, features that are not finite, or images that are not like the real ones.
    """
    ref, drawn = reference(see, real, seed)
    check(real, n, "n_images", ",".join(see.metrics), ref["features"].shape[1])
    kind, floors = floor(see, real, heldout, ref, drawn, n, repeats, seed)
    what, control = collapsed(ref, n, seed)
    rows = {"real": row(see, floors, seed)}
    for name, sampler in samplers.items():
        judged = name in JUDGED
        made = [sampler(seed + i, n) for i in range(repeats if judged else 1)]
        rows[name] = row(see, [(ref, see(images)) for images in made], seed if judged else None)
    rows["collapsed"] = row(see, [(ref, control)])
    settings = {"n_fake": n, "repeats": repeats, "seed": seed, "floor": kind, "collapsed": what}
    record = {
        "protocol": protocol.build(see.extractor, real, ref, settings),
        "classes": [],
        "rows": rows,
    }
    if "probs" in ref:
        names = see.extractor.classes or [f"class {i}" for i in range(ref["probs"].shape[1])]
        record |= {
            "classes": list(names),
            "real_fractions": class_balance.fractions(ref["probs"]).tolist(),
        }
        if see.extractor.confusion is not None:
            record["confusion"] = np.asarray(see.extractor.confusion).tolist()
            known = real.labels is not None and (real.labels[drawn] >= 0).any()
            undone = class_balance.corrected(record["real_fractions"], see.extractor.confusion)
            record["real_fractions_corrected"] = (
                true_fractions(real, drawn, len(undone)) if known else undone
            ).tolist()
    return record


def conditional(see, real, heldout, sampler, n, seed):
    """Do images show the classes they were asked for, and all of each class? See metrics.intended.

    Args:
      see: Look, whose extractor has classes, those that the generator is asked for, in their order.
      real: Source, the training images, with labels. heldout: Source of the test split, or None.
      sampler: (seed, int [n] classes) -> uint8 [n, H, W, C].
      n: images in all, of which metrics.class_accuracy.N_PER_CLASS per class are enough.
      seed: int, of every draw.

    Returns:
      What class_accuracy.study does, and "n_per_class", "k", "control" in words, and the classifier on real held-out images:
      "intended_real" (balanced accuracy) and "intended_real_per_class" (recalls).
    """
    extractor = see.extractor
    plain = Evaluator(extractor, {})
    rng, classes = np.random.default_rng(seed), range(len(extractor.classes))
    n = max(1, min(n // len(classes), class_accuracy.N_PER_CLASS))

    def some(source, n):
        """Up to n images of each class: (views, labels), in random order."""
        rows = np.concatenate(
            [rng.permutation(np.flatnonzero(source.labels == c))[:n] for c in classes]
        )
        return plain.of(source, rows), source.labels[rows]

    asked = np.tile(classes, n)  # mixed, for generators that normalise over the batch
    made = plain(sampler(seed, asked))
    apart = heldout is not None and heldout.labels is not None and (heldout.labels >= 0).any()
    control = some(heldout, n) if apart else None
    return {
        **class_accuracy.study(made, asked, *some(real, n if apart else 2 * n), control),
        "intended_real": extractor.accuracy,
        "intended_real_per_class": np.diag(extractor.confusion).tolist(),
        "n_per_class": n,
        "k": precision_recall.K,
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
        rows[name] = averaged(
            [point_scores.score(made, real.name) for made in drawn], n_test, len(drawn[0])
        )
    kept = {
        "n_real": n_test,
        "n_fake": n,
        "repeats": repeats,
        "seed": seed,
        "split": "test",
        "data": real.name,
    }
    return {"protocol": {**kept, "digest": real.digest, "net": None}, "classes": [], "rows": rows}


def summary(row):
    """A row's scores without spreads and fractions, for the training log."""
    return {name: row[name] for name in metrics.SCORES if name in row}
