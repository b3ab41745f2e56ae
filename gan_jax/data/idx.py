"""Files in MNIST's format: `--data=idx:DIR`, with the usual four file names, gzipped or not."""

import gzip
import math
import pathlib
import struct
import zlib

import numpy as np

from gan_jax.data import resize
from gan_jax.data.labels import numeric_class_names
from gan_jax.data.types import Arrays, DataOptions
from gan_jax.errors import InputError, counted

_PREFIX = {"train": "train", "test": "t10k"}
# Magic numbers: 0x08 (unsigned bytes) followed by the number of axes.
_IMAGES, _COLOUR_IMAGES, _LABELS = 0x803, 0x804, 0x801


def load(arg: str, options: DataOptions, split: str = "train") -> Arrays | None:
    """Open train-images-idx3-ubyte and train-labels-idx1-ubyte, or their t10k- pair.

    The files may end in `.gz`. Images of another side than `size` are resized; at their own size
    they are the file's bytes, untouched. Files with a fourth axis, [N, H, W, C], are read too.

    Args:
      arg: the folder.
      options, split: see datasets.load.

    Returns:
      (images uint8 [N, H, W, C], labels int32 [N], class names "0" to the training set's
      largest label); None if the folder has no test images.

    Raises:
      InputError: a file is missing or damaged, or the two files do not belong together.
    """
    folder = pathlib.Path(arg)
    if not folder.is_dir():
        raise InputError(
            f"--data=idx:{arg} is not a folder; give the one with train-images-idx3-ubyte[.gz]."
        )
    if split == "test" and not _candidates(folder, f"{_PREFIX['test']}-images-idx3-ubyte"):
        return None
    images_path = _find(folder, f"{_PREFIX[split]}-images-idx3-ubyte")
    labels_path = _find(folder, f"{_PREFIX[split]}-labels-idx1-ubyte")
    images = _read(images_path, (_IMAGES, _COLOUR_IMAGES))
    labels = _read(labels_path, (_LABELS,))
    if len(images) != len(labels):
        raise InputError(
            f"{images_path} holds {counted(len(images), 'image')} but {labels_path} holds "
            f"{counted(len(labels), 'label')}; the two files must belong together."
        )
    if images.ndim == 3:
        images = images[..., None]
    train_labels = labels
    if split == "test":  # numbered by the training labels: a class that it lacks keeps its place
        train_labels = _read(_find(folder, "train-labels-idx1-ubyte"), (_LABELS,))
    classes = numeric_class_names(train_labels, labels_path)
    images = resize.crop_and_resize_all(images, options.hw, options.crop, images_path)
    return images, labels.astype(np.int32), classes


def _candidates(folder, name):
    return [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]


def _find(folder, name):
    candidates = _candidates(folder, name)
    if not candidates:
        raise InputError(
            f"{folder} has no file {name} or {name}.gz; idx:DIR needs MNIST's usual file names."
        )
    return candidates[0]


def _read(path, magics):
    """Read one IDX file: uint8, read-only, of the shape in its header."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{path} cannot be read ({error}); truncated or damaged, fetch it again."
        ) from error
    magic = struct.unpack(">I", data[:4])[0] if len(data) >= 4 else None
    if magic not in magics:
        has = "no magic number" if magic is None else f"magic number 0x{magic:08x}"
        allowed = " or ".join(f"0x{m:08x}" for m in magics)
        raise InputError(
            f"{path} has {has}, expected {allowed}; it is not the IDX file its name promises."
        )
    n_axes = magic & 0xFF
    start = 4 + 4 * n_axes
    if len(data) < start:
        raise InputError(
            f"{path} has {len(data)} bytes, its header alone needs {start}; it is truncated."
        )
    shape = struct.unpack(f">{n_axes}I", data[4:start])
    n_bytes, n_promised = len(data) - start, math.prod(shape)
    if n_bytes != n_promised:
        raise InputError(
            f"{path} holds {n_bytes} bytes of data, its header {list(shape)} promises "
            f"{n_promised}; it is truncated or damaged, fetch it again."
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
