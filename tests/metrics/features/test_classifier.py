"""The classifier of the metrics: its outputs, its cache, and how well it knows galaxies."""

import json

import jax
import numpy as np
import pytest
from scipy import optimize

from gan_jax import cache
from gan_jax.data import datasets
from gan_jax.metrics import features
from gan_jax.metrics.features import classifier, classifier_training
from tests.metrics.features.stripes import CLASSES, QUICK, TINY, stripes


@pytest.fixture
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A trained classifier: (data, Extractor, the folder it is cached in)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_JAX_CACHE", str(tmp_path_factory.mktemp("trained")))
        patch.setattr(classifier_training, "_APPLY_BATCH", 16)
        data = stripes(400, seed=0)
        extractor = features.load(data, settings=QUICK)
        (entry,) = (cache.root() / "classifier").iterdir()
        yield data, extractor, entry


@pytest.mark.long
def test_it_learns_an_easy_set(trained):
    _, extractor, _ = trained
    assert extractor.accuracy > 0.8 and extractor.classes == CLASSES
    assert extractor.confusion.shape == (3, 3)
    np.testing.assert_allclose(extractor.confusion.sum(1), 1)
    np.testing.assert_allclose(np.diag(extractor.confusion).mean(), extractor.accuracy)
    fresh = stripes(100, seed=1)
    feats, probs = extractor.apply(fresh.images)
    assert feats.shape == (100, 12) and feats.dtype == np.float32
    assert probs.shape == (100, 3) and probs.dtype == np.float32
    np.testing.assert_allclose(probs.sum(1), 1, rtol=1e-5)
    known = fresh.labels >= 0
    assert (probs.argmax(1) == fresh.labels)[known].mean() > 0.8


@pytest.mark.parametrize("shift", [(1, 2, 3), (0, 1, 3)])
def test_a_class_without_images_is_no_class(cache_folder, shift):
    """As class 0 of labels from 1 on, and a class in the middle."""
    data = stripes(60, seed=0)
    labels = np.array([*shift, -1], np.int32)[data.labels]
    gapped = data._replace(labels=labels, classes=("a", "b", "c", "d"))
    extractor = features.load(gapped, settings=TINY)
    assert extractor.labels == shift and extractor.classes == tuple("abcd"[i] for i in shift)
    assert extractor.confusion.shape == (3, 3) and len(extractor.recall) == 3
    _, probs = extractor.apply(data.images)
    assert probs.shape == (60, 3) and probs.dtype == np.float32
    np.testing.assert_allclose(probs.sum(1), 1, rtol=1e-5)
    known = data.labels >= 0
    indices = extractor.class_indices(labels)
    assert (indices[known] == data.labels[known]).all() and (indices[~known] == -1).all()


def test_a_class_without_heldout_images_has_no_recall(cache_folder):
    data, heldout = stripes(60, seed=0), stripes(60, seed=1)
    heldout = heldout._replace(labels=np.where(heldout.labels == 2, 1, heldout.labels))
    extractor = features.load(data, heldout, settings=TINY)
    assert extractor.recall[2] is None and extractor.recall[0] is not None
    np.testing.assert_array_equal(extractor.confusion[2], [0, 0, 1])


def test_second_load_reads_the_cache(trained, monkeypatch):
    data, first, _ = trained
    monkeypatch.setattr(classifier_training, "train", None)  # a second training would fail
    second = features.load(data, settings=QUICK)
    for a, b in zip(first.apply(data.images), second.apply(data.images), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (first.name, first.accuracy) == (second.name, second.accuracy)
    with pytest.raises(TypeError):
        features.load(data._replace(digest="other"), settings=QUICK)


def test_a_cache_entry_is_plain_data(trained):
    _, _, entry = trained
    with np.load(entry / "weights.npz", allow_pickle=False) as file:
        assert all(file[name].dtype == np.float32 for name in file)
    report = json.loads((entry / "report.json").read_text())
    assert report["classes"] == list(CLASSES)
    assert (report["n_train"], report["n_heldout"]) == (324, 36)
    assert np.sum(report["confusion"]) == 36


def test_apply_does_not_depend_on_the_batch(trained):
    data, extractor, _ = trained
    whole, _ = extractor.apply(data.images[:37])
    parts = [extractor.apply(data.images[rows])[0] for rows in (slice(0, 20), slice(20, 37))]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-5, atol=1e-6)


