"""One of V disjoint parts of another data set: `--data=shard:I/V/SEED:DATA`.

What a node of a cluster sees when the data are dealt out (S0). Since a shard is a source like any other, a run that was trained
on one is an ordinary run.
"""

import numpy as np

from gan_jax import errors
from gan_jax.data import datasets

_FORM = (
    "shard:I/V/SEED:DATA, part I (1 to V) of V, dealt by SEED, such as shard:1/3/0:idx:data/mnist"
)


def rows(labels, n_shards, seed):
    """Deals rows out in equal parts, every class evenly.

    Within each class, and among rows without a label, the order is drawn; then the classes are dealt round, one after another.
    So class counts of two shards differ by one at most. Where the rows cannot be divided, the last ones of the largest class
    number, fewer than `n_shards`, are dealt to nobody.

    Args:
      labels: int [N], -1 where unknown.
      n_shards: parts, from 1 on. seed: >= 0.

    Returns:
      int64 [n_shards, N // n_shards], row numbers, ascending within each shard and all different.
    """
    n = len(labels)
    dealt = np.random.Generator(np.random.Philox(key=seed)).permutation(n)
    dealt = dealt[np.argsort(labels[dealt], kind="stable")]
    return np.sort(dealt[: n - n % n_shards].reshape(-1, n_shards).T, axis=1)


def load(arg, view, split="train"):
    """Opens one shard of the training split; the test split is that of the whole data set.

    Args:
      arg: "I/V/SEED:DATA", DATA being any other spec of images.
      view, split: as in `datasets.load`.

    Returns:
      (images uint8 [N // V, H, W, C], labels int32 [N // V] or None, class names); None if there are no test images.

    Raises:
      InputError: the spec makes no sense, there are too few images, or the data are points.
    """
    part, n_shards, seed, inner = _read(arg)
    whole = datasets.load(inner, view, split)
    if whole is None or split == "test":
        return whole and (whole.images, whole.labels, whole.classes)
    if whole.points:
        raise errors.InputError(
            f"--data=shard:{arg}: {inner} are points, of which there are no shards; use images."
        )
    if len(whole.images) < n_shards:
        raise errors.InputError(
            f"--data=shard:{arg}: {inner} has {len(whole.images)} images, too few for {n_shards} shards."
        )
    labels = np.full(len(whole.images), -1) if whole.labels is None else whole.labels
    taken = rows(labels, n_shards, seed)[part - 1]
    return whole.images[taken], None if whole.labels is None else whole.labels[taken], whole.classes


def _read(arg):
    """(part, number of shards, seed, the spec behind them)."""
    words, _, inner = arg.partition(":")
    try:
        part, n_shards, seed = (int(word) for word in words.split("/"))
    except ValueError:
        raise errors.InputError(
            f"--data=shard:{arg} cannot be read; write it as {_FORM}."
        ) from None
    if not (1 <= part <= n_shards and 0 <= seed < 2**63 and inner):
        raise errors.InputError(
            f"--data=shard:{arg} names no part of any data; write it as {_FORM}."
        )
    return part, n_shards, seed, inner
