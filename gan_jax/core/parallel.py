"""Where a step runs: one device, many devices, many members. The only file that knows the device axis.

A step is written for one device's share of the batch. Losses reduce with `mean` and draw noise with `draw`, so that N devices
compute what one would: averaging per-device gradients instead is wrong for every loss that is not linear in a batch mean,
as Dist-GAN's and Morpho-GAN's are.
"""

import contextlib
import contextvars
import os
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gan_jax.ops import random

AXIS = "data"


def mean(env, x):
    """Mean of x over everything, the global batch included; a scalar."""
    return average(jnp.mean(x), env.axis)


def average(tree, axis):
    """Mean of each leaf over the devices; the tree itself when axis is None."""
    return lax.pmean(tree, axis) if axis else tree


_SOURCE = contextvars.ContextVar("source", default=None)


@contextlib.contextmanager
def drawing_from(source):
    """Within it, `draw` returns source(sampler, key, shape): how a program that is exported gets its noise from outside, and
    how the noise of a step is recorded. For what is traced meanwhile, by one device."""
    token = _SOURCE.set(source)
    try:
        yield
    finally:
        _SOURCE.reset(token)


def draw(env, sampler, key, shape):
    """`sampler(key, shape)` for this device's rows: the same numbers in all whatever the number of devices.

    Args:
      sampler: function (key, shape) -> array, such as jax.random.normal.
      shape: of this device's array, its batch axis first.
    """
    if source := _SOURCE.get():
        return source(sampler, key, shape)
    sampler = random.sooner(sampler)
    if not env.axis:
        return sampler(key, shape)
    rows = sampler(key, (lax.axis_size(env.axis) * shape[0], *shape[1:]))
    return lax.dynamic_slice_in_dim(rows, lax.axis_index(env.axis) * shape[0], shape[0])


def share(env, n):
    """This device's part of n rows."""
    return n // lax.axis_size(env.axis) if env.axis else n


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


class Way(NamedTuple):
    """A way to run independent members in one program. pack: what the program works on, from a tuple of the members' states;
    unpack: its inverse. each: step -> step of all members, on what is packed and a tuple of the members' batches."""

    pack: Callable
    unpack: Callable
    each: Callable


def _stack(trees):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def _unstack(tree):
    n_members = jax.tree.leaves(tree)[0].shape[0]
    return tuple(jax.tree.map(lambda a, i=i: a[i], tree) for i in range(n_members))


def _vmapped(step):
    return lambda states, batches: jax.vmap(step)(states, _stack(batches))


def _unrolled(step):
    return lambda states, batches: tuple(step(*both) for both in zip(states, batches, strict=True))


# Vectorised is right for GPUs, to which it gives one large operation for several small ones; on CPUs convolutions with weights
# for each member run at 0.6 of the speed, and the members' operations stand one after another in the program instead.
MEMBERS = {"vmapped": Way(_stack, _unstack, _vmapped), "unrolled": Way(tuple, tuple, _unrolled)}


def memory_gib():
    """Memory of the first device in GiB: the accelerator's own, or the machine's for a CPU."""
    stats = jax.devices()[0].memory_stats() or {}
    total = stats.get("bytes_limit") or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return total / 2**30
