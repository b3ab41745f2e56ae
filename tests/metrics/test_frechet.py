import numpy as np
import pytest
from scipy import linalg

from gan_jax import errors
from gan_jax.metrics import frechet


def with_moments(rng, n, mean, cov):
    """Draw n points whose sample mean and unbiased covariance are exactly these."""
    x = rng.standard_normal((n, len(mean)))
    x = (x - x.mean(0)) @ linalg.inv(linalg.cholesky(np.cov(x.T)))
    return x @ linalg.cholesky(cov) + mean


def brute_force(a, b):
    """The formula as printed, with a general matrix root."""
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    cross = linalg.sqrtm(cov_a @ cov_b).real
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * cross)


def test_closed_form_for_commuting_covariances():
    rng = np.random.default_rng(0)
    turn = linalg.qr(rng.standard_normal((3, 3)))[0]
    wide, narrow = np.array([4.0, 9.0, 1.0]), np.array([1.0, 16.0, 0.25])
    a = with_moments(rng, 50, np.array([1.0, 2.0, 3.0]), turn @ np.diag(wide) @ turn.T)
    b = with_moments(rng, 70, np.array([1.0, 0.0, 6.0]), turn @ np.diag(narrow) @ turn.T)
    # |(0, 2, -3)|^2 + (2 - 1)^2 + (3 - 4)^2 + (1 - 0.5)^2
    assert frechet.frechet_distance(a, b) == pytest.approx(13 + 1 + 1 + 0.25, rel=1e-12)


def test_equals_the_general_matrix_root_and_is_symmetric():
    rng = np.random.default_rng(1)
    a = rng.standard_normal((200, 12)) @ rng.standard_normal((12, 12))
    b = rng.standard_normal((300, 12)) @ rng.standard_normal((12, 12)) + 1
    distance = frechet.frechet_distance(a, b)
    assert distance == pytest.approx(brute_force(a, b), rel=1e-9)
    assert frechet.METRIC.compute({"features": a}, {"features": b}) == {"frechet": distance}
    assert frechet.METRIC.min_images(12) == 13
    assert distance == pytest.approx(frechet.frechet_distance(b, a), rel=1e-12)


def test_equal_sets_are_at_zero_whatever_the_order_and_scale():
    x = np.random.default_rng(2).standard_normal((100, 20)).astype(np.float32) * 1000
    assert frechet.frechet_distance(x, x) == pytest.approx(0, abs=1e-6)
    assert frechet.frechet_distance(x, x[::-1]) == pytest.approx(0, abs=1e-6)


def test_collapsed_set_has_no_spread():
    """Of copies of one point, only its distance to the mean and the other set's variance remain."""
    x = with_moments(np.random.default_rng(3), 40, np.zeros(4), np.diag([1.0, 2.0, 3.0, 4.0]))
    copies = np.tile([3.0, 0.0, 0.0, 0.0], (40, 1))
    assert frechet.frechet_distance(x, copies) == pytest.approx(9 + 10, rel=1e-12)


def test_singular_covariances():
    """Features that say everything twice, and one that says nothing: the distance doubles."""
    rng = np.random.default_rng(8)
    a, b = rng.standard_normal((90, 6)), rng.standard_normal((80, 6)) @ rng.standard_normal((6, 6))
    twice = [np.hstack([x, np.full((len(x), 1), 7.0), x]) for x in (a, b)]
    expected = 2 * frechet.frechet_distance(a, b)
    assert frechet.frechet_distance(*twice) == pytest.approx(expected, rel=1e-12)
    assert frechet.frechet_distance(twice[0], twice[0][::-1]) == pytest.approx(0, abs=1e-12)


def test_features_of_very_different_scales():
    """Independent features: each adds (difference of the means)^2 + (difference of the sds)^2."""
    rng, sds = np.random.default_rng(9), 10.0 ** np.arange(-5, 3)
    a = with_moments(rng, 60, np.zeros(8), np.eye(8)) * sds
    b = with_moments(rng, 60, np.full(8, 2.0), 9 * np.eye(8)) * sds
    for n in (8, 3):
        expected = 8 * (sds[:n] ** 2).sum()
        assert frechet.frechet_distance(a[:, :n], b[:, :n]) == pytest.approx(expected, rel=1e-12)


def test_small_samples_of_one_distribution_are_apart():
    """The bias that the docstring warns of: more images, smaller distance."""
    rng = np.random.default_rng(4)
    few, many = ([rng.standard_normal((n, 16)) for _ in range(2)] for n in (100, 10_000))
    assert frechet.frechet_distance(*few) > 10 * frechet.frechet_distance(*many) > 0


@pytest.mark.parametrize("n", [3, 4])
def test_too_few_images_are_refused(n):
    good = np.random.default_rng(5).standard_normal((20, 4))
    message = rf"{n} images; use at least 5 images, or --scores=kernel"
    with pytest.raises(errors.InputError, match=message):
        frechet.frechet_distance(good, good[:n])


def test_against_torch_fidelity():
    fid = pytest.importorskip("torch_fidelity.metric_fid")
    rng = np.random.default_rng(7)
    a, b = (rng.standard_normal((400, 24)) @ rng.standard_normal((24, 24)) + i for i in range(2))
    moments = [{"mu": x.mean(0), "sigma": np.cov(x.T)} for x in (a, b)]
    theirs = fid.fid_statistics_to_metric(*moments, verbose=False)["frechet_inception_distance"]
    assert frechet.frechet_distance(a, b) == pytest.approx(theirs, rel=1e-9)
