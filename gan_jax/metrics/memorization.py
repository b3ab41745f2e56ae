"""Memorization: does the generator copy training images?

The nearest training images of generated images are searched by two distances: by pixel, the root
mean squared difference in grey levels (0 to 255); by feature, the Euclidean distance in the feature
space of the metrics. Images are compared in their own orientation, galaxies too: training turns no
images, so a copy has the orientation of its original. A turned copy would be missed, by feature as
well.

Some training image is always near; the question is whether other real images are as near. Therefore
training images (each without itself) and held-out images are searched for too, and exact tests
compare the results:

  identical  a generated image has the very pixels of a training image. That is copying, however few
             there are, unless real images repeat each other, too.
  closer   generated images are closer to the training set than the closest 1 % of real images.
           Smooth images are, too: they lack the noise in which real images differ. Alone it is no
           sign of copying.
  single   in addition, they are less than half as far from the nearest image as from the fifth
           nearest: each matches a single training image. Smooth images are near several. This
           detects a few copies among many images.
  heldout  the nearest of all real images is a held-out one, less often than for training images.
           For a generator that copies nothing, held-out and training images are alike. This detects
           a slight pull of all images towards the training set.

The tests of `closer`, `single` and `heldout` count every real image once, even if many queries have
it as nearest: a collapsed generator repeats itself, which is another fault than copying. Where it
leaves so few that no outcome of the test would be significant, the search cannot tell.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from gan_jax import errors
from gan_jax.data.types import Dataset
from gan_jax.metrics import exact_tests
from gan_jax.metrics.content_order import sort_rows
from gan_jax.metrics.metric import Score
from gan_jax.metrics.nearest_neighbours import Neighbours, distance_ratio, find_nearest
from gan_jax.metrics.neighbour_pictures import draw_neighbours

if TYPE_CHECKING:  # the words of a record need no feature space, and no JAX
    from gan_jax.metrics.features import Extractor

K, ORDINAL = 5, "fifth"  # neighbours that are searched and shown
N_HELDOUT = 10_000  # held-out images that are searched, at most
MIN_QUERIES = 16  # with fewer, chance explains almost anything
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
CLOSE_SHARE = 0.01  # share of the real images that counts as unusually close
SINGLE_RATIO = 0.5  # `distance_ratio` below which an image matches a single one
ALARM_P = 0.001  # p-value below which a difference is not chance
DISTANCES = {"pixel": "pixels", "feature": "features"}
LABELS = {"generated": "generated", "training": "training", "heldout": "held-out"}
# Files in the run folder: neighbours of generated images, and of real ones.
PICTURE_FILES = ("neighbours.png", "neighbours_real.png")
SCORES = {
    "copied": Score(
        "copies",
        "low",
        "Share of the generated images that match one single training image, by pixels or by "
        "features, as copies do, or are identical to one; at the left the same share of real "
        "images.",
        least=0,
        most=1,
    )
}

# By "QUERIES_POOL": "generated_training", "training_training" and, where there are held-out images,
# "heldout_training", "generated_some" (as many training images as there are held-out ones),
# "generated_heldout" and "training_heldout".
Searches = dict[str, Neighbours]


def check_queries(n: int, flag: str) -> None:
    """Refuse too few queries, before anything expensive.

    Args:
      n: number of queries; 0 for no search.
      flag: the flag that sets n, for the message.

    Raises:
      InputError: 0 < n < MIN_QUERIES.
    """
    if 0 < n < MIN_QUERIES:
        raise errors.InputError(
            f"--{flag}={n} is too few to tell copies from chance; use 0 for none, or "
            f"{MIN_QUERIES} or more."
        )


def detect_copies(
    extractor: "Extractor",
    real: Dataset,
    heldout: Dataset | None,
    generated: np.ndarray,
    seed: int,
    show: str = "",
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Search the nearest training images of generated and of real images, and compare.

    Args:
      extractor: the feature space.
      real: training images, all of which are searched.
      heldout: images of the test split, or None; at most N_HELDOUT, and no more than `real` has.
      generated: uint8 [n, H, W, C]; as many training and held-out images are queries, too.
      seed: seed of every choice.
      show: channels that pictures show, see images.parse_bands.

    Returns:
      (finite dict: "protocol" with all counts, "pixel", "feature" as `compare_distances`, and
      "copying", "verdict" as `copying_verdict`; {file of PICTURE_FILES: uint8 [H, W, 3]}).
    """
    rng, n = np.random.default_rng(seed), len(generated)
    training, order = real.images, sort_rows(real.images)
    own = rng.permutation(order)[:n]
    held, heldout_rows, subset = None, np.arange(0), np.arange(0)
    if heldout is not None:
        n_held = min(N_HELDOUT, len(training))
        held = heldout.images[rng.permutation(sort_rows(heldout.images))[:n_held]]
        heldout_rows = rng.permutation(len(held))[:n]
        subset = np.sort(rng.permutation(order)[: len(held)])
    sets = (generated, training, held)
    embedded = [None if x is None else extractor.apply(x)[0] for x in sets]
    searches = {
        name: _search(*views, own, heldout_rows, subset)
        for name, views in (("pixel", sets), ("feature", embedded))
    }
    comparisons = {name: compare_distances(search) for name, search in searches.items()}
    copying, verdict = copying_verdict(comparisons)
    record = {
        "protocol": {
            "n_generated": n,
            "n_training": len(own),
            "n_heldout": len(heldout_rows),
            "pool_training": len(training),
            "pool_heldout": len(subset),
            "seed": seed,
            "net": extractor.name,
            "n_features": int(embedded[0].shape[1]),
        },
        **comparisons,
        "copying": copying,
        "verdict": verdict,
    }
    drawn, pictures = {"generated": generated}, {}
    drawn |= {"training": training[own]} if held is None else {"heldout": held[heldout_rows]}
    for file, (name, queries) in zip(PICTURE_FILES, drawn.items(), strict=True):
        neighbours = {
            DISTANCES[distance]: search[f"{name}_training"] for distance, search in searches.items()
        }
        pictures[file] = draw_neighbours(LABELS[name], queries, neighbours, training, show)
    return record, pictures


