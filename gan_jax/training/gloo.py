"""Gloo, through which jaxlib's processes on CPUs reduce: its address, and its thread.

The thread waits for other processes. While another process is ahead, it polls without a pause: its
socket stays readable until the step asks for what has arrived. Where it shares a core with the
step, the step waits for it at each reduction. As a batch thread of Linux it does not interrupt the
step. Beside other programs it must interrupt, or it waits for them, so a watcher looks whether it
does, and changes it back.
"""

import contextlib
import functools
import ipaddress
import os
import socket
import sys
import threading
import time

import jax
from jax._src import xla_bridge

LOOK_S = 1.0  # seconds between two looks
CROWDED = 0.2  # share of the time that the thread waits for other programs' sake
PAUSE_S, MAX_PAUSE_S = 10.0, 300.0  # until the watcher tries again; doubled each time, up to this


def use_reachable_address(coordinator: str) -> None:
    """Let gloo listen where other machines reach this one; called before JAX finds its devices.

    By itself it takes what this machine's own name means, often a loopback address on Debian.

    Args:
      coordinator: HOST:PORT of process 0.
    """
    address = _own_address(coordinator)
    native = getattr(xla_bridge, "_jax", None)  # what makes JAX's clients
    make = getattr(native, "make_gloo_tcp_collectives", None)
    if native and address and make:
        native.make_gloo_tcp_collectives = functools.partial(make, hostname=address)


def _own_address(coordinator):
    """Return this machine's address on the way to process 0, "" if there is none."""
    host = coordinator.rpartition(":")[0].strip("[]")
    address = _address_toward(host)
    is_loopback = not address or ipaddress.ip_address(address).is_loopback
    if is_loopback and host not in ("localhost", "::1") and not host.startswith("127."):
        # Process 0 itself, whose name is a loopback address to it; any far address will do.
        address = _address_toward("192.0.2.1") or address
    return address


def _address_toward(host):
    try:
        family, _, _, _, far = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            s.connect(far)  # sends nothing
            return s.getsockname()[0]
    except OSError:
        return ""


def leave_cores() -> None:
    """Let gloo's threads of this process yield to its other threads, from now on."""
    if sys.platform != "linux" or jax.default_backend() != "cpu":
        return  # other devices reduce through other libraries
    with contextlib.suppress(OSError):  # a thread has ended meanwhile
        if threads := find():
            threading.Thread(target=_watch, args=(threads,), daemon=True).start()


def find() -> list[int]:
    """List gloo's threads by Linux thread id: native ones that bear the name of the process."""
    python = {thread.native_id for thread in threading.enumerate()}
    own = _read(f"/proc/self/task/{os.getpid()}/comm")
    tids = [int(name) for name in os.listdir("/proc/self/task")]
    return [t for t in tids if t not in python and _read(f"/proc/self/task/{t}/comm") == own]


def is_crowded(waited: float, computed: float, seconds: float) -> bool:
    """Say whether other programs keep a thread of gloo from running.

    Args:
      waited: seconds for which it was ready to run and did not.
      computed: seconds of CPU time of this process's other threads, per core.
      seconds: length of the time looked at.
    """
    return waited - computed > CROWDED * seconds


def _watch(threads):
    pause = PAUSE_S
    try:
        while True:
            _set_policy(threads, os.SCHED_BATCH)
            while not _looks_crowded(threads):
                pass
            _set_policy(threads, os.SCHED_OTHER)
            time.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE_S)
    except OSError:  # a kernel that does not tell, or a thread that has ended
        return


def _looks_crowded(threads):
    began, before = time.monotonic(), _times(threads)
    time.sleep(LOOK_S)
    ran, waited, all_ran = (b - a for a, b in zip(before, _times(threads), strict=True))
    computed = (all_ran - ran) / len(os.sched_getaffinity(0))
    return is_crowded(waited, computed, time.monotonic() - began)


def _times(threads):
    """Seconds that threads ran, that they waited for a core, and that the whole process ran."""
    pairs = [_read(f"/proc/self/task/{t}/schedstat").split()[:2] for t in threads]
    ran, waited = (sum(int(pair[i]) for pair in pairs) / 1e9 for i in range(2))
    return ran, waited, time.process_time()


def _set_policy(threads, policy):
    for t in threads:
        os.sched_setscheduler(t, policy, os.sched_param(0))


def _read(path):
    with open(path) as file:
        return file.read().strip()
