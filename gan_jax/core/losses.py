"""Adversarial losses and cross-entropies: from logits to values per example.

No means and no state: methods average and add losses.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import optax

from gan_jax.errors import InputError
from gan_jax.plugins import Table

# Binary cross-entropy of sigmoid(logit) against a target in [0, 1], in nats: (logit, target) -> an
# array like logit. Not softplus(logit) - target * logit: cancellation loses its tail, and a
# confident D stops learning on reals.
bce = optax.losses.sigmoid_binary_cross_entropy


def cross_entropy(logits: jax.Array, label: jax.Array) -> jax.Array:
    """Compute -log softmax(logits)[label] in nats; 0 for an unknown class.

    Args:
      logits: [B, K].
      label: int [B], -1 for an unknown class.

    Returns:
      [B].
    """
    # optax's version for integer labels reads -1 as the last class.
    return optax.losses.softmax_cross_entropy(logits, jax.nn.one_hot(label, logits.shape[-1]))


class AdversarialLoss(NamedTuple):
    """Functions of logits [B], each to be minimised."""

    real: Callable[[jax.Array], jax.Array]  # D's loss on real images
    fake: Callable[[jax.Array], jax.Array]  # D's loss on generated images
    gen: Callable[[jax.Array], jax.Array]  # G's loss


def _log_real(logit):
    return bce(logit, 1.0)


def _log_fake(logit):
    return bce(logit, 0.0)


def _adapt(name, part):
    if not isinstance(part, AdversarialLoss):
        raise InputError(
            f"{name} is no loss; make it a gan_jax.core.losses.AdversarialLoss(real, fake, gen)."
        )
    return part


_BUILT_IN = {
    # Goodfellow et al. 2014, eq. 1 with G's -log D(G(z)). At equilibrium D: 2 ln 2, G: ln 2.
    "ns": AdversarialLoss(_log_real, _log_fake, _log_real),
    # The same with G's log(1 - D(G(z))) as in eq. 1.
    "saturating": AdversarialLoss(_log_real, _log_fake, lambda logit: -_log_fake(logit)),
    # Mao et al. 2017, eq. 2 with a = 0, b = c = 1, halves included.
    "ls": AdversarialLoss(
        lambda d: 0.5 * (d - 1) ** 2, lambda d: 0.5 * d**2, lambda d: 0.5 * (d - 1) ** 2
    ),
    # Lim and Ye 2017; Miyato et al. 2018, eqs. 16 and 17.
    "hinge": AdversarialLoss(
        lambda d: jax.nn.relu(1 - d), lambda d: jax.nn.relu(1 + d), lambda d: -d
    ),
    # Arjovsky et al. 2017, eq. 2; it needs a penalty, clipped weights or spectral norm.
    "wasserstein": AdversarialLoss(lambda d: -d, lambda d: d, lambda d: -d),
}
ADVERSARIAL: Table[AdversarialLoss] = Table("losses", _BUILT_IN, _adapt)
