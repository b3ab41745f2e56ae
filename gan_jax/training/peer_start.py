"""How the processes of one run find each other, and what they check before they train."""

import datetime
import importlib.metadata
import json
import os
import pathlib
import socket
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec

from gan_jax import cache
from gan_jax.core import parallel
from gan_jax.errors import EXIT_STOPPED, InputError, Stopped, counted
from gan_jax.rundir import run_folder
from gan_jax.training import gloo, peers
from gan_jax.training.peers import Peers

FILE = run_folder.PROCESSES
START_FACTOR = 5  # how many times the time-out the others may take to start
# jax.distributed must not end a process by itself: Peers notices sooner, and says who is lost.
NEVER_S = 10**7
CHECKED_SIZES = (1, 1000, 100_003)  # numbers per device in a check of the mesh


def find(how: str, coordinator: str, processes: int, process: int) -> tuple | None:
    """Find the processes that this one was started with.

    Args:
      how: "auto" or "off".
      coordinator: HOST:PORT of process 0; "" to be found by jax.distributed.
      processes, process: their number, and which one this is; used with `coordinator`.

    Returns:
      (coordinator or None, number of processes, number of this one); None if it is alone.

    Raises:
      InputError: the arguments contradict each other.
    """
    if how == "off":
        return None
    if coordinator:
        host, _, port = coordinator.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise InputError(
                f"--coordinator={coordinator} is not HOST:PORT; write the host of process 0 and a "
                "free port on it, such as --coordinator=node1:29400."
            )
        if processes < 1 or not 0 <= process < processes:
            raise InputError(
                f"--coordinator needs --processes=N and --process=I, I from 0 to N - 1; given are "
                f"--processes={processes} and --process={process}."
            )
        return (coordinator, processes, process) if processes > 1 else None
    if processes > 1 or process >= 0:
        raise InputError(
            "--processes and --process need --coordinator=HOST:PORT, the host of process 0 and a "
            "free port on it, such as --coordinator=node1:29400."
        )
    if "KUBERNETES_SERVICE_HOST" in os.environ and "JOB_COMPLETION_INDEX" not in os.environ:
        return None  # a pod by itself
    from jax._src.clusters import ClusterEnv  # what jax.distributed goes by

    for kind in ClusterEnv._cluster_types:
        if not kind.opt_in_only_method and kind.is_env_present():
            n = kind.get_process_count()
            return (None, n, kind.get_process_id()) if n > 1 else None
    return None


def start(rendezvous: tuple | None, timeout: float) -> Peers:
    """Connect to the other processes; do nothing in a process alone.

    Args:
      rendezvous: see `find`.
      timeout: seconds within which the loss of another process ends this one.

    Raises:
      Stopped: the others did not come.
      InputError: they have different numbers of devices, or their network gives wrong sums.
    """
    if rendezvous is None or peers.current().n > 1:
        return peers.current()
    coordinator, n, index = rendezvous
    wait_s = int(START_FACTOR * timeout)
    given: dict[str, Any] = {}
    if "SLURM_GPUS_PER_TASK" in os.environ and os.environ.get("CUDA_VISIBLE_DEVICES"):
        # SLURM shows each task its own GPUs alone, and jax.distributed would choose among them.
        visible = os.environ["CUDA_VISIBLE_DEVICES"].split(",")
        given["local_device_ids"] = list(range(len(visible)))
    if coordinator is not None:
        given |= {"cluster_detection_method": "deactivate"}
        given |= {"coordinator_address": coordinator, "num_processes": n, "process_id": index}
    alone = (
        f"Process {index} of {n} did not meet the others within {wait_s} s. Start all {n} at about "
        "the same time; each needs to reach the host of process 0."
    )

    def give_up():
        print(alone, file=sys.stderr, flush=True)
        os._exit(EXIT_STOPPED)

    peers.catch_abort(give_up)
    try:
        jax.distributed.initialize(
            initialization_timeout=wait_s,
            heartbeat_timeout_seconds=NEVER_S,
            shutdown_timeout_seconds=1,
            **given,
        )
    except RuntimeError as error:
        raise Stopped(f"{alone} ({str(error).splitlines()[0][:120]})") from error
    from jax._src import distributed

    gloo.use_reachable_address(str(distributed.global_state.coordinator_address))
    all_of_us = Peers(distributed.global_state.client, index, n, timeout)
    peers.become(all_of_us)
    all_of_us.hosts = hosts = all_of_us.gather("host", host_name())
    all_of_us.names = [f"process {p} of {n} (host {host})" for p, host in enumerate(hosts)]
    counts = all_of_us.gather("devices", jax.local_device_count())
    if len(set(counts)) > 1:
        listed = ", ".join(f"{name} {c}" for name, c in zip(all_of_us.names, counts, strict=True))
        raise InputError(f"All processes need the same number of devices; they have: {listed}.")
    check_mesh()
    gloo.leave_cores()
    return all_of_us


