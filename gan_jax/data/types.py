"""The types that modules of this package exchange: DataOptions, Dataset and what sources open."""

from typing import NamedTuple

import numpy as np

from gan_jax.data.pixel_format import PixelFormat
from gan_jax.settings import Size, Sized

# What a data source opens: (images or points, labels or None, class names), see Dataset.
Arrays = tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]


class OpenedArrays(NamedTuple):
    """Arrays that a data source opens, and what it says of them."""

    images: np.ndarray  # with a format: the stored numbers, all finite
    labels: np.ndarray | None
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()  # lines about the data that the user should see
    # None for images of 8 bits and for points; its stretch and limits may still be missing
    format: PixelFormat | None = None
    values: np.ndarray | None = None  # see Dataset
    quantities: tuple[str, ...] = ()


class Dataset(NamedTuple):
    """One split of a data set."""

    # uint8 [N, H, W, C], an array or a read-only memmap; points are float32 [N, 1, 1, D] in
    # [-1, 1]. With a format they are the stretched images, which are shown and scored.
    images: np.ndarray
    labels: np.ndarray | None  # int32 [N], -1 where unknown; None without classes
    classes: tuple[str, ...]  # class names, in label order; () without classes
    name: str  # the --data spec
    digest: str  # hex hash of pixels, labels, class names and quantities
    # Numbers at the source's own depth, which are trained on, and what they are; None of images of
    # 8 bits without a stretch, and of points.
    stored: np.ndarray | None = None
    format: PixelFormat | None = None
    # Real numbers of each image, such as its redshift, that nets may be told: float32 [N, A], all
    # finite, and their names [A]. None and () without any.
    values: np.ndarray | None = None
    quantities: tuple[str, ...] = ()

    def part(self, rows: np.ndarray | None = None) -> OpenedArrays:
        """Return some of the images as a source opens them; rows: int [n], None for all."""

        def take(array):
            return array if array is None or rows is None else array[rows]

        return OpenedArrays(
            take(self.trained_on),
            take(self.labels),
            self.classes,
            format=self.format,
            values=take(self.values),
            quantities=self.quantities,
        )

    @property
    def trained_on(self) -> np.ndarray:
        """What training reads: the stored numbers, or the images where there are no others."""
        return self.images if self.stored is None else self.stored

    @property
    def points(self) -> bool:
        """Whether these are points, not images."""
        return self.images.dtype == np.float32


class _DataOptions(NamedTuple):
    hw: Size  # of the images, sides of 8 to 1024 pixels; points ignore it
    # Side in source pixels of a centre crop made before resizing; 0 for the source's own, mostly
    # the whole image. Of it the largest rectangle of the shape of `hw` is used, see resize.fit.
    crop: int = 0
    # What makes the classes, in the source's words; "" for the source's choice; labels.NO_LABELS
    # for no classes.
    labels: str = ""
    # Leave out image files that cannot be used, and class folders without images.
    skip_bad_images: bool = False
    colors: str = "auto"  # see colors.convert; "auto": as the data are
    # See stretches.parse; "": linear from the least to the largest value, and 8 bits as they are.
    stretch: str = ""
    # Side in source pixels of the patches that every image file is cut into, see resize.boxes; 0
    # for one image each.
    patches: int = 0


class DataOptions(Sized, _DataOptions):
    """How a data set is read. Its first argument is anything that Size.of takes."""

    __slots__ = ()
