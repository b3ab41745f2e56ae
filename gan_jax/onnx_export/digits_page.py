"""Export for the page that learns small labelled images: a classifier, a GAN, and the images."""

import gzip
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.core import losses
from gan_jax.core.method import Method
from gan_jax.data.datasets import Dataset
from gan_jax.metrics.features import classifier_training
from gan_jax.nets.classifier import Perceptron
from gan_jax.onnx_export import toy_page, update_steps
from gan_jax.onnx_export.exporter import convert, spec
from gan_jax.onnx_export.update_steps import Shape

SETTINGS = classifier_training.Settings(steps=1500, batch=128, learning_rate=2e-3, widths=(256,))
N_CLASSIFIED = 500  # images per call of the classifier
N_SAMPLES = 64  # images that the GAN shows


def pack_data(train: Dataset, test: Dataset) -> tuple[bytes, dict[str, Any]]:
    """Write the images and labels of two splits as one gzip file.

    Args:
      train, test: Datasets of images uint8 [N, H, W, 1], with labels in [0, 255].

    Returns:
      (bytes: for each split its images, then its labels as uint8; entry in manifest.json).
    """
    arrays = [array for split in (train, test) for array in (split.images, split.labels)]
    data = b"".join(np.ascontiguousarray(array, np.uint8).tobytes() for array in arrays)
    entry = {
        "train": len(train.images),
        "test": len(test.images),
        "shape": list(train.images.shape[1:]),
        "classes": list(train.classes),
    }
    return gzip.compress(data, mtime=0), entry


def export_classifier(
    shape: Shape, n_classes: int, settings: classifier_training.Settings = SETTINGS
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Export a perceptron: its update, by which the project trains classifiers, and its logits.

    Files: "learn.onnx": state, "image" float32 [batch, H, W, C] in [-1, 1] and "label" int32
    [batch] to the new state and "loss"; "judge.onnx": state and "image" [N_CLASSIFIED, H, W, C] to
    "logits"; "begin-0.bin", see toy_page.page_files.

    Args:
      shape: (H, W, C) of the images.
      n_classes: number of classes.
      settings: of the classifier.

    Returns:
      ({name: bytes}, entry in manifest.json).
    """
    net = Perceptron(n_classes, settings.widths)
    variables = classifier_training.init_variables(net, np.zeros((1, *shape), np.uint8), settings)
    # losses.cross_entropy has no gradient that scatters, which the exporter does not know.
    optimizer, update = classifier_training.build_update(net, settings, losses.cross_entropy)
    params, stats = variables["params"], variables["batch_stats"]
    state = {"params": params, "stats": stats, "opt": optimizer.init(params)}
    specs = jax.tree.map(lambda a: spec(*a.shape, dtype=a.dtype), state)

    def learn(arrays):
        old = tuple(arrays["state"][name] for name in ("params", "stats", "opt"))
        new, loss = update(old, arrays["image"], arrays["label"])
        return {"state": dict(zip(("params", "stats", "opt"), new, strict=True)), "loss": loss}

    def classify(arrays):
        trees = arrays["state"]
        variables = {"params": trees["params"], "batch_stats": trees["stats"]}
        return {"logits": net.apply(variables, arrays["image"])[1]}

    batch = {"image": spec(settings.batch, *shape), "label": spec(settings.batch, dtype=jnp.int32)}
    weights = {"params": specs["params"], "stats": specs["stats"]}
    images = spec(N_CLASSIFIED, *shape)
    exported = {
        "learn": convert(learn, {"state": specs, **batch}, "learn"),
        "judge": convert(classify, {"state": weights, "image": images}, "judge"),
    }
    files = {f"{name}.onnx": file.content for name, file in exported.items()}
    files["begin-0.bin"] = toy_page.initial_weights(state)
    return files, {
        "files": {name: file.entry for name, file in exported.items()},
        "state": update_steps.state_layout(state),
        "batch": settings.batch,
        "judged": N_CLASSIFIED,
        "steps": settings.steps,
        "seeds": 1,
    }


def export_gan(
    method: Method, batch: int, shape: Shape, n_seeds: int = 1
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Export a GAN of images.

    Files: see toy_page.page_files; "sample.onnx" returns N_SAMPLES images in the range of the nets.

    Args:
      method: Method.
      batch: images per minibatch.
      shape: (H, W, C).
      n_seeds: number of initial states.

    Returns:
      ({name: bytes}, entry in manifest.json).
    """
    exported = update_steps.export_updates(method, batch, shape)
    exported["sample"] = convert(
        lambda arrays: toy_page.sample_images(method, arrays),
        toy_page.sample_inputs(method, N_SAMPLES),
        "sample",
    )
    files, entry = toy_page.page_files(method, exported, batch, shape, n_seeds)
    return files, entry | {"made": N_SAMPLES}
