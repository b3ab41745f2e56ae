"""The rows of the data that each step uses: a pure function of seed and step.

So a resumed run needs no stored position.
"""

import functools

import numpy as np


@functools.lru_cache(maxsize=4)
def _permutation(seed, epoch, n):
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(n).astype(np.int32)


def row_indices(
    seed: int, step: int, n_minibatches: int, batch_size: int, n_rows: int
) -> np.ndarray:
    """Return the row numbers of one step.

    Rows run through one shuffled epoch after another; a minibatch may span two epochs.

    Args:
      seed: seed of the run.
      step: step, from 0.
      n_minibatches: minibatches per step.
      batch_size: images per minibatch.
      n_rows: rows in the data.

    Returns:
      int32 [n_minibatches, batch_size], each in [0, n_rows).
    """
    per_step = n_minibatches * batch_size
    position = np.arange(step * per_step, (step + 1) * per_step, dtype=np.int64)
    epochs, offsets = position // n_rows, position % n_rows
    rows = np.empty(position.shape, np.int32)
    for epoch in np.unique(epochs):
        here = epochs == epoch
        rows[here] = _permutation(seed, int(epoch), n_rows)[offsets[here]]
    return rows.reshape(n_minibatches, batch_size)
