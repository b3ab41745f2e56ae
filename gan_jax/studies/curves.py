"""What the runs of a study leave: logged values over steps and seconds of training, and the scores of a finished one."""

import json
import pathlib

import jax
import numpy as np

from gan_jax import cache
from gan_jax.metrics import evaluate
from gan_jax.rundir import log, run_folder
from gan_jax.training import sampling

SCORED = "scored.json"  # of a run folder: what `score` found


def read(folder, name):
    """A logged value, such as "disc/loss" or "eval/frechet", at every line of metrics.jsonl that has it.

    Args:
      folder: the run folder. name: key of the value.

    Returns:
      (steps int64 [T], seconds of training up to there float64 [T], values float64 [T]). The seconds are those of the updates
      alone, over all starts: compiling, scoring, sampling and saving are timed apart (training_loop.Timer). T is 0 where nothing was
      logged.
    """
    rows = [row for row in log.read(pathlib.Path(folder) / "metrics.jsonl") if name in row]
    seconds = [row["wall"]["train_s"] for row in rows]
    return (
        np.array([row["step"] for row in rows], int),
        np.array(seconds, float),
        np.array([row[name] for row in rows], float),
    )


def score(folder, see, ref, n):
    """Scores of n images of a finished run's averaged generator, once: kept in its folder, as long as nothing has changed.

    Args:
      folder: pathlib.Path of the run. see: evaluate.Evaluator. ref: its views of real images. n: images, drawn by seed 0.

    Returns:
      evaluate.row's dict, with "steps" and "train_s", the seconds of training.
    """
    key = {
        "run": (folder / "DONE").read_text(),
        "net": see.extractor.name,
        "scores": list(see.metrics),
    }
    key |= {"n_real": len(ref["features"]), "n": n}
    try:
        kept = json.loads((folder / SCORED).read_text())
    except (OSError, ValueError):
        kept = {}
    if kept.get("key") == key:
        return kept["row"]
    trained = run_folder.load(folder)
    made = sampling.build_sampler(trained.method)(
        trained.state.vars(ema=True), jax.random.key(0), n
    )
    spent = log.read(folder / "metrics.jsonl")[-1]["wall"]["train_s"]
    row = evaluate.row(see, [(ref, see(made))]) | {"steps": trained.step, "train_s": spent}
    cache.write_atomic(
        folder / SCORED, json.dumps({"key": key, "row": row}, allow_nan=False) + "\n"
    )
    return row
