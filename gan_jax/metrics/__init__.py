"""Scores of generated images.

Metrics compare two sets of images (`TABLE` below):

  frechet            Frechet distance; with Inception features this is the FID
  kernel             kernel distance; with Inception features this is the KID
  precision_recall   precision, recall, density and coverage
  inception_score    Inception Score
  class_balance      how far the class shares are from those of the data
  modes              classes that are made at all, where there are very many (Stacked MNIST)
  ndb                number of statistically different bins
  ms_ssim            multi-scale structural similarity between images of one set
  directions         which way things lie
  galaxy_morphology  shapes and colours of galaxies; `light_measures` has the formulas
  photometry         light, colours, shapes and noise in the data's own units

Other scores: class_accuracy (does a conditional generator make the requested class?), colorization,
memorization (does the generator copy training images?) and point_scores (2-D toys).

`features` holds the feature spaces. `scoring` computes all scores of one set of images, `evaluate`
those of a generator beside a floor and controls (`controls`). `protocol` records what scores depend
on, and `significance` compares several seeds.

To add a metric, write one file that ends in METRIC, a metric.Metric, and add one entry to TABLE.
Plug-ins are found, too; a record says itself what their scores mean.
"""

import functools
import math
import re
from collections.abc import Iterable

from gan_jax import errors, plugins
from gan_jax.metrics import (
    class_balance,
    directions,
    frechet,
    galaxy_morphology,
    inception_score,
    kernel,
    modes,
    ms_ssim,
    ndb,
    photometry,
    precision_recall,
)
from gan_jax.metrics.metric import Metric, Score, Views

_KEY = re.compile(r"[a-z][a-z0-9_]*(?<!_se)(?<!_std)")
# Keys of a row that are no scores of metrics: see scoring.make_row and report.parts.
_TAKEN = (
    *("n_real", "n_fake", "repeats", "fractions", "fractions_corrected"),
    *("intended", "asked_correlation", "psnr", "colourfulness", "copied"),
)


def _adapt(name, part):
    if not isinstance(part, Metric):
        raise errors.InputError(
            f"{name} is no metric; make it a gan_jax.metrics.metric.Metric(scores, needs, compute)."
        )
    for key, score in part.scores.items():
        if not _KEY.fullmatch(key) or key in SCORES or key in _TAKEN:
            raise errors.InputError(
                f"{name}: its score {key!r} is taken, or no name; use small letters, digits and _, "
                "and another name."
            )
        if not isinstance(score, Score) or score.better not in ("low", "high", "real"):
            raise errors.InputError(
                f"{name}: its score {key} must be a gan_jax.metrics.metric.Score(title, better, "
                "text), better one of low, high, real."
            )
        for name_of, limit in (("least", score.least), ("most", score.most)):
            is_number = type(limit) in (int, float) and math.isfinite(limit)
            if limit is not None and not is_number and (name_of, limit) != ("most", "classes"):
                raise errors.InputError(
                    f"{name}: its score {key} has {name_of}={limit!r}; make it a finite number, or "
                    "None for no limit."
                )
    return part._replace(compute=functools.partial(_compute, name, part))


def _compute(name: str, metric: Metric, real: Views, fake: Views) -> dict[str, float]:
    """Compute the scores of a plug-in, finite numbers or an InputError."""
    try:
        values = {key: float(value) for key, value in metric.compute(real, fake).items()}
    except errors.InputError:
        raise
    except Exception as error:  # whatever the function does
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise errors.InputError(
            f"--scores={name} fails ({text}); --debug shows where, or leave it out."
        ) from error
    for key, value in values.items():
        if key not in metric.scores or not math.isfinite(value):
            raise errors.InputError(
                f"--scores={name} gives {key}={value}; it must give finite numbers for "
                f"{', '.join(metric.scores)}."
            )
    return values


# By the names that --scores and --eval_scores use.
_BUILT_IN = {
    "frechet": frechet.METRIC,
    "kernel": kernel.METRIC,
    "coverage": precision_recall.METRIC,
    "inception": inception_score.METRIC,
    "classes": class_balance.METRIC,
    "modes": modes.METRIC,
    "ndb": ndb.METRIC,
    "ms_ssim": ms_ssim.METRIC,
    "directions": directions.METRIC,
    "morphology": galaxy_morphology.METRIC,
    "photometry": photometry.METRIC,
}
TABLE: plugins.Table[Metric] = plugins.Table("metrics", _BUILT_IN, _adapt)
SCORES: dict[str, Score] = {key: s for metric in TABLE.values() for key, s in metric.scores.items()}
TRAINING_METRICS = "frechet,classes"  # scored during training by default
# Scores of any images that can say which checkpoint is best.
RANKABLE_SCORES = tuple(
    key
    for metric in TABLE.values()
    for key, score in metric.scores.items()
    if score.better != "real" and not metric.of_values
)


def parse_names(names: str, flag: str = "scores") -> list[str]:
    """Parse the names of metrics in a flag.

    Args:
      names: names separated by commas; "" for all metrics.
      flag: name of the flag, for refusals.

    Returns:
      Names in the order of TABLE, then those of plug-ins as they are given.

    Raises:
      InputError: a name is unknown, or a plug-in cannot be used.
    """
    requested = [word.strip() for word in names.split(",") if word.strip()]
    for name in requested:
        if name not in TABLE:
            of_all = [name for name, metric in TABLE.items() if not metric.of_values]
            of_values = [name for name in TABLE if name not in of_all]
            raise errors.InputError(
                f"--{flag}={names}: {name!r} is no metric; use some of {', '.join(of_all)} (others "
                f"are for images with floats or 16 bits: {', '.join(of_values)})."
            )
    own = list(dict.fromkeys(name for name in requested if TABLE.is_plugin(name)))
    for name in own:
        try:
            _ = TABLE[name]
        except errors.InputError as error:
            raise errors.InputError(f"--{flag}={error}") from error
    return [name for name in TABLE if not requested or name in requested] + own


def plugin_scores(names: Iterable[str]) -> dict[str, Score]:
    """Return the scores of the plug-ins among the names of metrics, by key."""
    own = [TABLE[name] for name in names if TABLE.is_plugin(name)]
    return {key: score for metric in own for key, score in metric.scores.items()}


def metric_of(key: str, names: str = "") -> str:
    """Return the name of the metric that computes a score.

    Args:
      key: of the score.
      names: metrics as in a flag, among which plug-ins are found.
    """
    known = dict.fromkeys([*TABLE, *parse_names(names)])
    return next(name for name in known if key in TABLE[name].scores)


def ranking_key(key: str, names: str = "") -> str | None:
    """Return how checkpoint.Store ranks by a score: "KEY", or "-KEY" where high is better.

    None for "none", which keeps no best checkpoint.

    Args:
      key, names: as in `metric_of`.
    """
    if key == "none":
        return None
    return key if TABLE[metric_of(key, names)].scores[key].better == "low" else f"-{key}"
