"""Statistics: means, spreads, and intervals against other formulas of scipy's, and by chance."""

import math

import numpy as np
import pytest
from scipy import special, stats

from gan_jax.metrics import exact_tests, significance

A, B = [1.0, 2.0, 4.0], [3.0, 3.5, 5.0, 9.0]


def test_mean_std_text():
    assert significance.mean_std_text(A, 2) == "2.33 +- 1.53"
    assert significance.mean_std_text([0.5], 3) == "0.500"


def welch(a, b, level):
    """By the formula of Welch and Satterthwaite."""
    part_a, part_b = np.var(a, ddof=1) / len(a), np.var(b, ddof=1) / len(b)
    freedom = (part_a + part_b) ** 2 / (part_a**2 / (len(a) - 1) + part_b**2 / (len(b) - 1))
    half = stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(part_a + part_b)
    gap = np.mean(a) - np.mean(b)
    return gap, gap - half, gap + half


@pytest.mark.parametrize("b", [B, [2.0, 2.5]])
@pytest.mark.parametrize("n", [1, 12])
def test_welch_interval(b, n):
    """Intervals that are read together are wider."""
    found = significance.welch_interval(A, b, n)
    np.testing.assert_allclose(found, welch(A, b, 1 - 0.05 / n), rtol=1e-12)


def test_one_seed_and_equal_seeds():
    assert significance.welch_interval([1.0], [2.0, 3.0]) == (-1.5, None, None)
    assert significance.welch_interval([1.0, 1.0], [2.0, 2.5]) == (-1.25, None, None)


def test_compare_seeds():
    low, high = [1.0, 1.1, 0.9], [5.0, 5.2, 4.9]
    assert "A is better" in significance.compare_seeds("A", low, "B", high, "distance")
    assert "A is better" in significance.compare_seeds("B", high, "A", low, "distance")
    text = significance.compare_seeds("A", [1.0, 5.0], "B", [2.0, 5.0], "distance")
    assert "cannot tell" in text
    assert "nothing follows" in significance.compare_seeds("A", [1.0], "B", [2.0], "distance")


DISTANCE = (0, math.inf)


def test_distances_are_compared_by_their_ratio():
    """Student's t of the logarithm of a ratio, with standard errors by the delta method."""
    a, b = np.array([66.9, 56.2, 79.8]), np.array([3.5, 3.0, 4.1, 3.4])
    variances = [stats.sem(x) ** 2 / x.mean() ** 2 for x in (a, b)]
    freedom = sum(variances) ** 2 / (variances[0] ** 2 / 2 + variances[1] ** 2 / 3)
    for n in (1, 36):
        found = significance.compare_means(a, b, n, DISTANCE)
        wanted = stats.t.interval(
            1 - 0.05 / n, freedom, np.log(a.mean() / b.mean()), np.sqrt(sum(variances))
        )
        assert np.log(found.value) == pytest.approx(np.mean(wanted))
        assert np.log([found.low, found.high]) == pytest.approx(wanted, rel=1e-9)
        back = significance.compare_means(b, a, n, DISTANCE)
        assert (back.low, back.high) == pytest.approx((1 / found.high, 1 / found.low))
        assert found.is_ratio and found.is_decided and found.is_larger and not back.is_larger
    text = significance.compare_seeds("A", a, "B", b, "distance", 3, 36, limits=DISTANCE)
    assert text.startswith("A against B, distance: 19.3 times (95 % interval ")
    assert text.endswith("one of 36 that hold together): B is better.")
    back = significance.compare_seeds("B", b, "A", a, "distance", limits=DISTANCE)
    assert "0.0517 times" in back and back.endswith("B is better.")
    alike = significance.compare_seeds("A", b, "B", b + 0.1, "distance", limits=DISTANCE)
    assert alike.endswith("these seeds cannot tell.")


@pytest.mark.parametrize(
    ("a", "b", "limits"),
    [
        ([1.0, 2.0], [3.0, 3.5], (0, 1)),
        ([1.0, 2.0], [3.0, 3.5], (-math.inf, math.inf)),
        ([0.0, 0.0], [3.0, 3.5], DISTANCE),  # no ratio to 0
        ([-1.0, 0.5], [3.0, 3.5], DISTANCE),
    ],
)
def test_other_scores_are_compared_by_their_difference(a, b, limits):
    found = significance.compare_means(a, b, 2, limits)
    assert found[:3] == significance.welch_interval(a, b, 2, limits[1] - limits[0])
    assert not found.is_ratio


