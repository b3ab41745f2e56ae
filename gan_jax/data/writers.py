"""Labelled images written in the two forms that data sources of the project read back: an npz file, or a folder per class."""

import io
import shutil

import numpy as np

from gan_jax import images
from gan_jax.errors import InputError


def npz(pictures, labels, classes):
    """The bytes of an npz file for `--data=npz:FILE`; classes keep their order.

    Args:
      pictures: uint8 [N, H, W, C]. labels: int [N]. classes: their names.
    """
    buffer = io.BytesIO()
    np.savez(
        buffer,
        images=pictures,
        labels=np.asarray(labels, np.int32),
        classes=np.array(classes, dtype=np.str_),
    )
    return buffer.getvalue()


def folder_names(classes):
    """Names of the classes' folders: their own, but for characters that no folder may have.

    Raises:
      InputError: two classes would share a folder.
    """
    names = [name.replace("/", "-").strip(". ") or "-" for name in classes]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"two classes would be exported to one folder, {name}; rename one, or use --noexport."
            )
    return names


def folder(pictures, labels, classes, out):
    """Writes PNG files OUT/CLASS/NUMBER.png for `--data=folder:OUT`, numbered as the arrays are; appears whole or not at all.

    A source has its classes in natural order of the folders' names, and none where all images are of one class.

    Args:
      pictures, labels, classes: see `npz`; images of 1 or 3 channels. out: pathlib.Path, which is replaced.
    """
    scratch = out.with_name(f".{out.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    for label, name in enumerate(folder_names(classes)):
        rows = np.flatnonzero(labels == label)
        if len(rows):
            (scratch / name).mkdir(parents=True)
        for row in rows:
            (scratch / name / f"{row:06d}.png").write_bytes(images.png(pictures[row]))
    shutil.rmtree(out, ignore_errors=True)
    scratch.rename(out)
