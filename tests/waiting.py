"""Waiting for what other processes do."""

import time


def until(condition, seconds=10):
    """Wait until a condition holds; fail where it takes longer."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