def test_a_ratio_without_spread_has_no_interval():
    for a, b in (([4.0], [2.0, 2.5]), ([4.0, 4.0], [2.0, 2.5])):
        found = significance.compare_means(a, b, 1, DISTANCE)
        assert (found.low, found.high, found.is_decided) == (None, None, False)
        assert found.value == pytest.approx(4 / 2.25) and found.texts(3) == ("1.78 times", "")


@pytest.mark.parametrize("n", [3, 10])
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, shape: (rng.lognormal(0, 0.1, shape), rng.lognormal(0, 0.1, shape)),
        lambda rng, shape: (rng.gamma(4, 0.25, shape), rng.gamma(100, 0.01, shape)),
        lambda rng, shape: (20 * rng.lognormal(0, 0.1, shape), rng.lognormal(0, 0.1, shape)),
    ],
)
def test_a_ratio_holds_the_truth_as_often_as_a_difference_and_decides_more(draw, n):
    rng, trials = np.random.default_rng(0), 500
    hits, decided = np.zeros(2), np.zeros(2)
    for a, b in zip(*draw(rng, (trials, n)), strict=True):
        truth = 20 if a.mean() > 5 else 1
        ratio = significance.compare_means(a, b, 1, DISTANCE)
        _, low, high = significance.welch_interval(a, b)
        hits += ratio.low <= truth <= ratio.high, low <= truth - 1 <= high
        together = significance.compare_means(a, b, 36, DISTANCE)
        decided += together.is_decided, significance.compare_means(a, b, 36).is_decided
    assert hits[0] / trials > 0.92 and hits[0] > hits[1] - 0.02 * trials
    if truth == 20:
        assert decided[0] > 0.95 * trials and (n > 3 or decided[1] < 0.5 * trials)
    else:
        assert decided[0] < 0.01 * trials


def test_compare_two_runs():
    text = significance.compare_two_runs("A", 1.0, 0.3, "B", 2.0, 0.4, "distance")
    assert "-1.000 (95 % interval from sampling -1.980 to -0.020): these two runs differ" in text
    text = significance.compare_two_runs("A", 1.0, 0.3, "B", 1.9, 0.4, "distance")
    assert "these samples cannot tell" in text
    text = significance.compare_two_runs("A", 1.0, np.nan, "B", 1.9, 0.4, "distance")
    assert "nothing follows" in text


def test_without_limits_an_interval_is_students():
    values = [0.8, 0.9, 0.85, 0.7]
    mean, interval = significance.confidence_interval(values)
    assert mean == np.mean(values)
    assert interval == pytest.approx(stats.t.interval(0.95, 3, mean, stats.sem(values)))
    assert significance.confidence_interval([0.5]) == (0.5, None)
    assert significance.confidence_interval([0.5, 0.5]) == (0.5, None)


VALUES = [0.92, 0.97, 0.99, 0.90]


@pytest.mark.parametrize(
    ("least", "most", "there", "slope", "back"),
    [
        (0, 1, special.logit, lambda m: 1 / (m * (1 - m)), special.expit),
        (0, np.inf, np.log, lambda m: 1 / m, np.exp),
        (-np.inf, 1, lambda m: -np.log(1 - m), lambda m: 1 / (1 - m), lambda y: 1 - np.exp(-y)),
        (
            -1,
            1,
            np.arctanh,  # half of the logit of (m + 1) / 2
            lambda m: 1 / (1 - m**2),
            np.tanh,
        ),
    ],
)
def test_with_limits_it_is_students_on_a_scale_without_ends(least, most, there, slope, back):
    mean, interval = significance.confidence_interval(VALUES, least, most)
    se = stats.sem(VALUES) * slope(mean)
    wanted = stats.t.interval(0.95, 3, there(mean), se)
    assert interval == pytest.approx([back(end) for end in wanted], rel=1e-12)
    assert least <= interval[0] < mean < interval[1] <= most


def test_far_from_its_limits_an_interval_is_as_without_them():
    values = np.array([0.501, 0.499, 0.5005])
    plain = significance.confidence_interval(values)[1]
    assert significance.confidence_interval(values, 0, 1)[1] == pytest.approx(plain, abs=1e-5)
    wide = significance.confidence_interval(1000 + values, 0)[1]
    assert wide == pytest.approx(np.add(plain, 1000), abs=1e-5)


