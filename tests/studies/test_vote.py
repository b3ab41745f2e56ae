"""Votes and tests on votes: against counting by hand and against scipy."""

import math
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from gan_jax.studies import vote


def by_hand(probs):
    """The rule for one image, probs [V][K], in plain Python."""
    count = Counter(max(range(len(p)), key=lambda k: p[k]) for p in probs)
    tied = [k for k, n in count.items() if n == max(count.values())]
    return max(sorted(tied), key=lambda k: sum(p[k] for p in probs))


def test_plurality_is_the_rule_by_hand_ties_included():
    rng = np.random.default_rng(0)
    for voters in range(1, 7):
        probs = rng.dirichlet(np.ones(5), (voters, 400)).astype(np.float32)
        wanted = [by_hand([[float(x) for x in p] for p in probs[:, i]]) for i in range(400)]
        assert vote.plurality_vote(probs).tolist() == wanted


def test_votes_count_before_sums_and_sums_break_ties():
    sure, unsure = [0.0, 1.0, 0.0], [0.4, 0.3, 0.3]
    assert vote.plurality_vote(np.array([[unsure], [unsure], [sure]])) == [0], (
        "two votes win though class 1 has the larger sum"
    )
    assert vote.plurality_vote(np.array([[unsure], [sure]])) == [1], "one vote each: the larger sum"
    # Class 2 has the largest sum, but no vote, so it takes no part in the tie.
    assert vote.plurality_vote(np.array([[[0.51, 0.0, 0.49]], [[0.0, 0.52, 0.48]]])) == [1]
    assert vote.plurality_vote(np.array([[[0.5, 0.25, 0.25]], [[0.25, 0.5, 0.25]]])) == [0], (
        "equal in all: the lowest number"
    )


def test_one_voter_is_followed_and_voters_have_no_order():
    probs = np.random.default_rng(1).dirichlet(np.ones(10), (6, 300))
    np.testing.assert_array_equal(vote.plurality_vote(probs[:1]), probs[0].argmax(-1))
    np.testing.assert_array_equal(vote.plurality_vote(probs), vote.plurality_vote(probs[::-1]))
    five_times = np.repeat(probs[:1], 5, 0)
    np.testing.assert_array_equal(vote.plurality_vote(five_times), probs[0].argmax(-1))


def test_independent_voters_are_right_as_often_as_counting_says():
    """Three voters, each right with 0.8 and else evenly wrong among 9.

    The vote is right where two or three are, or by a tie that sums break evenly.
    """
    rng, n = np.random.default_rng(2), 200_000
    named = np.where(rng.random((3, n)) < 0.8, 0, rng.integers(1, 10, (3, n)))
    probs = np.full((3, n, 10), 0.02, np.float32)
    np.put_along_axis(probs, named[..., None], 0.6 + 0.3 * rng.random((3, n, 1), np.float32), -1)
    one_right_all_differ = 3 * 0.8 * 0.2**2 * (8 / 9)
    wanted = 0.8**3 + 3 * 0.8**2 * 0.2 + one_right_all_differ / 3
    share = (vote.plurality_vote(probs) == 0).mean()
    assert share == pytest.approx(wanted, abs=4 * 0.5 / math.sqrt(n))


@pytest.mark.parametrize("n", [2, 3, 10, 1000])
def test_paired_t_is_scipys(n):
    rng = np.random.default_rng(n)
    a = rng.normal(0.9, 0.02, n)
    b = a - rng.normal(0.01, 0.01, n)
    found, wanted = vote.paired_t_test(a, b), stats.ttest_rel(a, b)
    low, high = wanted.confidence_interval(0.95)
    assert (found.t, found.p) == pytest.approx((wanted.statistic, wanted.pvalue), rel=1e-10)
    assert (found.low, found.high, found.mean) == pytest.approx(
        (low, high, (a - b).mean()), rel=1e-9
    )
    assert (found.n, found.note) == (n, "")
    together, wanted = vote.paired_t_test(a, b, 8), wanted.confidence_interval(1 - 0.05 / 8)
    assert (together.low, together.high) == pytest.approx(
        (wanted.low, wanted.high), rel=1e-9
    ) and together.p == found.p
    turned = vote.paired_t_test(b, a)
    assert (turned.t, turned.p, turned.low) == pytest.approx(
        (-found.t, found.p, -found.high), rel=1e-12
    )


def test_paired_t_by_hand():
    """d = 1, 2, 3: mean 2, sd 1, t = 2 sqrt 3, and p = 1 - t / sqrt(t^2 + 2) for 2 degrees."""
    found = vote.paired_t_test([2, 4, 6], [1, 2, 3])
    assert found.t == pytest.approx(2 * math.sqrt(3), rel=1e-14)
    assert found.p == pytest.approx(1 - math.sqrt(12 / 14), rel=1e-12)


def test_the_interval_holds_the_truth_in_95_of_100():
    rng, hits = np.random.default_rng(3), 0
    for _ in range(4000):
        d = rng.normal(0.3, 1, 10)
        found = vote.paired_t_test(d, np.zeros(10))
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
    found = vote.paired_t_test(a, b)
    assert said in found.note and "no p-value" in found.note
    assert (found.low, found.high, found.t, found.p) == (None,) * 4
    assert found.mean == pytest.approx(np.mean(np.subtract(a, b)))


def test_a_spread_that_is_small_but_real_is_tested():
    d = np.array([0.1, 0.1, 0.1 + 1e-9])
    p = stats.ttest_1samp(d, 0).pvalue
    assert vote.paired_t_test(d, np.zeros(3)).p == pytest.approx(p, rel=1e-4)


def test_per_image_t_follows_from_counts():
    """Of 10,000 images one side alone has 100 right, the other alone 40.

    The mean is 0.006; the variance is that of values 1, -1 and 0.
    """
    n, b, c = 10_000, 100, 40
    voted, single = np.zeros(n, bool), np.zeros(n, bool)
    voted[:b], single[b : b + c] = True, True
    mean = (b - c) / n
    sd = math.sqrt(((b + c) - n * mean**2) / (n - 1))
    assert vote.t_test_over_images(voted, single[None]).t == pytest.approx(
        mean / (sd / math.sqrt(n)), rel=1e-12
    )
    others = np.random.default_rng(0).random((3, n)) < 0.5
    wanted = stats.ttest_rel(voted.astype(float), others.sum(0) / 3)
    assert vote.t_test_over_images(voted, others).t == pytest.approx(wanted.statistic, rel=1e-10)


@pytest.mark.parametrize(("b", "c"), [(0, 1), (5, 0), (3, 3), (7, 12), (120, 80), (500, 300)])
def test_mcnemar_is_the_exact_binomial_test(b, c):
    a = np.r_[np.ones(b), np.zeros(c), np.ones(9), np.zeros(4)].astype(bool)
    other = np.r_[np.zeros(b), np.ones(c), np.ones(9), np.zeros(4)].astype(bool)
    found = vote.mcnemar_test(a, other)
    assert (found.only_a, found.only_b, found.note) == (b, c, "")
    assert found.p == pytest.approx(stats.binomtest(b, b + c, 0.5).pvalue, rel=1e-9)
    by_counting = min(1, 2 * sum(math.comb(b + c, k) for k in range(min(b, c) + 1)) / 2 ** (b + c))
    assert found.p == pytest.approx(by_counting, rel=1e-9)
    assert vote.mcnemar_test(other, a).p == found.p


def test_mcnemar_of_equal_classifiers_has_no_p_value():
    right = np.array([True, False, True])
    found = vote.mcnemar_test(right, right)
    assert found.p is None and "same of 3 images: no p-value" in found.note
