"""Runs that train in seconds, for tests of the loop, of several seeds and of the monitor."""

import dataclasses
import os
import signal

import numpy as np

from gan_jax import config as configs
from gan_jax.data.datasets import Dataset
from gan_jax.methods import gan
from gan_jax.rundir import config_file, log
from gan_jax.settings import RunSettings
from gan_jax.training import training_loop

RUN = RunSettings(
    data="test", size=8, batch=4, steps=12, log_every=4, sample_every=6, save_every=4, devices=1
)
# Of a training command.
FLAGS = ["--data=galaxies:20", "--size=8", "--width=2", "--z_dim=3", "--batch=4", "--devices=1"]
HP = gan.Settings(width=2, z_dim=3, ema=0.9)


def dataset(n=30, seed=0, labels=True):
    """A Dataset of random images, uint8 [n, 8, 8, 1], of three classes or none."""
    images = np.random.default_rng(seed).integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)
    if not labels:
        return Dataset(images, None, (), "test", str(seed))
    return Dataset(images, np.arange(n, dtype=np.int32) % 3, ("a", "b", "c"), "test", str(seed))


def prepare(train, hp=HP, run=RUN, experiment="dcgan", method="gan", **changes):
    """Prepared of a run on a Dataset. changes: of the run's settings."""
    run = dataclasses.replace(run, **changes)
    return configs.prepare(configs.Config(experiment, method, run, hp), train)


def train(workdir, prepared):
    """Trains a run in a folder of its own. Returns the digest of the final state."""
    workdir.mkdir(exist_ok=True)
    config_file.write(workdir, prepared.to_dict())
    return training_loop.train(prepared, workdir)


def records(workdir):
    """The records of a run, without the times."""
    return [
        {k: v for k, v in r.items() if k != "wall"} for r in log.read(workdir / "metrics.jsonl")
    ]


def stop_at(monkeypatch, step, name="SIGTERM"):
    """Sends this process a signal after that step of a run, until monkeypatch.undo()."""
    dispatch = training_loop.Loop._dispatch

    def dispatch_and_signal(loop):
        dispatch(loop)
        if loop.t == step:
            os.kill(os.getpid(), getattr(signal, name))

    monkeypatch.setattr(training_loop.Loop, "_dispatch", dispatch_and_signal)
