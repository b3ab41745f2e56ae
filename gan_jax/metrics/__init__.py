"""The metrics: scores of a set of images beside another. A new one is one file and one entry of TABLE."""

from gan_jax import errors
from gan_jax.metrics import (
    class_balance,
    frechet,
    galaxy,
    inception_score,
    kernel,
    ms_ssim,
    ndb,
    precision_recall,
)

TABLE = {
    "frechet": frechet.METRIC,
    "kernel": kernel.METRIC,
    "coverage": precision_recall.METRIC,
    "inception": inception_score.METRIC,
    "classes": class_balance.METRIC,
    "ndb": ndb.METRIC,
    "ms_ssim": ms_ssim.METRIC,
    "morphology": galaxy.METRIC,
}
SCORES = {key: score for found in TABLE.values() for key, score in found.scores.items()}
TRAINING = "frechet,classes"  # what is scored while training by default
RANKED = tuple(
    key for key, score in SCORES.items() if score.better != "real"
)  # scores that can say which checkpoint is best


def named(names):
    """The names of metrics in a flag, in the order of TABLE; "" for all.

    Raises:
      InputError: one that is not known.
    """
    asked = [word.strip() for word in names.split(",") if word.strip()]
    for name in asked:
        if name not in TABLE:
            raise errors.InputError(
                f"--scores={names}: {name!r} is no metric; use some of {', '.join(TABLE)}."
            )
    return [name for name in TABLE if not asked or name in asked]


def owner(key):
    """The name of the metric that computes a score."""
    return next(name for name, found in TABLE.items() if key in found.scores)


def ranking(key):
    """What checkpoint.Store goes by for --keep_best=key: the score, or minus the score; None for "none"."""
    if key == "none":
        return None
    return key if SCORES[key].better == "low" else f"-{key}"
