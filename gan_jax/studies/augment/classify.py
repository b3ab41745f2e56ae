"""The classifiers of the study of synthetic images: by share of labels, training set and seed."""

import json
import pathlib
from typing import Any

import numpy as np

from gan_jax.data.types import Dataset
from gan_jax.errors import InputError
from gan_jax.metrics import detection, features
from gan_jax.metrics.features import classifier_training
from gan_jax.studies import runner
from gan_jax.studies.augment import results, training_sets
from gan_jax.studies.augment.flags import Study
from gan_jax.studies.augment.training_sets import Arm, Pool


def block_widths(first: int) -> tuple[int, int, int]:
    """Return the channels of a classifier's blocks."""
    return first, 2 * first, 4 * first


def build_pool(study: Study, share: int, part: Dataset) -> tuple[Dataset, Pool]:
    """Collect all images that the training sets of a share choose from.

    Returns:
      (real images, then synthetic ones; which is which). Real images alone where the GAN failed.
    """
    images, labels = [part.images], [part.labels]
    origin = [np.full(len(part.labels), training_sets.REAL)]
    path = study.folder(share) / "synthetic.npz"
    if path.exists():
        with np.load(path) as file:
            images.append(file["images"])
            labels.append(file["labels"])
        of_all_classes = np.arange(len(labels[-1])) < study.n_synthetic(part)
        origin.append(np.where(of_all_classes, training_sets.SYNTHETIC, training_sets.RARE))
    pool = Pool(np.concatenate(labels), np.concatenate(origin), study.rare, study.n_rare(part))
    return part._replace(images=np.concatenate(images), labels=pool.labels), pool


def train_classifiers(study: Study, share: int, part: Dataset, test: Dataset) -> None:
    """Train and test every classifier of a share that is missing, and write a file for each."""
    folder = study.folder(share)
    gan_failed = "failed" in json.loads((folder / "gan.json").read_text())
    (folder / "classifiers").mkdir(exist_ok=True)
    keys = [key for key, arm in study.arms.items() if not (gan_failed and arm.generated)]
    paths = {
        (seed, key): folder / "classifiers" / f"{key}_{seed}.json"
        for seed in range(study.flags.seeds)
        for key in keys
    }
    missing = {job: path for job, path in paths.items() if not is_complete(path, study.rare)}
    if not missing:
        return
    data, pool = build_pool(study, share, part)
    for (seed, key), path in missing.items():
        arm = study.arms[key]
        record = classify(study, arm, data, pool, test, seed)
        runner.write_json(path, record, indent=None)
        if "failed" in record:
            outcome = record["failed"]
        else:
            outcome = f"accuracy {results.score_confusion(record['confusion'])['accuracy']:.4f}"
        print(f"1 of {share}, seed {seed}, {arm.text}: {outcome}", flush=True)


def is_complete(path: pathlib.Path, rare: int) -> bool:
    """Say whether a classifier's file is there and has all numbers; older ones lack the alarms.

    rare: the class that is filled up, or -1.
    """
    if not path.exists():
        return False
    record = json.loads(path.read_text())
    return "failed" in record or rare < 0 or "alarms" in record


def classify(
    study: Study, arm: Arm, data: Dataset, pool: Pool, test: Dataset, seed: int
) -> dict[str, Any]:
    """Train one classifier and test it.

    Args:
      study: Study.
      arm: its training set.
      data, pool: see `build_pool`.
      test: labelled test images.
      seed: number of the classifier.

    Returns:
      {"confusion": counts of test images [true class][class]}, and with a rare class "alarms", see
      detection.false_alarms; or {"failed": why}.
    """
    flags, number = study.flags, 1000 * study.run.seed + seed
    settings = features.Settings(
        flags.classifier_steps,
        flags.classifier_batch,
        widths=block_widths(flags.classifier_width),
        seed=number % 2**31,
    )
    rng = np.random.default_rng(number)  # the same for all training sets of a seed
    rows = arm.compose(pool, rng)
    plan = training_sets.plan_minibatches(rows, settings.steps, settings.batch, rng)
    fitted = classifier_training.fit_plan(
        data, settings, plan, flags.ordinary if arm.ordinary else ""
    )
    try:
        _, probs = fitted(test.images)
    except InputError as error:  # it diverged, and would again
        return {"failed": str(error)}
    k = len(data.classes)
    confusion = np.bincount(test.labels * k + probs.argmax(1), minlength=k * k)
    record = {"confusion": confusion.reshape(k, k).tolist()}
    if study.rare >= 0:
        sure, own = detection.log_odds(probs, study.rare), test.labels == study.rare
        record["alarms"] = detection.false_alarms(sure[own], sure[~own]).tolist()
    return record