def _search(generated, training, heldout, own, heldout_rows, subset) -> Searches:
    """Make all searches by one distance, in images or features.

    Args:
      generated: queries [n, ...].
      training: pool [N, ...].
      heldout: pool [M, ...], or None.
      own: rows of `training` that are queries, too.
      heldout_rows: rows of `heldout` that are queries, too.
      subset: M rows of `training`.
    """
    queries = {"generated": generated, "training": training[own]}
    if heldout is not None:
        queries["heldout"] = heldout[heldout_rows]
    # All queries in one search, for one pass over the pool.
    left_out = [own if name == "training" else np.full(len(q), -1) for name, q in queries.items()]
    nearest = find_nearest(
        np.concatenate([*queries.values()]), training, K, own=np.concatenate(left_out)
    )
    cuts = np.cumsum([len(q) for q in queries.values()])[:-1]
    parts = zip(np.split(nearest.rows, cuts), np.split(nearest.distances, cuts), strict=True)
    out = {f"{name}_training": Neighbours(*part) for name, part in zip(queries, parts, strict=True)}
    if heldout is not None:
        out["generated_some"] = find_nearest(generated, training, 1, rows=subset)
        for name in ("generated", "training"):
            out[f"{name}_heldout"] = find_nearest(queries[name], heldout, 1)
    return out


