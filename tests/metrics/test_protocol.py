import numpy as np
import pytest

from gan_jax.metrics import evaluate, frechet, metric, protocol
from gan_jax.metrics.features import Extractor


def seen(seed=0):
    return np.random.default_rng(seed).normal(size=(200, 3)).astype(np.float32)


BASE = {
    "data": "folder:a",
    "digest": "d1",
    "split": "train",
    "size": 32,
    "n_real": 200,
    "n_fake": 100,
    "net": "classifier-1",
    "n_features": 3,
    "resize": "none",
    "seed": 0,
    "floor": "held-out images",
    "ema": True,
    "sample_stats": "running",
    "reference": protocol.fingerprint(seen()),
}


def test_equal_protocols_may_share_a_table():
    assert protocol.differences(BASE, dict(BASE)) == []
    assert (
        protocol.differences(BASE, BASE | {"repeats": 9, "data": "folder:elsewhere"}) == []
    )  # the content is the same


@pytest.mark.parametrize("name", [name for name in protocol.SAME if name != "data"])
def test_every_difference_is_named(name):
    found = protocol.differences(BASE, BASE | {name: "other"})
    assert found == [f"{protocol.SAME[name]}: {BASE[name]}, other"]


def test_other_data_are_named_once():
    assert protocol.differences(BASE, BASE | {"data": "folder:b", "digest": "d2"}) == [
        "data: folder:a, folder:b"
    ]


def test_the_reference_may_differ_by_rounding_alone():
    def other(features):
        return protocol.differences(BASE, BASE | {"reference": protocol.fingerprint(features)})

    assert other(seen() * np.float32(1 + 1e-6)) == []
    assert "different machines" in other(seen() * np.float32(1.01))[0]
    assert "different machines" in other(seen(1))[0]
    assert (
        "different machines"
        in protocol.differences(BASE, {k: v for k, v in BASE.items() if k != "reference"})[0]
    )


def standard_normal(n, shift, seed):
    return {"features": np.random.default_rng(seed).normal(shift, 1, (n, 1))}


def test_standard_errors_are_the_spread_of_the_score_over_other_samples():
    """Frechet distance of two Gaussians one standard deviation apart: the spread over 200 draws of both, against the estimate
    from each of the first 20; and in closed form, near 2 |shift| sqrt(1 / n + 1 / m)."""
    extractor = Extractor("given", None, None, (), lambda x: (x, None))
    see = evaluate.Evaluator(extractor, {"frechet": frechet.METRIC})
    n, m = 400, 200
    draws = [(standard_normal(n, 0, [1, i]), standard_normal(m, 1, [2, i])) for i in range(200)]
    spread = np.std([evaluate.score(see, *pair)["frechet"] for pair in draws], ddof=1)
    assert spread == pytest.approx(2 * np.sqrt(1 / n + 1 / m), rel=0.15)
    estimates = [
        evaluate.standard_errors(see, *pair, seed=i)["frechet"] for i, pair in enumerate(draws[:20])
    ]
    assert np.sqrt(np.mean(np.square(estimates))) == pytest.approx(spread, rel=0.15)


def test_metrics_that_halves_are_too_small_for_have_no_standard_error():
    wide = metric.Metric(
        {"wide": None}, ("features",), lambda real, fake: {"wide": 1.0}, least=lambda dim: 60
    )
    see = evaluate.Evaluator(None, {"frechet": frechet.METRIC, "wide": wide})
    found = evaluate.standard_errors(see, standard_normal(200, 0, 0), standard_normal(100, 0, 1), 0)
    assert set(found) == {"frechet"} and found["frechet"] > 0
