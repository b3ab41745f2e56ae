"""Scores of points: what real points get, what hand-made ones must get."""

import numpy as np
import pytest

from gan_jax import errors
from gan_jax.data import toys
from gan_jax.metrics.point_scores import (
    literature_coverage,
    mode_coverage,
    score_points,
    wasserstein,
)

MIXTURES = [name for name, toy in toys.TABLE.items() if toy.classes]


def training_points(name, n=2000, seed=0):
    """Choose n training points of a toy, divided by its scale: float64 [n, D]."""
    toy = toys.TABLE[name]
    all_points = toys.sample_points(toy, "train")[0] / toy.scale
    return all_points[np.random.default_rng(seed).permutation(len(all_points))[:n]]


def at(counts, toy):
    """Make points at the centres of a toy, counts[i] at the i-th, in the toy's units."""
    return np.repeat(toy.centers[: len(counts)], counts, 0)


@pytest.mark.parametrize("name", MIXTURES)
def test_all_real_points(name):
    """A share 1 - exp(-MODE_RADIUS^2 / 2) = 0.9817 of a 2-D Gaussian lies within the radius."""
    toy = toys.TABLE[name]
    modes = mode_coverage(toys.sample_points(toy, "train")[0], toy)
    assert modes.covered.all() and modes.kl < 1e-3
    assert modes.registered == pytest.approx(0.9817, abs=0.002)


@pytest.mark.long
@pytest.mark.parametrize("name", MIXTURES)
@pytest.mark.parametrize("n", [2000, 10_000])
def test_a_sample_of_real_points(name, n):
    found = score_points(training_points(name, n), f"toys:{name}")
    assert found["modes_covered"] == len(toys.TABLE[name].centers)
    assert found["registered"] == pytest.approx(0.98, abs=0.012)
    assert found["kl_modes"] < 0.015
    assert found["wasserstein"] < 0.06 * toys.TABLE[name].scale


def test_all_points_in_one_mode():
    toy = toys.TABLE["gaussians25"]
    real, modes = toys.sample_points(toy, "train")
    found = score_points(real[modes == 7] / toy.scale, "toys:gaussians25")
    assert found["modes_covered"] == 1 and found["registered"] == pytest.approx(0.98, abs=0.01)
    assert found["kl_modes"] == pytest.approx(np.log(25))
    assert found["wasserstein"] > 2


def test_coverage_by_hand():
    toy = toys.TABLE["plus"]
    where = np.concatenate([at([100, 100, 50, 2, 1], toy), [[0.5, 0.5]] * 7])
    found = mode_coverage(where, toy)
    np.testing.assert_array_equal(found.counts, [100, 100, 50, 2, 1] + [0] * 8)
    assert found.covered.tolist() == [True] * 3 + [False] * 10  # 1 % of 260 is 2.6
    assert found.registered == pytest.approx(253 / 260)
    shares = np.array([100, 100, 50, 2, 1]) / 253
    assert found.kl == pytest.approx((shares * np.log(13 * shares)).sum())


def test_twenty_of_two_thousand_cover_a_mode():
    toy = toys.TABLE["gaussians8"]
    many, few = (mode_coverage(at(n, toy), toy).covered for n in ([1961, 20, 19], [20, 0, 1]))
    assert many.tolist() == [True, True] + [False] * 6
    assert few.tolist() == [True, False, True] + [False] * 5


@pytest.mark.parametrize(
    "name, radius", [("sine", 0.1 * np.sqrt(2)), ("gaussians8", 0.04 * np.sqrt(2))]
)
def test_radius_is_that_of_the_source(name, radius):
    toy = toys.TABLE[name]
    for shift, inside in ((radius - 1e-9, 1), (radius + 1e-9, 0)):
        assert mode_coverage(np.add(toy.centers, [shift, 0]), toy).registered == inside


def test_nothing_registered():
    modes = mode_coverage(np.full((10, 2), 30.0), toys.TABLE["plus"])
    assert not modes.covered.any() and modes.registered == 0
    assert modes.kl == pytest.approx(np.log(13))


@pytest.mark.parametrize("name", MIXTURES)
def test_real_points_by_the_rules_of_the_literature(name):
    """1 - exp(-9/2) lie inside; 2 n KL of equal shares is nearly chi squared of M - 1."""
    toy, rng, n, trials = toys.TABLE[name], np.random.default_rng(0), 2500, 40
    n_modes = len(toy.centers)
    found = []
    for _ in range(trials):
        centers = toy.centers[rng.integers(n_modes, size=n)]
        found.append(literature_coverage(centers + toy.sd * rng.normal(size=(n, 2)), toy))
    assert all((one.counts > 0).all() for one in found)
    inside = 1 - np.exp(-4.5)
    se = np.sqrt(inside * (1 - inside) / (n * trials))
    assert abs(np.mean([one.high_quality for one in found]) - inside) < 4 * se
    kl = np.array([one.reverse_kl for one in found])
    degrees = n_modes - 1
    assert abs(kl.mean() - degrees / (2 * n)) < 4 * np.sqrt(2 * degrees / trials) / (2 * n)


