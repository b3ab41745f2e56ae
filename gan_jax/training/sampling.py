"""Images from a trained generator: one function for grids, evaluation and export."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import images
from gan_jax.core import priors
from gan_jax.core.step import env_of
from gan_jax.errors import InputError
from gan_jax.ops import cpu
from gan_jax.report import point_plots

ROWS = 8  # of a grid
N_POINTS = 2000  # in a picture of points
CHUNK = (
    64  # one size for all uses: with batch statistics an image depends on the others in its batch
)


def build_sampler(method, pool=None, truncation=0.0):
    """sampler(vs, key, n, given=None, z=None) -> uint8 [n, H, W, C] on the host, or float32 points in [-1, 1].

    The same arguments give the same images; of drawn noise the first of them whatever n. vs: state.Vars, averaged or not.
    given: what the method's generator is given, int [n] out of method.kinds or images [n, H, W, C] of the data; drawn if None.
    z: noise float [n, z_dim]; drawn if None. Images are made in full chunks of 64, since batch statistics need a full batch.

    Args:
      method: step.Method.
      pool: uint8 [N, H, W, C], the images that conditions are taken from where method.by is "image".
      truncation: noise is kept within so many times its range, or standard deviations; 0: all of it.
    """
    env = env_of(method)

    @jax.jit
    def drawn(key):
        z, given = method.latent(env, key, CHUNK)
        return priors.truncated(method.hp.prior, z, truncation) if truncation else z, given

    @functools.partial(jax.jit, compiler_options=cpu.compiler_options())
    def chunk(vs, key, z, given):
        if method.by == "image":
            given = images.to_float(given, method.hp.pixels)
        made = method.sample(env, vs, z, given, jax.random.fold_in(key, 4))
        return images.from_net(made, method.hp.pixels, points=made.shape[1] == 1)

    def part(array, i):
        """Chunk i of an array, filled up from its beginning: batch statistics shall not be those of one row repeated."""
        rows = np.arange(i * CHUNK, (i + 1) * CHUNK) % len(array)
        return np.asarray(array)[rows]

    def sampler(vs, key, n, given=None, z=None):
        vs = jax.device_put(vs)  # once, not with every chunk
        given = drawn_from(pool, key, n) if method.by == "image" and given is None else given
        parts = []
        for i in range(-(-n // CHUNK)):
            at = jax.random.fold_in(key, i)
            some_z, some_given = drawn(at)
            some_z = some_z if z is None else part(z, i)
            some_given = some_given if given is None else part(given, i)
            parts.append(chunk(vs, at, some_z, some_given))
        return np.concatenate(jax.device_get(parts))[:n]

    return sampler


def kinds(method, key, n):
    """What `sampler(vs, key, n)` draws to give its generator: int [n], or None where it is given nothing."""
    given = [
        method.latent(env_of(method), jax.random.fold_in(key, i), CHUNK)[1]
        for i in range(-(-n // CHUNK))
    ]
    return None if given[0] is None else np.concatenate(given)[:n]


def noise(method, key, n, truncation=0.0):
    """The noise that `sampler(vs, key, n)` draws: float32 [n, z_dim]. truncation: see `build_sampler`."""
    parts = [
        method.latent(env_of(method), jax.random.fold_in(key, i), CHUNK)[0]
        for i in range(-(-n // CHUNK))
    ]
    z = jnp.concatenate(parts)[:n]
    return np.asarray(priors.truncated(method.hp.prior, z, truncation) if truncation else z)


def drawn_from(pool, key, n):
    """n images of a pool [N, H, W, C], each once before any is there twice; a function of the key."""
    r = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
    rows = np.concatenate([r.permutation(len(pool)) for _ in range(-(-n // len(pool)))])[:n]
    return np.asarray(pool[np.sort(rows)])[np.argsort(np.argsort(rows))]


def paths(method, key, n, steps, truncation=0.0):
    """Noise along n paths between two draws each: (float32 [n * steps, z_dim] path by path, what is given along them or None).

    Raises:
      InputError: the generator takes no noise.
    """
    z, given = method.latent(env_of(method), key, 2 * n)
    if not z.shape[1]:
        raise InputError(
            "This run's generator takes no noise, so there are no paths between samples; use --form=grid."
        )
    z = priors.truncated(method.hp.prior, z, truncation) if truncation else z
    between = functools.partial(priors.between, method.hp.prior)
    along = jax.vmap(jax.vmap(between, (None, None, 0)), (0, 0, None))(
        z[:n], z[n:], jnp.linspace(0, 1, steps)
    )
    return np.asarray(along).reshape(n * steps, -1), None if given is None else np.repeat(
        np.asarray(given)[:n], steps
    )


def picture(method, sampler, vs, key, source, pool):
    """What a run shows of its generator: uint8 [H, W, 1 or 3].

    A grid of 64 images; a column for each of up to 10 classes, generators or codes; triplets of gray, made and original where
    images are made from images of the pool; the density of points, beside the data's.
    """
    if source.points:
        return point_plots.picture(sampler(vs, key, N_POINTS), source.images, source.name)
    if method.by == "image":
        given = drawn_from(pool, key, ROWS * 3)
        return images.grid(beside(triplets(method, sampler(vs, key, len(given), given), given)), 9)
    k = min(len(method.kinds), 10) or ROWS
    given = np.tile(np.arange(k), ROWS) if method.kinds else None
    return images.grid(sampler(vs, key, ROWS * k, given), k)


def triplets(method, made, given):
    """Images uint8 [n, H, W, C] with what they were made from: [3, n, H, W, C], gray, made, original."""
    pixels = method.hp.pixels
    gray = images.to_uint8(method.condition(jnp.asarray(images.to_float(given, pixels))), pixels)
    return np.stack([np.broadcast_to(gray, made.shape), made, given])


def beside(three):
    """[3, n, H, W, C] -> [3 n, H, W, C], image after image."""
    return three.swapaxes(0, 1).reshape(-1, *three.shape[2:])
