"""Modes of stacks: closed forms, and the classifier of each channel on real stacks."""

import numpy as np
import pytest

from gan_jax import errors
from gan_jax.data import stacked
from gan_jax.data.types import Dataset
from gan_jax.metrics import features, modes, scoring
from gan_jax.metrics.features import Settings

K = 3


def probs(*labels):
    return {"probs": np.eye(K**3, dtype=np.float32)[np.ravel(labels)]}


def test_all_modes_equally_often_have_kl_zero():
    every = probs(np.repeat(np.arange(27), 5))
    assert modes.count_modes(every, every) == {
        "modes": 27.0,
        "modes_kl": pytest.approx(0, abs=1e-6),
    }


def test_kl_by_hand():
    real = probs(np.arange(27))
    assert modes.count_modes(real, probs([4] * 9))["modes_kl"] == pytest.approx(np.log(27))
    found = modes.count_modes(real, probs([0] * 6 + [13] * 2))
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert found == {"modes": 2.0, "modes_kl": pytest.approx(np.log(27) - entropy, abs=1e-6)}


def test_the_shares_of_the_data_are_products_of_those_of_the_channels():
    """Nine real stacks show every class of each channel, but only nine of 27 combinations."""
    cube = np.arange(27).reshape(K, K, K)
    real = probs([cube[i, j, (i + j) % K] for i in range(K) for j in range(K)])
    assert modes.count_modes(real, probs(np.arange(27)))["modes_kl"] == pytest.approx(0, abs=1e-6)
    weighted = probs([0, 0, 0, *np.arange(27)])  # shares of channel classes: 12, 9, 9 of 30
    shares = np.array([12, 9, 9]) / 30
    expected = -np.log(shares[0] ** 2 * shares[2])
    assert modes.count_modes(weighted, probs([2]))["modes_kl"] == pytest.approx(expected, abs=1e-6)


def test_a_perfect_generator_has_the_floor_that_is_promised():
    rng = np.random.default_rng(0)
    real = probs(rng.integers(0, 27, 20_000))
    values = [modes.count_modes(real, probs(rng.integers(0, 27, 2000))) for _ in range(200)]
    mean = np.mean([value["modes_kl"] for value in values])
    assert mean == pytest.approx(26 / 4000, rel=0.1)


def test_a_class_that_no_real_stack_has_counts_as_half_a_stack():
    real = probs([0] * 9 + [13] * 10)  # classes 0 and 1 of each channel
    expected = -3 * np.log(0.5 / 19.5)
    assert modes.count_modes(real, probs([26]))["modes_kl"] == pytest.approx(expected, abs=1e-6)


def test_classes_that_are_no_combinations_are_refused():
    five = {"probs": np.eye(5, dtype=np.float32)}
    with pytest.raises(errors.InputError, match="--data=stacked:DATA"):
        modes.count_modes(five, five)


@pytest.fixture(scope="module")
def stacks():
    """Stacks of images that are dark, gray or bright, in a channel each."""

    def make(n, seed):
        rng = np.random.default_rng(seed)
        classes = rng.integers(0, K, (n, 3))
        noise = rng.integers(-20, 20, (n, 8, 8, 3))
        images = np.uint8(50 + 70 * classes[:, None, None] + noise)
        labels = stacked.join_labels(classes, K)
        names = stacked.join_names(("dark", "gray", "bright"))
        return Dataset(images, labels, names, "stacked:npz:a.npz", f"digest {n} {seed}")

    return make(900, 0), make(600, 1)


def test_the_classifier_of_a_channel_counts_all_modes_of_real_stacks_and_one_of_one(stacks):
    train, test = stacks
    settings = Settings(steps=60, widths=(4, 4, 4))
    extractor = features.load(train, test, "auto", settings)
    assert extractor.name.startswith("stacked-classifier") and extractor.accuracy > 0.99
    evaluator = scoring.make_evaluator(extractor, train)
    assert "modes" in evaluator.metrics
    views = evaluator(test.images)
    assert (views["probs"].argmax(1) == test.labels).mean() > 0.98
    np.testing.assert_allclose(views["probs"].sum(1), 1, rtol=1e-5)
    assert views["features"].shape == (600, 12)
    found = modes.count_modes(views, views)
    assert found["modes"] == 27 and found["modes_kl"] < 3 * 26 / 1200
    collapsed = evaluator(test.images[test.labels == 14])
    assert modes.count_modes(views, collapsed)["modes"] <= 2


def test_the_order_of_channels_is_that_of_the_labels(stacks):
    train, _ = stacks
    extractor = features.load(train, None, "classifier", Settings(steps=60, widths=(4, 4, 4)))
    image = np.zeros((1, 8, 8, 3), np.uint8) + np.uint8([190, 120, 50])
    assert extractor.classes[extractor.apply(image)[1].argmax()] == "bright-gray-dark"


def test_stacks_without_labels_have_no_classifier(stacks):
    unlabelled = stacks[0]._replace(labels=None)
    assert features.load(unlabelled).name == "random"
    with pytest.raises(errors.InputError, match="two classes with labelled images"):
        features.load(unlabelled, None, "classifier")
