"""What a signal that asks to stop says."""

import os
import signal

import pytest

from gan_jax.training.signals import Signals


@pytest.mark.parametrize("has_terminal", [True, False])
def test_another_interrupt_is_offered_where_there_is_a_terminal(has_terminal, monkeypatch, capfd):
    monkeypatch.setattr(os, "isatty", lambda fd: has_terminal)
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.name == "SIGTERM"
    said = capfd.readouterr().err
    assert "stopping as soon as all is saved" in said
    assert ("Ctrl-C again to stop at once" in said) == has_terminal
