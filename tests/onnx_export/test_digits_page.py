"""What the digits' page is given: the classifier's update step as it trains in JAX, a GAN of images, the data."""

import gzip

import jax
import numpy as np
import pytest

from gan_jax import methods
from gan_jax.core.method import make_context
from gan_jax.core.state import init_jitted
from gan_jax.data import datasets
from gan_jax.methods import base
from gan_jax.metrics.features import classifier_training
from gan_jax.nets.classifier import Perceptron
from gan_jax.onnx_export import digits_page, exporter

pytest.importorskip("jax2onnx")
SHAPE = (8, 8, 1)


def test_a_hundred_steps_of_the_classifier_are_those_of_the_jitted_step():
    """Weights, statistics, optimizer and logits agree to 1e-5; the loss falls."""
    from tests.onnx_export.test_toy_page import open_session, read_state

    settings = classifier_training.Settings(steps=100, batch=16, learning_rate=1e-2, widths=(8,))
    files, entry = digits_page.export_classifier(SHAPE, 3, settings)
    state, r = read_state(entry, files["begin-0.bin"]), np.random.default_rng(0)
    net = Perceptron(3, (8,))
    variables = classifier_training.init_variables(net, np.zeros((1, *SHAPE), np.uint8), settings)
    optimizer, update = classifier_training.build_update(net, settings)
    wanted, update = (
        (variables["params"], variables["batch_stats"], optimizer.init(variables["params"])),
        jax.jit(update),
    )
    learn, spec, losses = open_session(files["learn.onnx"]), entry["files"]["learn"], []
    for _ in range(settings.steps):
        label = r.integers(0, 3, 16).astype(np.int32)
        image = (r.normal(0, 0.3, (16, *SHAPE)) + 0.5 * (label - 1)[:, None, None, None]).astype(
            np.float32
        )
        given = {**state, "image": image, "label": label}
        out = dict(
            zip(
                spec["outputs"], learn.run(None, {k: given[k] for k in spec["inputs"]}), strict=True
            )
        )
        losses.append(out.pop("loss"))
        state |= {k.removeprefix("new/"): v for k, v in out.items()}
        wanted, loss = update(wanted, image, label)
    np.testing.assert_allclose(losses[-1], loss, atol=1e-5)
    assert losses[-1] < 0.5 * losses[0]
    tree = {"state": dict(zip(("params", "stats", "opt"), wanted, strict=True))}
    for name, leaf in zip(exporter.leaf_paths(tree), jax.tree.leaves(tree), strict=True):
        np.testing.assert_allclose(state[name], leaf, atol=1e-5, err_msg=name)

    images = r.uniform(-1, 1, (digits_page.N_CLASSIFIED, *SHAPE)).astype(np.float32)
    given = {**state, "image": images}
    (logits,) = open_session(files["judge.onnx"]).run(
        None, {k: given[k] for k in entry["files"]["judge"]["inputs"]}
    )
    _, want = net.apply({"params": wanted[0], "batch_stats": wanted[1]}, images)
    np.testing.assert_allclose(logits, want, atol=1e-5)


def test_a_gan_of_images():
    """Its samples are method.sample's, in the range of the nets."""
    from tests.onnx_export.test_toy_page import open_session, read_state

    table = methods.TABLE["gan"]
    method = table.build(
        table.Settings(net="mlp", width=8, depth=1, pixels="sigmoid", z_dim=3), base.DataSpec(8, 1), 10
    )
    files, entry = digits_page.export_gan(method, 4, SHAPE)
    z = np.random.default_rng(0).uniform(-1, 1, (digits_page.N_SAMPLES, 3)).astype(np.float32)
    given = {**read_state(entry, files["begin-0.bin"]), "z": z}
    (made,) = open_session(files["sample.onnx"]).run(
        None, {k: given[k] for k in entry["files"]["sample"]["inputs"]}
    )
    want = method.sample(
        make_context(method), init_jitted(method, 0).vars(True), z, None, None
    )
    np.testing.assert_allclose(made, want, atol=1e-5)
    assert (
        entry["shape"] == [8, 8, 1]
        and entry["to_net"] == {"scale": 0.5, "shift": 0.5}
        and 0 <= made.min() < made.max() <= 1
    )


def test_data():
    """Both splits come back from the file, images first."""
    r = np.random.default_rng(0)
    pictures, labels = (
        r.integers(0, 256, (12, 8, 8, 1), np.uint8),
        (np.arange(12) % 3).astype(np.int32),
    )
    train = datasets.Dataset(pictures[:9], labels[:9], ("a", "b", "c"), "npz:x", "")
    test = train._replace(images=pictures[9:], labels=labels[9:])
    content, entry = digits_page.pack_data(train, test)
    numbers = np.frombuffer(gzip.decompress(content), np.uint8)
    assert entry == {"train": 9, "test": 3, "shape": [8, 8, 1], "classes": ["a", "b", "c"]}
    assert np.array_equal(numbers[: 9 * 64].reshape(9, 8, 8, 1), train.images)
    assert np.array_equal(numbers[9 * 64 : 9 * 65], labels[:9]) and np.array_equal(
        numbers[-3:], labels[9:]
    )
