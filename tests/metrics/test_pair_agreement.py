"""Agreement of pairs: closed forms, brute force, what chance gives."""

import numpy as np
import pytest

from gan_jax.metrics import pair_agreement


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_concordance_is_one_minus_pairs_over_all():
    a, b = normal(40, 3, 5), 0.5 * normal(40, 3, 5, seed=1) + 0.2
    b += a
    pairs = np.mean([((x - y) ** 2).sum() for x, y in zip(a, b, strict=True)])
    all_with_all = np.mean([((x - y) ** 2).sum() for x in a for y in b])
    assert pair_agreement.concordance(a, b) == pytest.approx(1 - pairs / all_with_all, rel=1e-12)


def test_concordance_of_a_signal_with_noise():
    """a = s + e, b = s + e': the share of the signal in the variance."""
    signal = normal(20_000, 4)
    for sd in (0.5, 1.0, 2.0):
        a, b = (signal + sd * normal(20_000, 4, seed=seed) for seed in (1, 2))
        want = 1 / (1 + sd**2)
        assert pair_agreement.concordance(a, b) == pytest.approx(want, abs=0.02)
    assert pair_agreement.concordance(signal, -signal) == pytest.approx(-1, abs=1e-3)


def test_equal_and_constant_sets():
    a = normal(10, 3)
    assert pair_agreement.concordance(a, a) == pytest.approx(1)
    ones = np.ones((10, 3))
    assert pair_agreement.concordance(ones, ones) == 1
    assert pair_agreement.concordance(ones, 2 * ones) == 0, "no pair is nearer than any other"
    assert pair_agreement.chance(ones, ones, 0) == 1


def test_chance_is_exceeded_rarely():
    """Independent sets lie below in all but 2.5 % of the cases; related ones above."""
    n_above = sum(
        pair_agreement.concordance(a, b) > pair_agreement.chance(a, b, seed)
        for seed in range(100)
        for a, b in [(normal(50, 6, seed=2 * seed), normal(50, 6, seed=2 * seed + 1))]
    )
    assert n_above <= 9
    a = normal(50, 6)
    assert pair_agreement.concordance(a, a + normal(50, 6, seed=1)) > pair_agreement.chance(a, a, 0)


def test_distances_against_brute_force():
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (6, 4, 4, 3), np.uint8) for _ in range(2))
    rms = lambda x, y: np.sqrt(np.mean((x.astype(float) - y.astype(float)) ** 2))
    paired, unpaired = pair_agreement.distances(a, b)
    assert paired == pytest.approx(np.mean([rms(x, y) for x, y in zip(a, b, strict=True)]))
    others = [rms(a[i], b[j]) for i in range(6) for j in range(6) if i != j]
    assert unpaired == pytest.approx(np.mean(others))
    features = normal(5, 7).astype(np.float32)
    paired, unpaired = pair_agreement.distances(features, features + 1)
    assert paired == pytest.approx(np.sqrt(7), rel=1e-6) and unpaired > 0
    found = pair_agreement.measure(a, b)
    assert found.keys() == {"paired", "unpaired", "concordance", "chance"}
    assert all(np.isfinite(value) for value in found.values())
