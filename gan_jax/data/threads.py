"""A parallel map over all cores that shows its progress."""

import concurrent.futures
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
R = TypeVar("R")

_BLOCK = 256  # items at a time: so many results wait in memory at most, and Ctrl-C for no more
_QUIET = 2  # seconds before progress is shown
_INTERVAL = 10  # seconds between lines of progress where stderr is not a terminal


def parallel_map(
    function: Callable[[T], R], items: Sequence[T], what: str, block: int | None = None
) -> Iterator[R]:
    """Yield function(item) of every item, in order, computed by threads on all cores.

    What takes longer than two seconds shows its progress and its speed on stderr.

    Args:
      function: function of one item.
      items: sequence of its arguments.
      what: name of the results, such as "images decoded".
      block: items at a time, fewer where their results are large; None: 256.
    """
    block = block or _BLOCK
    n, start, is_terminal = len(items), time.monotonic(), sys.stderr.isatty()
    next_line = start + _QUIET
    bar = tqdm(total=n, desc=what, unit="image", delay=_QUIET, disable=not is_terminal, leave=False)
    with concurrent.futures.ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool, bar:
        for first in range(0, n, block):
            for result in pool.map(function, items[first : first + block]):
                yield result
                bar.update()
            now, done = time.monotonic(), min(first + block, n)
            if now > next_line and not is_terminal:
                next_line = now + _INTERVAL
                _say(f"{done} of {n} {what}, {(now - start) * (n - done) / done:.0f} s left")
    if (seconds := time.monotonic() - start) > _QUIET:
        _say(f"{n} {what} in {seconds:.0f} s, {n / seconds:.0f} per second")


def _say(line):
    print(line, file=sys.stderr, flush=True)
