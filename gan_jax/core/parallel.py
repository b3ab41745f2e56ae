"""Where a step runs: one device, many devices, many members. The only file that knows the device axis.

A step is written for one device's share of the batch. Losses reduce with `mean` and draw noise with `random_rows`, so that N devices
compute what one would: averaging per-device gradients instead is wrong for every loss that is not linear in a batch mean,
as Dist-GAN's and Morpho-GAN's are.
"""

import contextlib
import contextvars
import os
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gan_jax.ops import random

AXIS = "data"


def mean(ctx, x):
    """Mean of x over everything, the global batch included; a scalar."""
    return average(jnp.mean(x), ctx.axis)


def average(tree, axis):
    """Mean of each leaf over the devices; the tree itself when axis is None."""
    return lax.pmean(tree, axis) if axis else tree


_SOURCE = contextvars.ContextVar("source", default=None)


@contextlib.contextmanager
def noise_from(source):
    """Within it, `random_rows` returns source(sampler, key, shape): how a program that is exported gets its noise from outside, and
    how the noise of a step is recorded. For what is traced meanwhile, by one device."""
    token = _SOURCE.set(source)
    try:
        yield
    finally:
        _SOURCE.reset(token)


def random_rows(ctx, sampler, key, shape):
    """`sampler(key, shape)` for this device's rows: the same numbers in all whatever the number of devices.

    Args:
      sampler: function (key, shape) -> array, such as jax.random.normal.
      shape: of this device's array, its batch axis first.
    """
    if source := _SOURCE.get():
        return source(sampler, key, shape)
    sampler = random.fast_sampler(sampler)
    if not ctx.axis:
        return sampler(key, shape)
    rows = sampler(key, (lax.axis_size(ctx.axis) * shape[0], *shape[1:]))
    return lax.dynamic_slice_in_dim(rows, lax.axis_index(ctx.axis) * shape[0], shape[0])


def rows_per_device(ctx, n):
    """This device's part of n rows."""
    return n // lax.axis_size(ctx.axis) if ctx.axis else n


def mesh(devices):
    """The one-axis Mesh over a list of devices."""
    return Mesh(np.asarray(devices), (AXIS,))


def replicated(devices):
    """Sharding of the state and of resident data: a full copy on each device."""
    return NamedSharding(mesh(devices), PartitionSpec())


def split(devices, batch_axis):
    """Sharding of a batch along one of its axes."""
    return NamedSharding(mesh(devices), PartitionSpec(*[None] * batch_axis, AXIS))


def pmapped(f, devices, batch_axis=1, **jit_options):
    """Compiles f to run on several devices at once, each with its share of the last argument.

    What jax.pmap is (jit of shard_map without replication checks), at a fraction of its dispatch cost, and without a device
    axis on the state, so that a checkpoint does not know how many devices wrote it.

    Args:
      f: function (state, *shared, batch) -> replicated outputs. It was built with axis=AXIS.
      devices: list of devices; batch_axis must divide by its length.
      batch_axis: the axis of every leaf of the last argument that is split.
      **jit_options: passed to jax.jit. The state is donated.
    """
    parts = split(devices, batch_axis).spec

    def mapped(*args):
        specs = (PartitionSpec(),) * (len(args) - 1) + (parts,)
        return jax.shard_map(
            f, mesh=mesh(devices), in_specs=specs, out_specs=PartitionSpec(), check_vma=False
        )(*args)

    return jax.jit(mapped, donate_argnums=0, **jit_options)


def memory_gib():
    """Memory of the first device in GiB: the accelerator's own, or the machine's for a CPU."""
    stats = jax.devices()[0].memory_stats() or {}
    total = stats.get("bytes_limit") or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return total / 2**30
