"""Voting of classifiers, and S0's test of whether a vote is better.

S0 votes over classifiers and tests the gain with a paired t-test. Its p-values can only come from
differences between images (D18): such a test, `t_test_over_images`, tells whether these trained
classifiers differ on other images like these, and nothing about other trainings. Whether voting
helps in general is tested by `significance.paired_t_test` over repeated trainings.
"""

import numpy as np

from gan_jax.metrics import significance


def plurality_vote(probs: np.ndarray) -> np.ndarray:
    """Return the class that most voters name.

    Among classes with equally many votes the one with the highest summed probability wins, and
    among those the lowest number.

    Args:
      probs: float [V, N, K], class probabilities of each voter for each image; voter v names
        argmax of probs[v, i].

    Returns:
      int64 [N].
    """
    probs = np.asarray(probs)
    votes = (probs.argmax(-1)[..., None] == np.arange(probs.shape[-1])).sum(0)
    best = votes == votes.max(-1, keepdims=True)
    return np.where(best, probs.sum(0, dtype=np.float64), -np.inf).argmax(-1)


def t_test_over_images(voted: np.ndarray, single: np.ndarray) -> significance.PairedTest:
    """Test the vote against the mean of its voters over images, as S0 must have done it (D18).

    Args:
      voted: bool [N], whether the vote was right about each image.
      single: bool [V, N], whether each voter was.
    """
    return significance.paired_t_test(voted, np.mean(single, 0))
