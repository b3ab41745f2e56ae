"""SIGTERM and SIGINT during training: noted, so that the run can save before it stops."""

import os
import signal
import threading


class Signals:
    """Notes SIGTERM and SIGINT within its context; a second SIGINT interrupts at once.

    Outside of the main thread, which alone gets signals, it notes nothing.

    Attributes:
      name: name of the signal that came, or None.
    """

    def __init__(self):
        self.name: str | None = None
        self._old = {}

    def __enter__(self) -> "Signals":
        if threading.current_thread() is not threading.main_thread():
            return self
        for s in (signal.SIGTERM, signal.SIGINT):
            self._old[s] = signal.signal(s, self._note)
        return self

    def _note(self, number, _):
        self.name = signal.Signals(number).name
        os.write(2, b"\nstopping after this step; Ctrl-C again to stop at once\n")
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def __exit__(self, *_):
        for s, handler in self._old.items():
            signal.signal(s, handler)