def test_an_interval_of_percent_is_that_of_the_share():
    of_share = significance.confidence_interval(VALUES, 0, 1)[1]
    percent = significance.confidence_interval(np.multiply(VALUES, 100), 0, 100)[1]
    assert percent == pytest.approx(np.multiply(of_share, 100))
    text = significance.interval_text(VALUES, 1, 0, 1, 100)
    assert text == f"94.5 ({percent[0]:.1f} to {percent[1]:.1f})"
    assert significance.interval_text([0.5], 2, 0, 1) == "0.50"


def test_a_mean_at_a_limit_has_a_cut_interval():
    assert significance.bounded_interval(1.0, 0.1, 2, 0, 1) == (0.8, 1.0)
    assert significance.bounded_interval(0.0, 0.1, 2, 0) == (0.0, 0.2)
    assert significance.bounded_interval(1 + 1e-9, 0.1, 2, 0, 1)[1] == 1 + 1e-9, "by rounding"
    assert significance.bounded_interval(0.3, 0.0, 2, 0, 1) == pytest.approx((0.3, 0.3))


@pytest.mark.parametrize("n", [2, 3, 9])
@pytest.mark.parametrize("limits", [(0, 1), (0, np.inf), (-1, 1), (-np.inf, 1)])
def test_whatever_the_values_the_interval_stays_within_and_is_finite(n, limits):
    rng = np.random.default_rng(n)
    for values in rng.beta(0.1, 0.1, (200, n)):
        mean, interval = significance.confidence_interval(values, *limits)
        if interval is not None:
            assert limits[0] <= interval[0] <= mean <= interval[1] <= limits[1]
            assert np.isfinite(interval).all()


@pytest.mark.parametrize(
    ("draw", "truth", "most"),
    [
        (lambda rng, shape: rng.beta(50, 2.6, shape), 50 / 52.6, 1),
        (lambda rng, shape: rng.beta(99, 1, shape), 0.99, 1),
        (lambda rng, shape: rng.beta(0.5, 4.5, shape), 0.1, 1),
        (lambda rng, shape: rng.gamma(4, 0.25, shape), 1, np.inf),
    ],
)
def test_near_a_limit_it_holds_the_truth_more_often_than_a_cut_one(draw, truth, most):
    """Of three seeds: 93 % and more, where the plain interval, cut, has down to 84 %."""
    n = 2000
    hits = np.zeros(2)
    for values in draw(np.random.default_rng(0), (n, 3)):
        mean, (low, high) = significance.confidence_interval(values, 0, most)
        half = stats.t.ppf(0.975, 2) * stats.sem(values)
        hits += low <= truth <= high, abs(mean - truth) <= half
    ours, cut = hits / n
    assert ours > 0.92 and ours > cut


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (10, 10), (3, 10), (1, 1), (97, 100), (50, 5000)])
@pytest.mark.parametrize("level", [0.95, 0.99])
def test_binomial_interval_is_clopper_and_pearsons(hits, n, level):
    wanted = stats.binomtest(hits, n).proportion_ci(level, "exact")
    found = exact_tests.binomial_interval(hits, n, level)
    assert found == pytest.approx((wanted.low, wanted.high), rel=1e-9)
    assert 0 <= found[0] <= hits / n <= found[1] <= 1


def test_differences_are_cut_at_the_largest_that_there_can_be():
    a, b = [0.0, 1.0, 0.9], [0.1, 0.0]
    gap, low, high = significance.welch_interval(a, b)
    assert high > 1
    assert significance.welch_interval(a, b, 1, 1) == (gap, max(low, -1), 1)
    paired = significance.paired_t_test([0.0, 1.0], [0.1, 0.0], 1, 1)
    assert (paired.low, paired.high) == (-1, 1)
    assert "-1.00 to +1.00" in significance.compare_seeds(
        "A", [0.0, 1.0], "B", [0.1, 0.0], "share", limits=(0, 1)
    )
    text = significance.compare_two_runs("A", 0.75, 0.6, "B", 0.5, 0.0, "share", widest=1)
    assert "-0.926 to +1.000" in text