def host_name() -> str:
    """Return how this machine is called: by SLURM, or by itself."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


def check_mesh() -> None:
    """Reduce and gather known numbers over all devices.

    Raises:
      InputError: a result is wrong.
    """
    devices = parallel.all_devices()
    n = len(devices)

    def reduce_and_gather(x):
        ints = x.astype(jnp.int32)
        return (
            lax.psum(x, parallel.AXIS),
            lax.pmax(ints, parallel.AXIS),
            lax.all_gather(ints[..., :8], parallel.AXIS, axis=0, tiled=True),
        )

    program = jax.jit(
        jax.shard_map(
            reduce_and_gather,
            mesh=parallel.mesh(devices),
            in_specs=PartitionSpec(parallel.AXIS),
            out_specs=PartitionSpec(),
            check_vma=False,
        )
    )
    for size in CHECKED_SIZES:
        x = np.arange(size) % 251 + 1 + np.arange(n)[:, None]  # small integers: sums are exact
        placed = parallel.put_split(parallel.own_rows(x.astype(np.float32)), devices, 0)
        total, largest, gathered = [np.asarray(parallel.local(y)) for y in program(placed)]
        right = (total == x.sum(0)).all() and (largest == x.max(0)).all()
        if not right or not (gathered == x[:, :8]).all():
            raise InputError(
                f"The network between these machines gives wrong sums: of {n} devices with "
                f"{counted(size, 'number')} each. Use other machines, another network interface, "
                "or another version of jaxlib; --distributed=off trains on one."
            )


def describe(workdir: pathlib.Path) -> None:
    """Write which processes train a run into its folder, and later which of them was lost.

    Process 0 writes the first. The loss is noted by all that are left and see the folder.
    """
    team = peers.current()
    if team.n == 1:
        (workdir / FILE).unlink(missing_ok=True)
        return
    content = {
        "processes": team.n,
        "hosts": team.hosts,
        "devices_per_process": jax.local_device_count(),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "lost": None,
    }

    def write(lost):
        if lost and not (workdir / FILE).exists():
            return
        cache.write_atomic(workdir / FILE, json.dumps(content | {"lost": lost}, indent=1) + "\n")

    if team.leads:
        write(None)
    team.on_loss = write


def agree(prepared, old: dict | None) -> tuple:
    """Compare configuration, data and code of all processes before anything compiles.

    Args:
      prepared: config.Prepared of this process.
      old: of process 0, config.json of the run that goes on; None for a new run.

    Returns:
      prepared as process 0 has it: as an earlier version began the run.

    Raises:
      InputError: names the process that differs from process 0, and in what.
    """
    team = peers.current()
    if team.n == 1:
        return prepared
    old = team.share("old", old)
    if old is not None and not team.leads:
        prepared = prepared.as_begun(old)
    own = _leaves(_comparable(prepared))
    for p, other in enumerate(team.gather("config", own)):
        if p == 0:
            first = other
            continue
        differ = [name for name in {**first, **other} if first.get(name) != other.get(name)]
        if differ:
            name = differ[0]
            raise InputError(
                f"{team.names[p]} has {name}={other.get(name)!r}, and process 0 has "
                f"{name}={first.get(name)!r}; start all with the same command, data and code, or "
                "with --distributed=off to train each alone."
            )
    return prepared


def _comparable(prepared):
    """What must be the same everywhere: not where the data lie, but their content."""
    compared = prepared.to_dict()
    places = ("data", "init_from")
    compared["run"] = {k: v for k, v in compared["run"].items() if k not in places}
    compared["dataset"] = {k: v for k, v in compared["dataset"].items() if k != "name"}
    version = importlib.metadata.version("gan_jax")
    return compared | {"versions": {"gan_jax": version, "jax": jax.__version__}}


def _leaves(tree, path=""):
    if isinstance(tree, dict):
        out = {}
        for name, value in tree.items():
            out |= _leaves(value, f"{path}.{name}" if path else name)
        return out
    return {path: tree}
