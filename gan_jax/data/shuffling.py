"""Which rows of the data each step sees: a pure function of seed and step, so that resuming needs no stored position."""

import functools

import numpy as np


@functools.lru_cache(maxsize=4)
def _permutation(seed, epoch, n):
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(n).astype(np.int32)


def row_indices(seed, step, draws, batch, n):
    """Row numbers of one step.

    Rows run through one shuffled pass over the data after another; a minibatch may span two passes.

    Args:
      seed: of the run. step: from 0. draws: minibatches per step. batch: images per minibatch. n: rows in the data.

    Returns:
      int32 [draws, batch], each in [0, n).
    """
    position = np.arange(step * draws * batch, (step + 1) * draws * batch, dtype=np.int64)
    epoch, row = position // n, position % n
    out = np.empty(position.shape, np.int32)
    for e in np.unique(epoch):
        out[epoch == e] = _permutation(seed, int(e), n)[row[epoch == e]]
    return out.reshape(draws, batch)
