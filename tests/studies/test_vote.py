"""Votes and the test of S0 on votes: against counting by hand and against scipy."""

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
