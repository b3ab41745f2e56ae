"""Nearest training images of generated ones: does the generator copy what it was trained on?

Two distances: by pixel, the root mean squared difference in grey levels (0 to 255); by feature, the Euclidean distance in the
features of the metrics' net. Images are compared in the orientation they have, galaxies too: no image is turned while training,
so a copy has the orientation of its original. A turned copy would be missed, by feature as well.

A generated image is always near some training image; what counts is whether other real images are as near. So the same search
is made from training images (each left out by itself) and from held-out ones, and exact tests compare what they find:

  closer   generated images lie closer to the training set than the closest 1 % of real images do. Smooth pictures do so too
           (they lack the noise in which real ones differ), so this alone is no sign of copying.
  single   besides, they are less than half as far from that image as from the fifth nearest: each matches one training image
           and no other. Smooth pictures are near several. This finds the few copies among many images.
  heldout  the nearest of all real images is a held-out one less often than it is for training images; a generator that
           copies nothing knows no difference between the two. This finds a slight pull that all images have.

The tests count every real image once, however many images are nearest to it: a collapsed generator repeats itself, which is
another fault than copying.
"""

import math
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gan_jax import errors
from gan_jax.metrics.metric import Score

K, ORDINAL = 5, "fifth"  # neighbours searched and shown
N_HELDOUT = 10_000  # held-out images searched, at most
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
SHARE = 0.01  # of the real images that count as unusually close
SINGLE = 0.5  # nearest distance over fifth nearest, below which an image matches one alone
ALARM = 0.001  # probability below which a difference is not chance
MEASURES = {"pixel": "pixels", "feature": "features"}
LABELS = {"generated": "generated", "training": "training", "heldout": "held-out"}
PICTURES = (
    "neighbours.png",
    "neighbours_real.png",
)  # files in the run folder: of generated images, of real ones
SCORES = {
    "copied": Score(
        "copies",
        "low",
        "Share of the generated images that match one single training image, by pixels or by features, as copies do; at the "
        "left the same share of real images.",
    )
}
N_LEAST = 16  # queries below which chance explains almost anything
N_SHOWN = 8  # queries in a picture

_FLOATS = 2**23  # of a block: bounds the memory of a search
_EXACT = 1024  # 128^2 times this is 2^24: integers up to there are exact in float32, whatever the order of summation
_TILE = 128  # pixels, about, of an image in a picture
_GAP = 8  # pixels between the images of a picture
_DARK, _LIGHT = 32, 235  # grey levels of a picture's ground and text


def check(n, flag):
    """Refuses too few queries, before anything expensive. n: how many; flag: what the user set it by, for the message.

    Raises:
      InputError: 0 < n < N_LEAST.
    """
    if 0 < n < N_LEAST:
        raise errors.InputError(
            f"--{flag}={n} is too few to tell copies from chance; use 0 for none, or {N_LEAST} or more."
        )


class Found(NamedTuple):
    """The nearest of a pool, nearest first: rows int64 [n, k] of the pool, distances float64 [n, k]."""

    rows: np.ndarray
    distances: np.ndarray


