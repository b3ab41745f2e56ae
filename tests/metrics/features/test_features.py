"""Which feature space a spec names, and specs that are refused."""

import numpy as np
import pytest

from gan_jax.metrics import features
from tests.metrics.helpers import assert_refused, random_dataset


def two_classes():
    return random_dataset(labels=np.array([0, 1] * 3, np.int32), classes=("a", "b"))


def test_unknown_specs_are_refused():
    forms = "--features=vgg names no known feature space; use one of auto, classifier, .*:FILE"
    assert_refused("vgg", forms)
    assert_refused("onnx", "--features=onnx has nothing after the name; write onnx:FILE")
    assert_refused("pixels:16", "--features=pixels:16 has too much after the name; write pixels")
    for kind in ("onnx", "inception", "inception-clean"):
        spec = f"{kind}:/no/such/file.npz"
        assert_refused(spec, f"--features={spec}: .* cannot be read .No such file")
    assert_refused("onnx:/", "cannot be read .Is a directory")


@pytest.mark.parametrize(
    "labels, n",
    [(None, 0), (np.full(6, -1, np.int32), 0), (np.array([1, 1, -1, 1, 1, 1], np.int32), 1)],
)
def test_a_classifier_needs_two_classes(labels, n):
    real = random_dataset(labels=labels, classes=() if labels is None else ("a", "b"))
    message = f"two classes with labelled images, and --data=some has {n}; use --features=auto, ran"
    assert_refused("classifier", message, real)
    assert features.load(real).name == "random"


def test_a_classifier_is_checked_without_training(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path))
    for spec in ("auto", "classifier"):
        assert features.count_features(spec, two_classes()) == 64
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_a_random_net_despite_labels():
    real, settings = two_classes(), features.Settings(widths=(4,))
    space = features.load(real, None, "random", settings)
    found, probs = space.apply(real.images)
    without_labels = features.load(real._replace(labels=None), settings=settings)
    np.testing.assert_array_equal(found, without_labels.apply(real.images)[0])
    assert space.name == "random" and space.accuracy is None and probs is None
