"""What every feature space gives: an Extractor, whose every output is checked."""

import hashlib
import os
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gan_jax import errors


class Extractor(NamedTuple):
    """What sees images for the metrics.

    name: of the net, with all that changes its features; numbers of two names must not be compared.
    accuracy: balanced accuracy on held-out images, in [0, 1]; None but for a trained classifier.
    confusion: float64 [K, K] on held-out images, rows are true classes and sum to 1 (a class with no held-out image has
      a row of the identity); None but for a trained classifier.
    classes: names of the data set's classes; () for a net whose classes are its own.
    apply: images uint8 [N, H, W, C], N >= 1 -> (features float32 [N, F], finite; probs float32 [N, K], rows sum to 1, or None
      for a net without classes). Those of a trained classifier are the probabilities of equally frequent classes.
    resize: how images are brought to the side of the net, in words.
    """

    name: str
    accuracy: float | None
    confusion: np.ndarray | None
    classes: tuple
    apply: Callable
    resize: str = "none"


def batched(embed, what, size, fill=False):
    """The `apply` of an Extractor, from a function of few images: memory stays bounded, and every output is checked.

    Args:
      embed: images uint8 [n, H, W, C] -> (features [n, F], probs [n, K] or None), whatever numpy can turn into arrays.
      what: the space, at the start of error messages.
      size: images per call.
      fill: whether black images fill up the last call, for functions that are compiled for one shape.

    Returns:
      Function that raises InputError where features or probabilities are not finite numbers, a row per image.
    """

    def apply(images):
        parts = []
        for start in range(0, len(images), size):
            batch = np.asarray(images[start : start + size])
            short = size - len(batch) if fill else 0
            out = embed(np.pad(batch, ((0, short), (0, 0), (0, 0), (0, 0))) if short else batch)
            parts.append(
                [
                    _rows(x, len(batch) + short, what)[: len(batch)] if x is not None else None
                    for x in out
                ]
            )
        features, probs = zip(*parts, strict=True)
        if len({part.shape[1] for part in features}) > 1:
            raise errors.InputError(
                f"{what} gives some images more features than others; give all equally many."
            )
        return np.concatenate(features), None if probs[0] is None else np.concatenate(probs)

    return apply


def _rows(x, n, what):
    """x as float32 [n, F]."""
    try:
        x = np.asarray(x, np.float32)
    except Exception as error:  # an array type of any library
        raise errors.InputError(
            f"{what} gives {type(x).__name__}, which is no array of numbers ({said(error)}); it must give [N, F]."
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


def probe(extractor, images):
    """Number of features, from a look at two images.

    Raises:
      InputError: as `apply`; or an image has other features beside another image, as in a BatchNorm's training mode.
    """
    pair, alone = (extractor.apply(images[:n])[0] for n in (2, 1))
    if not np.allclose(pair[:1], alone, rtol=1e-3, atol=1e-3 * np.abs(alone).max()):
        raise errors.InputError(
            f"Features of {extractor.name} change when an image is seen again beside another; use the net in evaluation mode."
        )
    return alone.shape[1]


def read(path, what):
    """(bytes of a file, the first 8 hex digits of their SHA-256).

    Raises:
      InputError: there is no such file, or it cannot be read.
    """
    try:
        data = pathlib.Path(os.path.expanduser(path)).read_bytes()
    except OSError as error:
        raise errors.InputError(
            f"{what}: {path} cannot be read ({error.strerror}); name an existing file."
        ) from error
    return data, hashlib.sha256(data).hexdigest()[:8]


def said(error):
    """An exception of other people's code, on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