def compare_distances(searches: Searches) -> dict[str, Any]:
    """Compare the distances of generated and of real images.

    Returns:
      JSON-able dict:
        "distances": {key of Searches: QUANTILES of the nearest distances}.
        "closer", "single", "identical": shares of the generated images; "single_real",
        "identical_real": of the real ones.
        "distinct": number of training images that are nearest to a generated one; "conclusive":
        whether they are enough for a significant outcome.
        With held-out images "heldout", "heldout_real": shares of the generated and of the training
        images whose nearest real image is a held-out one; "nearer_training": share of the generated
        images nearer to one of as many training images than to any held-out one, ties half.
        For each test NAME_p, its p-value.
    """
    model = searches["generated_training"]
    real = _join([searches[n] for n in ("training_training", "heldout_training") if n in searches])
    identical, identical_real = (nearest.distances[:, 0] == 0 for nearest in (model, real))
    real = _without_duplicates(real)
    n_close = math.ceil(CLOSE_SHARE * len(real.distances))
    limit = np.sort(real.distances[:, 0])[n_close - 1]
    closer, closer_real = (nearest.distances[:, 0] <= limit for nearest in (model, real))
    single = closer & (distance_ratio(model) < SINGLE_RATIO)
    single_real = closer_real & (distance_ratio(real) < SINGLE_RATIO)
    once, once_real = _one_query_each(model), _one_query_each(real)
    out = {
        "distances": {
            name: np.quantile(nearest.distances[:, 0], QUANTILES).tolist()
            for name, nearest in searches.items()
        },
        "identical": float(identical.mean()),
        "identical_real": float(identical_real.mean()),
        "identical_p": exact_tests.fisher_exact_p(identical, identical_real),
        "distinct": len(once),
        "conclusive": _can_alarm(len(once), single_real[once_real]),
        "closer": float(closer.mean()),
        "closer_p": exact_tests.fisher_exact_p(closer[once], closer_real[once_real]),
        "single": float(single.mean()),
        "single_real": float(single_real.mean()),
        "single_p": exact_tests.fisher_exact_p(single[once], single_real[once_real]),
    }
    if "generated_heldout" in searches:
        is_heldout, share = _nearest_is_heldout(searches, "generated")
        is_heldout_real, share_real = _nearest_is_heldout(searches, "training")
        some, held = (searches[f"generated_{of}"].distances[:, 0] for of in ("some", "heldout"))
        out["nearer_training"] = float((np.sign(held - some).mean() + 1) / 2)
        out["heldout"] = share
        out["heldout_real"] = share_real
        out["heldout_p"] = exact_tests.fisher_exact_p(~is_heldout, ~is_heldout_real)
        out["conclusive"] |= _can_alarm(len(is_heldout), ~is_heldout_real)
    return out


def _can_alarm(n, real):
    """Say whether n generated images against real ones, bool [m], can be significant at all."""
    return exact_tests.fisher_exact_p(np.ones(n, bool), real) < ALARM_P


def _join(neighbours):
    """Join the queries of several searches."""
    return Neighbours(*(np.concatenate(arrays) for arrays in zip(*neighbours, strict=True)))


def _without_duplicates(neighbours):
    """Drop queries that occur in the pool: they say nothing about the distances of other images."""
    keep = neighbours.distances[:, 0] > 0
    if not keep.any():
        return neighbours
    return Neighbours(neighbours.rows[keep], neighbours.distances[keep])


def _one_query_each(neighbours):
    """Return the first query of each real image that is nearest to any: int64 rows."""
    return np.unique(neighbours.rows[:, 0], return_index=True)[1]


def _nearest_is_heldout(searches, name):
    """Say which real images nearest to the queries are held-out, each image once.

    Returns:
      (bool [number of these images], the share of queries whose nearest image is held-out).
    """
    train, held = searches[f"{name}_training"], searches[f"{name}_heldout"]
    is_heldout = held.distances[:, 0] < train.distances[:, 0]
    n_train = len(np.unique(train.rows[~is_heldout, 0]))
    n_held = len(np.unique(held.rows[is_heldout, 0]))
    return np.repeat([False, True], [n_train, n_held]), float(is_heldout.mean())


