"""The GANs of the study of synthetic images: trained, sampled, and read by two classifiers.

Each share of the labels has a folder with its GAN, an ordinary run; synthetic.npz, the images that
its classifiers had; and gan.json, written last.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from gan_jax import cache, config, images
from gan_jax.core.method import apply_net, make_context
from gan_jax.data import writers
from gan_jax.data.types import Dataset
from gan_jax.metrics import features
from gan_jax.metrics.features import Extractor, extractor
from gan_jax.ops import compiling
from gan_jax.rundir import run_folder
from gan_jax.rundir.run_folder import LoadedRun
from gan_jax.studies import interleaved, run_outputs, runner
from gan_jax.studies.augment.classify import block_widths
from gan_jax.studies.augment.flags import Study


def load_judge(study: Study, train: Dataset, test: Dataset) -> Extractor:
    """Load the independent classifier of all training images; it is trained once and cached."""
    widths = block_widths(study.flags.judge_width)
    settings = features.Settings(steps=study.flags.judge_steps, widths=widths)
    return features.load(train, test, "classifier", settings)


def train_gan(study: Study, share: int, part: Dataset, test: Dataset, judge: Extractor) -> None:
    """Train the GAN of a share, generate and judge images, and write gan.json unless it is there.

    A GAN that diverges is recorded as failed: it would diverge again.

    Args:
      study: Study.
      share: the share of the labels is 1 / share.
      part: its training images.
      test: labelled test images.
      judge: the independent classifier.
    """
    folder = study.folder(share)
    if (folder / "gan.json").exists():
        return
    counts = np.bincount(part.labels, minlength=len(part.classes)).tolist()
    record: dict[str, Any] = {"n_real": len(part.images), "counts": counts}
    print(
        f"1 of {share}: GAN of {len(part.images):,} images, {study.run.steps:,} steps", flush=True
    )
    runs = {"gan": config.prepare(study.gan_config(part.name), part)}
    diverged = interleaved.train_interleaved(runs, {"gan": folder / "gan"}, turns=1)
    if diverged:
        record["failed"] = diverged["gan"]
    else:
        gan = run_folder.load(folder / "gan")
        pictures, labels = generate(study, gan, part)
        npz = writers.npz_bytes(pictures, labels, part.classes)
        cache.write_atomic(folder / "synthetic.npz", npz)
        record |= {"n_synthetic": len(labels), **class_readings(study, gan, test, judge)}
        record["train_s"] = run_outputs.train_seconds(folder / "gan")
    runner.write_json(folder / "gan.json", record)


def generate(study: Study, gan: LoadedRun, part: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Generate images of all classes as in the part, then those that fill up the rare class.

    Returns:
      (images uint8 [n, H, W, C], their classes int32 [n]).
    """
    n = study.n_synthetic(part)
    order = np.random.default_rng(study.run.seed).permutation(len(part.labels))
    labels = np.resize(part.labels[order], n)
    n_missing = 0
    if study.rare >= 0:
        n_missing = study.n_rare(part) - int((part.labels == study.rare).sum())
    # Of every class equally many, of which one is kept: where a generator samples with batch
    # statistics, these are of all classes.
    mixed = np.tile(np.arange(len(part.classes), dtype=np.int32), n_missing)
    keep = np.concatenate([np.ones(n, bool), mixed == study.rare])
    labels = np.concatenate([labels, mixed]).astype(np.int32)
    generated = run_outputs.generate(gan, len(labels), study.run.seed, labels)
    return generated[keep], labels[keep]


def class_readings(study: Study, gan: LoadedRun, test: Dataset, judge: Extractor) -> dict[str, Any]:
    """Measure how often two classifiers take generated images for their class.

    Returns:
      "judge", "head": fraction of generated images, equally many of every class, that the judge and
        D's class head take for their class. "judge_real", "head_real": mean recall of the classes
        of real test images. "judge_per_class": list. "head" and "head_real" are None where D has no
        class head.
    """
    n_classes = len(test.classes)
    labels = np.tile(np.arange(n_classes, dtype=np.int32), study.flags.n_judged)
    generated = run_outputs.generate(gan, len(labels), study.run.seed + 1, labels)
    is_right = judge.apply(generated)[1].argmax(1) == labels
    record = {
        "judge": float(is_right.mean()),
        "judge_real": judge.accuracy,
        "head": None,
        "head_real": None,
        "judge_per_class": is_right.reshape(-1, n_classes).mean(0).tolist(),
    }
    if head := class_head(gan):
        is_right = head(test.images) == test.labels
        recalls = [is_right[test.labels == c].mean() for c in np.unique(test.labels)]
        record["head"] = float((head(generated) == labels).mean())
        record["head_real"] = float(np.mean(recalls))
    return record


def class_head(gan: LoadedRun) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return D's class head, with running statistics; None where D has none.

    Returns:
      function of images uint8 [N, H, W, C] that returns int [N]. A class for generated images,
      where there is one, is left out.
    """
    method, variables = gan.method, gan.state.vars()
    ctx = make_context(method)

    def discriminate(*inputs):
        return apply_net(ctx, variables, "disc", *inputs, train=False)[0]

    if "disc" not in method.nets:
        return None
    if jax.eval_shape(discriminate, *method.example_inputs["disc"]).classes is None:
        return None

    @compiling.jit
    def probabilities(x):
        logits = discriminate(images.to_float(x, method.hp.pixels)).classes
        return jax.nn.softmax(logits[:, : len(method.conditioning.names)])

    apply = extractor.batched_apply(
        lambda x: (probabilities(x), None), "D's class head", 250, fill=True
    )
    return lambda x: apply(x)[0].argmax(1)


def export_images(study: Study, share: int) -> None:
    """Write the synthetic images of a share, if there are any, as PNG files, once."""
    folder = study.folder(share)
    if (folder / "synthetic.npz").exists() and not (folder / "synthetic").exists():
        with np.load(folder / "synthetic.npz") as file:
            arrays = file["images"], file["labels"], file["classes"].tolist()
        writers.write_folder(*arrays, folder / "synthetic")
