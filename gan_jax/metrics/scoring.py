"""Scores of one set of images against another, and their standard errors.

Training and evaluation both use these functions, so their scores are computed alike.
"""

import concurrent.futures
import functools
import operator
import os
from typing import NamedTuple

import numpy as np
import threadpoolctl

from gan_jax import errors, images, metrics
from gan_jax.data import pixel_format
from gan_jax.data.types import Dataset
from gan_jax.metrics import class_balance, features
from gan_jax.metrics.metric import Metric, Views, spread, take_rows

N_HALVES = 20  # random halves that a standard error is computed from


class Evaluator(NamedTuple):
    """A feature space and metrics; computes the views of images that the metrics need."""

    extractor: features.Extractor
    metrics: dict[str, Metric]  # by name

    @property
    def reads_values(self) -> bool:
        """Whether a metric reads values in the data's own units."""
        return any(metric.of_values for metric in self.metrics.values())

    def __call__(self, images: np.ndarray, values: np.ndarray | None = None) -> Views:
        """Compute the views of images.

        Args:
          images: uint8 [N, H, W, C].
          values: the same in the data's own units, float32; needed where a metric reads them.
        """
        feats, probs = self.extractor.apply(images)
        views = {"images": images, "features": feats}
        if probs is not None:
            views["probs"] = probs
        for metric in self.metrics.values():
            seen = values if metric.of_values else images
            if seen is None:
                raise ValueError("A metric reads values, and there are none.")
            views |= {name: view(seen) for name, view in metric.views.items()}
        return views

    def views_of(self, dataset: Dataset, rows: np.ndarray) -> Views:
        """Compute the views of some images of a dataset, in the order of `rows`, int [n]."""
        values = values_of(dataset, rows) if self.reads_values else None
        return self(images.take_rows(dataset.images, rows), values)


