"""Training sets of several sizes out of one source, and the real images that scores are against."""

import hashlib
from typing import Any

import numpy as np

from gan_jax import images
from gan_jax.data import datasets
from gan_jax.data.types import DataOptions, Dataset
from gan_jax.errors import InputError, counted

ALL = "all"  # in --counts: the whole training split
RENDERED = "galaxies"  # the source that makes as many images as it is asked for


def parse_counts(text: str) -> list[int | None]:
    """Parse --counts: numbers of images, each once and ascending; None for all, last.

    Raises:
      InputError: it cannot be read, or is empty.
    """
    words = {word.strip() for word in text.split(",") if word.strip()}
    numbers = [word for word in words if word != ALL]
    if not words or not all(w.isascii() and w.isdigit() and int(w) for w in numbers):
        raise InputError(
            f"--counts={text} cannot be read; use numbers of images, as in --counts=100,500, "
            f"or {ALL}."
        )
    return [*sorted({int(word) for word in numbers}), *([None] if ALL in words else [])]


def spec_of(data: str, count: int | None, n: int) -> str:
    """Return the --data of a training set of about `count` images.

    Of the embedded galaxies it is exactly the first `count`. Other data are cut into equal parts,
    so that the set has up to twice as many.

    Args:
      data: --data of all images.
      count: images of the set; None for all.
      n: images of the training split.

    Raises:
      InputError: there are fewer images.
    """
    if count is None or count == n:
        return data
    if count > n:
        raise InputError(
            f"--counts asks for {count:,} images, and --data={data} has {n:,}; "
            f"use fewer, or --counts={ALL}."
        )
    if datasets.split_spec(data)[0] == RENDERED:
        return f"{RENDERED}:{count}"
    return f"shard:1/{n // count}/0:{data}" if n // count > 1 else data


def open_sets(
    data: str, counts: list[int | None], source: Dataset, options: DataOptions
) -> dict[int, Dataset]:
    """Open the training sets: {number of images: Dataset}, ascending.

    Args:
      data: --data of all images.
      counts: see `parse_counts`.
      source: its training split.
      options: how it is read.

    Raises:
      InputError: there are fewer images, or two sets would be the same.
    """
    sets = {}
    for count in counts:
        spec = spec_of(data, count, len(source.images))
        one = source if spec == data else datasets.load(spec, options)
        if len(one.images) in sets:
            raise InputError(
                f"--counts: {count or ALL} and a smaller one are both the {len(one.images):,} "
                f"images of {spec}; leave one of them out."
            )
        sets[len(one.images)] = one
    return dict(sorted(sets.items()))


def choose_pool(source: Dataset, sets: dict[int, Dataset], n: int) -> tuple[str, Dataset]:
    """Choose the real images that scores compare with.

    They are the images of the source that no run trains on; or all of them, where those are fewer
    than n.

    Args:
      source: the training split of the source.
      sets: see `open_sets`.
      n: images that are scored.

    Returns:
      (what they are in words, their Dataset).
    """
    trained_on = {digest for one in sets.values() for digest in _digests(one.images)}
    rows = np.array([i for i, d in enumerate(_digests(source.images)) if d not in trained_on], int)
    if len(rows) < n:
        return "of which some are training images", source
    labels = None if source.labels is None else source.labels[rows]
    pool = source._replace(images=images.take_rows(source.images, rows), labels=labels)
    return "none of which is a training image", pool


def counts(results: dict[str, Any]) -> list[str]:
    """List the numbers of images, as they are keys of results["rows"], ascending."""
    return sorted(results["rows"], key=int)


def images_text(count: str) -> str:
    """Return "1,000 images"."""
    return counted(int(count), "image")


def known_scores(results: dict[str, Any], scores: dict[str, Any]) -> list[str]:
    """List the keys of scores that the data have; without classes there is no balance."""
    return [key for key in scores if key != "total_variation" or results["classes"]]


def _digests(array):
    """Return a digest of each image uint8 [N, H, W, C]."""
    return [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in array]
