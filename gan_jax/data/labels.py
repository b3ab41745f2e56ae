"""Class labels: names of numbered classes, and the check that labels fit images and classes."""

import numpy as np

from gan_jax.errors import InputError, counted

MAX_CLASSES = 65536
NO_LABELS = "none"  # value of --labels: the data without classes, whatever the source


def numeric_class_names(labels: np.ndarray, name: object) -> tuple[str, ...]:
    """Return the class names "0", "1", ... up to the largest label.

    Args:
      labels: integers [N], -1 where unknown.
      name: what the error calls the data, usually the file.

    Raises:
      InputError: the largest label is too large for a class number.
    """
    largest = int(labels.max()) if labels.size else -1
    if largest >= MAX_CLASSES:
        raise InputError(
            f"{name} has the label {largest}; labels are class numbers 0 to K-1 (at most "
            f"{MAX_CLASSES} classes), or -1 where unknown."
        )
    return tuple(str(i) for i in range(largest + 1))


def check_labels(labels: np.ndarray, n_images: int, n_classes: int, spec: str) -> np.ndarray:
    """Return labels as int32; refuse labels that do not fit the images or classes.

    Args:
      labels: integers [n_images], -1 where unknown.
      n_images: number of images, at least 1.
      n_classes: number of classes.
      spec: --data, for the errors.

    Raises:
      InputError
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise InputError(
            f"--data={spec} has labels {labels.dtype} {list(labels.shape)}; "
            f"they must be integers [{n_images}]."
        )
    if len(labels) != n_images:
        raise InputError(
            f"--data={spec} has {counted(n_images, 'image')} but {counted(len(labels), 'label')}; "
            "give one label per image, -1 where unknown."
        )
    smallest, largest = int(labels.min()), int(labels.max())
    if smallest < -1 or largest >= n_classes:
        raise InputError(
            f"--data={spec} has labels from {smallest} to {largest}; with {n_classes} classes they "
            f"must lie in 0 to {n_classes - 1}, or be -1 where unknown."
        )
    return labels.astype(np.int32, copy=False)
