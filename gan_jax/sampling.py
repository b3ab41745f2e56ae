"""Images from a trained generator: one function for grids, evaluation and export."""

import jax
import numpy as np

from gan_jax import images
from gan_jax.step import Env

CHUNK = 64  # one size for all uses: with batch statistics an image depends on the others in its batch


def build_sampler(method):
    """sampler(vs, key, n) -> uint8 [n, H, W, C] on the host; the same (vs, key) gives the same images, whatever n.

    vs: state.Vars, averaged or not. Images are made in full chunks of 64, since batch statistics need a full batch.
    """
    env = Env(method.nets, method.hp, {})

    @jax.jit
    def chunk(vs, key):
        return images.to_uint8(method.sample(env, vs, key, CHUNK), method.hp.pixels)

    def sampler(vs, key, n):
        vs = jax.device_put(vs)  # once, not with every chunk
        parts = [chunk(vs, jax.random.fold_in(key, i)) for i in range(-(-n // CHUNK))]
        return np.concatenate(jax.device_get(parts))[:n]

    return sampler
