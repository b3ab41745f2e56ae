"""`--features=inception:FILE` and `inception-clean:FILE`: the 2,048 features of published Frechet Inception distances.

FILE holds the weights that pytorch-fid uses (pt_inception-2015-12-05-6726825d.pth), or the same arrays as .safetensors or .npz.
The two kinds differ in how they resize images to 299 pixels, and that alone changes distances (Parmar et al. 2022). Each does
as the program it is named after; their numbers must not be mixed.
"""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from gan_jax import errors
from gan_jax.metrics.features import state_dict
from gan_jax.metrics.features.extractor import Extractor, batched, read
from gan_jax.nets import inception as nets

_BATCH = 16  # about 1 GiB of memory in all; larger ones are no faster on a CPU


def load(arg, source, *_):
    """Extractor whose images are resized and scaled as by pytorch-fid: see `bilinear`.

    Gray images become three equal channels. probs: over the net's own 1,008 classes.

    Raises:
      InputError: the file is missing, damaged or holds other weights; the images have neither 1 nor 3 channels.
    """
    return _load("inception", arg, source, bilinear, "pytorch-fid bilinear 299")


def load_clean(arg, source, *_):
    """As `load`, but images are resized and scaled as by clean-fid: see `bicubic`."""
    return _load("inception-clean", arg, source, bicubic, "clean-fid bicubic 299")


def bilinear(images):
    """Bilinear, without antialiasing, corners not aligned; then 0 to 255 becomes -1 to 1.

    Args:
      images: uint8 or float [N, H, W, C], 0 to 255.

    Returns:
      float32 [N, 299, 299, C].
    """
    rows, columns = (_between(side) for side in images.shape[1:3])
    return (
        np.einsum("ah,nhwc,bw->nabc", rows, images.astype(np.float32), columns, optimize=True)
        / 127.5
        - 1
    )


def _between(side):
    """float32 [299, side]: what each pixel counts in each resized one; the border goes on outside."""
    at = ((np.arange(nets.SIDE) + 0.5) * side / nets.SIDE - 0.5).clip(0, side - 1)
    return np.maximum(1 - np.abs(at[:, None] - np.arange(side)), 0).astype(np.float32)


def bicubic(images):
    """Pillow's bicubic, antialiased, each channel as float32, cut to 0 to 255; then 0 to 256 becomes -1 to 1.

    Args, returns: as `bilinear`, but for the range: at most 127 / 128.
    """
    n, _, _, channels = images.shape
    out = np.empty((n, nets.SIDE, nets.SIDE, channels), np.float32)
    for i in range(n):
        for c in range(channels):
            channel = Image.fromarray(np.ascontiguousarray(images[i, :, :, c], np.float32))
            out[i, :, :, c] = channel.resize((nets.SIDE, nets.SIDE), Image.Resampling.BICUBIC)
    return out.clip(0, 255) / 128 - 1


def _load(kind, arg, source, resized, resize):
    what = f"--features={kind}:{arg}"
    if source.images.shape[3] not in (1, 3):
        raise errors.InputError(
            f"{what} sees gray or RGB images, not {source.images.shape[3]} channels; use another space."
        )
    data, digest = read(arg, what)
    arrays = state_dict.parse(data, pathlib.Path(arg).suffix, what)
    variables = jax.device_put(nets.from_state_dict(arrays, what))

    def embed(images):
        return jax.device_get(_run(variables, resized(images)))

    return Extractor(
        f"{kind}-{digest}", None, None, (), batched(embed, what, _BATCH, fill=True), resize
    )


@jax.jit
def _run(variables, x):
    """(features, probabilities) of gray or RGB images in the net's range and side."""
    features, logits = nets.Inception().apply(variables, jnp.broadcast_to(x, (*x.shape[:3], 3)))
    return features, jax.nn.softmax(logits)
