"""What a page needs to train a classifier of small labelled images, and a GAN on the same images."""

import gzip

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.core import losses
from gan_jax.metrics.features import classifier
from gan_jax.nets.classifier import Perceptron
from gan_jax.onnx_export import toy_page, update_steps
from gan_jax.onnx_export.exporter import convert, spec

SETTINGS = classifier.Settings(steps=1500, batch=128, learning_rate=2e-3, widths=(256,))
N_JUDGED = 500  # images that are classified at once
N_MADE = 64  # images that the GAN shows


def data(train, test):
    """Images and labels of two splits as one gzip file: (bytes, entry). Each split: uint8 images [N, H, W, 1], then uint8
    labels [N].

    Args:
      train, test: data.datasets.Dataset with labels in [0, 255].
    """
    parts = [
        np.ascontiguousarray(a, np.uint8).tobytes()
        for s in (train, test)
        for a in (s.images, s.labels)
    ]
    entry = {
        "train": len(train.images),
        "test": len(test.images),
        "shape": list(train.images.shape[1:]),
    }
    return gzip.compress(b"".join(parts), mtime=0), entry | {"classes": list(train.classes)}


def learner(shape, n_classes, settings=SETTINGS):
    """A perceptron's update step, the one that trains the project's classifiers, and its judgement.

    Files: "learn.onnx": state, "image" float32 [batch, H, W, C] in [-1, 1] and "label" int32 [batch] to the new state and
    "loss"; "judge.onnx": state and "image" [N_JUDGED, H, W, C] to "logits"; "begin.bin" as in toy_page.files.

    Returns:
      ({name: bytes}, their entry in manifest.json)
    """
    net = Perceptron(n_classes, settings.widths)
    variables = classifier.initial(net, np.zeros((1, *shape), np.uint8), settings)
    optimizer, update = classifier.build_update(
        net, settings, losses.cross_entropy
    )  # no gradient that scatters
    params, stats = variables["params"], variables["batch_stats"]
    state = {"params": params, "stats": stats, "opt": optimizer.init(params)}
    shapes = jax.tree.map(lambda a: spec(*a.shape, dtype=a.dtype), state)

    def learn(arrays):
        old = arrays["state"]
        new, loss = update(
            (old["params"], old["stats"], old["opt"]), arrays["image"], arrays["label"]
        )
        return {"state": dict(zip(("params", "stats", "opt"), new, strict=True)), "loss": loss}

    def judge(arrays):
        old = arrays["state"]
        return {
            "logits": net.apply(
                {"params": old["params"], "batch_stats": old["stats"]}, arrays["image"]
            )[1]
        }

    batch = {"image": spec(settings.batch, *shape), "label": spec(settings.batch, dtype=jnp.int32)}
    seen = {"params": shapes["params"], "stats": shapes["stats"]}
    made = {
        "learn": convert(learn, {"state": shapes, **batch}, "learn"),
        "judge": convert(judge, {"state": seen, "image": spec(N_JUDGED, *shape)}, "judge"),
    }
    files = {f"{name}.onnx": content for name, (content, _) in made.items()} | {
        "begin-0.bin": toy_page.begin(state)
    }
    return files, {
        "files": {name: entry for name, (_, entry) in made.items()},
        "state": update_steps.layout(state),
        "batch": settings.batch,
        "judged": N_JUDGED,
        "steps": settings.steps,
        "seeds": 1,
    }


def painter(method, batch, shape, seeds=1):
    """A GAN's files and entry, as toy_page.files has them, for images: "sample.onnx" makes N_MADE, in the range of the nets.

    Args:
      method: method.Method. batch: images per minibatch. shape: [H, W, C]. seeds: how many fresh states.
    """
    made = update_steps.export(method, batch, shape)
    made["sample"] = convert(
        lambda a: toy_page.sampled(method, a), toy_page.sample_example(method, N_MADE), "sample"
    )
    files, entry = toy_page.bundle(method, made, batch, shape, seeds)
    return files, entry | {"made": N_MADE}
