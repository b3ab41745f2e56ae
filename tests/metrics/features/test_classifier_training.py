"""Training of the classifier: a function of the seed and of the labelled images alone."""

import jax
import numpy as np
import pytest

from gan_jax.data.classifier_augment import dihedral
from gan_jax.metrics import features
from gan_jax.metrics.features import classifier_training as training
from gan_jax.nets.classifier import Classifier
from tests.metrics.features.stripes import QUICK, TINY, stripes


@pytest.mark.long
def test_training_from_one_seed_gives_one_net():
    data = stripes(30, seed=0)
    net = Classifier(3, TINY.widths)
    labels = abs(data.labels)
    once, again = (training.train(net, data.images, labels, TINY, dihedral) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, once, again)
    initial = training.init_variables(net, data.images, TINY)
    kernels = [v["params"]["Dense_0"]["kernel"] for v in (once, initial)]
    assert not np.array_equal(*kernels)


@pytest.mark.long
def test_a_fit_sees_labelled_images_alone():
    """Images without a label change nothing, and a fit gives what training gives."""
    data = stripes(80, seed=0)
    known = data.labels >= 0
    alone = data._replace(images=data.images[known], labels=data.labels[known])
    fresh = stripes(30, seed=1).images
    of_all, of_labelled = (training.fit(x, QUICK)(fresh) for x in (data, alone))
    for a, b in zip(of_all, of_labelled, strict=True):
        np.testing.assert_array_equal(a, b)
    probs = of_all[1]
    net = Classifier(3, QUICK.widths)
    trained = training.train(net, alone.images, alone.labels, QUICK, None)
    np.testing.assert_array_equal(training.build_apply(net, trained)(fresh)[1], probs)
    # One program serves all seeds, each with its own weights.
    assert not np.array_equal(training.fit(data, QUICK._replace(seed=1))(fresh)[1], probs)


@pytest.mark.long
def test_a_planned_fit_sees_the_rows_of_its_plan_alone():
    """Rows outside the plan change nothing; changes of images, the seed and the order do."""
    data = stripes(60, seed=0)
    plan = np.random.default_rng(0).permutation(np.flatnonzero(data.labels >= 0))[:48].reshape(6, 8)
    settings = features.Settings(steps=6, batch=8, widths=(4, 4), seed=3)
    used = np.unique(plan)
    alone = data._replace(images=data.images[used], labels=data.labels[used])
    fresh = stripes(30, seed=1).images

    def probs(data, settings, plan, change=""):
        return training.fit_plan(data, settings, plan, change)(fresh)[1]

    whole = probs(data, settings, plan)
    np.testing.assert_array_equal(whole, probs(alone, settings, np.searchsorted(used, plan)))
    others = [
        probs(data, settings, plan, "turn"),
        probs(data, settings._replace(seed=4), plan),
        probs(data, settings, plan[::-1]),
    ]
    assert len({x.tobytes() for x in (whole, *others)}) == 4


@pytest.mark.long
def test_classes_are_drawn_equally_often():
    labels = np.array([4] * 90 + [0] * 9 + [2], np.int32)
    rows = training._balanced_rows(training.rows_by_class(labels), 30_000, jax.random.key(1))
    share = np.bincount(labels[rows], minlength=5) / 30_000
    np.testing.assert_allclose(share, [1 / 3, 0, 1 / 3, 0, 1 / 3], atol=0.02)
    assert len(np.unique(rows)) == 100
