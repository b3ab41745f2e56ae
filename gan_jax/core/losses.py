"""Adversarial losses and cross-entropies: functions of D's logits, without state.

An adversarial loss is one of two kinds, in one table. An AdversarialLoss looks at one logit at a
time. A PairLoss compares the logits of real images with those of generated ones, so that G's loss
reads real images, too. `disc_loss` and `gen_loss` compute either.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import optax

from gan_jax.core import parallel
from gan_jax.errors import InputError
from gan_jax.plugins import Table

if TYPE_CHECKING:
    from gan_jax.core.method import StepContext

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
    """Functions of logits [B] -> values [B], each to be minimised in the mean."""

    real: Callable[[jax.Array], jax.Array]  # D's loss on real images
    fake: Callable[[jax.Array], jax.Array]  # D's loss on generated images
    gen: Callable[[jax.Array], jax.Array]  # G's loss


class PairLoss(NamedTuple):
    """Functions (mean, real, fake) -> scalar [], each to be minimised.

    mean        array -> its mean over all axes and the global batch, []
    real, fake  logits of real and of generated images, [B]
    """

    disc: Callable[[Callable, jax.Array, jax.Array], jax.Array]  # D's loss
    gen: Callable[[Callable, jax.Array, jax.Array], jax.Array]  # G's loss
    # Whether the i-th real image is compared with the i-th generated one, so that there must be as
    # many of them.
    one_to_one: bool = True


def is_paired(name: str) -> bool:
    """Say whether the loss of a name is a PairLoss."""
    return isinstance(ADVERSARIAL[name], PairLoss)


def disc_loss(ctx: "StepContext", name: str, real: jax.Array, fake: jax.Array) -> jax.Array:
    """Compute D's adversarial loss over the global batch: [].

    Args:
      ctx: StepContext, of which only the device axis is read.
      name: of ADVERSARIAL.
      real, fake: logits of real and of generated images, [B].
    """
    mean, loss = functools.partial(parallel.mean, ctx), ADVERSARIAL[name]
    if isinstance(loss, PairLoss):
        return loss.disc(mean, real, fake)
    return mean(loss.real(real)) + mean(loss.fake(fake))


def gen_loss(ctx: "StepContext", name: str, real: jax.Array | None, fake: jax.Array) -> jax.Array:
    """Compute G's adversarial loss over the global batch: [].

    Args:
      ctx, name, fake: see `disc_loss`.
      real: logits of real images where the loss `is_paired`, else None.
    """
    mean, loss = functools.partial(parallel.mean, ctx), ADVERSARIAL[name]
    if isinstance(loss, PairLoss):
        if real is None:
            raise ValueError(f"The loss {name} compares with real images; give their logits.")
        return loss.gen(mean, real, fake)
    return mean(loss.gen(fake))


def _relativistic(f):
    """Make the loss f(D(x) - D(G(z))) of pairs; G's has the difference with the other sign.

    Source: Jolicoeur-Martineau 2018, "The relativistic discriminator", RpGAN; Huang et al. 2024,
      "The GAN is dead; long live the GAN!", have it with both R1 and R2.
    """
    return PairLoss(
        lambda mean, real, fake: mean(f(real - fake)), lambda mean, real, fake: mean(f(fake - real))
    )


def _relativistic_average(f):
    """Make the loss mean f(D(x) - mean D(G(z))) + mean f(mean D(x) - D(G(z))).

    In G's loss the two kinds of images change places.

    Source: Jolicoeur-Martineau 2018, "The relativistic discriminator", RaGAN.
    """

    def prefer(mean, high, low):
        return mean(f(high - mean(low))) + mean(f(mean(high) - low))

    return PairLoss(prefer, lambda mean, real, fake: prefer(mean, fake, real), one_to_one=False)


# Losses of a difference that shall be large.
_MARGINS = {
    "": lambda difference: jax.nn.softplus(-difference),  # -log sigmoid(difference)
    "_ls": lambda difference: (difference - 1) ** 2,  # as in the paper, without a factor 1/2
    "_hinge": lambda difference: jax.nn.relu(1 - difference),
}


def _log_real(logit):
    return bce(logit, 1.0)


def _log_fake(logit):
    return bce(logit, 0.0)


def _adapt(name, part):
    if not isinstance(part, (AdversarialLoss, PairLoss)):
        raise InputError(
            f"{name} is no loss; make it a gan_jax.core.losses.AdversarialLoss(real, fake, gen), "
            "or a PairLoss(disc, gen)."
        )
    return part


# Goodfellow et al. 2014, eq. 1 with G's -log D(G(z)). At equilibrium D: 2 ln 2, G: ln 2.
NON_SATURATING = AdversarialLoss(_log_real, _log_fake, _log_real)
# Lim and Ye 2017; Miyato et al. 2018, eqs. 16 and 17.
HINGE = AdversarialLoss(lambda d: jax.nn.relu(1 - d), lambda d: jax.nn.relu(1 + d), lambda d: -d)

_BUILT_IN: dict[str, AdversarialLoss | PairLoss] = {
    "ns": NON_SATURATING,
    # NON_SATURATING with G's log(1 - D(G(z))) as in eq. 1.
    "saturating": AdversarialLoss(_log_real, _log_fake, lambda logit: -_log_fake(logit)),
    # Mao et al. 2017, eq. 2 with a = 0, b = c = 1, halves included.
    "ls": AdversarialLoss(
        lambda d: 0.5 * (d - 1) ** 2, lambda d: 0.5 * d**2, lambda d: 0.5 * (d - 1) ** 2
    ),
    "hinge": HINGE,
    # Arjovsky et al. 2017, eq. 2; it needs a penalty, clipped weights or spectral norm.
    "wasserstein": AdversarialLoss(lambda d: -d, lambda d: d, lambda d: -d),
    # At equilibrium D and G: ln 2 each (rp), 2 ln 2 each (ra).
    **{f"rp{name}": _relativistic(f) for name, f in _MARGINS.items()},
    **{f"ra{name}": _relativistic_average(f) for name, f in _MARGINS.items()},
}
ADVERSARIAL: Table[AdversarialLoss | PairLoss] = Table("losses", _BUILT_IN, _adapt)