def test_heldout_images_measure_the_accuracy(cache_folder, monkeypatch):
    def initialise(net, x, labels, settings, change):
        return classifier_training.init_variables(net, x, settings)

    monkeypatch.setattr(classifier_training, "train", initialise)
    features.load(stripes(60, seed=0), stripes(50, seed=1), settings=TINY)
    (entry,) = (cache.root() / "classifier").iterdir()
    report = json.loads((entry / "report.json").read_text())
    assert (report["n_train"], report["n_heldout"]) == (54, 45)


@pytest.mark.parametrize(
    "labels, classes",
    [(None, ()), (np.full(10, -1, np.int32), CLASSES), (np.ones(10, np.int32), CLASSES)],
)
def test_without_classes_the_net_is_random_and_fixed(cache_folder, labels, classes):
    data = stripes(10, seed=0)._replace(labels=labels, classes=classes)
    one, two = (features.load(data, settings=TINY) for _ in range(2))
    assert one.name == "random" and one.accuracy is None and one.confusion is None
    feats, probs = one.apply(data.images)
    assert feats.shape == (10, 4) and probs is None
    np.testing.assert_array_equal(feats, two.apply(data.images)[0])
    assert not list(cache_folder.iterdir())


def test_report_by_hand():
    labels, predicted = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 1])
    report = classifier._report(labels, predicted, ("a", "b", "c"))
    assert report["confusion"] == [[2, 1, 0], [0, 2, 0], [0, 0, 0]]
    assert report["recall"] == [pytest.approx(2 / 3), 1.0, None]
    assert report["accuracy"] == pytest.approx(0.8)
    assert report["balanced_accuracy"] == pytest.approx(5 / 6)
    rows = classifier._normalize_rows(report["confusion"])
    np.testing.assert_allclose(rows, [[2 / 3, 1 / 3, 0], [0, 1, 0], [0, 0, 1]])


def linear_recall(train, test, decay=1e-2):
    """Fit class-balanced logistic regression on standardised pixels: its held-out recalls."""
    mean, scale = train.images.mean(0, dtype=np.float64), train.images.std(0, dtype=np.float64) + 1
    x, x_test = (
        ((s.images - mean) / scale).reshape(len(s.images), -1).astype(np.float32)
        for s in (train, test)
    )
    share = (1 / np.bincount(train.labels, minlength=5)[train.labels] / 5).astype(np.float32)
    target = np.eye(5, dtype=np.float32)[train.labels]

    def loss(flat):
        w = flat.reshape(-1, 5).astype(np.float32)
        log_p = jax.nn.log_softmax(x @ w[:-1] + w[-1])
        slope = share[:, None] * (np.exp(log_p) - target)
        value = -(share[:, None] * log_p * target).sum() + decay * (w[:-1] ** 2).sum()
        gradient = np.concatenate([x.T @ slope + 2 * decay * w[:-1], slope.sum(0, keepdims=True)])
        return float(value), np.asarray(gradient, np.float64).ravel()

    start, options = np.zeros(5 * (x.shape[1] + 1)), {"maxiter": 100}
    fit = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    w = fit.x.reshape(-1, 5)
    predicted = (x_test @ w[:-1] + w[-1]).argmax(1)
    return np.array([(predicted[test.labels == c] == c).mean() for c in range(5)])


@pytest.mark.slow
@pytest.mark.parametrize("size, least", [(32, 0.90), (64, 0.95)])
def test_galaxies_are_neither_hard_nor_trivial(cache_folder, size, least):
    jax.config.update("jax_disable_most_optimizations", False)
    try:
        train, test = (
            datasets.load("galaxies", datasets.DataOptions(size), split=split)
            for split in ("train", "test")
        )
        extractor = features.load(train, test)
    finally:
        jax.config.update("jax_disable_most_optimizations", True)
    recall = np.diag(extractor.confusion)
    print(f"{size} px: balanced accuracy {extractor.accuracy:.4f}, recall {recall.round(4)}")
    assert extractor.accuracy >= least
    assert recall[train.classes.index("cigar")] >= 0.90
    few = train._replace(images=train.images[:10_000], labels=train.labels[:10_000])
    linear = linear_recall(few, test)
    print(f"{size} px, linear: balanced accuracy {linear.mean():.4f}, recall {linear.round(4)}")
    assert 0.3 < linear.mean() < 0.80
