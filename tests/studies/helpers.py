"""Studies run in this process: other settings refused, interruptions, and results without times."""

import json
import os
import signal

import pytest

from gan_jax.commands import process
from gan_jax.training import training_loop

# Words of a sweep over a GAN that trains in seconds.
SWEEP = [
    "--experiment=gan",
    "--net=mlp",
    "--data=galaxies:64",
    "--size=8",
    "--width=4",
    "--z_dim=3",
    "--batch=8",
    "--devices=1",
    "--sample_every=0",
    "--noevaluate",
]


def run(command, words, folder):
    """Runs a study's command in a folder. Returns its exit code."""
    return process.guarded(command.run, [*words, f"--workdir={folder}"])


def assert_other_settings_refused(command, words, folder, changes, capsys):
    """The command does not go on with a study that has other settings. changes: {word: message}."""
    capsys.readouterr()
    for word, message in changes.items():
        assert run(command, [*words, word], folder) == 2
        assert f"was made with {message}" in capsys.readouterr().err


def assert_files(folder, *names):
    """The study's folder has these files beside study.json and results."""
    files = {path.name for path in folder.iterdir()}
    assert files >= {"study.json", "results.json", "tables.md", "report.html", *names}


def outcome(folder, *times):
    """What a study ends in: results.json without the keys `times`, and the states of its runs."""
    states = {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("DONE")}
    return _without(json.loads((folder / "results.json").read_text()), times), states


def _without(value, keys):
    if isinstance(value, dict):
        return {k: _without(v, keys) for k, v in value.items() if k not in keys}
    return [_without(v, keys) for v in value] if isinstance(value, list) else value


def stop_by_signal(command, words, folder, condition):
    """Assert that a study ends at SIGTERM as stopped.

    The signal comes before a Loop advances for which condition(loop, until) holds.
    """
    advance = training_loop.Loop.advance

    def signalled(loop, until):
        if condition(loop, until):
            os.kill(os.getpid(), signal.SIGTERM)
        advance(loop, until)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_loop.Loop, "advance", signalled)
        assert run(command, words, folder) == 4


def interrupt(command, words, folder, module, name, killed):
    """Assert that a study ends as stopped where `killed`, now a module's function, ends it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, killed)
        assert run(command, words, folder) == 4
