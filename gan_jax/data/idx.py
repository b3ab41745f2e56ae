"""MNIST's file format: `--data=idx:DIR` with the usual four file names, gzipped or not."""

import gzip
import math
import pathlib
import struct
import zlib

import numpy as np

from gan_jax import errors
from gan_jax.data import datasets, resize

_PREFIX = {"train": "train", "test": "t10k"}
# The magic number is 0x08 (unsigned bytes) followed by the number of axes.
_IMAGES, _COLOUR_IMAGES, _LABELS = 0x803, 0x804, 0x801


def load(arg, view, split="train"):
    """Opens `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, or their `t10k-` pair, with or without `.gz`.

    Images of another side than `size` are resized; at their own size they are the file's bytes, untouched. Files with
    a fourth axis, [N, H, W, C], are read too.

    Args:
      arg: the folder.
      view, split: as in `datasets.load`.

    Returns:
      (images uint8 [N, size, size, C], labels int32 [N], class names "0" to the training set's largest label);
      None if the folder has no test images.

    Raises:
      InputError: a file is missing, damaged, or does not fit the other one.
    """
    folder = pathlib.Path(arg)
    if not folder.is_dir():
        raise errors.InputError(
            f"--data=idx:{arg} is not a folder; give the one with train-images-idx3-ubyte[.gz]."
        )
    if split == "test" and not _candidates(folder, f"{_PREFIX['test']}-images-idx3-ubyte"):
        return None
    images_path = _find(folder, f"{_PREFIX[split]}-images-idx3-ubyte")
    labels_path = _find(folder, f"{_PREFIX[split]}-labels-idx1-ubyte")
    images, labels = _read(images_path, (_IMAGES, _COLOUR_IMAGES)), _read(labels_path, (_LABELS,))
    if len(images) != len(labels):
        raise errors.InputError(
            f"{images_path} holds {len(images)} images but {labels_path} holds {len(labels)} labels; "
            "the two files must belong together."
        )
    if images.ndim == 3:
        images = images[..., None]
    # The test split is numbered by the training labels, so that a class it happens to lack keeps its place.
    train_labels = (
        labels if split == "train" else _read(_find(folder, "train-labels-idx1-ubyte"), (_LABELS,))
    )
    classes = datasets.numbered_classes(train_labels, labels_path)
    return (
        resize.fit_all(images, view.size, view.crop, images_path),
        labels.astype(np.int32),
        classes,
    )


def _candidates(folder, name):
    return [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]


def _find(folder, name):
    found = _candidates(folder, name)
    if not found:
        raise errors.InputError(
            f"{folder} has no file {name} or {name}.gz; idx:DIR needs MNIST's usual file names."
        )
    return found[0]


def _read(path, magics):
    """The array of one IDX file: uint8, read-only, shape as the header says."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise errors.InputError(
            f"{path} cannot be read ({error}); truncated or damaged, fetch it again."
        ) from error
    magic = struct.unpack(">I", data[:4])[0] if len(data) >= 4 else None
    if magic not in magics:
        found = "no magic number" if magic is None else f"magic number 0x{magic:08x}"
        allowed = " or ".join(f"0x{m:08x}" for m in magics)
        raise errors.InputError(
            f"{path} has {found}, expected {allowed}; it is not the IDX file its name promises."
        )
    n_axes = magic & 0xFF
    start = 4 + 4 * n_axes
    if len(data) < start:
        raise errors.InputError(
            f"{path} has {len(data)} bytes, its header alone needs {start}; it is truncated."
        )
    shape = struct.unpack(f">{n_axes}I", data[4:start])
    if len(data) - start != math.prod(shape):
        raise errors.InputError(
            f"{path} holds {len(data) - start} bytes of data, its header {list(shape)} promises {math.prod(shape)}; "
            "it is truncated or damaged, fetch it again."
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