@pytest.mark.parametrize("n", [2, 3, 10, 1000])
def test_paired_t_is_scipys(n):
    rng = np.random.default_rng(n)
    a = rng.normal(0.9, 0.02, n)
    b = a - rng.normal(0.01, 0.01, n)
    found, wanted = significance.paired_t_test(a, b), stats.ttest_rel(a, b)
    low, high = wanted.confidence_interval(0.95)
    assert (found.t, found.p) == pytest.approx((wanted.statistic, wanted.pvalue), rel=1e-10)
    assert (found.low, found.high, found.mean) == pytest.approx(
        (low, high, (a - b).mean()), rel=1e-9
    )
    assert (found.n, found.note) == (n, "")
    together, wanted = significance.paired_t_test(a, b, 8), wanted.confidence_interval(1 - 0.05 / 8)
    assert (together.low, together.high) == pytest.approx(
        (wanted.low, wanted.high), rel=1e-9
    ) and together.p == found.p
    turned = significance.paired_t_test(b, a)
    assert (turned.t, turned.p, turned.low) == pytest.approx(
        (-found.t, found.p, -found.high), rel=1e-12
    )


def test_paired_t_by_hand():
    """d = 1, 2, 3: mean 2, sd 1, t = 2 sqrt 3, and p = 1 - t / sqrt(t^2 + 2) for 2 degrees."""
    found = significance.paired_t_test([2, 4, 6], [1, 2, 3])
    assert found.t == pytest.approx(2 * math.sqrt(3), rel=1e-14)
    assert found.p == pytest.approx(1 - math.sqrt(12 / 14), rel=1e-12)


def test_the_interval_holds_the_truth_in_95_of_100():
    rng, hits = np.random.default_rng(3), 0
    for _ in range(4000):
        d = rng.normal(0.3, 1, 10)
        found = significance.paired_t_test(d, np.zeros(10))
        hits += found.low <= 0.3 <= found.high
    assert hits / 4000 == pytest.approx(0.95, abs=4 * math.sqrt(0.05 * 0.95 / 4000))


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ([0.9, 0.8, 0.7], [0.9, 0.8, 0.7], "all 3 differences are 0"),
        ([0.3, 0.2], [0.2, 0.1], "all 2 differences are the same"),  # they differ in the last digit
        ([0.9], [0.8], "one pair"),
    ],
)
def test_without_spread_there_is_no_p_value_and_it_is_said(a, b, said):
    found = significance.paired_t_test(a, b)
    assert said in found.note and "no p-value" in found.note
    assert (found.low, found.high, found.t, found.p) == (None,) * 4
    assert found.mean == pytest.approx(np.mean(np.subtract(a, b)))


def test_a_spread_that_is_small_but_real_is_tested():
    d = np.array([0.1, 0.1, 0.1 + 1e-9])
    p = stats.ttest_1samp(d, 0).pvalue
    assert significance.paired_t_test(d, np.zeros(3)).p == pytest.approx(p, rel=1e-4)


@pytest.mark.parametrize(("b", "c"), [(0, 1), (5, 0), (3, 3), (7, 12), (120, 80), (500, 300)])
def test_mcnemar_is_the_exact_binomial_test(b, c):
    a = np.r_[np.ones(b), np.zeros(c), np.ones(9), np.zeros(4)].astype(bool)
    other = np.r_[np.zeros(b), np.ones(c), np.ones(9), np.zeros(4)].astype(bool)
    found = exact_tests.mcnemar_test(a, other)
    assert (found.only_a, found.only_b, found.note) == (b, c, "")
    assert found.p == pytest.approx(stats.binomtest(b, b + c, 0.5).pvalue, rel=1e-9)
    by_counting = min(1, 2 * sum(math.comb(b + c, k) for k in range(min(b, c) + 1)) / 2 ** (b + c))
    assert found.p == pytest.approx(by_counting, rel=1e-9)
    assert exact_tests.mcnemar_test(other, a).p == found.p


def test_mcnemar_of_equal_classifiers_has_no_p_value():
    right = np.array([True, False, True])
    found = exact_tests.mcnemar_test(right, right)
    assert found.p is None and "same of 3 images: no p-value" in found.note


def test_fishers_exact_test():
    a, b = np.arange(40) < 9, np.arange(60) < 2
    exact = stats.fisher_exact([[9, 31], [2, 58]], alternative="greater").pvalue
    assert exact_tests.fisher_exact_p(a, b) == pytest.approx(exact, rel=1e-9)
    assert exact_tests.fisher_exact_p(np.zeros(5, bool), np.zeros(9, bool)) == 1
