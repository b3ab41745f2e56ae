"""Adversarial losses: logits to per-example values. No means, no state; losses are summed and averaged by the methods."""

from collections.abc import Callable
from typing import NamedTuple

import jax


def bce(logit, target):
    """Binary cross-entropy of sigmoid(logit) against a target in [0, 1], in nats; same shape as logit."""
    # Not softplus(logit) - target * logit: that loses its tail to cancellation, and a confident D stops learning on reals.
    return target * jax.nn.softplus(-logit) + (1 - target) * jax.nn.softplus(logit)


def cross_entropy(logits, label):
    """-log softmax(logits)[label], in nats: [B, K], int [B] -> [B]; 0 where the label is -1, unknown."""
    return -(jax.nn.one_hot(label, logits.shape[-1]) * jax.nn.log_softmax(logits)).sum(-1)


class Adversarial(NamedTuple):
    """Three functions of logits [B], each to be minimised: D's value for reals, D's for fakes, G's for fakes."""

    real: Callable
    fake: Callable
    gen: Callable


_log_real = lambda logit: bce(logit, 1.0)
_log_fake = lambda logit: bce(logit, 0.0)

ADVERSARIAL = {
    # Goodfellow et al. 2014, eq. 1 with G's -log D(G(z)). At equilibrium D: 2 ln 2, G: ln 2.
    "ns": Adversarial(_log_real, _log_fake, _log_real),
    # The same with G's log(1 - D(G(z))) as in eq. 1.
    "saturating": Adversarial(_log_real, _log_fake, lambda logit: -_log_fake(logit)),
    # Mao et al. 2017, eq. 2 with a = 0, b = c = 1, halves included.
    "ls": Adversarial(
        lambda d: 0.5 * (d - 1) ** 2, lambda d: 0.5 * d**2, lambda d: 0.5 * (d - 1) ** 2
    ),
    # Lim and Ye 2017; Miyato et al. 2018, eqs. 16 and 17.
    "hinge": Adversarial(lambda d: jax.nn.relu(1 - d), lambda d: jax.nn.relu(1 + d), lambda d: -d),
    # Arjovsky et al. 2017, eq. 2; needs a penalty to keep D Lipschitz.
    "wasserstein": Adversarial(lambda d: -d, lambda d: d, lambda d: -d),
}
