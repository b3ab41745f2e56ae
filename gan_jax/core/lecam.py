"""LeCam's regularisation of D, for few images: each kind of image stays near the other's average.

The control keeps moving averages of D's mean logits on real and on generated images. The term is

  mean relu(D(x) - average of fakes)^2 + mean relu(average of reals - D(G(z)))^2

Before step START the averages are those of the last step and the term is 0; from then on they
decay by DECAY per step. A step reads the averages of the steps before it.

Source: Tseng et al. 2021, "Regularizing generative adversarial networks under limited data", with
  the relu, decay and start of the released code; eq. 4 has the squares without a relu. The paper's
  weight is 0.3, with the hinge loss.
"""

import jax
import jax.numpy as jnp

from gan_jax.core import parallel
from gan_jax.core.controls import Control
from gan_jax.core.method import StepContext
from gan_jax.errors import InputError

START = 1000  # step
DECAY = 0.99
KINDS = ("real", "fake")


def logits(ctx: StepContext, real: jax.Array, fake: jax.Array) -> dict[str, jax.Array]:
    """Compute the metrics that `control` averages: {"real_logit", "fake_logit"}, each []."""
    pairs = zip(KINDS, (real, fake), strict=True)
    return {f"{kind}_logit": parallel.mean(ctx, logit) for kind, logit in pairs}


def term(ctx: StepContext, real: jax.Array, fake: jax.Array) -> jax.Array:
    """Compute the term without its weight: [].

    Args:
      ctx: StepContext with the averages among its controls.
      real, fake: D's logits [B] of real and of generated images.
    """
    mean_real, mean_fake = (ctx.controls[f"lecam_{kind}"] for kind in KINDS)
    of_reals = parallel.mean(ctx, jax.nn.relu(real - mean_fake) ** 2)
    of_fakes = parallel.mean(ctx, jax.nn.relu(mean_real - fake) ** 2)
    return jnp.where(ctx.step >= START, of_reals + of_fakes, 0.0)


def control() -> Control:
    """Make the control of the averages: {"lecam_real", "lecam_fake"}.

    Its update raises an InputError where the metrics lack what `logits` computes.
    """

    def update(controls, metrics, ctx):
        if "disc/real_logit" not in metrics:
            raise InputError(
                "--lecam is for methods whose D has its loss from discriminator.disc_terms, and "
                "this one has a loss of its own; use --lecam=0."
            )
        decay = jnp.where(ctx.step >= START, DECAY, 0.0)
        # A D that did not move says nothing new; its metrics are zeros.
        decay = jnp.where(metrics["disc/ran"] > 0, decay, 1.0)
        return {
            f"lecam_{kind}": decay * controls[f"lecam_{kind}"]
            + (1 - decay) * metrics[f"disc/{kind}_logit"]
            for kind in KINDS
        }

    return Control({f"lecam_{kind}": 0.0 for kind in KINDS}, update)
