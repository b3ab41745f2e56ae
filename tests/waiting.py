"""Waiting for what other processes do."""

import time


def until(condition, seconds=10, pause=0.02):
    """Wait until a condition holds, asked every `pause` seconds; fail where it takes longer."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(pause)
