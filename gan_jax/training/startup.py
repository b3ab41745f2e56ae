"""Where the time goes between a command and the end of its first step."""

import time


class Startup(dict):
    """Seconds by part. The parts touch: their sum is all the time since `began`.

    began: time.perf_counter() when the first part began; None for now.
    """

    def __init__(self, began=None):
        super().__init__()
        self._last = time.perf_counter() if began is None else began

    def done(self, part):
        """Books the time since the last call on a part; a part may come more than once."""
        now = time.perf_counter()
        self[part] = self.get(part, 0.0) + now - self._last
        self._last = now

    def line(self):
        """All parts in words."""
        parts = ", ".join(f"{part} {seconds:.1f}" for part, seconds in self.items())
        return f"first step done after {sum(self.values()):.1f} s: {parts}"
