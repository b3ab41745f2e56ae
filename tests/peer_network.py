"""Network namespaces of this machine, joined by a bridge: a network that a test can cut."""

import contextlib
import subprocess

ADDRESS = "10.77.0.1"  # of the first namespace


def _ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextlib.contextmanager
def joined(n):
    """Give the words that run a command in each of n namespaces; the first is at ADDRESS.

    Raises:
      FileNotFoundError, subprocess.CalledProcessError: no root, or no iproute2.
    """
    spaces = [f"gan{p}" for p in range(n)]
    try:
        _delete(spaces)  # what a killed test has left
        for space in ["ganbridge", *spaces]:
            _ip("netns", "add", space)
        _ip("-n", "ganbridge", "link", "add", "bridge0", "type", "bridge")
        _ip("-n", "ganbridge", "link", "set", "bridge0", "up")
        for p, space in enumerate(spaces):
            names = [f"port{p}", "netns", "ganbridge", "type", "veth", "peer", "eth0"]
            _ip("link", "add", *names, "netns", space)
            _ip("-n", "ganbridge", "link", "set", f"port{p}", "master", "bridge0", "up")
            _ip("-n", space, "addr", "add", f"10.77.0.{p + 1}/24", "dev", "eth0")
            _ip("-n", space, "link", "set", "lo", "up")
        mend(n)
        yield [["ip", "netns", "exec", space] for space in spaces]
    finally:
        _delete(spaces)


def _delete(spaces):
    for space in ["ganbridge", *spaces]:
        subprocess.run(["ip", "netns", "del", space], capture_output=True)


def cut(p):
    """Take down the link of a namespace."""
    _ip("-n", f"gan{p}", "link", "set", "eth0", "down")


def mend(n):
    """Bring all links up."""
    for p in range(n):
        _ip("-n", f"gan{p}", "link", "set", "eth0", "up")
