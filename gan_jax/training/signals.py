"""SIGTERM, SIGHUP and SIGINT during training: noted, so that the run can save before it stops."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

from gan_jax.errors import Stopped

NOTED = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Signals:
    """Notes the signals that ask to stop, within its context; a second SIGINT interrupts at once.

    Outside of the main thread, which alone gets signals, it notes nothing. Neither does it note
    what the process was started to ignore, such as SIGHUP by nohup.

    Attributes:
      name: name of the signal that came, or None.
    """

    def __init__(self):
        self.name: str | None = None
        self._at_once = False
        self._old = {}

    def __enter__(self) -> "Signals":
        if threading.current_thread() is not threading.main_thread():
            return self
        for s in NOTED:
            if signal.getsignal(s) is not signal.SIG_IGN:
                self._old[s] = signal.signal(s, self._note)
        return self

    def number(self) -> int:
        """Return the number of the signal that came; 0 for none."""
        return signal.Signals[self.name] if self.name else 0

    def _note(self, number, _):
        self.name = signal.Signals(number).name
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._at_once:
            raise KeyboardInterrupt
        with contextlib.suppress(OSError):  # nobody may be there to read it
            again = b"; Ctrl-C again to stop at once" if os.isatty(0) else b""
            os.write(2, b"\nstopping as soon as all is saved" + again + b"\n")

    @contextlib.contextmanager
    def stopping_at_once(self, message: str) -> Iterator[None]:
        """Let a signal end what is within at once, since there is nothing to save.

        Args:
          message: of Stopped, after "stopped by SIGNAL ".

        Raises:
          Stopped: a signal has come, perhaps before.
        """
        self._at_once = True
        try:
            if not self.name:
                yield
        except KeyboardInterrupt:
            if not self.name:  # another handler raised it
                raise
        finally:
            self._at_once = False
        if self.name:
            raise Stopped(f"stopped by {self.name} {message}")

    def __exit__(self, *_):
        for s, handler in self._old.items():
            signal.signal(s, handler)
