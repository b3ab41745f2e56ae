"""Ordinary augmentation: training images of a classifier changed at random in ways that leave their class as it is.

Which of them do leave it depends on the data: a mirrored digit is another sign, a mirrored shoe is a shoe, and a galaxy is one
in any orientation. What comes in from outside continues the edge of the image, so that a black background stays one;
gan_jax.core.diffaugment, which changes what a discriminator sees, fills in grey so that D notices.
"""

import jax
import jax.numpy as jnp

from gan_jax import errors

SHIFT = 0.1  # of the side: the largest shift in either direction, rounded to pixels
ANGLE = 10.0  # degrees: the largest rotation in either direction


def shift(key, x):
    """Moved by whole pixels along both axes, all shifts up to a tenth of the side equally likely."""
    most = round(SHIFT * x.shape[1])
    padded = jnp.pad(x, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    first = jax.random.randint(key, (len(x), 2), 0, 2 * most + 1)
    cut = lambda image, at: jax.lax.dynamic_slice(image, (*at, 0), x.shape[1:])
    return jax.vmap(cut)(padded, first)


def rotate(key, x):
    """Turned about the centre by an angle in +-10 degrees, between pixels linearly."""
    angle = jnp.deg2rad(jax.random.uniform(key, (len(x), 1, 1), minval=-ANGLE, maxval=ANGLE))
    middle = (x.shape[1] - 1) / 2
    row, column = jnp.meshgrid(*[jnp.arange(x.shape[1]) - middle] * 2, indexing="ij")
    rows = middle + jnp.cos(angle) * row - jnp.sin(angle) * column
    columns = middle + jnp.sin(angle) * row + jnp.cos(angle) * column
    look = lambda plane, at: jax.scipy.ndimage.map_coordinates(plane, at, order=1, mode="nearest")
    return jax.vmap(jax.vmap(look, (2, None), 2))(x, (rows, columns))


def mirror(key, x):
    """Mirrored left to right with probability 1/2."""
    return jnp.where(jax.random.bernoulli(key, shape=(len(x), 1, 1, 1)), x[:, :, ::-1], x)


def turn(key, x):
    """In one of the eight orientations of a square, all equally likely."""
    flips = jax.random.bernoulli(key, shape=(3, len(x), 1, 1, 1))
    x = jnp.where(flips[0], x[:, ::-1], x)
    x = jnp.where(flips[1], x[:, :, ::-1], x)
    return jnp.where(flips[2], x.swapaxes(1, 2), x)


TABLE = {"shift": shift, "rotate": rotate, "mirror": mirror, "turn": turn}


def check(names):
    """Refuses operations that are not in TABLE. names: separated by commas; "" for none.

    Raises:
      InputError
    """
    for name in names.split(",") if names else []:
        if name not in TABLE:
            raise errors.InputError(
                f"--ordinary={names}: {name!r} is not known; use any of {', '.join(TABLE)}, separated by commas, or nothing."
            )


def change(key, x, names):
    """Images changed at random, each by its own draws.

    Args:
      key: of all draws. x: float [B, S, S, C], any range.
      names: of operations in TABLE, in their order, separated by commas; "" for none.

    Returns:
      float [B, S, S, C], in the range of x.
    """
    for i, name in enumerate(names.split(",") if names else []):
        x = TABLE[name](jax.random.fold_in(key, i), x)
    return x
