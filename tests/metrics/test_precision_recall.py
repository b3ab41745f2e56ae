"""Precision, recall, density, coverage against loops over pairs, and in closed forms."""

import numpy as np
import pytest

from gan_jax import errors
from gan_jax.metrics import precision_recall


def points(n, seed=0, dim=3, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, (n, dim)).astype(np.float32)


def brute_force(real, fake, k):
    """The definitions, pair by pair."""
    length = lambda a, b: np.sqrt(
        sum((float(s) - float(t)) ** 2 for s, t in zip(a, b, strict=True))
    )

    def balls(x):
        return [
            sorted(length(a, b) for j, b in enumerate(x) if j != i)[k - 1] for i, a in enumerate(x)
        ]

    real_balls, fake_balls = balls(real), balls(fake)
    holds = [[length(x, y) <= r for x, r in zip(real, real_balls, strict=True)] for y in fake]
    return {
        "precision": np.mean([any(row) for row in holds]),
        "recall": np.mean(
            [any(length(x, y) <= r for y, r in zip(fake, fake_balls, strict=True)) for x in real]
        ),
        "density": np.sum(holds) / (k * len(fake)),
        "coverage": np.mean([any(column) for column in zip(*holds, strict=True)]),
    }


@pytest.mark.parametrize(
    "n, m, k, shift", [(40, 40, 5, 0.0), (60, 25, 3, 0.7), (20, 50, 2, 1.2), (6, 6, 5, 0.0)]
)
def test_brute_force(n, m, k, shift):
    real, fake = points(n), points(m, 1, shift=shift)
    found, expected = precision_recall.scores(real, fake, k), brute_force(real, fake, k)
    assert set(found) == {"precision", "recall", "density", "coverage"}
    for name, value in found.items():
        assert value == pytest.approx(expected[name], abs=1e-12), name
    assert precision_recall.covered(real, fake, k) == found["coverage"]
    if shift > 1:
        assert len(set(found.values())) == 4  # none in the place of another


def test_by_hand():
    """Five points in a row, k = 1: real ones at 0, 1, 3, with balls of 1, 1, 2; generated ones at 1.5, 10, 11."""
    real, fake = np.float64([[0], [1], [3]]), np.float64([[1.5], [10], [11]])
    np.testing.assert_array_equal(precision_recall.radii(real, 1), [1, 1, 2])
    np.testing.assert_array_equal(precision_recall.radii(fake, 1), [8.5, 1, 1])
    of_fake, in_real = precision_recall.hits(fake, real, precision_recall.radii(real, 1))
    np.testing.assert_array_equal(of_fake, [2, 0, 0])
    np.testing.assert_array_equal(in_real, [0, 1, 1])
    assert precision_recall.scores(real, fake, 1) == {
        "precision": 1 / 3,
        "recall": 1.0,
        "density": 2 / 3,
        "coverage": 2 / 3,
    }


@pytest.mark.parametrize("k", [1, 5])
def test_identical_sets(k):
    """Each ball holds its centre and k others."""
    x = points(50)
    assert precision_recall.scores(x, x[::-1], k) == {
        "precision": 1,
        "recall": 1,
        "density": pytest.approx((k + 1) / k),
        "coverage": 1,
    }


def test_disjoint_sets():
    x = points(50)
    assert set(precision_recall.scores(x, x + 100).values()) == {0.0}


def test_a_single_memorised_image():
    """Perfect precision, however poor: what coverage and recall are for. It lies in the balls of a few neighbours only."""
    real = points(500)
    once = np.repeat(real[:1], 500, 0)
    found = precision_recall.scores(real, once)
    assert found["precision"] == 1 and found["recall"] == 1 / 500 and found["coverage"] < 0.05


def test_half_of_the_modes():
    real = np.concatenate([points(100), points(100, 1, shift=50)])
    found = precision_recall.scores(real, points(200, 2))
    assert (
        0.4 < found["recall"] <= 0.5 and 0.4 < found["coverage"] <= 0.5 and found["precision"] > 0.9
    )


@pytest.mark.parametrize("n, m, k", [(100, 100, 5), (100, 40, 5), (50, 200, 2)])
def test_a_perfect_generator(n, m, k):
    """Coverage as predicted, in whatever distribution; density 1 on average."""
    runs = [
        precision_recall.scores(points(n, 2 * i) ** 3, points(m, 2 * i + 1) ** 3, k)
        for i in range(60)
    ]
    assert np.mean([run["coverage"] for run in runs]) == pytest.approx(
        precision_recall.expected(n, m, k), abs=0.01
    )
    assert np.mean([run["density"] for run in runs]) == pytest.approx(1, abs=0.05)
    assert precision_recall.expected(10**7, 10**7, 5) == pytest.approx(1 - 2**-5)


def test_in_blocks(monkeypatch):
    real, fake = points(70), points(50, 1)
    whole = precision_recall.scores(real, fake)
    monkeypatch.setattr(precision_recall, "_FLOATS", 70 * 7)
    assert precision_recall.scores(real, fake) == whole


def test_points_that_occur_several_times():
    """A ball of no width holds copies of its centre."""
    real = np.repeat(points(5), 6, 0)
    np.testing.assert_array_equal(precision_recall.radii(real), 0)
    assert precision_recall.covered(real, real[:6]) == 0.2


@pytest.mark.parametrize("dim, offset", [(3, 0.0), (128, 1e3), (700, -50.0)])
def test_edges_and_copies_in_spite_of_rounding(dim, offset):
    """Each ball holds exactly its centre and its k nearest, the last of them on its edge; balls of copies hold the copies."""
    x = points(300, dim=dim, shift=offset) * np.geomspace(0.1, 1, dim, dtype=np.float32)
    of_point, in_ball = precision_recall.hits(x, x, precision_recall.radii(x))
    np.testing.assert_array_equal(in_ball, 6)
    assert of_point.sum() == 6 * 300
    twice = np.concatenate([x, x])
    np.testing.assert_array_equal(precision_recall.radii(twice, 1), 0)
    np.testing.assert_array_equal(
        precision_recall.hits(x, twice, precision_recall.radii(twice, 1))[1], 1
    )
    beside = x + 1e-5 * x.std(0, dtype=np.float64)
    np.testing.assert_array_equal(precision_recall.hits(beside, x, np.zeros(300))[1], 0)


@pytest.mark.parametrize("n, m, k", [(400, 300, 5), (200, 500, 3)])
def test_against_prdc(n, m, k):
    prdc = pytest.importorskip("prdc")
    real, fake = points(n, dim=64), points(m, 1, dim=64, shift=0.15)
    theirs = prdc.compute_prdc(real.astype(np.float64), fake.astype(np.float64), k)
    assert precision_recall.scores(real, fake, k) == pytest.approx(theirs, rel=1e-12)
    views = [{"features": x} for x in (real, fake)]
    assert (
        precision_recall.METRIC.measure(*views) == precision_recall.scores(real, fake)
        and precision_recall.METRIC.least(64) == precision_recall.K + 1
    )


def test_what_cannot_be_measured_is_refused():
    x = points(6)
    for pair in ((x[:5], x), (x, x[:5])):
        with pytest.raises(
            errors.InputError, match="number 5 were asked of 5 images; use 6 or more"
        ):
            precision_recall.scores(*pair)
    bad = x.copy()
    bad[2, 1] = np.nan
    for pair in ((bad, x), (x, bad)):
        with pytest.raises(errors.InputError, match="infinite or undefined"):
            precision_recall.scores(*pair)
    with pytest.raises(errors.InputError, match="infinite or undefined"):
        precision_recall.covered(x, bad)
