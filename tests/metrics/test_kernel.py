"""The kernel distance against loops over pairs, in closed forms, and against torch-fidelity."""

import numpy as np
import pytest

from gan_jax import errors
from gan_jax.metrics import kernel
from tests.metrics.helpers import normal_points


def k(a, b):
    return (sum(float(s) * float(t) for s, t in zip(a, b, strict=True)) / len(a) + 1) ** 3


def brute_force(x, y):
    """The estimator, pair by pair."""
    n, m = len(x), len(y)
    within_x = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_y = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within_x + within_y - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


@pytest.mark.parametrize("n, m, shift", [(20, 20, 0.0), (15, 25, 1.0), (2, 2, 0.5)])
def test_brute_force(n, m, shift):
    x, y = normal_points(n), normal_points(m, 1, shift=shift)
    assert kernel.mmd2(x, y) == pytest.approx(brute_force(x, y), rel=1e-12)
    assert kernel.mmd2(y, x) == pytest.approx(kernel.mmd2(x, y), rel=1e-12)


def test_by_hand():
    """One feature: within x, k(1, 2) = 27; within y, k(0, 0) = 1; between, k = 1."""
    x, y = np.array([[1.0], [2.0]]), np.zeros((2, 1))
    assert kernel.mmd2(x, y) == pytest.approx(27 + 1 - 2, rel=1e-15)


def test_subsets_are_those_of_the_seed():
    x, y = normal_points(40), normal_points(30, 1, shift=0.3)
    rng, values = np.random.default_rng(7), []
    for _ in range(5):
        rows = rng.choice(40, 12, replace=False), rng.choice(30, 12, replace=False)
        values.append(brute_force(x[rows[0]], y[rows[1]]))
    mean, error = kernel.kernel_distance(x, y, subsets=5, size=12, seed=7)
    assert mean == pytest.approx(np.mean(values), rel=1e-12)
    assert error == pytest.approx(np.std(values) / np.sqrt(5), rel=1e-9)
    again, other = (kernel.kernel_distance(x, y, 5, 12, seed) for seed in (7, 8))
    assert again == (mean, error) != other


def test_sets_smaller_than_a_subset():
    x, y = normal_points(40), normal_points(40, 1)
    whole, error = kernel.kernel_distance(x, y)
    assert whole == pytest.approx(brute_force(x, y), rel=1e-9) and error == 0
    # 30 of 40 can be chosen in many ways.
    assert kernel.kernel_distance(x, normal_points(30, 1))[1] > 0
    assert kernel.METRIC.compute({"features": x}, {"features": y}) == {"kernel": whole}


def test_unbiased_however_few_images():
    """Two samples of one distribution: 0 on average, where a Frechet distance grows as 1 / n."""
    for n in (3, 100):
        values = [
            kernel.mmd2(normal_points(n, 2 * i), normal_points(n, 2 * i + 1)) for i in range(400)
        ]
        assert abs(np.mean(values)) < 3.5 * np.std(values) / 20
        assert 0.3 < np.mean(np.less(values, 0)) < 0.8


@pytest.mark.long
def test_expected_value_of_a_shift():
    """One feature, x from N(0, 1) and y from N(1, 1): E k is 4 within x, 32 within y, 7 between.

    E (ab + 1)^3 = E a^3 E b^3 + 3 E a^2 E b^2 + 3 E a E b + 1; N(1, 1) has the moments 1, 2, 4.
    """
    x, y = normal_points(4000, 3, 1), normal_points(4000, 4, 1, shift=1.0)
    assert kernel.mmd2(x, y) == pytest.approx(4 + 32 - 14, abs=1.5)


# torch-fidelity computes in the features' dtype.
@pytest.mark.parametrize("dtype, rel", [(np.float64, 1e-9), (np.float32, 1e-3)])
def test_against_torch_fidelity(dtype, rel):
    """On the whole set, and on subsets chosen here (theirs are by another generator)."""
    torch = pytest.importorskip("torch")
    kid = pytest.importorskip("torch_fidelity.metric_kid")
    x, y = (np.abs(normal_points(500, i, 64, 0.2 * i)).astype(dtype) for i in range(2))
    poly = {
        "kid_kernel": "poly",
        "kid_kernel_poly_degree": 3,
        "kid_kernel_poly_gamma": None,
        "kid_kernel_poly_coef0": 1,
    }
    options = {"kid_subsets": 2, "kid_subset_size": 500, "rng_seed": 0, "verbose": False, **poly}
    theirs = kid.kid_features_to_metric(torch.from_numpy(x), torch.from_numpy(y), **options)
    expected = theirs["kernel_inception_distance_mean"]
    assert kernel.kernel_distance(x, y)[0] == pytest.approx(expected, rel=rel)
    rng, values = np.random.default_rng(3), []
    for _ in range(10):
        a, b = (z[rng.choice(500, 100, replace=False)] for z in (x, y))
        values.append(kid.kernel_mmd(a, b, **poly))
    mean, error = kernel.kernel_distance(x, y, subsets=10, size=100, seed=3)
    assert mean == pytest.approx(np.mean(values), rel=rel)
    assert error * np.sqrt(10) == pytest.approx(np.std(values), rel=rel)


def test_a_single_image_is_refused():
    x = normal_points(5)
    for pair in ((x[:1], x), (x, x[:1])):
        with pytest.raises(errors.InputError, match="asked of 1 images; use at least 2"):
            kernel.kernel_distance(*pair)


@pytest.mark.parametrize("subsets", [2, 30])
def test_pairs_of_many_subsets_are_evaluated_once(subsets, monkeypatch):
    """Few subsets are computed one by one, many from all pairs in blocks: the same numbers."""
    monkeypatch.setattr(kernel, "_BLOCK_FLOATS", 100)
    x, y = normal_points(40, dim=5), normal_points(30, 1, dim=5, shift=0.3)
    rng, values = np.random.default_rng(3), []
    for _ in range(subsets):
        rows_x, rows_y = (rng.choice(len(z), 12, replace=False) for z in (x, y))
        values.append(kernel.mmd2(x[rows_x], y[rows_y]))
    mean, error = kernel.kernel_distance(x, y, subsets=subsets, size=12, seed=3)
    assert mean == pytest.approx(np.mean(values), rel=1e-12)
    assert error == pytest.approx(np.std(values) / np.sqrt(subsets), rel=1e-10)


def test_the_choice_of_subsets_adds_to_the_standard_error():
    """Of one pair of sets: what other subsets give is part of it, as far as ten subsets tell."""
    x, y = normal_points(1300, 2), normal_points(1300, 3)
    values = [kernel.kernel_distance(x, y, seed=seed)[0] for seed in range(40)]
    whole = [[np.arange(1300)] * 2] * 2  # halves that do not differ
    assert kernel.standard_error(x, y, whole) == pytest.approx(np.std(values), rel=0.6)
