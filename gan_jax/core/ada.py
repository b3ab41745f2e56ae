"""The augmentations of ADA: their pipe "bgc", whose operations have probabilities of their own.

All geometric operations are composed to one affine map per image, which is then resampled once.

Every operation is a function (ctx, key, x, pixels, p) -> x; see `diffaugment.augment`. Each of the
changes below happens to an image with probability p, whether the others do or not.

Source: Karras et al. 2020, "Training generative adversarial networks with limited data", appendix
  B, and its released code for the constants.
"""

import math

import jax
import jax.numpy as jnp

from gan_jax.core import affine, parallel
from gan_jax.core.method import StepContext

SHIFT = 0.125  # largest shift by whole pixels; sd of the other shift; fractions of the side
SCALE = STRETCH = 0.2  # sd of log2 of the factor
BRIGHTNESS = 0.2  # sd, for pixels in [-1, 1]
CONTRAST = 0.5  # sd of log2 of the factor
SATURATION = 1.0  # sd of log2 of the factor


def _numbers(ctx, key, n, n_uniform, n_normal, dtype):
    """Draw numbers for n images: uniform ones in [0, 1) and normal ones, lists of arrays [n]."""
    keys = jax.random.split(key)
    uniform = parallel.random_rows(ctx, jax.random.uniform, keys[0], (n, n_uniform))
    normal = parallel.random_rows(ctx, jax.random.normal, keys[1], (n, n_normal))
    return list(uniform.T.astype(dtype)), list(normal.T.astype(dtype))


def geometry(
    ctx: StepContext, key: jax.Array, x: jax.Array, pixels: str, p: jax.Array | float
) -> jax.Array:
    """Flip, turn, shift, scale, rotate and stretch images, in the order of the source.

    Flip left to right (half of those that have their turn); turn by 0, 90, 180 or 270 degrees;
    shift by whole pixels, up to an eighth; scale by 2^N(0, 0.2); rotate by any angle; stretch by
    2^N(0, 0.2) in x and the inverse in y; rotate; shift by N(0, 1/8) of the side.

    Sides are those along which an image moves. What leaves it is lost: of a quarter turn of an
    image that is not square, the ends.

    An image is rotated before or after it is stretched, or both, with probability p in all.
    """
    height, width = x.shape[1:3]
    uniform, normal = _numbers(ctx, key, len(x), 14, 4, x.dtype)
    flip, turn, right, down, *angles = uniform[8:]
    one_of_two = 1 - jnp.sqrt(1 - jnp.asarray(p, x.dtype))

    def chosen(i, value, otherwise, p=p):
        return jnp.where(uniform[i] < p, value, otherwise)

    def power(sd, i):
        return 2 ** (sd * normal[i])

    maps = affine.identity(len(x), x.dtype)
    maps = maps.then(xx=chosen(0, jnp.where(flip < 0.5, -1, 1), 1))
    quarters = chosen(1, jnp.floor(4 * turn), 0)
    cos = jnp.where(quarters == 0, 1, jnp.where(quarters == 2, -1, 0))
    sin = jnp.where(quarters == 1, 1, jnp.where(quarters == 3, -1, 0))
    maps = maps.then(cos, -sin, sin, cos)

    def whole(u, side):
        most = int(SHIFT * side + 0.5)
        return jnp.minimum(jnp.floor((2 * most + 1) * u), 2 * most) - most

    maps = maps.then(x0=chosen(2, whole(right, width), 0), y0=chosen(2, whole(down, height), 0))
    scale = chosen(3, power(SCALE, 0), 1)
    maps = maps.then(xx=scale, yy=scale)
    for i, angle in zip((4, 6), angles, strict=True):
        if i == 6:
            stretch = chosen(5, power(STRETCH, 1), 1)
            maps = maps.then(xx=stretch, yy=1 / stretch)
        theta = chosen(i, 2 * math.pi * angle, 0, one_of_two)
        maps = maps.then(jnp.cos(theta), -jnp.sin(theta), jnp.sin(theta), jnp.cos(theta))
    x0, y0 = (
        chosen(7, SHIFT * side * n, 0) for side, n in zip((width, height), normal[2:], strict=True)
    )
    return affine.resample(x, maps.then(x0=x0, y0=y0))


def color(
    ctx: StepContext, key: jax.Array, x: jax.Array, pixels: str, p: jax.Array | float
) -> jax.Array:
    """Change brightness, contrast, light against dark, hue and saturation, in this order.

    For pixels in [-1, 1]: add N(0, 0.2); multiply by 2^N(0, 0.5); change the sign of the mean over
    colours (half of those that have their turn); rotate colours about the grey axis by any angle;
    multiply their distance from it by 2^N(0, 1). Hue is of three colours, saturation of several.
    """
    uniform, normal = _numbers(ctx, key, len(x), 7, 3, x.dtype)
    coins, (flip, angle) = jnp.stack(uniform[:5]) < p, uniform[5:]
    grey, half = {"sigmoid": (0.5, 0.5)}.get(pixels, (0.0, 1.0))

    def chosen(i, value, otherwise):
        return jnp.where(coins[i], value, otherwise).reshape(-1, 1, 1, 1)

    bright = chosen(0, BRIGHTNESS * half * normal[0], 0)
    factor = chosen(1, 2 ** (CONTRAST * normal[1]), 1)
    sign = chosen(2, jnp.where(flip < 0.5, -1, 1), 1)
    mean = x.mean(-1, keepdims=True)
    out = grey + factor * sign * (mean - grey + bright)
    n_colors = x.shape[-1]
    if n_colors > 1:
        theta = chosen(3, 2 * math.pi * angle, 0)
        strength = factor * chosen(4, 2 ** (SATURATION * normal[2]), 1)
        apart = x - mean
        if n_colors == 3:
            # Cross product with the unit vector of the grey axis.
            turned = (jnp.roll(x, 1, -1) - jnp.roll(x, -1, -1)) / math.sqrt(3)
            apart = jnp.cos(theta) * apart + jnp.sin(theta) * turned
        out = out + strength * apart
    matter = {1: [0, 1, 2], 3: [0, 1, 2, 3, 4]}.get(n_colors, [0, 1, 2, 4])
    return jnp.where(coins[jnp.array(matter)].any(0).reshape(-1, 1, 1, 1), out, x)