def test_the_rules_of_the_literature_by_hand():
    """One point near a mode covers it; a point that is far from all counts for the nearest."""
    toy = toys.TABLE["plus"]
    where = np.concatenate([at([100, 100, 50, 2, 1], toy), [toy.centers[9] + [4 * toy.sd, 0]] * 7])
    found = literature_coverage(where, toy)
    np.testing.assert_array_equal(found.counts, [100, 100, 50, 2, 1] + [0] * 8)
    assert found.high_quality == pytest.approx(253 / 260)
    shares = np.array([100, 100, 50, 2, 1, 7]) / 260
    assert found.reverse_kl == pytest.approx((shares * np.log(13 * shares)).sum())
    scores = score_points(where / toy.scale, "toys:plus")
    assert (scores["modes_3sd"], scores["modes_covered"]) == (5, 3)
    assert scores["high_quality"] == found.high_quality
    assert scores["reverse_kl"] == found.reverse_kl
    far = literature_coverage(np.full((10, 2), 30.0), toy)
    assert not far.counts.any() and far.high_quality == 0
    assert far.reverse_kl == pytest.approx(np.log(13)), "all are nearest to one mode"


def test_the_radius_of_high_quality_is_three_standard_deviations():
    toy = toys.TABLE["gaussians25"]
    for shift, inside in ((3 - 1e-9, 1), (3 + 1e-9, 0)):
        moved = np.add(toy.centers, [0, shift * toy.sd])
        assert literature_coverage(moved, toy).high_quality == inside


def test_wasserstein_of_shifted_copies_is_the_shift():
    x = np.random.default_rng(0).normal(size=(500, 2))
    assert wasserstein(x[:, :1], x[:, :1] + 0.3) == pytest.approx(0.3)
    for shift in ([0.3, 0.4], [0.0, -0.5], [0.5, 0.0], [-0.4, 0.3]):
        assert wasserstein(x, x + shift) == pytest.approx(0.5, rel=1e-3)
    assert wasserstein(x, x[::-1]) == 0


def test_wasserstein_between_different_numbers_of_points():
    two, four = np.array([[0.0], [1.0]]), np.array([[0.0], [0.5], [1.0], [1.5]])
    assert wasserstein(two, four) == pytest.approx(0.25)
    x = np.random.default_rng(0).normal(size=(100, 2))
    assert wasserstein(x, np.concatenate([x, x])) == pytest.approx(0, abs=1e-12)


def test_single_gaussian():
    found = score_points(training_points("gaussian1d", 10_000), "toys:gaussian1d")
    assert found.keys() == {"wasserstein", "mean_error", "sd_error"}
    assert found["wasserstein"] < 0.06 and found["mean_error"] < 0.04 and found["sd_error"] < 0.03
    scale = toys.TABLE["gaussian1d"].scale
    found = score_points(np.array([[1.0], [3.0]]) / scale, "toys:gaussian1d")
    assert found["mean_error"] == pytest.approx(2)
    assert found["sd_error"] == pytest.approx(0, abs=1e-9)
    assert found["wasserstein"] == pytest.approx(2, abs=0.03)


def test_swiss_roll_tells_real_points_from_a_blob():
    real = score_points(training_points("swissroll").reshape(-1, 1, 1, 2), "toys:swissroll")
    blob = np.random.default_rng(0).normal(size=(2000, 2)) * 0.3
    blob = score_points(blob, "toys:swissroll")
    assert real.keys() == blob.keys() == {"wasserstein"}
    assert real["wasserstein"] < 0.6 and blob["wasserstein"] > 3 * real["wasserstein"]


def test_what_cannot_be_scored_is_refused():
    for bad, spec, words in (
        (np.zeros((4, 1)), "toys:plus", r"Points \[4, 1\].*\[n, 2\]"),
        (np.zeros((0, 2)), "toys:plus", r"Points \[0, 2\]"),
        (np.full((4, 2), np.nan), "toys:plus", "infinite or undefined"),
        (np.zeros((4, 2)), "toys:heart", "names no toy"),
    ):
        with pytest.raises(errors.InputError, match=words):
            score_points(bad, spec)
