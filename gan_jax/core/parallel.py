"""Where a step runs: on one device or on many. The only file that knows the device axis.

A step is written for one device's share of the batch. Losses reduce with `mean` and draw noise with
`random_rows`, so that N devices compute what one would. Averaging per-device gradients instead is
wrong for every loss that is not linear in a batch mean, such as Dist-GAN's and Morpho-GAN's.
"""

import contextlib
import contextvars
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gan_jax.ops import random

if TYPE_CHECKING:
    from gan_jax.core.method import StepContext

AXIS = "data"


def mean(ctx: "StepContext", x: jax.Array) -> jax.Array:
    """Compute the mean of x over all axes and the global batch: []."""
    return average(jnp.mean(x), ctx.axis)


def average(tree, axis: str | None):
    """Average each leaf over the devices; the tree itself if axis is None."""
    return lax.pmean(tree, axis) if axis else tree


_NOISE_SOURCE: contextvars.ContextVar[Callable | None] = contextvars.ContextVar(
    "noise_source", default=None
)


@contextlib.contextmanager
def noise_from(source: Callable):
    """Let `random_rows` return source(sampler, key, shape) within the context.

    For what is traced meanwhile, on one device. An exported program gets its noise from outside in
    this way, and the noise of a step is recorded.
    """
    token = _NOISE_SOURCE.set(source)
    try:
        yield
    finally:
        _NOISE_SOURCE.reset(token)


def random_rows(
    ctx: "StepContext", sampler: Callable, key: jax.Array, shape: tuple[int, ...]
) -> jax.Array:
    """Draw this device's rows of `sampler(key, global shape)`.

    All rows together are the same numbers whatever the number of devices.

    Args:
      ctx: StepContext.
      sampler: function (key, shape) -> array, such as jax.random.normal.
      key: random key, the same on all devices.
      shape: shape of this device's array, its batch axis first.
    """
    if source := _NOISE_SOURCE.get():
        return source(sampler, key, shape)
    sampler = random.fast_sampler(sampler)
    if not ctx.axis:
        return sampler(key, shape)
    rows = sampler(key, (lax.axis_size(ctx.axis) * shape[0], *shape[1:]))
    return lax.dynamic_slice_in_dim(rows, lax.axis_index(ctx.axis) * shape[0], shape[0])


def rows_per_device(ctx: "StepContext", n: int) -> int:
    """Return this device's share of n rows."""
    return n // lax.axis_size(ctx.axis) if ctx.axis else n


def mesh(devices: list) -> Mesh:
    """Make the one-axis mesh over a list of devices."""
    return Mesh(np.asarray(devices), (AXIS,))


def replicated(devices: list) -> NamedSharding:
    """Make the sharding of the state and of resident data: a full copy on each device."""
    return NamedSharding(mesh(devices), PartitionSpec())


def split(devices: list, batch_axis: int) -> NamedSharding:
    """Make the sharding of a batch along one of its axes."""
    return NamedSharding(mesh(devices), PartitionSpec(*[None] * batch_axis, AXIS))


def pmapped(f: Callable, devices: list, batch_axis: int = 1, **jit_options) -> Callable:
    """Compile f to run on several devices at once, each with its share of the last argument.

    This is what jax.pmap is, jit of shard_map without replication checks, at a fraction of its
    dispatch cost. The state has no device axis, so a checkpoint does not know how many devices
    wrote it.

    Args:
      f: function (state, *shared, batch) -> replicated outputs, built with axis=AXIS.
      devices: devices; their number must divide the batch axis.
      batch_axis: axis of every leaf of the last argument that is split.
      **jit_options: passed to jax.jit. The state is donated.
    """
    batch_spec = split(devices, batch_axis).spec

    def mapped(*args):
        specs = (PartitionSpec(),) * (len(args) - 1) + (batch_spec,)
        sharded = jax.shard_map(
            f, mesh=mesh(devices), in_specs=specs, out_specs=PartitionSpec(), check_vma=False
        )
        return sharded(*args)

    return jax.jit(mapped, donate_argnums=0, **jit_options)


def memory_gib() -> float:
    """Return the memory of the first device in GiB; of a CPU, the machine's."""
    stats = jax.devices()[0].memory_stats() or {}
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return (stats.get("bytes_limit") or machine) / 2**30
