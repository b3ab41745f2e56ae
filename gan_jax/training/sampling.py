"""Images from a trained generator: one sampler for grids, evaluation, export and the studio."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import images
from gan_jax.core import priors
from gan_jax.core.conditioning import ByImage
from gan_jax.core.keys import KeyStream, fold
from gan_jax.core.method import Method, make_context
from gan_jax.core.state import Vars
from gan_jax.data import pixel_format
from gan_jax.data.datasets import Dataset
from gan_jax.data.pixel_format import PixelFormat
from gan_jax.errors import InputError
from gan_jax.ops import compiling

ROWS = 8  # of a grid
MAX_COLUMNS = 10  # of a grid with a column for each class, generator or code
N_POINTS = 2000  # in a picture of points
CHUNK = 64  # images per call; with batch statistics an image depends on the others in its batch


def build_sampler(
    method: Method,
    pool: np.ndarray | None = None,
    truncation: float = 0.0,
    units: PixelFormat | None = None,
    also_shown: bool = False,
) -> Callable[..., Any]:
    """Build the sampler of a method.

    Args:
      method: Method.
      pool: images that conditions are taken from, uint8 [N, H, W, C]; needed where
        method.conditioning.needs_images.
      truncation: keep the noise within so many times its range (uniform priors) or standard
        deviations (normal prior); 0: keep all of it.
      units: format of the data; images are then in the data's units, see pixel_format.to_units.
      also_shown: with units, return (images of 8 bits, images in units).

    Returns:
      sampler(vs, key, n, condition=None, z=None) -> uint8 [n, H, W, C] on the host, or float32
      points in [-1, 1]. Equal arguments give equal images, and a larger n adds images at the end.
        vs: Vars, averaged or not.
        condition: int [n] into method.conditioning.names, quantities float32 [n, A], or images
          uint8 [n, H, W, C]; drawn if None.
        z: noise float32 [n, z_dim]; drawn if None.
      Images are made in full chunks of 64, since batch statistics need a full batch.
    """
    ctx = make_context(method)

    @compiling.jit
    def draw_latent(key):
        z, condition = method.latent(ctx, key, CHUNK)
        return _truncate(method, z, truncation), condition

    @compiling.jit
    def sample_chunk(vs, key, z, condition):
        condition = method.conditioning.to_net(condition, method.hp.pixels)
        generated = method.sample(ctx, vs, z, condition, fold(key, KeyStream.SAMPLE))
        if units and not also_shown:
            return (generated,)
        shown = images.from_net(generated, method.hp.pixels, points=generated.shape[1] == 1)
        return (shown, generated) if units else (shown,)

    def to_host(chunk):
        chunk = jax.device_get(chunk)
        if not units:
            return chunk
        return *chunk[:-1], pixel_format.to_units(chunk[-1], units, method.hp.pixels)

    def select_chunk(array, i):
        """Select chunk i of an array; fill the last one up from the array's beginning."""
        rows = np.arange(i * CHUNK, (i + 1) * CHUNK) % len(array)
        return np.asarray(array)[rows]

    def sampler(vs, key, n, condition=None, z=None):
        vs = jax.device_put(vs)  # once, not with every chunk
        if condition is None:
            condition = method.conditioning.choose(pool, key, n)
        chunks = []
        for i in range(-(-n // CHUNK)):
            chunk_key = jax.random.fold_in(key, i)
            chunk_z, chunk_condition = draw_latent(chunk_key)
            if z is not None:
                chunk_z = select_chunk(z, i)
            if condition is not None:
                chunk_condition = select_chunk(condition, i)
            chunks.append(sample_chunk(vs, chunk_key, chunk_z, chunk_condition))
        parts = zip(*map(to_host, chunks), strict=True)
        generated = [np.concatenate(part)[:n] for part in parts]
        return tuple(generated) if len(generated) > 1 else generated[0]

    return sampler


def _truncate(method, z, truncation):
    return priors.truncate(method.hp.prior, z, truncation) if truncation else z


def _latents(method, key, n):
    """Draw (z, condition) of each chunk that `sampler(vs, key, n)` makes."""
    ctx = make_context(method)
    return [method.latent(ctx, jax.random.fold_in(key, i), CHUNK) for i in range(-(-n // CHUNK))]


def drawn_conditions(method: Method, key: jax.Array, n: int) -> np.ndarray | None:
    """Return the conditions that `sampler(vs, key, n)` draws: int [n], float [n, A], or None."""
    conditions = [condition for _, condition in _latents(method, key, n)]
    return None if conditions[0] is None else np.concatenate(conditions)[:n]


def drawn_noise(method: Method, key: jax.Array, n: int, truncation: float = 0.0) -> np.ndarray:
    """Return the noise that `sampler(vs, key, n)` draws: float32 [n, z_dim]."""
    z = jnp.concatenate([z for z, _ in _latents(method, key, n)])[:n]
    return np.asarray(_truncate(method, z, truncation))


def paths(
    method: Method, key: jax.Array, n: int, steps: int, truncation: float = 0.0
) -> tuple[np.ndarray, np.ndarray | None]:
    """Make noise along n paths, each between two draws.

    Args:
      method: Method.
      key: random key.
      n: number of paths.
      steps: points on each path, both ends included.
      truncation: see `build_sampler`.

    Returns:
      (noise float32 [n * steps, z_dim], path by path; the condition along them or None).

    Raises:
      InputError: the generator takes no noise.
    """
    z, condition = method.latent(make_context(method), key, 2 * n)
    if not z.shape[1]:
        raise InputError(
            "This run's generator takes no noise, so there are no paths between samples; "
            "use --form=grid."
        )
    z = _truncate(method, z, truncation)
    between = functools.partial(priors.interpolate, method.hp.prior)
    one_path = jax.vmap(between, (None, None, 0))
    along = jax.vmap(one_path, (0, 0, None))(z[:n], z[n:], jnp.linspace(0, 1, steps))
    if condition is not None:
        condition = np.repeat(np.asarray(condition)[:n], steps, axis=0)
    return np.asarray(along).reshape(n * steps, -1), condition


def picture(
    method: Method,
    sampler: Callable,
    vs: Vars,
    key: jax.Array,
    dataset: Dataset | None,
    pool: np.ndarray | None,
    show: str = "",
) -> np.ndarray:
    """Draw the sample grid of a run.

    Args:
      method: Method.
      sampler: see `build_sampler`.
      vs: Vars.
      key: random key.
      dataset: training data; None will do for images.
      pool: see `build_sampler`.
      show: channels that are shown, see images.parse_bands.

    Returns:
      uint8 [H, W, 1 or 3]: 64 images; a column for each of up to 10 classes with training images,
      generators or codes, or for each of some values of the quantities;
      triplets of gray, generated and original where images are made from images of the pool; or the
      density of points beside that of the data.
    """
    if dataset is not None and dataset.points:
        from gan_jax.report import point_plots

        points = sampler(vs, key, N_POINTS)
        return point_plots.draw_density(points, dataset.images, dataset.name)
    if isinstance(method.conditioning, ByImage):
        originals = method.conditioning.choose(pool, key, ROWS * 3)
        generated = sampler(vs, key, len(originals), originals)
        return images.grid(interleave(triplets(method, generated, originals)), 9, show=show)
    shown = method.conditioning.shown[:MAX_COLUMNS]
    columns = len(shown) or ROWS
    condition = np.concatenate([shown] * ROWS) if shown else None
    return images.grid(sampler(vs, key, ROWS * columns, condition), columns, show=show)


def triplets(method: Method, generated: np.ndarray, originals: np.ndarray) -> np.ndarray:
    """Put images beside what they were made from.

    Args:
      method: Method whose conditioning is by image.
      generated: uint8 [n, H, W, C].
      originals: uint8 [n, H, W, C].

    Returns:
      uint8 [3, n, H, W, C]: gray, generated, original.
    """
    conditioning, pixels = method.conditioning, method.hp.pixels
    if not isinstance(conditioning, ByImage):
        raise ValueError("Triplets are of methods that start from images.")
    x = jnp.asarray(images.to_float(originals, pixels))
    gray = images.to_uint8(conditioning.to_input(x), pixels)
    return np.stack([np.broadcast_to(gray, generated.shape), generated, originals])


def interleave(three: np.ndarray) -> np.ndarray:
    """Put triplets one after another: [3, n, H, W, C] -> [3 n, H, W, C]."""
    return three.swapaxes(0, 1).reshape(-1, *three.shape[2:])
