"""Writing of labelled images in forms that can be read back: an npz file, or a folder per class."""

import io
import pathlib
import shutil
from collections.abc import Sequence

import numpy as np

from gan_jax import images
from gan_jax.errors import InputError


def npz_bytes(pixels: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> bytes:
    """Return the bytes of an npz file for `--data=npz:FILE`; classes keep their order.

    Args:
      pixels: uint8 [N, H, W, C].
      labels: int [N].
      classes: class names, in label order.
    """
    buffer = io.BytesIO()
    np.savez(
        buffer,
        images=pixels,
        labels=np.asarray(labels, np.int32),
        classes=np.array(classes, dtype=np.str_),
    )
    return buffer.getvalue()


def class_folder_names(classes: Sequence[str]) -> list[str]:
    """Return folder names of classes, without characters that no folder may have.

    Raises:
      InputError: two classes would share a folder.
    """
    names = [name.replace("/", "-").strip(". ") or "-" for name in classes]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"two classes would be exported to one folder, {name}; rename one, "
                "or use --noexport."
            )
    return names


def write_folder(
    pixels: np.ndarray, labels: np.ndarray, classes: Sequence[str], out: pathlib.Path
) -> None:
    """Write PNG files OUT/CLASS/ROW.png for `--data=folder:OUT`.

    The folder appears whole or not at all. When it is read back, its classes are in natural order
    of the folders' names; there are none if all images are of one class.

    Args:
      pixels: uint8 [N, H, W, 1 or 3].
      labels: int [N].
      classes: class names, in label order.
      out: the folder, which is replaced.
    """
    scratch = out.with_name(f".{out.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    for label, name in enumerate(class_folder_names(classes)):
        rows = np.flatnonzero(labels == label)
        if len(rows):
            (scratch / name).mkdir(parents=True)
        for row in rows:
            (scratch / name / f"{row:06d}.png").write_bytes(images.encode_png(pixels[row]))
    shutil.rmtree(out, ignore_errors=True)
    scratch.rename(out)