def copying_verdict(comparisons: dict[str, dict]) -> tuple[bool | None, str]:
    """Decide whether there are signs of copying, and say why.

    Args:
      comparisons: {key of DISTANCES: as `compare_distances`}.

    Returns:
      (whether there are, None where the search cannot tell; a sentence or two).
    """
    signs, close = _identical_sign(comparisons["pixel"]), []
    for name, c in comparisons.items():
        words = DISTANCES[name]
        if c["single_p"] < ALARM_P:
            signs.append(
                f"{100 * c['single']:.1f} % of the generated images lie unusually close to a "
                f"single training image by {words} ({100 * c['single_real']:.1f} % of real "
                "images do)"
            )
        if c.get("heldout_p", 1) < ALARM_P:
            signs.append(
                f"for {100 * c['heldout']:.1f} % of the generated images a held-out image is "
                f"nearer than any training image by {words} (for {100 * c['heldout_real']:.1f} % "
                "of training images)"
            )
        if c["closer_p"] < ALARM_P:
            close.append(f"{100 * c['closer']:.0f} % by {words}")
    if signs:
        return True, f"Signs of copying: {'; '.join(signs)}."
    blind = [name for name, c in comparisons.items() if not c["conclusive"]]
    if len(blind) == len(comparisons):
        counts = " and ".join(f"{c['distinct']} by {DISTANCES[n]}" for n, c in comparisons.items())
        single = max(c["single"] for c in comparisons.values())
        return None, (
            "Whether images are copied cannot be told: the generated images are so much alike that "
            f"few training images are nearest to any of them ({counts}), too few for a test. "
            f"{100 * single:.0f} % of the generated images match a single training image, as "
            "copies do: look at the pictures."
        )
    unsure = (
        f" By {DISTANCES[blind[0]]} this cannot be told: they are too much alike." if blind else ""
    )
    if close:
        return False, (
            f"No sign of copying. Many generated images ({', '.join(close)}) are closer to "
            f"training images than the closest {100 * CLOSE_SHARE:.0f} % of real images are, but "
            f"to several at once, as smooth or plain pictures are.{unsure}"
        )
    return (
        False,
        "No sign of copying: generated images are no closer to training images than other real "
        f"images are.{unsure}",
    )


def _identical_sign(by_pixel):
    """Say that generated images have the pixels of training images, if that is a sign of copying.

    Returns:
      a list of at most one sign, see `copying_verdict`.
    """
    share, share_real = by_pixel["identical"], by_pixel["identical_real"]
    if not share or (share_real and by_pixel["identical_p"] >= ALARM_P):
        return []
    return [
        f"{100 * share:.1f} % of the generated images are identical to a training image "
        f"({100 * share_real:.1f} % of real images are to another)"
    ]


def row_scores(record: dict) -> tuple[dict[str, float], dict[str, float]]:
    """Return SCORES of the generated images and of real ones, by the worse distance.

    Args:
      record: of `detect_copies`.
    """
    generated, real = (
        {"copied": max(record[name].get(key, 0.0) for name in DISTANCES for key in keys)}
        for keys in (("single", "identical"), ("single_real", "identical_real"))
    )
    return generated, real


def tables(record: dict) -> list[list[list[str]]]:
    """Format the searches of a record of `detect_copies`, a table for each of DISTANCES."""
    p = record["protocol"]
    train, held = (f"{p[f'pool_{name}']:,}" for name in ("training", "heldout"))
    searches = {
        "generated_training": f"generated to {train} training",
        "heldout_training": f"held-out to {train} training",
        "training_training": "training to other training",
        "generated_some": f"generated to {held} training",
        "generated_heldout": f"generated to {held} held-out",
        "training_heldout": f"training to {held} held-out",
    }
    if p["pool_training"] == p["pool_heldout"]:  # then it is the first search again
        del searches["generated_some"]
    by_distance = []
    for name, word in DISTANCES.items():
        distances = record[name]["distances"]
        rows = [[f"nearest by {word}, quantile", *(f"{100 * q:.0f} %" for q in QUANTILES)]]
        for key, text in searches.items():
            if key in distances:
                rows.append([text, *(f"{value:.3g}" for value in distances[key])])
        by_distance.append(rows)
    return by_distance


def protocol_text(record: dict) -> str:
    """Say how the distances were measured, and the shares behind the verdict."""
    p = record["protocol"]
    heldout = f" and {p['n_heldout']} held-out" if p["n_heldout"] else ""
    closer, single = (
        " and ".join(
            f"{100 * record[name][key]:.1f} % by {words}" for name, words in DISTANCES.items()
        )
        for key in ("closer", "single")
    )
    return (
        f"Nearest images of {p['n_generated']} generated, {p['n_training']} training (each left "
        f"out by itself){heldout} images, drawn by seed {p['seed']}. Pixels: root mean squared "
        "difference in grey levels, without turning the images; features: distance in "
        f"{p['n_features']} features of {p['net']}. Of the generated images, {closer} are closer "
        f"to training images than the closest {100 * CLOSE_SHARE:.0f} % of real images are; "
        f"{single} also less than half as far from the nearest as from the {ORDINAL} nearest, as "
        "copies are."
    )
