"""One of V disjoint parts of another data set: `--data=shard:I/V/SEED:DATA`.

A shard is what one node of a cluster sees when the data are dealt out (S0, Mirabedini et al. 2020).
It is a data source like any other, so a run that was trained on a shard is an ordinary run.
"""

import numpy as np

from gan_jax.data import datasets
from gan_jax.data.types import DataOptions, OpenedArrays
from gan_jax.errors import InputError, counted

_FORM = (
    "shard:I/V/SEED:DATA, part I (1 to V) of V, dealt by SEED, such as shard:1/3/0:idx:data/mnist"
)


def shard_rows(labels: np.ndarray, n_shards: int, seed: int) -> np.ndarray:
    """Deal rows out in equal parts, every class evenly.

    Within each class, and among rows without a label, the order is random. Then the classes are
    dealt round, one after another, so the class counts of two shards differ by one at most. Where
    the rows cannot be divided, the last ones of the largest class number, fewer than `n_shards`,
    are dealt to nobody.

    Args:
      labels: int [N], -1 where unknown.
      n_shards: number of parts, at least 1.
      seed: seed of the order, at least 0.

    Returns:
      int64 [n_shards, N // n_shards], row numbers, ascending within each shard and all different.
    """
    n = len(labels)
    order = np.random.Generator(np.random.Philox(key=seed)).permutation(n)
    order = order[np.argsort(labels[order], kind="stable")]
    return np.sort(order[: n - n % n_shards].reshape(-1, n_shards).T, axis=1)


def load(arg: str, options: DataOptions, split: str = "train") -> OpenedArrays | None:
    """Open one shard of the training split; the test split is not divided.

    Args:
      arg: "I/V/SEED:DATA", where DATA is any other spec of images.
      options, split: see datasets.load.

    Returns:
      OpenedArrays with [N // V, H, W, C] and labels int32 [N // V] or None; None if there are no
      test images. The stretch is that of the whole.

    Raises:
      InputError: the spec makes no sense, there are too few images, or the data are points.
    """
    shard, n_shards, seed, inner = _parse(arg)
    whole = datasets.load(inner, options, split)
    if whole is None:
        return None
    if split == "test":
        return whole.part()
    if whole.points:
        raise InputError(
            f"--data=shard:{arg}: {inner} are points, of which there are no shards; use images."
        )
    if len(whole.images) < n_shards:
        raise InputError(
            f"--data=shard:{arg}: {inner} has {counted(len(whole.images), 'image')}, "
            f"too few for {n_shards} shards."
        )
    labels = np.full(len(whole.images), -1) if whole.labels is None else whole.labels
    rows = shard_rows(labels, n_shards, seed)[shard - 1]
    return whole.part(rows)


def _parse(arg):
    """Return (shard from 1 on, number of shards, seed, the spec behind them)."""
    numbers, _, inner = arg.partition(":")
    try:
        shard, n_shards, seed = (int(number) for number in numbers.split("/"))
    except ValueError:
        raise InputError(f"--data=shard:{arg} cannot be read; write it as {_FORM}.") from None
    if not (1 <= shard <= n_shards and 0 <= seed < 2**63 and inner):
        raise InputError(f"--data=shard:{arg} names no part of any data; write it as {_FORM}.")
    return shard, n_shards, seed, inner
