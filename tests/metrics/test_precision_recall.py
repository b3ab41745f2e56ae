"""Precision, recall, density, coverage against loops over pairs, and in closed forms."""

import numpy as np
import pytest

from gan_jax import errors
from gan_jax.metrics import precision_recall
from gan_jax.metrics.precision_recall import ball_radii, count_hits, prdc
from tests.metrics.helpers import normal_points


def brute_force(real, fake, k):
    """The definitions, pair by pair."""

    def length(a, b):
        return np.sqrt(sum((float(s) - float(t)) ** 2 for s, t in zip(a, b, strict=True)))

    def radii(x):
        return [
            sorted(length(a, b) for j, b in enumerate(x) if j != i)[k - 1] for i, a in enumerate(x)
        ]

    real_balls = list(zip(real, radii(real), strict=True))
    fake_balls = list(zip(fake, radii(fake), strict=True))
    holds = [[length(x, y) <= r for x, r in real_balls] for y in fake]
    return {
        "precision": np.mean([any(row) for row in holds]),
        "recall": np.mean([any(length(x, y) <= r for y, r in fake_balls) for x in real]),
        "density": np.sum(holds) / (k * len(fake)),
        "coverage": np.mean([any(column) for column in zip(*holds, strict=True)]),
    }


@pytest.mark.parametrize(
    "n, m, k, shift", [(40, 40, 5, 0.0), (60, 25, 3, 0.7), (20, 50, 2, 1.2), (6, 6, 5, 0.0)]
)
def test_brute_force(n, m, k, shift):
    real, fake = normal_points(n, 0, 3), normal_points(m, 1, 3, shift)
    scores, expected = prdc(real, fake, k), brute_force(real, fake, k)
    assert set(scores) == {"precision", "recall", "density", "coverage"}
    for name, value in scores.items():
        assert value == pytest.approx(expected[name], abs=1e-12), name
    assert precision_recall.coverage(real, fake, k) == scores["coverage"]
    if shift > 1:
        assert len(set(scores.values())) == 4  # none in the place of another


