"""The classifiers of a node of the study of voting, from its trained GAN to its votes."""

import io
import pathlib
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from gan_jax import cache
from gan_jax.config import Prepared
from gan_jax.data.types import Dataset
from gan_jax.metrics import features
from gan_jax.metrics.features import Extractor, classifier_training
from gan_jax.rundir import run_folder
from gan_jax.studies import run_outputs
from gan_jax.studies.ensemble.flags import Flags
from gan_jax.training import sampling


def classifier_settings(flags: Flags, seed: int) -> features.Settings:
    """Return how every classifier of the study is trained."""
    w = flags.classifier_width
    return features.Settings(steps=flags.classifier_steps, widths=(w, 2 * w, 4 * w), seed=seed)


def load_central(flags: Flags, train: Dataset, test: Dataset) -> Extractor:
    """Load the classifier of all training images; it is trained once and cached."""
    return features.load(train, test, "classifier", classifier_settings(flags, 0))


def generate(folder: pathlib.Path, n: int, seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Generate images from a finished run.

    Returns:
      (images uint8 [n, H, W, C], int [n] number of each image's generator, number of generators).
    """
    run = run_folder.load(folder)
    images = run_outputs.generate(run, n, seed)
    generators = sampling.drawn_conditions(run.method, jax.random.key(seed), n)
    return images, generators, len(run.method.conditioning.names)


def classify(
    flags: Flags,
    prepared: Prepared,
    folder: pathlib.Path,
    seeds: Sequence[int],
    test: Dataset,
    central: Extractor,
) -> dict[str, Any]:
    """Train a node's labeller and classifier, and write votes.npz.

    Args:
      flags: Flags.
      prepared: the node's run.
      folder: its run folder.
      seeds: seeds of labeller and classifier.
      test: labelled test images.
      central: the classifier of all training images.

    Returns:
      the node's record, with "failed" where the labeller knows no image.
    """
    start, part = time.perf_counter(), prepared.train
    images, generators, n_gens = generate(folder, flags.n_synthetic, prepared.config.run.seed)
    labeller = classifier_training.fit(part, classifier_settings(flags, seeds[0]))
    _, probs = labeller(images)
    sure = probs.max(1) >= flags.confidence
    labels = np.where(sure, probs.argmax(1), -1).astype(np.int32)
    n_classes = len(part.classes)
    central_labels = central.apply(images)[1].argmax(1)
    # [generators, classes]: counts of images, by what the central classifier says of them.
    pairs = np.bincount(generators * n_classes + central_labels, minlength=n_gens * n_classes)
    record = {
        "labeller_accuracy": _accuracy(labeller(test.images)[1], test),
        "kept": [int((labels == i).sum()) for i in range(n_classes)],  # images by label
        "generators": pairs.reshape(n_gens, -1).tolist(),
    }
    if (labels < 0).all():
        return record | {
            "failed": f"its labeller knows none of {len(images)} images with a confidence of "
            f"{flags.confidence:g}; train longer, or lower --confidence"
        }
    own = part._replace(images=images, labels=labels)
    _, votes = classifier_training.fit(own, classifier_settings(flags, seeds[1]))(test.images)
    packed = io.BytesIO()
    np.savez(packed, probs=votes)
    cache.write_atomic(folder / "votes.npz", packed.getvalue())
    seconds = round(time.perf_counter() - start, 3)
    return record | {"accuracy": _accuracy(votes, test), "classify_s": seconds}


def _accuracy(probs, test):
    return float((probs.argmax(1) == test.labels).mean())
