import numpy as np
import pytest

from gan_jax.metrics import frechet, kernel, metric, ms_ssim, precision_recall, scoring
from gan_jax.metrics.features import Extractor
from tests.metrics.helpers import brightness_dataset, linear_extractor


def standard_normal(n, shift, seed):
    return {"features": np.random.default_rng(seed).normal(shift, 1, (n, 1))}


def test_standard_errors_are_the_spread_of_the_score_over_other_samples():
    """Frechet distance of two Gaussians one standard deviation apart.

    The spread over 200 samples of both, against the estimate from each of the first 20; and in
    closed form, near 2 |shift| sqrt(1 / n + 1 / m).
    """
    extractor = Extractor("identity", None, None, (), lambda x: (x, None))
    evaluator = scoring.Evaluator(extractor, {"frechet": frechet.METRIC})
    n, m = 400, 200
    pairs = [(standard_normal(n, 0, [1, i]), standard_normal(m, 1, [2, i])) for i in range(200)]
    scores = [scoring.compute_scores(evaluator, *pair)["frechet"] for pair in pairs]
    spread = np.std(scores, ddof=1)
    assert spread == pytest.approx(2 * np.sqrt(1 / n + 1 / m), rel=0.15)
    estimates = [
        scoring.standard_errors(evaluator, *pair, seed=i)["frechet"]
        for i, pair in enumerate(pairs[:20])
    ]
    assert np.sqrt(np.mean(np.square(estimates))) == pytest.approx(spread, rel=0.15)


def normal_images(n, seed):
    """Images of 12 pixels, each of one random gray and noise."""
    rng = np.random.default_rng(seed)
    gray, noise = rng.normal(128, 30, (n, 1, 1, 1)), rng.normal(0, 20, (n, 12, 12, 1))
    return {"images": (gray + noise).clip(0, 255).astype(np.uint8)}


@pytest.mark.parametrize(
    "of, key, shift",
    [(kernel, "kernel", 0.5), (precision_recall, "coverage", 1), (ms_ssim, "ms_ssim", 0)],
)
def test_errors_that_a_metric_computes_itself_are_that_spread(of, key, shift):
    """They are those of its halves, but for the choice of pairs and subsets."""
    evaluator = scoring.Evaluator(None, {key: of.METRIC})
    pairs = [
        tuple(
            standard_normal(n, at, [side, i]) | normal_images(n, [side, i])
            for side, (n, at) in enumerate([(120, 0), (100, shift)])
        )
        for i in range(60)
    ]
    spread = np.std([of.METRIC.compute(*pair)[key] for pair in pairs], ddof=1)
    estimates = [scoring.standard_errors(evaluator, *pair, i)[key] for i, pair in enumerate(pairs)]
    assert np.sqrt(np.mean(np.square(estimates))) == pytest.approx(spread, rel=0.3)
    halves = metric.Metric({}, of.METRIC.needs, of.METRIC.compute)
    generic = scoring.Evaluator(None, {key: halves})
    alike = [scoring.standard_errors(generic, *pair, i)[key] for i, pair in enumerate(pairs)]
    if key == "coverage":
        assert estimates == alike
    assert np.mean(estimates) == pytest.approx(np.mean(alike), rel=0.3)


def test_metrics_that_halves_are_too_small_for_have_no_standard_error():
    wide = metric.Metric(
        {}, ("features",), lambda real, fake: {"wide": 1.0}, min_images=lambda n_features: 60
    )
    evaluator = scoring.Evaluator(None, {"frechet": frechet.METRIC, "wide": wide})
    pair = standard_normal(200, 0, 0), standard_normal(100, 0, 1)
    found = scoring.standard_errors(evaluator, *pair, 0)
    assert set(found) == {"frechet"} and found["frechet"] > 0


def test_views_of_rows_are_in_their_order():
    real = brightness_dataset(0, 20)
    evaluator = scoring.make_evaluator(linear_extractor((4, 4, 3), 5, "linear5"), real, "frechet")
    rows = np.array([7, 3, 19, 4])
    views = evaluator.views_of(real, rows)
    np.testing.assert_array_equal(views["images"], real.images[rows])
    np.testing.assert_array_equal(views["features"], evaluator(real.images)["features"][rows])
