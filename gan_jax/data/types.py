"""The types that modules of this package exchange: DataOptions, Dataset and what sources open."""

from typing import NamedTuple

import numpy as np

MIN_SIZE, MAX_SIZE = 8, 1024  # sides of images, in pixels

# What a data source opens: (images or points, labels or None, class names), see Dataset.
Arrays = tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]


class OpenedArrays(NamedTuple):
    """Arrays that a data source opens, and what it says of them."""

    images: np.ndarray
    labels: np.ndarray | None
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()  # lines about the data that the user should see


class Dataset(NamedTuple):
    """One split of a data set."""

    # uint8 [N, H, W, C], an array or a read-only memmap; points are float32 [N, 1, 1, D] in [-1, 1]
    images: np.ndarray
    labels: np.ndarray | None  # int32 [N], -1 where unknown; None without classes
    classes: tuple[str, ...]  # class names, in label order; () without classes
    name: str  # the --data spec
    digest: str  # hex hash of pixels, labels and class names

    @property
    def points(self) -> bool:
        """Whether these are points, not images."""
        return self.images.dtype == np.float32


class DataOptions(NamedTuple):
    """How a data set is read."""

    size: int  # side of the images in pixels, 8 to 1024; points ignore it
    # Side in source pixels of a centre crop made before resizing; 0 for the source's own, mostly
    # the largest centre square.
    crop: int = 0
    # What makes the classes, in the source's words; "" for the source's choice; labels.NO_LABELS
    # for no classes.
    labels: str = ""
    # Leave out image files that cannot be used, and class folders without images.
    skip_bad_images: bool = False
    colors: str = "auto"  # see colors.convert; "auto": as the data are
