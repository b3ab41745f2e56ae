"""The digest of a data set: a hash of its content, which says whether a run may go on with it."""

import concurrent.futures
import hashlib
import json
import os

import numpy as np

_CHUNK_BYTES = 2**24


def content_digest(images: np.ndarray, labels: np.ndarray | None, classes: tuple[str, ...]) -> str:
    """Return 32 hex digits of SHA-256 over shape, pixels, labels and class names.

    Pixels are hashed in pieces of fixed size on all cores, and then the pieces' hashes. So a large
    memmap is never in memory as a whole.
    """
    rows = _rows_per_piece(images[:1].size)

    def hash_piece(start):
        piece = np.ascontiguousarray(images[start : start + rows]).ravel()
        return hashlib.sha256(piece.data).digest()

    with concurrent.futures.ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        pieces = list(pool.map(hash_piece, range(0, len(images), rows)))
    return _total(images.shape, pieces, labels, classes)


def with_values(digest: str, values: np.ndarray | None, quantities: tuple[str, ...]) -> str:
    """Return the digest of data whose images also have values; the same without any.

    Args:
      digest: see `content_digest`.
      values: float32 [N, A] or None.
      quantities: their names [A].
    """
    if values is None:
        return digest
    total = hashlib.sha256(json.dumps([digest, list(quantities)]).encode())
    total.update(np.ascontiguousarray(values, "<f4").data)
    return total.hexdigest()[:32]


class RunningDigest:
    """Computes `content_digest` of images that arrive one after another."""

    def __init__(self):
        self._shape, self._n, self._pieces, self._piece = None, 0, [], hashlib.sha256()

    def update(self, image: np.ndarray) -> None:
        """Add an image [H, W, C]; all are of one shape."""
        rows = _rows_per_piece(image.size)
        if self._n and self._n % rows == 0:
            self._pieces.append(self._piece.digest())
            self._piece = hashlib.sha256()
        self._shape, self._n = image.shape, self._n + 1
        self._piece.update(np.ascontiguousarray(image).ravel().data)

    def finish(self, labels: np.ndarray | None, classes: tuple[str, ...]) -> str:
        """Return the digest of all images; "" without any."""
        if self._shape is None:
            return ""
        pieces = [*self._pieces, self._piece.digest()]
        return _total((self._n, *self._shape), pieces, labels, classes)


def _rows_per_piece(image_size):
    return max(1, _CHUNK_BYTES // max(1, image_size))


def _total(shape, pieces, labels, classes):
    total = hashlib.sha256(json.dumps([list(shape), labels is not None, list(classes)]).encode())
    for digest in pieces:
        total.update(digest)
    if labels is not None:
        total.update(np.ascontiguousarray(labels, "<i4").data)
    return total.hexdigest()[:32]
