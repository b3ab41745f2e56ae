"""An order of images by their pixels, so that draws do not depend on the order of files."""

import concurrent.futures
import hashlib
import os

import numpy as np

_PIECE_BYTES = 2**22  # of the images that one task hashes


def sort_rows(images: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Sort rows by a hash of their images.

    Args:
      images: array or read-only memmap [N, ...].
      rows: int [n], the rows to sort; None for all.

    Returns:
      int64 [n]. The same images come in the same order, in whatever order they are in `images`.
    """
    rows = np.arange(len(images)) if rows is None else np.sort(rows)
    return rows[np.argsort(_hashes(images, rows), kind="stable")]


def shuffled_rows(images: np.ndarray, seed: int) -> np.ndarray:
    """Shuffle rows: int64 [N]; images [N, ...] in that order do not depend on their own."""
    return np.random.default_rng(seed).permutation(sort_rows(images))


def _hashes(images, rows):
    """Hash the images of ascending rows: uint64 [n]."""
    step = max(1, _PIECE_BYTES // max(1, images[:1].nbytes))

    def hash_piece(start):
        piece = np.ascontiguousarray(images[rows[start : start + step]])
        return b"".join(hashlib.blake2b(image.data, digest_size=8).digest() for image in piece)

    with concurrent.futures.ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        pieces = pool.map(hash_piece, range(0, len(rows), step))
        return np.frombuffer(b"".join(pieces), "<u8")