def nearest(queries, pool, k=K, rows=None, own=None):
    """The k nearest of a pool, by brute force in blocks; equal distances in the order of the pool.

    Args:
      queries: uint8 [n, ...] images, or float [n, F] features.
      pool: the same kind [N, ...]; may be a read-only memmap.
      rows: int [M], ascending: the part of the pool that is searched; None for all of it.
      own: int [n], a row of the pool that each query may not find, its own, or -1.

    Returns:
      Found, with fewer columns if the pool is too small. Distances of images are the root mean squared difference in grey
      levels, exact; those of features are Euclidean, and 0 for copies. Which features are found is decided up to the error
      of `squares`, about the queries' mean.
    """
    rows = np.arange(len(pool)) if rows is None else np.asarray(rows)
    center = 128 if pool.dtype == np.uint8 else np.mean(queries, 0, np.float64)
    a, line = _vectors(queries, center), np.arange(len(queries))[:, None]
    k = min(k, len(rows) - (own is not None))
    best = Found(np.full((len(a), k), -1), np.full((len(a), k), np.inf))
    step = max(1, _FLOATS // max(a.shape))
    for part in np.split(rows, range(step, len(rows), step)):
        near = squares(a, _vectors(pool[part], center))
        if own is not None:
            near[part == own[:, None]] = np.inf
        found = np.concatenate([best.rows, np.broadcast_to(part, near.shape)], 1)
        near = np.concatenate([best.distances, near], 1)
        order = _smallest(near, k)
        best = Found(found[line, order], near[line, order])
    if pool.dtype != np.uint8:
        return _measured(queries, pool, best.rows)
    return Found(best.rows, np.sqrt(best.distances / math.prod(pool.shape[1:])))


def _vectors(x, center):
    """Images as float32 [n, D] in -128 to 127, features as float64 [n, F]; both less the center."""
    x = np.asarray(x).reshape(len(x), -1)
    return x.astype(np.float32 if x.dtype == np.uint8 else np.float64) - center


def _measured(queries, pool, rows):
    """Found, with the distances float64 [n, k] of features from their differences, and in the order of these distances."""
    distances = np.empty(rows.shape)
    for i, column in enumerate(rows.T):
        gaps = np.subtract(queries, pool[column], dtype=np.float64)
        distances[:, i] = np.sqrt(np.einsum("nf,nf->n", gaps, gaps))
    order = np.lexsort((rows, distances))
    return Found(np.take_along_axis(rows, order, 1), np.take_along_axis(distances, order, 1))


def squares(a, b):
    """Squared distances float64 [n, m], from products of matrices.

    Args:
      a: float32 [n, D], images less 128, or float64 [n, F], features, which should be about 0. b: the same kind [m, ...].

    Returns:
      Of images exact. Of features with an error of up to 1.5 (F + 2) times machine epsilon times |a|^2 + |b|^2; it may make
      them negative.
    """
    if a.dtype != np.float32:
        left, right = (
            np.hstack([x, np.einsum("nf,nf->n", x, x)[:, None], np.ones((len(x), 1))])
            for x in (a, b)
        )
        left[:, :-2] *= -2
        return left @ right[:, [*range(a.shape[1]), -1, -2]].T
    out = np.zeros((len(a), len(b)))
    for i in range(0, a.shape[1], _EXACT):
        p, q = a[:, i : i + _EXACT], b[:, i : i + _EXACT]
        out -= 2 * (p @ q.T)
        out += np.einsum("nd,nd->n", p, p)[:, None]
        out += np.einsum("nd,nd->n", q, q)
    return out


def _smallest(x, k):
    """Columns int64 [n, k] of the k smallest entries of each row, in order; of equal ones the first."""
    x, line, out = x.copy(), np.arange(len(x)), np.empty((len(x), k), np.int64)
    for i in range(k):
        out[:, i] = x.argmin(1)
        x[line, out[:, i]] = np.inf
    return out


def at_most(x, drawn, marked, total):
    """Probability of x or fewer marked ones among so many drawn without replacement, exact."""
    ways = sum(
        math.comb(marked, i) * math.comb(total - marked, drawn - i)
        for i in range(min(x, drawn) + 1)
    )
    return ways / math.comb(total, drawn)


def excess(generated, real):
    """Probability that so many of the True (or more) are generated, if it made no difference; exact. Two bool arrays."""
    n_true = int(generated.sum() + real.sum())
    return at_most(int(real.sum()), n_true, len(real), len(generated) + len(real))


def loneliness(found):
    """Nearest distance over the last found, float64 [n] in [0, 1]: 0 for a copy of one image, 1 if several are as near."""
    first, last = found.distances[:, 0], found.distances[:, -1]
    return np.divide(first, last, out=np.ones_like(first), where=last > 0)


def _without_duplicates(found):
    """Drops queries that occur among the images searched; they say nothing about how near different images are."""
    kept = found.distances[:, 0] > 0
    return Found(found.rows[kept], found.distances[kept]) if kept.any() else found


def _search(generated, pool, held, own, chosen, some):
    """All searches by one distance: {"QUERIES_POOL": Found}. The arguments are those that `study` draws."""
    queries = {"generated": generated, "training": pool[own]} | (
        {} if held is None else {"heldout": held[chosen]}
    )
    left_out = [own if name == "training" else np.full(len(q), -1) for name, q in queries.items()]
    both = nearest(np.concatenate([*queries.values()]), pool, own=np.concatenate(left_out))
    cuts = np.cumsum([len(q) for q in queries.values()])[:-1]
    parts = zip(np.split(both.rows, cuts), np.split(both.distances, cuts), strict=True)
    out = {f"{name}_training": Found(*part) for name, part in zip(queries, parts, strict=True)}
    if held is not None:
        out["generated_some"] = nearest(generated, pool, 1, rows=some)
        out |= {
            f"{name}_heldout": nearest(queries[name], held, 1) for name in ("generated", "training")
        }
    return out


def _once(found):
    """The first query of each real image that is nearest to any: int64 rows of the queries."""
    return np.unique(found.rows[:, 0], return_index=True)[1]


def _union(found, name):
    """Of the real images nearest to the queries, each taken once, which are held-out (bool); and for what share of queries."""
    train, held = found[f"{name}_training"], found[f"{name}_heldout"]
    is_held = held.distances[:, 0] < train.distances[:, 0]
    counts = [len(np.unique(f.rows[of, 0])) for f, of in ((train, ~is_held), (held, is_held))]
    return np.repeat([False, True], counts), float(is_held.mean())


def compare(found):
    """What one distance says, JSON-able.

    Args:
      found: {"QUERIES_POOL": Found} of "generated_training", "training_training" and, where there are held-out images,
        "heldout_training", "generated_some" (as many training images as there are held-out ones), "generated_heldout" and
        "training_heldout".

    Returns:
      {"distances": {"QUERIES_POOL": the QUANTILES of the nearest distances}; "closer", "single": shares of the generated
      images; "single_real": of the real ones; with held-out images "heldout", "heldout_real": shares of the generated and
      of the training images whose nearest real image is held-out; and for each test NAME_p, the probability that chance
      alone does it}.
    """
    model = found["generated_training"]
    real = [found[name] for name in ("training_training", "heldout_training") if name in found]
    real = _without_duplicates(Found(*(np.concatenate(parts) for parts in zip(*real, strict=True))))
    limit = np.sort(real.distances[:, 0])[math.ceil(SHARE * len(real.distances)) - 1]
    closer, closer_real = (f.distances[:, 0] <= limit for f in (model, real))
    single, single_real = (
        near & (loneliness(f) < SINGLE) for near, f in ((closer, model), (closer_real, real))
    )
    once, once_real = _once(model), _once(real)
    out = {
        "distances": {
            pair: np.quantile(f.distances[:, 0], QUANTILES).tolist() for pair, f in found.items()
        },
        "closer": float(closer.mean()),
        "closer_p": excess(closer[once], closer_real[once_real]),
        "single": float(single.mean()),
        "single_real": float(single_real.mean()),
        "single_p": excess(single[once], single_real[once_real]),
    }
    if "generated_heldout" in found:
        (held, share), (held_real, share_real) = (
            _union(found, "generated"),
            _union(found, "training"),
        )
        out |= {
            "heldout": share,
            "heldout_real": share_real,
            "heldout_p": excess(~held, ~held_real),
        }
    return out


def verdict(measures):
    """(whether there are signs of copying, the same in plain words), of {measure: `compare`}."""
    signs, close = [], []
    for name, m in measures.items():
        word = MEASURES[name]
        if m["single_p"] < ALARM:
            signs.append(
                f"{100 * m['single']:.1f} % of the generated images lie unusually close to a single training image by {word} "
                f"({100 * m['single_real']:.1f} % of real images do)"
            )
        if m.get("heldout_p", 1) < ALARM:
            signs.append(
                f"for {100 * m['heldout']:.1f} % of the generated images a held-out image is nearer than any training image "
                f"by {word} (for {100 * m['heldout_real']:.1f} % of training images)"
            )
        if m["closer_p"] < ALARM:
            close.append(f"{100 * m['closer']:.0f} % by {word}")
    if signs:
        return True, f"Signs of copying: {'; '.join(signs)}."
    if close:
        return False, (
            f"No sign of copying. Many generated images ({', '.join(close)}) are closer to training images than the closest "
            f"{100 * SHARE:.0f} % of real images are, but to several at once, as smooth or plain pictures are."
        )
    return (
        False,
        "No sign of copying: generated images are no closer to training images than other real images are.",
    )


def study(extractor, real, heldout, generated, seed):
    """Searches the training images for those nearest to generated ones, and to real ones for reference.

    Args:
      extractor: metrics.features.Extractor.
      real: Source, the training images, all of which are searched.
      heldout: Source of the test split, or None; at most N_HELDOUT of its images are used, and no more than `real` has.
      generated: uint8 [n, H, W, C]; as many training and held-out images are looked at.
      seed: int, of every draw.

    Returns:
      (JSON-able finite dict: "protocol" with all counts, "pixel" and "feature" (see `compare`), "copying", "verdict";
      {file name: uint8 [H, W, 3]} as PICTURES names them).
    """
    rng, n, held = np.random.default_rng(seed), len(generated), None
    own, chosen, some = rng.permutation(len(real.images))[:n], np.arange(0), np.arange(0)
    if heldout is not None:
        held = heldout.images[
            np.sort(rng.permutation(len(heldout.images))[: min(N_HELDOUT, len(real.images))])
        ]
        chosen, some = (
            rng.permutation(len(held))[:n],
            np.sort(rng.permutation(len(real.images))[: len(held)]),
        )
    views = {"pixel": (generated, real.images, held)}
    views["feature"] = [x if x is None else extractor.apply(x)[0] for x in views["pixel"]]
    found = {name: _search(*view, own, chosen, some) for name, view in views.items()}
    measures = {name: compare(f) for name, f in found.items()}
    copying, words = verdict(measures)
    protocol = {
        "n_generated": n,
        "n_training": len(own),
        "n_heldout": len(chosen),
        "pool_training": len(real.images),
        "pool_heldout": len(some),
        "seed": seed,
        "net": extractor.name,
        "n_features": int(views["feature"][0].shape[1]),
    }
    name, others = ("training", real.images[own]) if held is None else ("heldout", held[chosen])
    pictures = {
        file: picture(
            label,
            queries,
            {measure: f[f"{label}_training"] for measure, f in found.items()},
            real.images,
        )
        for file, label, queries in zip(
            PICTURES, ("generated", name), (generated, others), strict=True
        )
    }
    return {"protocol": protocol, **measures, "copying": copying, "verdict": words}, pictures


def scores(record):
    """({"copied": share} of generated images, the same of real ones), by the distance that finds more. record: of `study`."""
    return tuple(
        {"copied": max(record[name][key] for name in MEASURES)} for key in ("single", "single_real")
    )


def telling(found, n=N_SHOWN):
    """Which queries to show: half of them the first, which are random, half those that match one training image most alone."""
    places = [
        np.argsort(np.argsort(loneliness(f), kind="stable"), kind="stable") for f in found.values()
    ]
    order = np.argsort(np.min(places, 0), kind="stable")
    return [*range(min(n // 2, len(order))), *order[order >= n // 2][: n - n // 2]]


def picture(label, queries, found, pool):
    """Queries with their neighbours, a line each: in the left half by pixel, in the right half by feature.

    Args:
      label: what the queries are, a key of LABELS.
      queries: uint8 [n, H, W, C], of which the `telling` ones are shown.
      found: {measure: Found of the queries in pool}.
      pool: uint8 [N, H, W, C].

    Returns:
      uint8 [height, width, 3], width even; small images are enlarged by a whole factor, under each neighbour stands its
      distance.
    """
    halves, chosen = [], telling(found)
    for name, f in found.items():
        rows = []
        for i in chosen:
            near = zip(f.rows[i], f.distances[i], strict=True)
            tiles = [
                _tile(queries[i], LABELS[label]),
                *(_tile(pool[row], f"{d:.3g}") for row, d in near),
            ]
            apart = np.full_like(tiles[0][:, : 3 * _GAP], _DARK)
            rows.append(np.concatenate([apart, tiles[0], apart, *tiles[1:], apart], 1))
        head = _written(rows[0].shape[1], 48, f"nearest training images by {MEASURES[name]}", 26)
        halves.append(np.concatenate([head, *rows, np.full_like(rows[0][:_GAP], _DARK)]))
    return np.concatenate(halves, 1)


def _tile(image, text):
    """An image uint8 [H, W, C] at about _TILE pixels, with a line of text under it and a margin around: uint8 [h, w, 3]."""
    image = np.asarray(image)[..., : 3 if image.shape[-1] >= 3 else 1]
    scale = max(1, round(_TILE / len(image)))
    image = np.broadcast_to(image, (*image.shape[:2], 3)).repeat(scale, 0).repeat(scale, 1)
    if len(image) > 1.5 * _TILE:
        image = np.asarray(Image.fromarray(image).resize((_TILE, _TILE), Image.Resampling.BOX))
    side = len(image)
    margin = _GAP // 2
    framed = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), constant_values=_DARK)
    return np.concatenate([framed, _written(side + 2 * margin, side // 4, text, side / 5.5)])


def _written(width, height, text, size):
    """A line of text in the middle of a dark strip: uint8 [height, width, 3]."""
    strip = Image.new("RGB", (width, height), (_DARK,) * 3)
    font = ImageFont.load_default(size)
    ImageDraw.Draw(strip).text((width / 2, height / 2), text, (_LIGHT,) * 3, font, anchor="mm")
    return np.asarray(strip)


def lines(record):
    """[queries and pool in words, {measure: the QUANTILES of the nearest distances}], a line each, of `study`'s record."""
    p, known = record["protocol"], record["pixel"]["distances"]
    train, held = (f"{p[f'pool_{name}']:,}" for name in ("training", "heldout"))
    words = {
        "generated_training": f"generated to {train} training",
        "heldout_training": f"held-out to {train} training",
        "training_training": "training to other training",
        "generated_some": f"generated to {held} training",
        "generated_heldout": f"generated to {held} held-out",
        "training_heldout": f"training to {held} held-out",
    }
    return [
        [words[pair], {name: record[name]["distances"][pair] for name in MEASURES}]
        for pair in words
        if pair in known
    ]


def protocol_line(record):
    """Counts, distances and shares behind the verdict, in words."""
    p = record["protocol"]
    heldout = f" and {p['n_heldout']} held-out" if p["n_heldout"] else ""
    closer, single = (
        " and ".join(
            f"{100 * record[name][what]:.1f} % by {word}" for name, word in MEASURES.items()
        )
        for what in ("closer", "single")
    )
    return (
        f"Nearest images of {p['n_generated']} generated, {p['n_training']} training (each left out by itself){heldout} "
        f"images, drawn by seed {p['seed']}. Pixels: root mean squared difference in grey levels, without turning the images; "
        f"features: distance in {p['n_features']} features of {p['net']}. Of the generated images, {closer} are closer to "
        f"training images than the closest {100 * SHARE:.0f} % of real images are; {single} also less "
        f"than half as far from the nearest as from the {ORDINAL} nearest, as copies are."
    )
