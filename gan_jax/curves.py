"""What a run logged over training, against its steps and against the seconds that it trained."""

import pathlib

import numpy as np

from gan_jax import log


def read(folder, name):
    """A logged value, such as "disc/loss" or "eval/frechet", at every line of metrics.jsonl that has it.

    Args:
      folder: the run folder. name: key of the value.

    Returns:
      (steps int64 [T], seconds of training up to there float64 [T], values float64 [T]). The seconds are those of the updates
      alone, over all starts: compiling, scoring, sampling and saving are timed apart (train.Timer). T is 0 where nothing was
      logged.
    """
    rows = [row for row in log.read(pathlib.Path(folder) / "metrics.jsonl") if name in row]
    seconds = [row["wall"]["train_s"] for row in rows]
    return np.array([row["step"] for row in rows], int), np.array(seconds, float), np.array([row[name] for row in rows], float)
