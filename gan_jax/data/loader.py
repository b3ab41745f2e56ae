"""From rows to batches: data that fits stays on the device and only row numbers travel; larger data streams.

Both ways give the same batches. Images cross to the device as uint8 and become floats inside the compiled step; points are
floats all along.
"""

import concurrent.futures
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_jax import images
from gan_jax.core import parallel
from gan_jax.data import shuffling


class Loader(NamedTuple):
    """How a compiled step gets its data.

    data: device tree that every dispatch receives (the whole data set, or empty).
    at: (step, n_steps) -> device tree, leaves [n_steps, draws, B, ...], split over the devices along B.
    batch: (data, one step's leaves) -> {"image": float32 [draws, B, H, W, C], "label": int32 [draws, B] if labelled};
      traced inside the step.
    """

    data: Any
    at: Callable
    batch: Callable


def build(source, pixels, seed, draws, batch, devices, resident):
    """A Feed for one run.

    Args:
      source: data.datasets.Dataset.
      pixels: the range of the images or points in the batch, as in images.to_net.
      seed, draws, batch: see shuffling.row_indices.
      devices: list of devices that share each minibatch.
      resident: whether the data lives on the device.
    """
    arrays = {"image": source.images} | ({} if source.labels is None else {"label": source.labels})
    n, sharding = len(source.images), parallel.split(devices, 2)

    def rows(step, n_steps):
        return np.stack(
            [shuffling.row_indices(seed, s, draws, batch, n) for s in range(step, step + n_steps)]
        )

    def floats(leaves):
        return {**leaves, "image": images.to_net(leaves["image"], pixels)}

    if resident:
        data = jax.device_put(
            {k: np.asarray(v) for k, v in arrays.items()}, parallel.replicated(devices)
        )
        return Loader(
            data,
            lambda step, n_steps: jax.device_put(rows(step, n_steps), sharding),
            lambda data, rows: floats({k: v[rows] for k, v in data.items()}),
        )

    def gather(step, n_steps):
        taken = rows(step, n_steps)
        return {k: v[taken] for k, v in arrays.items()}

    prefetch = Prefetch(gather)
    return Loader(
        {},
        lambda step, n_steps: jax.device_put(prefetch(step, n_steps), sharding),
        lambda data, leaves: floats(leaves),
    )


class Prefetch:
    """Gathers the next dispatch's rows in a thread while the device works on this one; holds at most one ahead."""

    def __init__(self, gather):
        self._gather = gather
        self._pool = concurrent.futures.ThreadPoolExecutor(1)
        self._next = (None, None)

    def __call__(self, step, n_steps):
        wanted, ahead = self._next
        now = ahead.result() if wanted == (step, n_steps) else self._gather(step, n_steps)
        follow = (step + n_steps, n_steps)
        self._next = (follow, self._pool.submit(self._gather, *follow))
        return now
