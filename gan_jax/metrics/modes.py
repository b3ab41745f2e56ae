"""How many modes of `--data=stacked:DATA` a generator makes; every combination of classes is one.

Papers on collapse print both numbers for 26,000 generated images (Srivastava et al. 2017, VEEGAN;
Lin et al. 2018, PacGAN) or 25,600 (Metz et al. 2017, Unrolled GAN).
"""

import numpy as np

from gan_jax import errors
from gan_jax.data import stacked
from gan_jax.metrics import class_balance
from gan_jax.metrics.metric import Metric, Score, Views


def count_modes(real: Views, fake: Views) -> dict[str, float]:
    """Count the combinations of classes among stacks, and compare their shares with the data's.

    The channels of real stacks are independent, so the data's shares are products of shares of one
    channel, which need few images.

    Args:
      real, fake: {"probs": float [N, K^3]}, see features.stacked.

    Returns:
      "modes": number of combinations that at least one generated stack has, by its most probable
        class. "modes_kl": KL(generated || data) of their shares in nats, which N stacks of a
        perfect generator have at about (K^3 - 1) / (2 N).

    Raises:
      InputError: the classes are no combinations.

    Source: Srivastava et al. 2017, section 4.2; Lin et al. 2018, section 4.2.
    """
    p = class_balance.class_fractions(fake["probs"])
    q = _independent_shares(real["probs"])
    held = p > 0
    kl = float((p[held] * np.log(p[held] / q[held])).sum())
    return {"modes": float(held.sum()), "modes_kl": max(kl, 0.0)}


def _independent_shares(probs: np.ndarray) -> np.ndarray:
    """Return the share of each combination, float [K^3], as if the channels were independent.

    A class that a channel of no stack has counts as one that half a stack has.
    """
    if not len(probs):
        raise errors.InputError("Modes were asked of 0 real stacks; use at least 1.")
    counts = class_balance.class_counts(probs)
    k = round(len(counts) ** (1 / stacked.N_CHANNELS))
    if k**stacked.N_CHANNELS != len(counts):
        raise errors.InputError(
            f"--scores=modes counts combinations of classes, and here are {len(counts)} classes; "
            "leave it out, or use it with --data=stacked:DATA."
        )
    cube = counts.reshape(k, k, k)
    by_channel = (np.maximum(cube.sum(axes), 0.5) for axes in ((1, 2), (0, 2), (0, 1)))
    shares = [of_channel / of_channel.sum() for of_channel in by_channel]
    return np.einsum("i,j,k->ijk", *shares).ravel()


METRIC = Metric(
    scores={
        "modes": Score(
            "modes",
            "high",
            "Combinations of classes that at least one generated stack has.",
            least=0,
            most="classes",
        ),
        "modes_kl": Score(
            "mode KL (nats)",
            "low",
            "Divergence of the shares of all combinations from the data's.",
            least=0,
        ),
    },
    needs=("probs",),
    compute=count_modes,
    applies_to=lambda dataset: stacked.is_stacked(dataset.name),
)