def values_of(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """Return some images of a dataset with a format in its own units: float32 [n, H, W, C].

    Args:
      dataset: the images.
      rows: int [n].
    """
    if dataset.stored is None or dataset.format is None:
        raise ValueError("Images without a format have no units.")
    out = np.empty((len(rows), *dataset.stored.shape[1:]), np.float32)
    for part in pixel_format.blocks(out):
        stored = images.take_rows(dataset.stored, rows[part])
        out[part] = pixel_format.in_units(stored, dataset.format)
    return out


def make_evaluator(
    extractor: features.Extractor,
    dataset: Dataset,
    names: str = "",
    strict: bool = False,
    values: bool = False,
) -> Evaluator:
    """Make an Evaluator with the named metrics that the feature space can serve.

    Metrics that need classes are left out where the feature space has none, and those of values
    where there are none.

    Args:
      extractor: the feature space.
      dataset: images that it will see.
      names: names of metrics.TABLE, separated by commas; "" for all that apply to the dataset.
      strict: refuse what would be left out.
      values: whether all images, also generated ones, come with values in the dataset's units.

    Raises:
      InputError: a metric is unknown; or, if strict, needs classes or values that are missing.
    """
    requested = metrics.parse_names(names)
    has_classes = extractor.apply(np.asarray(dataset.images[:1]))[1] is not None
    needs_classes = [
        name for name in requested if not has_classes and "probs" in metrics.TABLE[name].needs
    ]
    if strict and names and needs_classes:
        raise errors.InputError(
            f"--scores={names}: {needs_classes[0]} needs a classifier, and {extractor.name} has no "
            "classes; leave it out."
        )
    needs_values = [name for name in requested if not values and metrics.TABLE[name].of_values]
    if strict:
        check_values(names, values)
    left_out = {*needs_classes, *needs_values}
    chosen = {name: metrics.TABLE[name] for name in requested if name not in left_out}
    if not names:
        chosen = {name: metric for name, metric in chosen.items() if metric.applies_to(dataset)}
    return Evaluator(extractor, chosen)


def check_values(names: str, values: bool, scores_flag: str = "scores") -> None:
    """Refuse metrics of values that are asked for by name where there are none.

    Args:
      names, values: as in `make_evaluator`.
      scores_flag: the flag that sets the names, for the message.

    Raises:
      InputError
    """
    of_values = [name for name in metrics.parse_names(names) if metrics.TABLE[name].of_values]
    if names and of_values and not values:
        raise errors.InputError(
            f"--{scores_flag}={names}: {of_values[0]} is of images with floats or 16 bits, and not "
            "all of these have them; leave it out."
        )


def check_counts(
    real: Dataset,
    n: int,
    flag: str,
    names: str = "",
    n_features: int | None = None,
    scores_flag: str = "scores",
    has_classes: bool | None = None,
) -> None:
    """Refuse numbers of images that are too small for a metric, before anything expensive.

    Args:
      real: training images.
      n: images per sample.
      flag: the flag that sets n, for the message.
      names: as in `make_evaluator`.
      n_features: number of features; None: as many as --features=auto has.
      scores_flag: the flag that sets the names, for the message; "" for none.
      has_classes: whether the feature space has classes; None: if the images have two.

    Raises:
      InputError: n, or half of the real images, is too few.
    """
    n_features = n_features or features.count_features("auto", real)
    least = {
        name: metrics.TABLE[name].min_images(n_features) for name in metrics.parse_names(names)
    }
    worst = max(least, key=lambda name: least[name])
    if has_classes is None:
        has_classes = features.classifier.n_labelled_classes(real) >= 2

    half = len(real.images) // 2

    def instead():
        """Name the metrics that so few images are enough for."""
        few = min(n, half)
        enough = [
            name
            for name, metric in metrics.TABLE.items()
            if metric.min_images(n_features) <= few
            and metric.applies_to(real)
            and (has_classes or "probs" not in metric.needs)
        ]
        if not (enough and scores_flag):
            return ""
        return f", or ask for scores that so few can give: --{scores_flag}={','.join(enough)}"

    if n < least[worst]:
        raise errors.InputError(
            f"--{flag}={n} is too few for the score {worst} in {n_features} features; use at least "
            f"{least[worst]}{instead()}."
        )
    if half < least[worst]:
        raise errors.InputError(
            f"--data={real.name} has {len(real.images)} images, too few for the score {worst} in "
            f"{n_features} features, which needs {2 * least[worst]}{instead()}."
        )


def compute_scores(evaluator: Evaluator, reference: Views, sample: Views) -> dict:
    """Compute all scores of one set of images.

    Class shares of both sides are those that the classifier reports, even where labels are known:
    its mistakes must hit both sides alike.

    Args:
      evaluator: the metrics.
      reference: views of real images.
      sample: views of the images to be scored.

    Returns:
      {key of metrics.SCORES: float}. Where the feature space has classes, also the sample's class
      shares, float64 [K]: "fractions", as classified, and "fractions_corrected", with the
      classifier's confusions undone.
    """
    compute = lambda metric: metric.compute(reference, sample)
    out = functools.reduce(operator.or_, _on_cores(compute, evaluator.metrics.values()), {})
    if "probs" in sample:
        out["fractions"] = class_balance.class_fractions(sample["probs"])
        confusion = evaluator.extractor.confusion
        if confusion is not None:
            out["fractions_corrected"] = class_balance.correct_fractions(
                out["fractions"], confusion
            )
    return out


def standard_errors(
    evaluator: Evaluator, reference: Views, sample: Views, seed: int
) -> dict[str, float]:
    """Estimate the standard error of each score from the sampling of both sets of images.

    It is the standard deviation of the scores of random halves of both sets: for a fixed set, the
    choice of a half varies as much as the set itself does. This is a bootstrap without copies,
    which have distance 0 from each other and would spoil every score that uses neighbours. Metrics
    for which half of the images are too few are left out. Costly ones compute all halves together,
    see metric.Metric.

    Source: Shao and Wu 1989, the delete-d jackknife with d = n / 2.
    """
    sizes = [len(views["features"]) for views in (reference, sample)]
    n_features = reference["features"].shape[1]
    possible = [
        metric
        for metric in evaluator.metrics.values()
        if metric.min_images(n_features) <= min(sizes) // 2
    ]
    together = [metric for metric in possible if metric.standard_errors]
    others = [metric for metric in possible if not metric.standard_errors]
    needed = {name for metric in others for name in metric.needs}
    pair = [
        {name: view for name, view in views.items() if name in needed}
        for views in (reference, sample)
    ]
    rng = np.random.default_rng([seed, *sizes])
    rows = [[np.sort(rng.permutation(n)[: n // 2]) for n in sizes] for _ in range(N_HALVES)]

    def scores_of(of_half):
        halves = [take_rows(views, own) for views, own in zip(pair, of_half, strict=True)]
        return {k: v for metric in others for k, v in metric.compute(*halves).items()}

    of_own = lambda metric: metric.standard_errors(reference, sample, rows)
    tasks = [functools.partial(of_own, metric) for metric in together]
    tasks += [functools.partial(scores_of, of_half) for of_half in rows]
    done = _on_cores(lambda task: task(), tasks)
    of_halves = done[len(together) :]
    return functools.reduce(operator.or_, done[: len(together)], spread(of_halves))


def _on_cores(f, tasks):
    """Return f of each task. A core does one after the other.

    Numpy is on one core for most of the time, and its matrix products would only wait for each
    other.
    """
    one_each = threadpoolctl.threadpool_limits(1, user_api="blas")
    with one_each, concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(f, tasks))


def make_row(
    evaluator: Evaluator, pairs: list[tuple[Views, Views]], seed: int | None = None
) -> dict:
    """Make one row of a record.

    Args:
      evaluator: the metrics.
      pairs: (reference, sample) views of each repeat.
      seed: seed of the standard errors; None for none.

    Returns:
      As `average_repeats`; with a seed also NAME_se, the standard errors of the first pair.
    """
    counts = [len(views["features"]) for views in pairs[0]]
    row = average_repeats([compute_scores(evaluator, *pair) for pair in pairs], *counts)
    if seed is not None:
        errors_of = standard_errors(evaluator, *pairs[0], seed)
        row |= {f"{name}_se": value for name, value in errors_of.items()}
    return row


def average_repeats(scores: list[dict], n_real: int, n_fake: int) -> dict:
    """Average the scores of several repeats.

    Returns:
      JSON-able dict: n_real, n_fake, repeats, the mean of each score, and NAME_std, its standard
      deviation, if there are several repeats.
    """
    out = {"n_real": n_real, "n_fake": n_fake, "repeats": len(scores)}
    for name in scores[0]:
        values = np.array([s[name] for s in scores], np.float64)
        out[name] = values.mean(0).tolist()
        if len(scores) > 1:
            out[f"{name}_std"] = values.std(0, ddof=1).tolist()
    return out


def summarize_row(row: dict, evaluator: Evaluator | None = None) -> dict[str, float]:
    """Return the scores of a row without spreads and class shares, for the training log.

    Args:
      row: see `make_row`.
      evaluator: of the row; None if it has no plug-ins.
    """
    own = metrics.plugin_scores(evaluator.metrics) if evaluator else {}
    return {name: row[name] for name in [*metrics.SCORES, *own] if name in row}
