"""Augmentation of a classifier's training images: random changes that leave the class as it is.

Which changes do so depends on the data: a mirrored digit is another sign, a mirrored shoe is a
shoe, and a galaxy is one in any orientation. What comes in from outside continues the edge of the
image, so that a black background stays one. core.diffaugment, which changes what a discriminator
sees, fills in grey so that D notices.
"""

import jax
import jax.numpy as jnp

from gan_jax.errors import InputError

SHIFT = 0.1  # largest shift in either direction, in sides, rounded to pixels
ANGLE = 10.0  # largest rotation in either direction, in degrees


def shift(key: jax.Array, x: jax.Array) -> jax.Array:
    """Shift by whole pixels along both axes, uniformly up to a tenth of the side.

    Args:
      key: random key.
      x: float [B, H, W, C], any range; so in all operations.
    """
    most = [round(SHIFT * side) for side in x.shape[1:3]]
    padded = jnp.pad(x, ((0, 0), *((m, m) for m in most), (0, 0)), mode="edge")
    starts = jax.random.randint(key, (len(x), 2), 0, 2 * jnp.asarray(most) + 1)
    cut = lambda image, start: jax.lax.dynamic_slice(image, (*start, 0), x.shape[1:])
    return jax.vmap(cut)(padded, starts)


def rotate(key: jax.Array, x: jax.Array) -> jax.Array:
    """Rotate by a uniform angle in +-10 degrees, with linear interpolation."""
    angle = jnp.deg2rad(jax.random.uniform(key, (len(x), 1, 1), minval=-ANGLE, maxval=ANGLE))
    middle = [(side - 1) / 2 for side in x.shape[1:3]]
    places = [jnp.arange(side) - m for side, m in zip(x.shape[1:3], middle, strict=True)]
    row, column = jnp.meshgrid(*places, indexing="ij")
    rows = middle[0] + jnp.cos(angle) * row - jnp.sin(angle) * column
    columns = middle[1] + jnp.sin(angle) * row + jnp.cos(angle) * column

    def sample(plane, coordinates):
        return jax.scipy.ndimage.map_coordinates(plane, coordinates, order=1, mode="nearest")

    return jax.vmap(jax.vmap(sample, (2, None), 2))(x, (rows, columns))


def mirror(key: jax.Array, x: jax.Array) -> jax.Array:
    """Mirror left to right with probability 1/2."""
    return jnp.where(jax.random.bernoulli(key, shape=(len(x), 1, 1, 1)), x[:, :, ::-1], x)


def dihedral(key: jax.Array, x: jax.Array) -> jax.Array:
    """Turn to one of the eight orientations of a square, or four of a rectangle, equally likely."""
    flips = jax.random.bernoulli(key, shape=(3, len(x), 1, 1, 1))
    x = jnp.where(flips[0], x[:, ::-1], x)
    x = jnp.where(flips[1], x[:, :, ::-1], x)
    return jnp.where(flips[2], x.swapaxes(1, 2), x) if x.shape[1] == x.shape[2] else x


# Operations by the names that users give them.
OPERATIONS = {"shift": shift, "rotate": rotate, "mirror": mirror, "turn": dihedral}


def check_names(names: str) -> None:
    """Refuse names that are not in OPERATIONS.

    Args:
      names: separated by commas; "" for none.

    Raises:
      InputError
    """
    for name in _split(names):
        if name not in OPERATIONS:
            raise InputError(
                f"--ordinary={names}: {name!r} is not known; use any of {', '.join(OPERATIONS)}, "
                "separated by commas, or leave it empty."
            )


def augment(key: jax.Array, x: jax.Array, names: str) -> jax.Array:
    """Change images at random, each independently.

    Args:
      key: random key.
      x: float [B, H, W, C], any range.
      names: operations in their order, separated by commas; "" for none.

    Returns:
      float [B, H, W, C], in the range of x.
    """
    for i, name in enumerate(_split(names)):
        x = OPERATIONS[name](jax.random.fold_in(key, i), x)
    return x


def _split(names):
    return names.split(",") if names else []
