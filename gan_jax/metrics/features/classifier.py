"""`--features=classifier`: a small classifier, trained once on the data set's own labels.

`--features=random`: the same net, untrained; its features compare sets, without probabilities.
"""

import json
import pathlib
import sys

import jax
import numpy as np
from flax import traverse_util

from gan_jax import cache, errors, images
from gan_jax.data import stacked
from gan_jax.data.types import Dataset
from gan_jax.metrics import content_order
from gan_jax.metrics.features import classifier_training
from gan_jax.metrics.features.classifier_training import Settings
from gan_jax.metrics.features.extractor import Extractor
from gan_jax.nets.classifier import Classifier

_MAX_TRAIN, _MAX_HELDOUT = 60_000, 10_000  # images


def load(
    arg: str, dataset: Dataset, heldout: Dataset | None = None, settings: Settings | None = None
) -> Extractor:
    """Load the classifier of a data set, trained once and cached.

    Args:
      arg: not used.
      dataset: its labelled images (label >= 0) train the classifier, each class equally often.
      heldout: its labelled images measure the accuracy. None, or without labels: a tenth of
        `dataset`, which is then not trained on.
      settings: training; None for `default_settings`.

    Returns:
      Extractor of the classes that have images in `dataset`.

    Raises:
      InputError: fewer than two classes have labelled images.
    """
    count_features(arg, dataset)
    net, variables, report = load_trained(dataset, heldout, settings)
    labels = classes_with_images(dataset)
    counts = np.asarray(report["confusion"])[np.ix_(labels, labels)]
    apply = classifier_training.build_apply(net, variables)
    if len(labels) < len(dataset.classes):
        apply = _among(apply, labels)
    return Extractor(
        report["name"],
        report["balanced_accuracy"],
        _normalize_rows(counts),
        tuple(dataset.classes[label] for label in labels),
        apply,
        labels=tuple(labels),
        recall=tuple(report["recall"][label] for label in labels),
    )


def _among(apply, labels):
    """Return an Extractor.apply whose probabilities are those of some classes alone."""

    def apply_among(images):
        features, probs = apply(images)
        probs = probs[:, labels]
        return features, probs / np.maximum(probs.sum(1, keepdims=True), 1e-30)

    return apply_among


def load_random(
    arg: str, dataset: Dataset, heldout: Dataset | None = None, settings: Settings | None = None
) -> Extractor:
    """Make the net with the weights that training would begin from."""
    settings = settings or default_settings(dataset)
    net = Classifier(max(1, len(dataset.classes)), settings.widths)
    apply = classifier_training.build_apply(
        net, classifier_training.init_variables(net, dataset.images, settings)
    )
    return Extractor("random", None, None, dataset.classes, lambda x: (apply(x)[0], None))


def count_features(arg: str, dataset: Dataset) -> int:
    """Return the number of features; refuse data without two labelled classes.

    Raises:
      InputError
    """
    n = n_labelled_classes(dataset)
    if n < 2:
        raise errors.InputError(
            "--features=classifier needs two classes with labelled images, and "
            f"--data={dataset.name} has {n}; use --features=auto, random, pixels, onnx:FILE, "
            "python:MODULE:NAME or inception:FILE."
        )
    return default_settings(dataset).widths[-1]


def count_random_features(arg: str, dataset: Dataset) -> int:
    """Return the number of features of `load_random`."""
    return default_settings(dataset).widths[-1]


def n_labelled_classes(dataset: Dataset) -> int:
    """Count the classes that have labelled images."""
    return len(classes_with_images(dataset))


def classes_with_images(dataset: Dataset) -> list[int]:
    """List the labels that occur, in order."""
    labels = dataset.labels
    return [] if labels is None else np.unique(labels[labels >= 0]).tolist()


def default_settings(dataset: Dataset) -> Settings:
    """Choose a longer training for large data sets, except for galaxies.

    MNIST's digits are classified to 98.7 % after 600 steps, and to 99.1 % after 2,000. Counting
    modes needs 99.5 %, which a wider net has after 4,000 steps with moved and slanted digits.
    """
    if stacked.is_stacked(dataset.name):
        return Settings(steps=4000, widths=(32, 64, 128))
    is_easy = classifier_training.any_orientation(dataset) or len(dataset.images) < 20_000
    return Settings() if is_easy else Settings(steps=2000)


