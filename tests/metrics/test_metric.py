"""What all metrics have in common."""

import numpy as np
import pytest

from gan_jax import errors, metrics
from gan_jax.metrics import directions, photometry
from tests.metrics.helpers import brightness_images, brightness_probs, normal_points

OF_FEATURES = [name for name, metric in metrics.TABLE.items() if metric.needs == ("features",)]


def views(seed):
    images, _ = brightness_images(seed, 60)
    morphology = np.concatenate([normal_points(60, seed, 7), np.ones((60, 1))], 1)
    features = normal_points(60, seed)
    probs = brightness_probs(images)
    return {
        "images": images,
        "features": features,
        "probs": probs,
        "directions": directions.measure_images(images),
        "morphology": morphology,
        "photometry": photometry.measure_images(images.astype(np.float32)),
    }


def views_of(name, seed):
    """Views of 60 images; for modes, of stacks, whose classes are combinations."""
    found = views(seed)
    if name == "modes":
        joint = np.einsum("ni,nj,nk->nijk", *[found["probs"]] * 3)
        found["probs"] = joint.reshape(60, -1)
    return found


@pytest.mark.parametrize("name", metrics.TABLE)
def test_scores_are_finite_and_those_of_the_table(name):
    metric = metrics.TABLE[name]
    pair = [views_of(name, seed) for seed in (0, 1)]
    values = metric.compute(*pair)
    assert set(values) == set(metric.scores)
    assert all(type(value) is float and np.isfinite(value) for value in values.values())
    assert values == metric.compute(*(views_of(name, seed) for seed in (0, 1)))
    needed = [{key: view[key] for key in metric.needs} for view in pair]
    assert values == metric.compute(*needed)


@pytest.mark.parametrize("name", metrics.TABLE)
def test_the_fewest_images_are_enough(name):
    metric = metrics.TABLE[name]
    rows = slice(metric.min_images(4))
    fewest = [metrics.metric.take_rows(views_of(name, i), rows) for i in (0, 1)]
    assert all(np.isfinite(list(metric.compute(*fewest).values())))


@pytest.mark.parametrize("name", OF_FEATURES)
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(name, side, value):
    pair = [views(0), views(1)]
    pair[side]["features"][2, 1] = value
    with pytest.raises(errors.InputError, match="infinite or undefined"):
        metrics.TABLE[name].compute(*pair)


@pytest.mark.parametrize("name", OF_FEATURES)
@pytest.mark.parametrize("side", [0, 1])
def test_features_whose_products_overflow_are_refused(name, side):
    """And the largest of the others have scores."""
    pair = [views(0), views(1)]
    for view in pair:
        view["features"] = view["features"].astype(np.float64)
    pair[side]["features"][2, 1] = 1e100
    with pytest.raises(errors.InputError, match="reach 1e.100, too large .* below 1e.38"):
        metrics.TABLE[name].compute(*pair)
    pair[side]["features"] *= 1e-63
    assert np.isfinite(list(metrics.TABLE[name].compute(*pair).values())).all()


@pytest.mark.parametrize("name", metrics.TABLE)
@pytest.mark.parametrize("side", [0, 1])
def test_scores_of_no_images_are_refused(name, side):
    """Where a metric reads that side at all."""
    pair = [views_of(name, 0), views_of(name, 1)]
    pair[side] = metrics.metric.take_rows(pair[side], slice(0))
    if name in ("inception", "ms_ssim") and side == 0:
        assert np.isfinite(list(metrics.TABLE[name].compute(*pair).values())).all()
    else:
        with pytest.raises(errors.InputError, match="0 images|0 real|0 generated"):
            metrics.TABLE[name].compute(*pair)


def test_names():
    assert metrics.parse_names("") == list(metrics.TABLE)
    assert metrics.parse_names(" ndb,frechet,") == ["frechet", "ndb"]
    with pytest.raises(errors.InputError, match="--scores=fid: 'fid' is no metric; use some of"):
        metrics.parse_names("fid")
    assert metrics.metric_of("recall") == "coverage"
    assert metrics.ranking_key("none") is None
    assert metrics.ranking_key("kl") == "kl" and metrics.ranking_key("recall") == "-recall"
    assert "ms_ssim" not in metrics.RANKABLE_SCORES
