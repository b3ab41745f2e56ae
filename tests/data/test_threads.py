"""The parallel map shows its progress."""

import fcntl
import os
import struct
import sys
import termios

from gan_jax.data import threads
from tests.data import making


def test_progress_is_shown_when_it_takes_long(tmp_path, monkeypatch, capsys):
    for i in range(4):
        making.write_image(tmp_path / "set" / f"{i}.png", making.pixels(8, 8))
    clock = iter(range(0, 1000, 3))
    monkeypatch.setattr(threads, "_BLOCK", 2)
    monkeypatch.setattr(threads.time, "monotonic", lambda: next(clock))
    making.load(f"folder:{tmp_path / 'set'}", 8)
    said = capsys.readouterr().err
    assert "2 of 4 images decoded, 3 s left" in said
    assert "4 images decoded in 9 s, 0 per second" in said


def test_progress_is_a_bar_on_a_terminal(monkeypatch):
    reader, writer = os.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    monkeypatch.setattr(threads, "_QUIET", 0)
    with os.fdopen(writer, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        assert list(threads.parallel_map(abs, range(-4, 0), "images counted")) == [4, 3, 2, 1]
        shown = os.read(reader, 4096).decode()
    os.close(reader)
    assert shown.startswith("\rimages counted:   0%") and "of 4" not in shown
