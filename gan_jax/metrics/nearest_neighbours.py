"""Nearest neighbours of images or features, by brute force in blocks of bounded memory."""

import math
from typing import NamedTuple

import numpy as np

_BLOCK_FLOATS = 2**23  # of a block of distances or images
# Values of an image per product: 128^2 times this is 2^24, and integers up to there are exact in
# float32, in any order of summation.
_EXACT_VALUES = 1024
_GROUP = 16  # neighbouring entries of a row of distances, a power of two; see _smallest


class Neighbours(NamedTuple):
    """The nearest of a pool for each of n queries, nearest first."""

    rows: np.ndarray  # int64 [n, k], rows of the pool
    distances: np.ndarray  # float64 [n, k]


def find_nearest(
    queries: np.ndarray,
    pool: np.ndarray,
    k: int,
    rows: np.ndarray | None = None,
    own: np.ndarray | None = None,
) -> Neighbours:
    """Find the k nearest of a pool; equal distances in the order of the pool.

    Args:
      queries: images uint8 [n, ...], or features float [n, F].
      pool: the same kind, [N, ...]; may be a read-only memmap.
      k: neighbours of each query.
      rows: int [M], ascending, the rows of the pool to search; None for all.
      own: int [n], a row of the pool that each query must not find (itself), or -1.

    Returns:
      Neighbours, with fewer columns if the pool is too small. Distances of images are the root mean
      squared difference in grey levels, exact. Distances of features are Euclidean, and 0 for
      copies; which features are nearest is decided up to the error of `squared_distances`, about
      the mean of the queries.
    """
    rows = np.arange(len(pool)) if rows is None else np.asarray(rows)
    center = 128 if pool.dtype == np.uint8 else np.mean(queries, 0, np.float64)
    a, line = _centered(queries, center), np.arange(len(queries))[:, None]
    k = min(k, len(rows) - (own is not None))
    best = Neighbours(np.full((len(a), k), -1), np.full((len(a), k), np.inf))
    step = max(1, _BLOCK_FLOATS // max(a.shape))
    for block in np.split(rows, range(step, len(rows), step)):
        squares = squared_distances(a, _centered(pool[block], center))
        if own is not None:
            places = np.searchsorted(block, own)
            here = block[np.minimum(places, len(block) - 1)] == own
            squares[here, places[here]] = np.inf
        columns, smallest = _smallest(squares, min(k, len(block)))
        candidates = np.concatenate([best.rows, block[columns]], 1)
        columns, smallest = _smallest(np.concatenate([best.distances, smallest], 1), k)
        best = Neighbours(candidates[line, columns], smallest)
    if pool.dtype != np.uint8:
        return _measure_again(queries, pool, best.rows)
    return Neighbours(best.rows, np.sqrt(best.distances / math.prod(pool.shape[1:])))


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compute squared distances from matrix products.

    Args:
      a: float32 [n, D], images minus 128; or float64 [n, F], features, which should be about 0.
      b: the same kind, [m, ...].

    Returns:
      float64 [n, m]. Exact for images. For features the error is at most 1.5 (F + 2) machine
      epsilons times |a|^2 + |b|^2, and can make them negative.
    """
    if a.dtype != np.float32:
        left, right = (
            np.hstack([x, np.einsum("nf,nf->n", x, x)[:, None], np.ones((len(x), 1))])
            for x in (a, b)
        )
        left[:, :-2] *= -2
        return left @ right[:, [*range(a.shape[1]), -1, -2]].T
    out = np.zeros((len(a), len(b)))
    for i in range(0, a.shape[1], _EXACT_VALUES):
        p, q = a[:, i : i + _EXACT_VALUES], b[:, i : i + _EXACT_VALUES]
        out -= 2 * (p @ q.T)
        out += np.einsum("nd,nd->n", p, p)[:, None]
        out += np.einsum("nd,nd->n", q, q)
    return out


def distance_ratio(neighbours: Neighbours) -> np.ndarray:
    """Divide the nearest distance by the k-th nearest: float64 [n] in [0, 1].

    0 for a copy of one image, 1 if several images are as near.
    """
    first, last = neighbours.distances[:, 0], neighbours.distances[:, -1]
    return np.divide(first, last, out=np.ones_like(first), where=last > 0)


def _centered(x, center):
    """Flatten and center: images to float32 [n, D] in -128 to 127, features to float64 [n, F]."""
    x = np.asarray(x).reshape(len(x), -1)
    return x.astype(np.float32 if x.dtype == np.uint8 else np.float64) - center


def _measure_again(queries, pool, rows):
    """Compute distances of features from their differences, and sort by these."""
    distances = np.empty(rows.shape)
    for i, column in enumerate(rows.T):
        gaps = np.subtract(queries, pool[column], dtype=np.float64)
        distances[:, i] = np.sqrt(np.einsum("nf,nf->n", gaps, gaps))
    order = np.lexsort((rows, distances))
    return Neighbours(np.take_along_axis(rows, order, 1), np.take_along_axis(distances, order, 1))


def _smallest(x, k):
    """Find the k smallest entries of each row, in order, of equal ones the first.

    Args:
      x: float64 [n, m], m >= k.
      k: how many.

    Returns:
      (columns int64 [n, k], entries float64 [n, k]). Where a row has fewer than k finite entries,
      the last are inf, and their columns mean nothing.
    """
    n, m = x.shape
    line, n_groups = np.arange(n)[:, None], m // _GROUP
    if n_groups <= k:
        return _smallest_one_by_one(x.copy(), k)
    # They are in the k neighbouring groups with the smallest entries: an entry elsewhere has k
    # entries before it, one in each of these groups.
    least = x[:, : n_groups * _GROUP]
    while least.shape[1] > n_groups:
        least = np.minimum(least[:, ::2], least[:, 1::2])
    groups, _ = _smallest_one_by_one(least, k)
    columns = np.sort(groups, 1)[:, :, None] * _GROUP + np.arange(_GROUP)
    columns = columns.reshape(n, -1)
    if rest := m - n_groups * _GROUP:
        tail = np.broadcast_to(np.arange(m - rest, m), (n, rest))
        columns = np.concatenate([columns, tail], 1)
    places, entries = _smallest_one_by_one(x[line, columns], k)
    return columns[line, places], entries


def _smallest_one_by_one(x, k):
    """Find the same as `_smallest` in k passes, and overwrite x with inf."""
    line, columns = np.arange(len(x)), np.empty((len(x), k), np.int64)
    entries = np.empty((len(x), k))
    for i in range(k):
        columns[:, i] = x.argmin(1)
        entries[:, i] = x[line, columns[:, i]]
        x[line, columns[:, i]] = np.inf
    return columns, entries
