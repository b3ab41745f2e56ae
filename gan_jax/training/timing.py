"""Where the time of a run goes: by activity, and between the command and its first step."""

import contextlib
import time


class Timer(dict):
    """{activity: seconds}, summed over all invocations of a run."""

    @contextlib.contextmanager
    def __call__(self, activity: str):
        """Add the time spent within the context to an activity."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(activity, time.perf_counter() - start)

    def add(self, activity: str, seconds: float) -> None:
        """Add seconds to an activity."""
        self[activity] = self.get(activity, 0.0) + seconds


class Startup(dict):
    """{part: seconds} from a command to its first step; together they are all of that time."""

    def __init__(self, began: float | None = None):
        """began: time.perf_counter() at the beginning of the first part; None for now."""
        super().__init__()
        self._last = time.perf_counter() if began is None else began

    def done(self, part: str) -> None:
        """Add the time since the last call to a part; a part may come more than once."""
        now = time.perf_counter()
        self[part] = self.get(part, 0.0) + now - self._last
        self._last = now

    def line(self) -> str:
        """List all parts in words."""
        parts = ", ".join(f"{part} {seconds:.1f}" for part, seconds in self.items())
        return f"first step done after {sum(self.values()):.1f} s: {parts}"
