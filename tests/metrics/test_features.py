"""The classifier behind the metrics: what it returns, when it is trained, and how well it knows galaxies."""

import json

import jax
import numpy as np
import pytest
from scipy import optimize

from gan_jax import cache
from gan_jax.data import datasets
from gan_jax.metrics import features
from gan_jax.metrics.features import classifier as recipe
from gan_jax.nets import classifier

TINY = features.Settings(steps=2, batch=8, widths=(4,))
QUICK = features.Settings(steps=60, batch=16, learning_rate=1e-2, widths=(4, 8, 12))
CLASSES = ("across", "down", "flat")


def _stripes(n, seed, size=8):
    """Noisy stripes across, stripes down, and neither; every tenth image has no label."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n).astype(np.int32)
    wave = np.where(np.arange(size) % 4 < 2, 60, -60)
    pattern = np.stack(
        [np.tile(wave[:, None], size), np.tile(wave, (size, 1)), np.zeros((size, size))]
    )
    images = 128 + pattern[labels][..., None] + rng.normal(0, 20, (n, size, size, 1))
    labels[::10] = -1
    return datasets.Dataset(
        images.clip(0, 255).astype(np.uint8), labels, CLASSES, "stripes", f"stripes-{n}-{seed}"
    )


def _without_labels(source):
    return source._replace(labels=None, classes=())


@pytest.fixture
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(data, its extractor, the folder it is cached in)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_JAX_CACHE", str(tmp_path_factory.mktemp("trained")))
        patch.setattr(recipe, "_APPLY_BATCH", 16)
        data = _stripes(400, seed=0)
        extractor = features.load(data, settings=QUICK)
        (entry,) = (cache.root() / "classifier").iterdir()
        yield data, extractor, entry


def test_it_learns_an_easy_set(trained):
    _, extractor, _ = trained
    assert extractor.accuracy > 0.8 and extractor.classes == CLASSES
    assert extractor.confusion.shape == (3, 3)
    np.testing.assert_allclose(extractor.confusion.sum(1), 1)
    np.testing.assert_allclose(np.diag(extractor.confusion).mean(), extractor.accuracy)
    fresh = _stripes(100, seed=1)
    feats, probs = extractor.apply(fresh.images)
    assert feats.shape == (100, 12) and feats.dtype == np.float32
    assert probs.shape == (100, 3) and probs.dtype == np.float32
    np.testing.assert_allclose(probs.sum(1), 1, rtol=1e-5)
    known = fresh.labels >= 0
    assert (probs.argmax(1) == fresh.labels)[known].mean() > 0.8


def test_second_load_reads_the_cache(trained, monkeypatch):
    data, first, _ = trained
    monkeypatch.setattr(recipe, "_train", None)  # a second training would fail
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
    assert (
        report["classes"] == list(CLASSES)
        and report["n_train"] == 324
        and report["n_heldout"] == 36
    )
    assert np.sum(report["confusion"]) == 36


def test_apply_does_not_depend_on_the_batch(trained):
    data, extractor, _ = trained
    whole, _ = extractor.apply(data.images[:37])
    parts = [extractor.apply(data.images[rows])[0] for rows in (slice(0, 20), slice(20, 37))]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-5, atol=1e-6)


def test_given_heldout_images_measure_the_accuracy(cache_folder, monkeypatch):
    monkeypatch.setattr(
        recipe,
        "_train",
        lambda net, x, labels, settings, turned: recipe.init_variables(net, x, settings),
    )
    features.load(_stripes(60, seed=0), _stripes(50, seed=1), settings=TINY)
    (entry,) = (cache.root() / "classifier").iterdir()
    report = json.loads((entry / "report.json").read_text())
    assert report["n_train"] == 54 and report["n_heldout"] == 45


def test_training_from_one_seed_gives_one_net():
    data = _stripes(30, seed=0)
    net = classifier.Classifier(3, TINY.widths)
    once, again = (recipe._train(net, data.images, abs(data.labels), TINY, True) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, once, again)
    assert not np.array_equal(
        once["params"]["Dense_0"]["kernel"],
        recipe.init_variables(net, data.images, TINY)["params"]["Dense_0"]["kernel"],
    )


def test_a_fit_sees_labelled_images_alone():
    """Images without a label change nothing, wherever they stand, and what is fitted is what training gives."""
    data = _stripes(80, seed=0)
    known = data.labels >= 0
    alone = data._replace(images=data.images[known], labels=data.labels[known])
    fresh = _stripes(30, seed=1).images
    (feats, probs), (again, same) = recipe.fit(data, QUICK)(fresh), recipe.fit(alone, QUICK)(fresh)
    np.testing.assert_array_equal(feats, again)
    np.testing.assert_array_equal(probs, same)
    net = classifier.Classifier(3, QUICK.widths)
    trained = recipe._train(net, alone.images, alone.labels, QUICK, False)
    np.testing.assert_array_equal(recipe._applier(net, trained)(fresh)[1], probs)
    other = recipe.fit(data, QUICK._replace(seed=1))(fresh)[1]
    assert not np.array_equal(other, probs), (
        "one program serves all seeds, each with its own weights"
    )


def test_a_planned_fit_sees_the_rows_of_its_plan_alone():
    """Rows outside the plan change nothing, nor does the length of the source; ordinary augmentation and the seed do."""
    data = _stripes(60, seed=0)
    plan = np.random.default_rng(0).permutation(np.flatnonzero(data.labels >= 0))[:48].reshape(6, 8)
    settings = recipe.Settings(steps=6, batch=8, widths=(4, 4), seed=3)
    used = np.unique(plan)
    alone = data._replace(images=data.images[used], labels=data.labels[used])
    fresh = _stripes(30, seed=1).images
    whole, part = (
        recipe.fit_plan(data, settings, plan),
        recipe.fit_plan(alone, settings, np.searchsorted(used, plan)),
    )
    np.testing.assert_array_equal(whole(fresh)[1], part(fresh)[1])
    others = [
        recipe.fit_plan(data, settings, plan, "turn"),
        recipe.fit_plan(data, settings._replace(seed=4), plan),
    ]
    others.append(recipe.fit_plan(data, settings, plan[::-1]))
    assert len({whole(fresh)[1].tobytes(), *(fitted(fresh)[1].tobytes() for fitted in others)}) == 4


@pytest.mark.parametrize(
    "labels, classes",
    [(None, ()), (np.full(10, -1, np.int32), CLASSES), (np.ones(10, np.int32), CLASSES)],
)
def test_without_classes_the_net_is_random_and_fixed(cache_folder, labels, classes):
    data = _stripes(10, seed=0)._replace(labels=labels, classes=classes)
    one, two = (features.load(data, settings=TINY) for _ in range(2))
    assert one.name == "random" and one.accuracy is None and one.confusion is None
    feats, probs = one.apply(data.images)
    assert feats.shape == (10, 4) and probs is None
    np.testing.assert_array_equal(feats, two.apply(data.images)[0])
    assert not list(cache_folder.iterdir())


@pytest.mark.parametrize("size, colors", [(8, 1), (28, 1), (33, 4), (64, 3), (128, 2)])
def test_any_size_and_channels(size, colors):
    net = classifier.Classifier(5, widths=(4, 8, 12))
    x = jax.ShapeDtypeStruct((2, size, size, colors), np.float32)
    shapes = jax.eval_shape(lambda x: net.init_with_output(jax.random.key(0), x)[0], x)
    assert [s.shape for s in shapes] == [(2, 12), (2, 5)]


def test_classes_are_drawn_equally_often():
    labels = np.array([4] * 90 + [0] * 9 + [2], np.int32)
    rows = recipe._balanced(recipe.rows_by_class(labels), 30_000, jax.random.key(1))
    share = np.bincount(labels[rows], minlength=5) / 30_000
    np.testing.assert_allclose(share, [1 / 3, 0, 1 / 3, 0, 1 / 3], atol=0.02)
    assert len(np.unique(rows)) == 100


def test_report_by_hand():
    report = recipe._report(np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 1]), ("a", "b", "c"))
    assert report["confusion"] == [[2, 1, 0], [0, 2, 0], [0, 0, 0]]
    assert report["recall"] == [pytest.approx(2 / 3), 1.0, None]
    assert report["accuracy"] == pytest.approx(0.8) and report[
        "balanced_accuracy"
    ] == pytest.approx(5 / 6)
    np.testing.assert_allclose(
        recipe._normalised(report["confusion"]), [[2 / 3, 1 / 3, 0], [0, 1, 0], [0, 0, 1]]
    )


def _recall(labels, predicted):
    return np.array([(predicted[labels == label] == label).mean() for label in range(5)])


def _linear_recall(train, test, decay=1e-2):
    """Held-out recall per class of class-balanced multinomial logistic regression on standardised pixels."""
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

    start = np.zeros(5 * (x.shape[1] + 1))
    w = optimize.minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 100}
    ).x.reshape(-1, 5)
    return _recall(test.labels, (x_test @ w[:-1] + w[-1]).argmax(1))


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
    linear = _linear_recall(few, test)
    print(f"{size} px, linear: balanced accuracy {linear.mean():.4f}, recall {linear.round(4)}")
    assert 0.3 < linear.mean() < 0.80
