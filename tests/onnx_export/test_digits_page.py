"""Export for the page of digits: a classifier's update, a GAN of images, the data."""

import gzip

import jax
import numpy as np
import pytest

from gan_jax import methods
from gan_jax.core.initialize import init_jitted
from gan_jax.core.method import make_context
from gan_jax.data import datasets
from gan_jax.methods import base
from gan_jax.metrics.features import classifier_training
from gan_jax.nets.classifier import Perceptron
from gan_jax.onnx_export import digits_page
from tests.onnx_export.onnx_files import (
    named_leaves,
    new_state,
    open_session,
    read_state,
    run_session,
)

pytest.importorskip("jax2onnx")
SHAPE = (8, 8, 1)


def test_a_hundred_steps_of_the_classifier_are_those_of_the_jitted_step():
    """Weights, statistics, optimizer and logits agree to 1e-5; the loss falls."""
    settings = classifier_training.Settings(steps=100, batch=16, learning_rate=1e-2, widths=(8,))
    files, entry = digits_page.export_classifier(SHAPE, 3, settings)
    state, r = read_state(entry, files["begin-0.bin"]), np.random.default_rng(0)
    net = Perceptron(3, (8,))
    variables = classifier_training.init_variables(net, np.zeros((1, *SHAPE), np.uint8), settings)
    optimizer, update = classifier_training.build_update(net, settings)
    params = variables["params"]
    wanted = (params, variables["batch_stats"], optimizer.init(params))
    update, losses = jax.jit(update), []
    learn, judge = (open_session(files[f"{name}.onnx"]) for name in ("learn", "judge"))
    for _ in range(settings.steps):
        label = r.integers(0, 3, 16).astype(np.int32)
        bright = 0.5 * (label - 1)[:, None, None, None]
        image = (r.normal(0, 0.3, (16, *SHAPE)) + bright).astype(np.float32)
        arrays = {**state, "image": image, "label": label}
        outputs = run_session(learn, entry["files"]["learn"], arrays)
        losses.append(outputs["loss"])
        state |= new_state(outputs)
        wanted, loss = update(wanted, image, label)
    np.testing.assert_allclose(losses[-1], loss, atol=1e-5)
    assert losses[-1] < 0.5 * losses[0]
    trees = dict(zip(("params", "stats", "opt"), wanted, strict=True))
    for name, leaf in named_leaves(trees).items():
        np.testing.assert_allclose(state[name], leaf, atol=1e-5, err_msg=name)

    images = r.uniform(-1, 1, (digits_page.N_CLASSIFIED, *SHAPE)).astype(np.float32)
    outputs = run_session(judge, entry["files"]["judge"], {**state, "image": images})
    _, want = net.apply({"params": wanted[0], "batch_stats": wanted[1]}, images)
    np.testing.assert_allclose(outputs["logits"], want, atol=1e-5)


def test_a_gan_of_images():
    """Its samples are Method.sample's, in the range of the nets."""
    module = methods.TABLE["gan"]
    hp = module.Settings(net="mlp", width=8, depth=1, pixels="sigmoid", z_dim=3)
    method = module.build(hp, base.DataSpec(8, 1), 10)
    files, entry = digits_page.export_gan(method, 4, SHAPE)
    z = np.random.default_rng(0).uniform(-1, 1, (digits_page.N_SAMPLES, 3)).astype(np.float32)
    arrays = {**read_state(entry, files["begin-0.bin"]), "z": z}
    session = open_session(files["sample.onnx"])
    image = run_session(session, entry["files"]["sample"], arrays)["image"]
    vs = init_jitted(method, 0).vars(True)
    want = method.sample(make_context(method), vs, z, None, jax.random.key(0))
    np.testing.assert_allclose(image, want, atol=1e-5)
    assert entry["shape"] == [8, 8, 1] and entry["to_net"] == {"scale": 0.5, "shift": 0.5}
    assert 0 <= image.min() < image.max() <= 1


def test_data():
    """Both splits come back from the file, images first."""
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), np.uint8)
    labels = (np.arange(12) % 3).astype(np.int32)
    train = datasets.Dataset(images[:9], labels[:9], ("a", "b", "c"), "npz:x", "")
    test = train._replace(images=images[9:], labels=labels[9:])
    content, entry = digits_page.pack_data(train, test)
    numbers = np.frombuffer(gzip.decompress(content), np.uint8)
    assert entry == {"train": 9, "test": 3, "shape": [8, 8, 1], "classes": ["a", "b", "c"]}
    assert np.array_equal(numbers[: 9 * 64].reshape(9, 8, 8, 1), train.images)
    assert np.array_equal(numbers[9 * 64 : 9 * 65], labels[:9])
    assert np.array_equal(numbers[-3:], labels[9:])