def load_trained(
    dataset: Dataset, heldout: Dataset | None = None, settings: Settings | None = None
) -> tuple[Classifier, dict, dict]:
    """Train the classifier of a data set, or load it from the cache.

    Args:
      dataset: as in `load`; has two labelled classes.
      heldout: as in `load`.
      settings: as in `load`.

    Returns:
      (net, its variables, {"name", "classes", "accuracy", "balanced_accuracy", "recall" by class,
      "confusion" in counts with true classes in rows, "n_train", "n_heldout"}).
    """
    settings = settings or default_settings(dataset)
    if heldout is not None and (heldout.labels is None or (heldout.labels < 0).all()):
        heldout = None
    identity = {
        "version": classifier_training.VERSION,
        "digest": dataset.digest,
        "turned": classifier_training.any_orientation(dataset),
        **settings._asdict(),
        "heldout": heldout and heldout.digest,
    }
    folder = cache.entry(
        "classifier", identity, lambda folder: _build(folder, dataset, heldout, settings)
    )
    with np.load(folder / "weights.npz") as file:
        variables = traverse_util.unflatten_dict(dict(file), sep="/")
    report = json.loads((folder / "report.json").read_text())
    net = Classifier(len(dataset.classes), settings.widths)
    return net, variables, report | {"name": f"classifier-{folder.name[:8]}"}


def _build(
    folder: pathlib.Path, dataset: Dataset, heldout: Dataset | None, settings: Settings
) -> None:
    """Train and measure a classifier; write weights.npz and report.json into the folder."""

    def labelled(dataset):
        """Return the rows of the labelled images in random order, whatever their order is."""
        rows = content_order.sort_rows(dataset.images, np.flatnonzero(dataset.labels >= 0))
        return np.random.default_rng(settings.seed).permutation(rows)

    if heldout is None:
        order = labelled(dataset)
        n_test = max(1, len(order) // 10)
        test, test_rows, rows = dataset, order[:n_test], order[n_test:]
    else:
        test, test_rows, rows = heldout, labelled(heldout), labelled(dataset)
    rows, test_rows = rows[:_MAX_TRAIN], test_rows[:_MAX_HELDOUT]
    net = Classifier(len(dataset.classes), settings.widths)
    variables = classifier_training.train(
        net,
        images.take_rows(dataset.images, rows),
        dataset.labels[rows],
        settings,
        classifier_training.change_of(dataset),
    )
    _, probs = classifier_training.build_apply(net, variables)(
        images.take_rows(test.images, test_rows)
    )
    report = _report(test.labels[test_rows], probs.argmax(1), dataset.classes)
    print(
        f"classifier: balanced accuracy {report['balanced_accuracy']:.3f} on {len(test_rows)} "
        "held-out images",
        file=sys.stderr,
    )
    np.savez(
        folder / "weights.npz", **traverse_util.flatten_dict(jax.device_get(variables), sep="/")
    )
    report |= {"n_train": len(rows), "n_heldout": len(test_rows)}
    (folder / "report.json").write_text(json.dumps(report, indent=1))


def _report(labels, predicted, classes):
    """Compute the accuracies of predictions int [N].

    A class without images has no recall and no part in the balanced accuracy.
    """
    k = len(classes)
    confusion = np.bincount(labels * k + predicted, minlength=k * k).reshape(k, k)
    n = confusion.sum(1)
    recall = [float(confusion[i, i] / n[i]) if n[i] else None for i in range(k)]
    return {
        "classes": list(classes),
        "accuracy": float((labels == predicted).mean()),
        "balanced_accuracy": float(np.mean([r for r in recall if r is not None])),
        "recall": recall,
        "confusion": confusion.tolist(),
    }


def _normalize_rows(confusion):
    """Divide counts by the sums of their rows; an empty row becomes one of the identity."""
    confusion = np.asarray(confusion, np.float64)
    n = confusion.sum(1, keepdims=True)
    return np.where(n > 0, confusion / np.maximum(n, 1), np.eye(len(confusion)))
