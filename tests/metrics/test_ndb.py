"""Bins: the clustering against scikit-learn's, the test against scipy's, and known mixtures."""

import numpy as np
import pytest
from scipy import stats

from gan_jax import errors
from gan_jax.metrics import ndb
from tests.metrics.helpers import normal_points

CENTERS = np.random.default_rng(0).normal(0, 20, (20, 5))


def mixture(n, seed, kinds=20):
    """float32 [n, 5] of the first of 20 clusters, far apart, equally frequent."""
    rng = np.random.default_rng(seed)
    return (CENTERS[rng.integers(0, kinds, n)] + rng.standard_normal((n, 5))).astype(np.float32)


def inertia(x, centers):
    return ((x[:, None].astype(np.float64) - centers) ** 2).sum(2).min(1).sum()


def test_clusters_far_apart_are_found():
    found = ndb.kmeans(mixture(2000, 1), 20)
    order = ((CENTERS[:, None] - found) ** 2).sum(2).argmin(1)
    assert sorted(order) == list(range(20))
    np.testing.assert_allclose(found[order], CENTERS, atol=0.5)


def test_centres_are_the_means_of_their_points():
    """Where Lloyd's algorithm stands still; and far from 0, where float32 is coarse."""
    for offset in (0, 1000):
        x = normal_points(1000, 2, 8) + np.float32(offset)
        centers = ndb.kmeans(x, 10)
        labels = ((x[:, None].astype(np.float64) - centers) ** 2).sum(2).argmin(1)
        means = np.stack([x[labels == i].astype(np.float64).mean(0) for i in range(10)])
        np.testing.assert_allclose(centers, means, atol=1e-2 if offset else 1e-5)


def test_assign_bins():
    x, centers = normal_points(300, 3, 8), normal_points(7, 4, 8)
    nearest = ((x[:, None] - centers) ** 2).sum(2).argmin(1)
    np.testing.assert_array_equal(ndb.assign_bins(x, centers), nearest)
    # Of equal centres the first.
    np.testing.assert_array_equal(ndb.assign_bins(x, np.repeat(centers, 2, 0)) % 2, 0)


def test_clustering_is_a_function_of_the_seed():
    x = normal_points(500, 5, 8)
    np.testing.assert_array_equal(ndb.kmeans(x, 9, 1), ndb.kmeans(x, 9, 1))
    assert not np.array_equal(ndb.kmeans(x, 9, 1), ndb.kmeans(x, 9, 2))


@pytest.mark.parametrize("n, dim, k", [(2000, 8, 100), (1000, 64, 20)])
def test_against_scikit_learn(n, dim, k):
    cluster = pytest.importorskip("sklearn.cluster")
    x = normal_points(n, 6, dim)
    theirs = cluster.KMeans(k, n_init=3, random_state=0).fit(x).inertia_
    assert inertia(x, ndb.kmeans(x, k)) == pytest.approx(theirs, rel=0.03)


def test_differing_bins_is_the_chi_squared_test():
    real, fake = np.array([50, 30, 20, 900, 0]), np.array([80, 45, 15, 960, 0])
    expected = [
        stats.chi2_contingency([[a, 1000 - a], [b, 1100 - b]], correction=False).pvalue < 0.05
        for a, b in zip(real[:4], fake[:4], strict=True)
    ]
    assert ndb.differing_bins(real, fake).tolist() == [*expected, False]
    assert 0 < sum(expected) < 4


def test_the_level_is_that_of_chance():
    """Bins known beforehand: 5 % of them differ between samples of one distribution."""
    rng, shares = np.random.default_rng(7), np.full(100, 0.01)
    differing = []
    for _ in range(100):
        counts = rng.multinomial(5000, shares), rng.multinomial(5000, shares)
        differing.append(ndb.differing_bins(*counts).mean())
    assert np.mean(differing) == pytest.approx(0.05, abs=0.007)


@pytest.mark.long
def test_samples_of_one_distribution():
    """5 % of the bins if these are known clusters; fewer if more bins cut clusters evenly."""
    apart = [
        ndb.ndb(mixture(500, 2 * i), mixture(500, 2 * i + 1), k=20)["ndb"] for i in range(100, 300)
    ]
    assert np.mean(apart) == pytest.approx(0.05, abs=0.01)
    runs = [ndb.ndb(mixture(2000, 2 * i), mixture(2000, 2 * i + 1)) for i in range(10, 20)]
    assert 0.005 < np.mean([run["ndb"] for run in runs]) < 0.05
    assert np.mean([run["js"] for run in runs]) == pytest.approx(99 * (2 / 2000) / 8, rel=0.2)


def test_a_lost_kind_of_images():
    """By hand: the lost bin is empty; the others grow by 20 / 19, too little to tell."""
    real, fake = mixture(2000, 8), mixture(2000, 9, kinds=19)
    centers = ndb.kmeans(real, 20)
    counts = [np.bincount(ndb.assign_bins(x, centers), minlength=20) for x in (real, fake)]
    lost = ndb.assign_bins(CENTERS[19:], centers)[0]
    differing = ndb.differing_bins(*counts)
    assert counts[1][lost] == 0 and differing[lost]
    scores = ndb.ndb(real, fake, k=20)
    assert scores["ndb"] == differing.mean() and 0.05 <= scores["ndb"] <= 0.2
    by_hand = np.log(2) / 40 + np.log(38 / 39) * 19 / 40 + np.log(40 / 39) / 2
    assert scores["js"] == pytest.approx(by_hand, abs=2 * 19 * (2 / 2000) / 8)


def test_extremes():
    x = mixture(1000, 10)
    assert ndb.ndb(x, x[::-1]) == {"ndb": 0, "js": 0}
    far = ndb.ndb(x, np.full_like(x, 1000))
    assert far["ndb"] > 0.5 and far["js"] > 0.55  # all in one of 50 bins
    same = np.ones((100, 3))
    assert ndb.ndb(same, same) == {"ndb": 0, "js": 0}  # one bin holds all


def test_bins_of_the_metric():
    assert [ndb.n_bins(n) for n in (40, 59, 60, 1999, 2000, 10_000)] == [2, 2, 3, 99, 100, 100]
    x, y = mixture(300, 11), mixture(200, 12)
    assert ndb.METRIC.compute({"features": x}, {"features": y}) == ndb.ndb(x, y, k=15)
    assert ndb.METRIC.min_images(128) == 40


def test_too_few_images_are_refused():
    x = normal_points(50, 13)
    for pair in ((x[:39], x), (x, x[:39])):
        with pytest.raises(errors.InputError, match="39 .*use at least 40 of each"):
            ndb.ndb(*pair)
