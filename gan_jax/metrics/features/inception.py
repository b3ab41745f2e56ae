"""`--features=inception:FILE` and `inception-clean:FILE`: the 2,048 features of published FIDs.

FILE holds the weights that pytorch-fid uses (pt_inception-2015-12-05-6726825d.pth), or the same
arrays as .safetensors or .npz. The two kinds differ in how they resize images to 299 pixels, which
alone changes distances (Parmar et al. 2022): each does as the program that it is named after. Their
scores must not be mixed.
"""

import functools
import pathlib
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from gan_jax import errors
from gan_jax.data.types import Dataset
from gan_jax.metrics.features import state_dict
from gan_jax.metrics.features.extractor import Extractor, batched_apply, read_file
from gan_jax.nets import inception as nets
from gan_jax.ops import compiling

_BATCH = 16  # about 1 GiB of memory in all; larger ones are no faster on a CPU


def load(arg: str, dataset: Dataset, *_) -> Extractor:
    """Load Inception-v3; images are resized and scaled as by pytorch-fid, see `resize_bilinear`.

    Gray images become three equal channels. probs are over the net's own 1,008 classes.

    Args:
      arg: the file.
      dataset: images with this number of channels.

    Raises:
      InputError: the file is missing, damaged or holds other weights; the images have neither 1 nor
        3 channels.
    """
    return _load("inception", arg, dataset, resize_bilinear, "pytorch-fid bilinear 299")


def load_clean(arg: str, dataset: Dataset, *_) -> Extractor:
    """Load as `load`; images are resized and scaled as by clean-fid, see `resize_bicubic`."""
    return _load("inception-clean", arg, dataset, resize_bicubic, "clean-fid bicubic 299")


def resize_bilinear(images: np.ndarray) -> np.ndarray:
    """Resize to 299 pixels: bilinear, without antialiasing, corners not aligned.

    Then 0 to 255 becomes -1 to 1.

    Args:
      images: uint8 or float [N, H, W, C], 0 to 255.

    Returns:
      float32 [N, 299, 299, C].
    """
    rows, columns = (_bilinear_weights(side) for side in images.shape[1:3])
    x = images.astype(np.float32)
    return np.einsum("ah,nhwc,bw->nabc", rows, x, columns, optimize=True) / 127.5 - 1


def _bilinear_weights(side):
    """Return the weight of each pixel in each resized one: float32 [299, side]; borders repeat."""
    at = ((np.arange(nets.SIDE) + 0.5) * side / nets.SIDE - 0.5).clip(0, side - 1)
    return np.maximum(1 - np.abs(at[:, None] - np.arange(side)), 0).astype(np.float32)


def resize_bicubic(images: np.ndarray) -> np.ndarray:
    """Resize to 299 pixels: Pillow's antialiased bicubic, each channel as float32, cut to 0 to 255.

    Then 0 to 256 becomes -1 to 1, so the result is at most 127 / 128.

    Args:
      images: uint8 or float [N, H, W, C], 0 to 255.

    Returns:
      float32 [N, 299, 299, C].
    """
    n, _, _, channels = images.shape
    out = np.empty((n, nets.SIDE, nets.SIDE, channels), np.float32)
    for i in range(n):
        for c in range(channels):
            channel = Image.fromarray(np.ascontiguousarray(images[i, :, :, c], np.float32))
            out[i, :, :, c] = channel.resize((nets.SIDE, nets.SIDE), Image.Resampling.BICUBIC)
    return out.clip(0, 255) / 128 - 1


def _load(kind: str, arg: str, dataset: Dataset, resize: Callable, resize_words: str) -> Extractor:
    what = f"--features={kind}:{arg}"
    channels = dataset.images.shape[3]
    if channels not in (1, 3):
        raise errors.InputError(
            f"{what} sees gray or RGB images, not {channels} channels; use another space."
        )
    data, digest = read_file(arg, what)
    arrays = state_dict.parse(data, pathlib.Path(arg).suffix, what)
    variables = jax.device_put(nets.from_state_dict(arrays, what))

    run = _compiled_net()

    def embed(images):
        return jax.device_get(run(variables, resize(images)))

    apply = batched_apply(embed, what, _BATCH, fill=True)
    return Extractor(f"{kind}-{digest}", None, None, (), apply, resize_words)


@functools.cache
def _compiled_net():
    """Compile (variables, gray or RGB images in the net's range and side) -> (features,
    probabilities).
    """

    def run(variables, x):
        features, logits = nets.Inception().apply(variables, jnp.broadcast_to(x, (*x.shape[:3], 3)))
        return features, jax.nn.softmax(logits)

    return compiling.jit(run)