@pytest.mark.parametrize("n, m, k", [(60, 40, 5), (41, 90, 2), (14, 14, 5)])
def test_subsets_have_the_values_that_they_have_alone(n, m, k):
    """With copies, of each other and of the other side; also where few of the subset are near."""
    rng = np.random.default_rng(n)
    real, fake = normal_points(n, 0, 3), normal_points(m, 1, 3)
    real[1], fake[:3] = real[0], real[2:5]
    subsets = [[np.sort(rng.permutation(size)[: size // 2]) for size in (n, m)] for _ in range(30)]
    subsets.append([np.argsort(real[:, 0])[-k - 1 :], np.arange(m)])
    together = precision_recall.prdc_of_subsets(real, fake, subsets, k)
    assert together == [prdc(real[of_real], fake[of_fake], k) for of_real, of_fake in subsets]


def test_by_hand():
    """Five points in a row, k = 1: real ones at 0, 1, 3, generated ones at 1.5, 10, 11."""
    real, fake = np.float64([[0], [1], [3]]), np.float64([[1.5], [10], [11]])
    np.testing.assert_array_equal(ball_radii(real, 1), [1, 1, 2])
    np.testing.assert_array_equal(ball_radii(fake, 1), [8.5, 1, 1])
    of_fake, in_real = count_hits(fake, real, ball_radii(real, 1))
    np.testing.assert_array_equal(of_fake, [2, 0, 0])
    np.testing.assert_array_equal(in_real, [0, 1, 1])
    expected = {"precision": 1 / 3, "recall": 1.0, "density": 2 / 3, "coverage": 2 / 3}
    assert prdc(real, fake, 1) == expected


@pytest.mark.parametrize("k", [1, 5])
def test_identical_sets(k):
    """Each ball holds its centre and k others."""
    x = normal_points(50, 0, 3)
    density = pytest.approx((k + 1) / k)
    assert prdc(x, x[::-1], k) == {"precision": 1, "recall": 1, "density": density, "coverage": 1}


def test_disjoint_sets():
    x = normal_points(50, 0, 3)
    assert set(prdc(x, x + 100).values()) == {0.0}


def test_a_single_memorised_image():
    """Perfect precision, however poor; coverage and recall tell. It lies in a few balls only."""
    real = normal_points(500, 0, 3)
    once = np.repeat(real[:1], 500, 0)
    scores = prdc(real, once)
    assert scores["precision"] == 1 and scores["recall"] == 1 / 500 and scores["coverage"] < 0.05


def test_half_of_the_modes():
    real = np.concatenate([normal_points(100, 0, 3), normal_points(100, 1, 3, shift=50)])
    scores = prdc(real, normal_points(200, 2, 3))
    assert 0.4 < scores["recall"] <= 0.5 and 0.4 < scores["coverage"] <= 0.5
    assert scores["precision"] > 0.9


@pytest.mark.parametrize("n, m, k", [(100, 100, 5), (100, 40, 5), (50, 200, 2)])
def test_a_perfect_generator(n, m, k):
    """Coverage as predicted, for any distribution; density 1 on average."""
    runs = [
        prdc(normal_points(n, 2 * i, 3) ** 3, normal_points(m, 2 * i + 1, 3) ** 3, k)
        for i in range(60)
    ]
    expected = precision_recall.expected_coverage(n, m, k)
    assert np.mean([run["coverage"] for run in runs]) == pytest.approx(expected, abs=0.01)
    assert np.mean([run["density"] for run in runs]) == pytest.approx(1, abs=0.05)
    assert precision_recall.expected_coverage(10**7, 10**7, 5) == pytest.approx(1 - 2**-5)


def test_in_blocks(monkeypatch):
    real, fake = normal_points(70, 0, 3), normal_points(50, 1, 3)
    whole = prdc(real, fake)
    monkeypatch.setattr(precision_recall, "_BLOCK_FLOATS", 70 * 7)
    assert prdc(real, fake) == whole


def test_points_that_occur_several_times():
    """A ball of radius 0 holds copies of its centre."""
    real = np.repeat(normal_points(5, 0, 3), 6, 0)
    np.testing.assert_array_equal(ball_radii(real), 0)
    assert precision_recall.coverage(real, real[:6]) == 0.2


@pytest.mark.parametrize("dim, offset", [(3, 0.0), (128, 1e3), (700, -50.0)])
def test_edges_and_copies_in_spite_of_rounding(dim, offset):
    """Each ball holds exactly its centre and its k nearest, the last of them on its edge.

    Balls of copies hold the copies.
    """
    x = normal_points(300, 0, dim, offset) * np.geomspace(0.1, 1, dim, dtype=np.float32)
    of_point, in_ball = count_hits(x, x, ball_radii(x))
    np.testing.assert_array_equal(in_ball, 6)
    assert of_point.sum() == 6 * 300
    twice = np.concatenate([x, x])
    radii = ball_radii(twice, 1)
    np.testing.assert_array_equal(radii, 0)
    np.testing.assert_array_equal(count_hits(x, twice, radii)[1], 1)
    beside = x + 1e-5 * x.std(0, dtype=np.float64)
    np.testing.assert_array_equal(count_hits(beside, x, np.zeros(300))[1], 0)


@pytest.mark.parametrize("n, m, k", [(400, 300, 5), (200, 500, 3)])
def test_against_prdc(n, m, k):
    package = pytest.importorskip("prdc")
    real, fake = normal_points(n, 0, 64), normal_points(m, 1, 64, 0.15)
    theirs = package.compute_prdc(real.astype(np.float64), fake.astype(np.float64), k)
    assert prdc(real, fake, k) == pytest.approx(theirs, rel=1e-12)


def test_the_metric_uses_five_neighbours():
    real, fake = normal_points(40), normal_points(30, 1)
    metric = precision_recall.METRIC
    assert metric.compute({"features": real}, {"features": fake}) == prdc(real, fake, 5)
    assert metric.min_images(64) == 6


def test_what_cannot_be_measured_is_refused():
    x = normal_points(6, 0, 3)
    for pair in ((x[:5], x), (x, x[:5])):
        message = "number 5 were asked of 5 images; use 6 or more"
        with pytest.raises(errors.InputError, match=message):
            prdc(*pair)
    bad = x.copy()
    bad[2, 1] = np.nan
    with pytest.raises(errors.InputError, match="infinite or undefined"):
        precision_recall.coverage(x, bad)
