"""Losses of a class head whose outputs are cosines: from embeddings to values per example."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from gan_jax.core import parallel

if TYPE_CHECKING:
    from gan_jax.core.method import StepContext


def d2d_cross_entropy(
    ctx: "StepContext",
    embedding: jax.Array,
    cosines: jax.Array,
    label: jax.Array,
    margin: float,
    temperature: float,
) -> jax.Array:
    """Compute ReACGAN's data-to-data cross-entropy in nats; 0 for an unknown class.

    With p = min(cos(f_i, proxy of y_i) - margin, 0) / temperature and, of every image j of the
    whole minibatch with another known class, n_j = max(cos(f_i, f_j) - (1 - margin), 0) /
    temperature, it is log(exp p + sum_j exp n_j) - p. So images that are near their proxies and
    far from images of other classes give no gradient.

    Args:
      ctx: StepContext; negatives are images of all devices.
      embedding: f, [B, E], of length 1.
      cosines: of the embeddings with the proxies of the classes, [B, K].
      label: int [B], -1 for an unknown class.
      margin: in [-1, 1].
      temperature: above 0.

    Returns:
      [B].

    Source: Kang et al. 2021, "Rebooting ACGAN", the loss D2D-CE, with m_p = margin. That
      m_n = 1 - margin is a choice made here: with 0.98 for both, all embeddings and proxies in one
      point cost n_j = 0.04 at most, and G learned no class.
    """
    others, other_labels = (parallel.all_rows(ctx, x) for x in (embedding, label))
    own = (jax.nn.one_hot(label, cosines.shape[-1], dtype=cosines.dtype) * cosines).sum(-1)
    positive = jnp.minimum(own - margin, 0) / temperature
    near = jnp.maximum(embedding @ others.T - (1 - margin), 0) / temperature
    is_negative = (other_labels != label[:, None]) & (other_labels >= 0)
    terms = jnp.concatenate([positive[:, None], jnp.where(is_negative, near, -jnp.inf)], -1)
    return jnp.where(label >= 0, jax.nn.logsumexp(terms, -1) - positive, 0)
