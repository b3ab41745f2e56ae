"""The way of the data to the device: data that fit stay there, larger data are streamed.

Both ways give the same batches. Images cross to the device as uint8 and become floats inside the
compiled step, and so do uint16 and float32 of deeper data; points are floats all along.
"""

import concurrent.futures
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_jax import images
from gan_jax.core import parallel
from gan_jax.core.method import Batch
from gan_jax.data import pixel_format
from gan_jax.data.shuffling import row_indices
from gan_jax.data.types import Dataset


class Loader(NamedTuple):
    """How a compiled program gets its data."""

    # Arrays on the device that every dispatch receives: the whole data set, or {} if it is
    # streamed.
    device_data: dict[str, jax.Array]
    # (step, n_steps) -> arrays on the device for the next n_steps, leaves
    # [n_steps, n_minibatches, B, ...], split over the devices along B: row numbers, or images.
    inputs: Callable[[int, int], Any]
    # (device_data, the inputs of one step) -> {"image": float32 [n_minibatches, B, H, W, C],
    # "label": int32 [n_minibatches, B] if labelled, "quantities": float32 [n_minibatches, B, A] if
    # there are any}; traced inside the step.
    make_batch: Callable[[dict[str, jax.Array], Any], Batch]


def build_loader(
    dataset: Dataset,
    pixels: str,
    seed: int,
    n_minibatches: int,
    batch_size: int,
    devices: list,
    resident: bool,
) -> Loader:
    """Build the Loader of one run.

    Args:
      dataset: Dataset.
      pixels: range of the images or points in the batch, see images.to_net.
      seed: seed of the run.
      n_minibatches: minibatches per step.
      batch_size: images per minibatch, over all devices.
      devices: list of the devices that share each minibatch. Each process reads the rows of its
        own devices alone.
      resident: whether the data stay on the device.
    """
    arrays, form = {"image": dataset.trained_on}, dataset.format
    if form and pixel_format.has_image_limits(form):
        arrays["limits"] = pixel_format.image_limits(dataset.trained_on, form)
    if dataset.labels is not None:
        arrays["label"] = dataset.labels
    if dataset.values is not None:
        arrays["quantities"] = dataset.values
    n_rows = len(dataset.images)

    def rows(step, n_steps):
        steps = range(step, step + n_steps)
        of_all = [row_indices(seed, s, n_minibatches, batch_size, n_rows) for s in steps]
        return parallel.own_rows(np.stack(of_all), 2)

    def split(leaves):
        return parallel.put_split(leaves, devices, 2)

    def to_floats(leaves):
        if form:
            x, limits = leaves["image"], leaves.get("limits")
            others = {name: leaf for name, leaf in leaves.items() if name != "limits"}
            return {**others, "image": pixel_format.to_net(x, form, pixels, limits)}
        return {**leaves, "image": images.to_net(leaves["image"], pixels)}

    if resident:
        stored = {name: np.asarray(array) for name, array in arrays.items()}
        return Loader(
            parallel.put_replicated(stored, devices),
            lambda step, n_steps: split(rows(step, n_steps)),
            lambda data, rows: to_floats({name: array[rows] for name, array in data.items()}),
        )

    def gather(step, n_steps):
        indices = rows(step, n_steps)
        return {name: array[indices] for name, array in arrays.items()}

    prefetch = Prefetch(gather)
    return Loader(
        {},
        lambda step, n_steps: split(prefetch(step, n_steps)),
        lambda data, leaves: to_floats(leaves),
    )


class Prefetch:
    """Gathers the rows of the next dispatch while the device works on this one.

    It works in a thread, and holds one dispatch ahead at most.
    """

    def __init__(self, gather: Callable[[int, int], Any]):
        """gather: (step, n_steps) -> the rows of these steps."""
        self._gather = gather
        self._pool = concurrent.futures.ThreadPoolExecutor(1)
        self._next: tuple[Any, concurrent.futures.Future | None] = (None, None)

    def __call__(self, step: int, n_steps: int) -> Any:
        """Return gather(step, n_steps), and begin to gather as many steps after it."""
        expected, ahead = self._next
        if ahead is not None and expected == (step, n_steps):
            now = ahead.result()
        else:
            now = self._gather(step, n_steps)
        following = (step + n_steps, n_steps)
        self._next = (following, self._pool.submit(self._gather, *following))
        return now
