"""What a training command should say of its settings and data although it can be run."""

import numpy as np

from gan_jax.config import Config, Prepared
from gan_jax.data import pixel_range
from gan_jax.errors import InputError, counted, result_or_error
from gan_jax.metrics import scoring

N_SCORED = 10_000  # images that `evaluate` samples unless it is told otherwise
# Settings that count steps, and what is left of them beyond the length of the run.
_INTERVALS = {
    "log_every": "one record is logged",
    "sample_every": "one sample grid is made",
    "save_every": "one checkpoint is saved",
}


def all_remarks(prepared: Prepared, counts: np.ndarray | None = None) -> list[str]:
    """List lines on what is unlike what the user may expect.

    Args:
      prepared: Prepared.
      counts: histogram of the training images, see pixel_range.remark; None: of the data in
        `prepared`.
    """
    train, run = prepared.train, prepared.config.run
    remarks = [_length(prepared.config)]
    n = len(train.images)
    if n < run.batch:
        remarks.append(
            f"Only {counted(n, 'image')} for --batch={run.batch}: images repeat within a "
            "minibatch; use a smaller --batch."
        )
    if train.points:
        return list(filter(None, remarks))
    unscored = result_or_error(scoring.check_counts, train, N_SCORED, "n_images")
    if isinstance(unscored, InputError):
        remarks.append(f"Evaluation would refuse these data as they are: {unscored}")
    absent = [name for name, n in zip(train.classes, _counts(prepared), strict=True) if not n]
    if absent:
        more = f" and {len(absent) - 6:,} more" if len(absent) > 6 else ""
        remarks.append(
            f"No training image is of class {', '.join(absent[:6])}{more}: left out of scores and "
            "grids."
        )
    counts = pixel_range.histogram(train.images) if counts is None else counts
    return list(filter(None, [*remarks, pixel_range.remark(counts)]))


def _counts(prepared):
    return prepared.dataset_info["counts"]


def _length(config: Config) -> str:
    """Say which intervals are longer than the run; "" if none is."""
    run = config.run
    beyond = {name: text for name, text in _INTERVALS.items() if getattr(run, name) > run.steps}
    listed = [f"--{name}={getattr(run, name)}" for name in beyond]
    ends = list(beyond.values())
    if run.eval_every > run.steps:
        listed.append(f"--eval_every={run.eval_every}")
        ends.append("nothing is scored in training")
    if not listed:
        return ""
    text = f"Longer than the run of --steps={run.steps}: {', '.join(listed)}"
    return f"{text}; so {', '.join(ends)}{', at the end' if beyond else ''}."
