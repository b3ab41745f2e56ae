"""Scores of generated images.

Metrics compare two sets of images (`TABLE` below):

  frechet            Frechet distance; with Inception features this is the FID
  kernel             kernel distance; with Inception features this is the KID
  precision_recall   precision, recall, density and coverage
  inception_score    Inception Score
  class_balance      how far the class shares are from those of the data
  ndb                number of statistically different bins
  ms_ssim            multi-scale structural similarity between images of one set
  galaxy_morphology  shapes and colours of galaxies; `light_measures` has the formulas

Other scores: class_accuracy (does a conditional generator make the requested class?), colorization,
memorization (does the generator copy training images?) and point_scores (2-D toys).

`features` holds the feature spaces. `scoring` computes all scores of one set of images, `evaluate`
those of a generator beside a floor and controls (`controls`). `protocol` records what scores depend
on, and `significance` compares several seeds.

To add a metric, write one file that ends in METRIC, a metric.Metric, and add one entry to TABLE.
"""

from gan_jax import errors
from gan_jax.metrics import (
    class_balance,
    frechet,
    galaxy_morphology,
    inception_score,
    kernel,
    ms_ssim,
    ndb,
    precision_recall,
)
from gan_jax.metrics.metric import Metric, Score

# By the names that --scores and --eval_scores use.
TABLE: dict[str, Metric] = {
    "frechet": frechet.METRIC,
    "kernel": kernel.METRIC,
    "coverage": precision_recall.METRIC,
    "inception": inception_score.METRIC,
    "classes": class_balance.METRIC,
    "ndb": ndb.METRIC,
    "ms_ssim": ms_ssim.METRIC,
    "morphology": galaxy_morphology.METRIC,
}
SCORES: dict[str, Score] = {key: s for metric in TABLE.values() for key, s in metric.scores.items()}
TRAINING_METRICS = "frechet,classes"  # scored during training by default
# Scores that can say which checkpoint is best.
RANKABLE_SCORES = tuple(key for key, score in SCORES.items() if score.better != "real")


def parse_names(names: str) -> list[str]:
    """Parse the names of metrics in a flag.

    Args:
      names: names separated by commas; "" for all metrics.

    Returns:
      Names in the order of TABLE.

    Raises:
      InputError: a name is unknown.
    """
    requested = [word.strip() for word in names.split(",") if word.strip()]
    for name in requested:
        if name not in TABLE:
            raise errors.InputError(
                f"--scores={names}: {name!r} is no metric; use some of {', '.join(TABLE)}."
            )
    return [name for name in TABLE if not requested or name in requested]


def metric_of(key: str) -> str:
    """Return the name of the metric that computes a score."""
    return next(name for name, metric in TABLE.items() if key in metric.scores)


def ranking_key(key: str) -> str | None:
    """Return how checkpoint.Store ranks by a score: "KEY", or "-KEY" where high is better.

    None for "none", which keeps no best checkpoint.
    """
    if key == "none":
        return None
    return key if SCORES[key].better == "low" else f"-{key}"
