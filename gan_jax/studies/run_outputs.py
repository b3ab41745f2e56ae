"""What a study takes from its runs: logged values, generated images, scores."""

import json
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_jax.metrics import scoring
from gan_jax.metrics.metric import Views
from gan_jax.rundir import config_file, log, run_folder
from gan_jax.rundir.run_folder import LoadedRun
from gan_jax.studies import runner
from gan_jax.training import sampling

SCORED = "scored.json"  # in a run folder: what `score_run` returned


class More(NamedTuple):
    """What `score_run` is to compute of the generated images besides the scores."""

    key: dict[str, Any]  # JSON values that it depends on besides the run
    compute: Callable[[np.ndarray], dict[str, Any]]  # images uint8 [n, H, W, C] -> JSON values


def read_logged(folder: pathlib.Path, key: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read a logged value over training.

    Args:
      folder: the run folder.
      key: of the value, such as "disc/loss" or "eval/frechet".

    Returns:
      (steps int64 [T], seconds of training up to there float64 [T], values float64 [T]). The
      seconds are those of updates alone, over all starts; see training.timing.Timer. T is 0 where
      nothing was logged.
    """
    records = [record for record in log.read(folder / "metrics.jsonl") if key in record]
    steps = np.array([record["step"] for record in records], int)
    seconds = np.array([record["wall"]["train_s"] for record in records], float)
    return steps, seconds, np.array([record[key] for record in records], float)


def train_seconds(folder: pathlib.Path) -> float:
    """Read the seconds of training of a finished run, over all its starts."""
    return log.read(folder / "metrics.jsonl")[-1]["wall"]["train_s"]


def read_batch(folder: pathlib.Path) -> int:
    """Read the images of a minibatch of a run."""
    return config_file.read(folder)["run"]["batch"]


def generate(
    run: LoadedRun, n: int, seed: int = 0, condition: np.ndarray | None = None
) -> np.ndarray:
    """Generate images uint8 [n, H, W, C], or points, with a run's averaged generator."""
    sampler = sampling.build_sampler(run.method)
    return sampler(run.state.vars(ema=True), jax.random.key(seed), n, condition)


def score_run(
    folder: pathlib.Path,
    evaluator: scoring.Evaluator,
    reference: Views,
    n: int,
    more: More | None = None,
) -> dict[str, Any]:
    """Score a finished run by n images, once: the scores are kept as long as nothing has changed.

    Args:
      folder: the run folder.
      evaluator: Evaluator.
      reference: its views of real images.
      n: number of generated images.
      more: what else is computed of the images, or None.

    Returns:
      what scoring.make_row returns, with "steps" and "train_s", the seconds of training, and what
      `more` computes.
    """
    key = {
        "run": (folder / "DONE").read_text(),
        "net": evaluator.extractor.name,
        "scores": list(evaluator.metrics),
        "n_real": len(reference["features"]),
        "n": n,
        **(more.key if more else {}),
    }
    try:
        stored = json.loads((folder / SCORED).read_text())
    except (OSError, ValueError):
        stored = {}
    if stored.get("key") == key:
        return stored["row"]
    run = run_folder.load(folder)
    images = generate(run, n)
    row = scoring.make_row(evaluator, [(reference, evaluator(images))])
    row |= {"steps": run.step, "train_s": train_seconds(folder)}
    row |= more.compute(images) if more else {}
    runner.write_json(folder / SCORED, {"key": key, "row": row}, indent=None)
    return row
