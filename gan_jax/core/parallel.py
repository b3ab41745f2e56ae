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

from gan_jax.errors import InputError, counted
from gan_jax.ops import compiling, random

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


def all_rows(ctx: "StepContext", x: jax.Array) -> jax.Array:
    """Gather the rows of all devices: [B, ...] of this one -> [N B, ...], the same everywhere."""
    return lax.all_gather(x, ctx.axis, tiled=True) if ctx.axis else x


def rows_per_device(ctx: "StepContext", n: int) -> int:
    """Return this device's share of n rows."""
    return n // lax.axis_size(ctx.axis) if ctx.axis else n


def rows_in_all(axis: str | None, n: int) -> int:
    """Return the rows of all devices together, each of which has n."""
    return n * lax.axis_size(axis) if axis else n


def mesh(devices: list) -> Mesh:
    """Make the one-axis mesh over a list of devices."""
    return Mesh(np.asarray(devices), (AXIS,))


def replicated(devices: list) -> NamedSharding:
    """Make the sharding of the state and of resident data: a full copy on each device."""
    return NamedSharding(mesh(devices), PartitionSpec())


def split(devices: list, batch_axis: int) -> NamedSharding:
    """Make the sharding of a batch along one of its axes."""
    return NamedSharding(mesh(devices), PartitionSpec(*[None] * batch_axis, AXIS))


def pmapped(f: Callable, devices: list, batch_axis: int = 1) -> Callable:
    """Compile f to run on several devices at once, each with its share of the last argument.

    This is what jax.pmap is, jit of shard_map without replication checks, at a fraction of its
    dispatch cost. The state is donated. It has no device axis, so a checkpoint does not know how
    many devices wrote it.

    Args:
      f: function (state, *shared, batch) -> replicated outputs, built with axis=AXIS.
      devices: devices; their number must divide the batch axis.
      batch_axis: axis of every leaf of the last argument that is split.
    """
    batch_spec = split(devices, batch_axis).spec

    def mapped(*args):
        specs = (PartitionSpec(),) * (len(args) - 1) + (batch_spec,)
        sharded = jax.shard_map(
            f, mesh=mesh(devices), in_specs=specs, out_specs=PartitionSpec(), check_vma=False
        )
        return sharded(*args)

    return compiling.jit(mapped, donate_argnums=0)


def all_devices(n: int = 0) -> list:
    """List the first n devices of all processes, those of each process in a row; 0: all."""
    return sorted(jax.devices(), key=lambda d: (d.process_index, d.id))[: n or None]


def put_replicated(tree, devices: list):
    """Put a full copy of each leaf on every device. tree: numpy leaves, or random keys."""
    if jax.process_count() == 1:
        return jax.device_put(tree, replicated(devices))
    sharding = replicated(devices)

    def put(x):
        if isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(put(jax.random.key_data(x)))
        x = np.asarray(x)
        return jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])

    return jax.tree.map(put, tree)


def put_split(tree, devices: list, batch_axis: int):
    """Put each leaf on the devices, split along an axis.

    Args:
      tree: numpy leaves, with the rows of this process alone, see `own_rows`.
      devices: devices of all processes.
      batch_axis: axis of every leaf that is split.
    """
    sharding = split(devices, batch_axis)
    if jax.process_count() == 1:
        return jax.device_put(tree, sharding)
    put = lambda x: jax.make_array_from_process_local_data(sharding, np.asarray(x))
    return jax.tree.map(put, tree)


def own_rows(x: np.ndarray, batch_axis: int = 0) -> np.ndarray:
    """Return the rows of an array along an axis that the devices of this process hold."""
    n, index = jax.process_count(), jax.process_index()
    if n == 1:
        return x
    size = x.shape[batch_axis] // n
    rows = slice(index * size, (index + 1) * size)
    return x[(slice(None),) * batch_axis + (rows,)]


def put_vote(vote: int, devices: list) -> jax.Array:
    """Put the vote of this process, for `largest`, on each of its devices: int32 [1, 1, n]."""
    own = len(devices) // jax.process_count()
    return put_split(np.full((1, 1, own), vote, np.int32), devices, 2)


def largest(votes: jax.Array) -> jax.Array:
    """Return the largest vote of all devices: int32 []; within `pmapped`."""
    return lax.pmax(jnp.max(votes), AXIS)


def local(tree):
    """Return the copy of replicated arrays that the first device of this process holds.

    What is computed from it involves no other device.
    """
    return jax.tree.map(lambda x: x.addressable_data(0) if isinstance(x, jax.Array) else x, tree)


def broadcast(tree, like):
    """Send host arrays from process 0 to all, bit for bit.

    Args:
      tree: numpy leaves in process 0; anything elsewhere.
      like: tree of arrays or shapes of the same structure.

    Returns:
      the same tree with numpy leaves, in every process.
    """
    if jax.process_count() == 1:
        return tree
    from jax.experimental import multihost_utils

    shapes = jax.tree.leaves(like)
    sizes = [int(np.prod(s.shape)) * np.dtype(s.dtype).itemsize for s in shapes]
    own = np.zeros(sum(sizes), np.uint8)
    if jax.process_index() == 0:
        parts = [np.ascontiguousarray(x).tobytes() for x in jax.tree.leaves(tree)]
        own = np.frombuffer(b"".join(parts), np.uint8)
    sent = np.asarray(multihost_utils.broadcast_one_to_all(own)).tobytes()
    ends = np.cumsum(sizes)
    leaves = [
        np.frombuffer(sent[end - size : end], shape.dtype).reshape(shape.shape)
        for shape, size, end in zip(shapes, sizes, ends, strict=True)
    ]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def memory_gib() -> float:
    """Return the memory of the first device of this process in GiB; of a CPU, the machine's."""
    stats = jax.local_devices()[0].memory_stats() or {}
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return (stats.get("bytes_limit") or machine) / 2**30


def check_shares(devices: int, sizes: dict[str, int], n_devices: int, n_processes: int = 1) -> int:
    """Refuse minibatches that devices cannot share; return how many devices share them.

    Args:
      devices: --devices; 0 for all.
      sizes: {flag: images per minibatch}.
      n_devices: devices of all processes.
      n_processes: processes that train together, on all of their devices.

    Raises:
      InputError
    """
    if n_processes > 1 and devices not in (0, n_devices):
        raise InputError(
            f"--devices={devices}, but {n_processes} processes train on all of their "
            f"{counted(n_devices, 'device')}; leave it out, or use --devices=0."
        )
    if devices > n_devices:
        raise InputError(
            f"--devices={devices}, but this machine has {n_devices}; "
            f"use --devices={n_devices} or fewer."
        )
    used = devices or n_devices
    for flag, size in sizes.items():
        if not size % used:
            continue
        low = size - size % used
        allowed = f"{low} or {low + used}" if low else f"{used}"
        if n_processes > 1:
            those = "processes" if used == n_processes else f"devices of {n_processes} processes"
            raise InputError(
                f"--{flag}={size} is not a multiple of {used} {those}, which share each minibatch; "
                f"use {allowed}."
            )
        raise InputError(
            f"--{flag}={size} is not a multiple of {used} devices; use {allowed}, or --devices=1."
        )
    return used
