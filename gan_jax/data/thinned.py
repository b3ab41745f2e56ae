"""Other data in which one class is made rare: `--data=thin:CLASS/N/SEED:DATA`.

N images of the class are left in the training split, drawn by SEED, and all images of the other
classes. It serves to measure what a method does for a rare class where the truth is known.
"""

import numpy as np

from gan_jax.data import datasets
from gan_jax.data.types import DataOptions, OpenedArrays
from gan_jax.errors import InputError

_FORM = "thin:CLASS/N/SEED:DATA, such as thin:spiral/20/0:galaxies"


def thinned_rows(labels: np.ndarray, c: int, n: int, seed: int) -> np.ndarray:
    """Choose the rows that are left.

    Args:
      labels: int [N], -1 where unknown.
      c: the class that is made rare.
      n: images of it that are left; of a smaller n with the same seed they are a part.
      seed: of their choice, at least 0.

    Returns:
      int64 rows, ascending.
    """
    own = np.flatnonzero(labels == c)
    order = np.random.Generator(np.random.Philox(key=seed)).permutation(len(own))
    return np.sort(np.concatenate([np.flatnonzero(labels != c), own[order[:n]]]))


def load(arg: str, options: DataOptions, split: str = "train") -> OpenedArrays | None:
    """Open other data with fewer images of one class; the test split stays whole.

    Args:
      arg: "CLASS/N/SEED:DATA", where CLASS is a name or a number and DATA any other spec.
      options, split: see datasets.load.

    Returns:
      OpenedArrays with [N, H, W, C] and labels int32 [N]; None if there are no test images. The
      stretch is that of the whole.

    Raises:
      InputError: the spec makes no sense, or the data have no such class or too few images of it.
    """
    name, n, seed, inner = _parse(arg)
    whole = datasets.load(inner, options, split)
    if whole is None:
        return None
    if split == "test":
        return whole.part()
    if whole.labels is None or not whole.classes:
        raise InputError(f"--data=thin:{arg}: {inner} has no classes; use data with labels.")
    numbers = {str(i): i for i in range(len(whole.classes))}
    numbers |= {text: i for i, text in enumerate(whole.classes)}
    if name not in numbers:
        raise InputError(
            f"--data=thin:{arg}: {inner} has no class {name}, but {', '.join(whole.classes[:12])}; "
            f"use --data=thin:{whole.classes[0]}/1/{seed}:{inner}."
        )
    n_own = int((whole.labels == numbers[name]).sum())
    if not 1 <= n <= n_own:
        most = f"use --data=thin:{name}/{n_own}/{seed}:{inner}" if n_own else "use another class"
        raise InputError(
            f"--data=thin:{arg}: {inner} has {n_own:,} images of class {name}; {most}."
        )
    rows = thinned_rows(whole.labels, numbers[name], n, seed)
    return whole.part(rows)


def _parse(arg):
    """Return (class, images of it, seed, the spec behind them)."""
    words, _, inner = arg.partition(":")
    name, *numbers = words.rsplit("/", 2)
    try:
        n, seed = (int(number) for number in numbers)
    except ValueError:
        raise InputError(f"--data=thin:{arg} cannot be read; write it as {_FORM}.") from None
    if not (name and n >= 1 and 0 <= seed < 2**63 and inner):
        raise InputError(f"--data=thin:{arg} leaves no image of a class; write it as {_FORM}.")
    return name, n, seed, inner
