"""The processes that train one run together: what one says the others hear, and how they all end.

They speak through the key-value store of jax.distributed, which process 0 holds. Each of them beats
there once a second, so that the others notice when it is gone. How they find each other is in
training.peer_start. Without other processes everything here does nothing.
"""

import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from gan_jax.errors import EXIT_DONE, EXIT_STOPPED, InputError, Stopped

NATIVE_ERRORS = ("gloo", "nccl", "unavailable", "deadline_exceeded", "coordination", "connection")
RESUMES = "The same command resumes from the newest checkpoint."
SAVING_S = 30.0  # seconds that a save in progress gets before a process ends at once


class PeerLost(Stopped):
    """Another process of this run is gone. The message names it; the same command resumes."""


class PeerLeft(Exception):
    """Another process ended the run, with an exit code and a message of its own."""

    def __init__(self, code: int):
        super().__init__("")
        self.code = code


class Peers:
    """This process among those that train one run; by itself the only one.

    Attributes:
      index: int, number of this process, from 0 on. Process 0 leads: it alone writes and speaks.
      n: int, number of processes.
      names: how each is called in messages.
      hosts: name of the machine of each.
      agreed: whether all processes have come to the end of the run together.
      before_end: called before this process ends at once, to finish what it is saving.
      on_loss: called with the message before this process ends because another one is lost.
    """

    def __init__(self, client: Any = None, index: int = 0, n: int = 1, timeout: float = 60.0):
        """Begin to beat, if there are others.

        Args:
          client: client of jax.distributed; None for a process alone.
          index, n: see the attributes.
          timeout: seconds within which the loss of another process ends this one.
        """
        self.index, self.n, self.names = index, n, [f"process {p} of {n}" for p in range(n)]
        self.agreed, self.hosts = False, [""] * n
        self.before_end: Callable[[], None] = lambda: None
        self.on_loss: Callable[[str], None] = lambda message: None
        self._client, self._round, self._exit_code = client, 0, None
        self._patience = 0.7 * timeout  # until a silent process counts as lost
        self._grace = min(5.0, 0.2 * timeout)  # for the main thread to notice by itself
        self._beat_s = min(1.0, 0.1 * timeout)
        self._broken = False  # whether a connection of this process has failed
        self._seen = {p: (-1, time.monotonic()) for p in range(n) if p != index}
        self._left: dict[int, dict[str, Any]] = {}
        if n > 1:
            catch_abort(self._aborted)
            for loop in (self._beat, self._judge):
                threading.Thread(target=loop, daemon=True).start()

    @property
    def leads(self) -> bool:
        """Whether this process writes the run folder, evaluates and speaks."""
        return self.index == 0

    def gather(self, name: str, value: Any = None) -> list:
        """Return the values of all processes, in order. All of them call this at the same place.

        Args:
          name: name of the place.
          value: JSON value.

        Raises:
          PeerLost, PeerLeft: another process does not come.
        """
        if self.n == 1:
            return [value]
        self._round += 1
        place = f"gan_jax/round/{self._round}/{name}"
        if self.leads:
            others = [json.loads(self._wait_for(f"{place}/{p}")) for p in range(1, self.n)]
            values = json.dumps([value, *others])
            self._client.key_value_set(f"{place}/all", values)
            if self._round > 2:  # everyone has read these: each has come to the round after them
                with contextlib.suppress(Exception):
                    self._client.key_value_delete(f"gan_jax/round/{self._round - 2}")
            return json.loads(values)
        self._client.key_value_set(f"{place}/{self.index}", json.dumps(value))
        return json.loads(self._wait_for(f"{place}/all"))

    def share(self, name: str, value: Any = None) -> Any:
        """Return the value of process 0; see `gather`."""
        return self.gather(name, value if self.leads else None)[0]

    def meet(self, name: str) -> None:
        """Wait here until all processes have come; see `gather`."""
        self.gather(name)

    def check(self) -> None:
        """Raise what has ended the run elsewhere, if anything has.

        Raises:
          PeerLost, PeerLeft
        """
        if (why := self._verdict()) is not None:
            raise why

    def explain(self, error: BaseException) -> BaseException:
        """Return the reason of an error: the end of another process, if that is what it shows.

        Waits until it is known who is gone, no longer than the time that a loss may take.
        """
        is_own = isinstance(error, (InputError, Stopped, PeerLeft, KeyboardInterrupt))
        text = str(error).lower()
        if self.n == 1 or is_own or not any(word in text for word in NATIVE_ERRORS):
            return error
        self._broken, began = True, time.monotonic()
        while time.monotonic() - began < self._patience:
            if (why := self._verdict()) is not None:
                return why
            time.sleep(0.1)
        line = str(error).splitlines()[0][:200]
        return PeerLost(f"The connection between the processes failed ({line}). {RESUMES}")

    def leave(self, code: int, message: str = "") -> int:
        """End together: wait for all others to leave, too, and print the reason once.

        Args:
          code: exit code of this process.
          message: what the user is to know; "" for nothing.

        Returns:
          the exit code of all.
        """
        if self.n == 1:
            if message:
                print(message, file=sys.stderr)
            return code
        self._exit_code = code
        with contextlib.suppress(Exception):
            said = json.dumps({"code": code, "message": message, "agreed": self.agreed})
            self._client.key_value_set(f"gan_jax/left/{self.index}", said)
        began = time.monotonic()
        while len(self._left) < self.n and not self._lost():
            if not self.agreed and time.monotonic() - began > self._patience:
                break
            with contextlib.suppress(Exception):
                self._read_left()
            time.sleep(0.05)
        if code == EXIT_DONE and (lost := self._why_lost()):
            code, message = EXIT_STOPPED, str(lost)
        codes = {p: left["code"] for p, left in sorted(self._left.items())} | {self.index: code}
        self._exit_code = next((c for c in codes.values() if c), EXIT_DONE)
        self._say(message)
        self._part()
        return self._exit_code

    def _say(self, message):
        """Print what was said by those who left: once, by process 0, or by all if it is lost."""
        if not self.leads:
            if message and (self._lost() or 0 not in self._left):
                print(message, file=sys.stderr)
            return
        said = [message] if message else []
        for p, left in sorted(self._left.items()):
            known = any(left["message"] in one for one in said)
            if p != self.index and left["message"] and not known:
                said.append(f"{self.names[p]}: {left['message']}")
        if said:
            print("\n".join(said), file=sys.stderr)

    def _part(self):
        """Let process 0 go last, since it holds what the others read."""
        if self._lost():
            return
        with contextlib.suppress(Exception):
            if not self.leads:
                self._client.key_value_set(f"gan_jax/gone/{self.index}", "")
                return
            deadline = time.monotonic() + 3
            while time.monotonic() < deadline:
                if len(self._client.key_value_dir_get("gan_jax/gone/")) >= self.n - 1:
                    return
                time.sleep(0.02)

    def _wait_for(self, key):
        while True:
            self.check()
            try:
                return self._client.blocking_key_value_get(key, 500)
            except Exception as error:  # jaxlib's error type tells nothing apart
                if "DEADLINE_EXCEEDED" not in str(error):
                    time.sleep(0.2)  # process 0 cannot be reached; the judge decides

    def _verdict(self):
        """Return the exception that ends the run here, or None."""
        if self.agreed or self._exit_code is not None:
            return None
        for p, left in sorted(self._left.items()):
            if p != self.index and not left["agreed"]:
                return PeerLeft(left["code"])
        return self._why_lost()

    def _why_lost(self):
        """Return PeerLost with the names of those that are lost, or None."""
        lost = self._lost()
        if not lost:
            return None
        names = " and ".join(self.names[p] for p in lost)
        verb = "was" if len(lost) == 1 else "were"
        return PeerLost(f"{names} {verb} lost. {RESUMES}")

    def _lost(self):
        """List the processes that have been silent for too long."""
        patience = min(self._patience, 5 * self._beat_s) if self._broken else self._patience
        now = time.monotonic()
        silent = [p for p, (_, t) in self._seen.items() if now - t > patience]
        silent = [p for p in silent if p not in self._left]
        # All beats come through process 0. When it is gone, so are those of the others.
        return [0] if 0 in silent else silent

    def _beat(self):
        """Beat, and note the beats and the last words of the others."""
        count = 0
        while True:
            count += 1
            with contextlib.suppress(Exception):
                own = f"gan_jax/beat/{self.index}"
                self._client.key_value_set(own, str(count), allow_overwrite=True)
                for key, value in self._client.key_value_dir_get("gan_jax/beat/"):
                    p, n = int(key.rpartition("/")[2]), int(value)
                    if p in self._seen and self._seen[p][0] != n:
                        self._seen[p] = (n, time.monotonic())
                self._read_left()
            time.sleep(self._beat_s)

    def _read_left(self):
        for key, value in self._client.key_value_dir_get("gan_jax/left/"):
            self._left[int(key.rpartition("/")[2])] = json.loads(value)

    def _judge(self):
        """End this process when the run has ended elsewhere and its main thread cannot notice."""
        since, last = None, time.monotonic()
        while True:
            time.sleep(0.1)
            now = time.monotonic()
            if now - last > 10 * self._beat_s:  # this process was stopped itself
                self._seen = {p: (n, t + now - last) for p, (n, t) in self._seen.items()}
            last, why = now, self._verdict()
            since = (since or now) if why else None
            if why and since and now - since > self._grace:
                self._end_at_once(why)

    def _end_at_once(self, why):
        saving = threading.Thread(target=self.before_end, daemon=True)
        saving.start()
        saving.join(SAVING_S)
        if isinstance(why, PeerLost):
            self.lose(why)
            print(why, file=sys.stderr, flush=True)
            os._exit(EXIT_STOPPED)
        if self.leads:
            self._say("")
        sys.stderr.flush()
        os._exit(why.code)

    def lose(self, why: PeerLost) -> None:
        """Note in the run folder that another process is lost."""
        with contextlib.suppress(Exception):
            self.on_loss(str(why))

    def _aborted(self):
        if 0 in self._left:
            os._exit(self._left[0]["code"] if self._exit_code is None else self._exit_code)
        if self.leads or self._reaches_0():  # something else
            return
        why = PeerLost(f"{self.names[0]} was lost. {RESUMES}")
        self.lose(why)
        print(why, file=sys.stderr, flush=True)
        os._exit(EXIT_STOPPED)

    def _reaches_0(self):
        from jax._src import distributed

        host, _, port = str(distributed.global_state.coordinator_address).rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=2).close()
        except (OSError, ValueError):
            return False
        return True


_HANDLERS = []  # which C may call as long as the process lives


def catch_abort(handler: Callable[[], None]) -> None:
    """Call a handler when jax.distributed aborts this process.

    Its client does so in C++ when process 0 is gone or does not come, with no way to be told
    otherwise. The handler runs in the thread that aborts, so it may take the interpreter's lock.

    Args:
      handler: ends the process. Where it returns, the process aborts after all.
    """
    libc = ctypes.CDLL(None)
    libc.signal.argtypes, libc.signal.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p

    def on_signal(_):
        handler()
        libc.signal(signal.SIGABRT, ctypes.c_void_p(0))
        os.abort()

    _HANDLERS.append(ctypes.CFUNCTYPE(None, ctypes.c_int)(on_signal))
    libc.signal(signal.SIGABRT, ctypes.cast(_HANDLERS[-1], ctypes.c_void_p))


_CURRENT = Peers()


def current() -> Peers:
    """Return this process among those that train with it."""
    return _CURRENT


def become(peers: Peers) -> None:
    """Set what `current` returns."""
    global _CURRENT
    _CURRENT = peers
