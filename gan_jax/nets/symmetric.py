"""A generator that turns and mirrors its images by the signs of its noise.

D that sees turned images alone (`--augment=flip,rotation`) cannot tell which way an image lies, and
G makes one direction. With these turns within G, all directions are equally frequent whatever D
sees: the first entries of the noise lose their signs, which the plain generator does not see and
which choose one of the symmetries of a square. The prior has to be even, as all of core.priors are.

Source: Birrell et al. 2022, "Structure-preserving GANs", section 4.3: a random group element after
a generator makes its distribution invariant.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.nets.family import Net

# Signs that each choice takes from the noise: left to right, top to bottom, across the diagonal.
SIGNS = {"none": 0, "mirror": 1, "flip": 2, "turn": 3}


class Gen(Net):
    """Noise [B, z_dim], further inputs of the plain generator -> its images [N, H, W, C]."""

    plain: nn.Module  # the generator without the moves, whose parameters these are
    symmetry: str  # of SIGNS, not "none"

    def setup(self):
        self.shared = self.plain.copy(axis=self.axis)
        nn.share_scope(self, self.shared)

    def __call__(self, z, *inputs, train, **options):
        unsigned = without_signs(z, self.symmetry)
        images = self.shared(unsigned, *inputs, train=train, **options)
        chosen = z[:, : SIGNS[self.symmetry]] < 0
        if images.shape[0] != z.shape[0]:  # a mixture: the first row's images, then the second's
            chosen = jnp.repeat(chosen, images.shape[0] // z.shape[0], 0)
        return move(images, chosen)


def without_signs(z: jax.Array, symmetry: str) -> jax.Array:
    """Return the noise [B, z_dim] as the plain generator sees it, which moves nothing.

    Args:
      z: noise, or an encoder's code.
      symmetry: of SIGNS.
    """
    n = SIGNS[symmetry]
    return jnp.concatenate([jnp.abs(z[:, :n]), z[:, n:]], -1) if n else z


def move(images: jax.Array, chosen: jax.Array) -> jax.Array:
    """Mirror images left to right, top to bottom, and across the diagonal.

    Args:
      images: [N, H, W, C]; square for the third.
      chosen: whether to do each, in this order, bool [N, 0 to 3].
    """
    changes = (lambda x: x[:, :, ::-1], lambda x: x[:, ::-1], lambda x: x.swapaxes(1, 2))
    for change, column in zip(changes, chosen.T, strict=False):
        images = jnp.where(column[:, None, None, None], change(images), images)
    return images
