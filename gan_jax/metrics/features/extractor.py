"""Extractor: the common interface of all feature spaces. Every output is checked."""

import hashlib
import os
import pathlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from gan_jax import errors

# images uint8 [N, H, W, C], N >= 1 -> (features float32 [N, F], finite; probs float32 [N, K], rows
# sum to 1, or None for a net without classes)
Apply = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]


class Extractor(NamedTuple):
    """A feature space."""

    name: str  # of the net and everything that changes its features; different names do not compare
    # Balanced accuracy on held-out images, in [0, 1]; of a trained classifier alone.
    accuracy: float | None
    # float64 [K, K] on held-out images; of a trained classifier alone. Rows are true classes and
    # sum to 1; a class without held-out images has a row of the identity.
    confusion: np.ndarray | None
    # Names of the classes that have training images; () for a net with classes of its own.
    classes: tuple[str, ...]
    # Probabilities of a trained classifier are those of equally frequent classes.
    apply: Apply
    resize: str = "none"  # how images are resized for the net, in words
    labels: tuple[int, ...] = ()  # of `classes` in the data set; of a trained classifier alone
    # Recall of each class, None without held-out images; of a trained classifier alone.
    recall: tuple[float | None, ...] = ()

    def class_indices(self, labels: np.ndarray) -> np.ndarray:
        """Turn labels of the data set, int [N], into indices of `classes`, -1 for no such class."""
        index = {label: i for i, label in enumerate(self.labels)}
        return np.array([index.get(label, -1) for label in labels.tolist()], np.int64)


def batched_apply(
    embed: Callable[[np.ndarray], Iterable[Any]], what: str, size: int, fill: bool = False
) -> Apply:
    """Build the `apply` of an Extractor from a function of few images.

    Memory stays bounded, and every output is checked.

    Args:
      embed: images uint8 [n, H, W, C] -> (features [n, F], probs [n, K] or None), whatever numpy
        can convert to arrays.
      what: the space, at the start of error messages.
      size: images per call.
      fill: fill the last call with black images, for functions compiled for one shape.

    Returns:
      Function that raises InputError where features or probabilities are not finite numbers, one
      row per image.
    """

    def apply(images):
        batches = []
        for start in range(0, len(images), size):
            batch = np.asarray(images[start : start + size])
            n, n_fill = len(batch), size - len(batch) if fill else 0
            if n_fill:
                batch = np.pad(batch, ((0, n_fill), (0, 0), (0, 0), (0, 0)))
            outputs = embed(batch)
            batches.append([x if x is None else _checked(x, n + n_fill, what)[:n] for x in outputs])
        features, probs = zip(*batches, strict=True)
        if len({rows.shape[1] for rows in features}) > 1:
            raise errors.InputError(
                f"{what} gives some images more features than others; give all equally many."
            )
        return np.concatenate(features), None if probs[0] is None else np.concatenate(probs)

    return apply


def _checked(x, n, what):
    """Return x as float32 [n, F]; refuse anything else."""
    try:
        x = np.asarray(x, np.float32)
    except Exception as error:  # an array type of any library
        raise errors.InputError(
            f"{what} gives {type(x).__name__}, which is no array of numbers "
            f"({error_text(error)}); it must give [N, F]."
        ) from error
    if x.ndim != 2 or len(x) != n or not x.shape[1]:
        raise errors.InputError(
            f"{what} gives {list(x.shape)} for {n} images; it must give [{n}, F]."
        )
    if not np.isfinite(x).all():
        row = int(np.argmin(np.isfinite(x).all(1)))
        raise errors.InputError(
            f"{what} gives infinite or undefined values (image {row} of {n}); check net and images."
        )
    return x


def probe_features(extractor: Extractor, images: np.ndarray) -> int:
    """Return the number of features, from two images.

    Raises:
      InputError: as Extractor.apply; or the features of an image change beside another image, as in
        a BatchNorm's training mode.
    """
    pair, alone = (extractor.apply(images[:n])[0] for n in (2, 1))
    if not np.allclose(pair[:1], alone, rtol=1e-3, atol=1e-3 * np.abs(alone).max()):
        raise errors.InputError(
            f"Features of {extractor.name} change when an image is seen again beside another; "
            "use the net in evaluation mode."
        )
    return alone.shape[1]


def read_file(path: str, what: str) -> tuple[bytes, str]:
    """Read a file. Returns its bytes and the first 8 hex digits of their SHA-256.

    Raises:
      InputError: the file is missing or cannot be read.
    """
    try:
        data = pathlib.Path(os.path.expanduser(path)).read_bytes()
    except OSError as error:
        raise errors.InputError(
            f"{what}: {path} cannot be read ({error.strerror}); name an existing file."
        ) from error
    return data, hashlib.sha256(data).hexdigest()[:8]


def error_text(error: Exception) -> str:
    """Format an exception of another library on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
