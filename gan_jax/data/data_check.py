"""Inspection of a data set without training: is every file good, would training accept it?

The data_report module writes the result as text; both together are `--check_data`.
"""

import hashlib
from collections.abc import Iterable
from typing import Literal, NamedTuple, overload

import numpy as np

from gan_jax.data import datasets, image_checks, image_decoding
from gan_jax.data.image_decoding import BadFile, Header
from gan_jax.data.image_files import ImageFileList
from gan_jax.data.threads import parallel_map
from gan_jax.data.types import DataOptions, Dataset
from gan_jax.errors import InputError, printable, result_or_error


class PixelStatistics(NamedTuple):
    """Statistics of the good images, or of the points, as training sees them."""

    digests: dict[int, bytes]  # {row: hash}, equal for images with equal pixels
    n_channels: int  # of most of the images; 0 if there are none
    # float64 [C], over pixels of images with so many channels, 0 to 255, or over points, -1 to 1
    mean: np.ndarray
    std: np.ndarray


class InspectedSplit(NamedTuple):
    """The findings of one split. Rows count all its images, good and bad."""

    names: list[str]  # names of the images [N]
    location: str  # where they are
    options: DataOptions  # with the crop in effect
    pixels: PixelStatistics
    labels: np.ndarray | None  # int32 [N]
    classes: tuple[str, ...]  # class names
    notes: tuple[str, ...]  # what the data source says of itself
    headers: dict[int, Header]  # {row: Header} of image files; {} for arrays
    bad: dict[int, BadFile]  # {row: BadFile}
    refusal: InputError | None  # the error that training ends with
    points: bool = False  # whether these are points, not images


@overload
def inspect_split(
    spec: str, options: DataOptions, split: Literal["train"] = "train"
) -> InspectedSplit: ...
@overload
def inspect_split(spec: str, options: DataOptions, split: str) -> InspectedSplit | None: ...
def inspect_split(spec, options, split="train"):
    """Inspect every image of one split; cached files are decoded again.

    Args:
      spec, options, split: see datasets.load.

    Returns:
      InspectedSplit; None if the data set has no such split.

    Raises:
      InputError: there is nothing to inspect, such as an unknown source, an empty folder or a
        damaged archive.
    """
    opened = datasets.open_source(spec, options, split)
    if isinstance(opened, ImageFileList):
        return _inspect_files(opened, image_checks.resolve_crop(opened.crop, options))
    dataset = None if opened is None else datasets.load(spec, options, split)
    if dataset is None:
        return None
    rows = range(len(dataset.images))
    sums = parallel_map(lambda row: _image_sums(dataset.images[row]), rows, "images examined")
    pixels, _ = _pixel_statistics(rows, sums)
    return InspectedSplit(
        names=[f"{'point' if dataset.points else 'image'} {row}" for row in rows],
        location=spec,
        options=options._replace(size=dataset.images.shape[1]),
        pixels=pixels,
        labels=dataset.labels,
        classes=dataset.classes,
        notes=(),
        headers={},
        bad={},
        refusal=None,
        points=dataset.points,
    )


def as_dataset(split: InspectedSplit, name: str) -> Dataset:
    """Return a Dataset of the shape and labels that training would see, all pixels 0."""
    good = [row for row in range(len(split.names)) if row not in split.bad]
    shape = len(good), split.options.size, split.options.size, split.pixels.n_channels
    labels = None if split.labels is None else split.labels[good]
    blank = np.float32(0) if split.points else np.uint8(0)
    return Dataset(np.broadcast_to(blank, shape), labels, split.classes, name, "")


def heldout_refusal(
    spec: str, train: InspectedSplit, test: InspectedSplit | InputError | None
) -> InputError | None:
    """Return the error that scoring on the test split ends with, or None.

    Args:
      spec: --data.
      train: the training split.
      test: the test split, None if there is none, or the error that inspecting it raised.
    """
    if not isinstance(test, InspectedSplit):
        return test
    if test.refusal:
        return test.refusal
    return result_or_error(datasets.check_heldout, as_dataset(train, spec), as_dataset(test, spec))


def _inspect_files(files, options):
    """Inspect a list of image files; refuse in the order of image_cache.load_files."""
    paths = files.paths
    headers = image_checks.read_headers(paths)
    bad = image_checks.find_unusable(paths, headers, options)
    rows = [row for row in range(len(paths)) if row not in bad]

    def image_sums(row):
        return _image_sums(image_decoding.decode_image(paths[row], options.size, options.crop))

    def refusal_with(bad):
        result = result_or_error(image_checks.common_channels, paths, headers, bad, options)
        return result if isinstance(result, InputError) else None

    sums = parallel_map(lambda row: result_or_error(image_sums, row), rows, "images examined")
    pixels, damaged = _pixel_statistics(rows, sums)
    return InspectedSplit(
        names=[printable(path.relative_to(files.top)) for path in paths],
        location=printable(files.top),
        options=options,
        pixels=pixels,
        labels=files.labels,
        classes=files.classes,
        notes=files.notes,
        headers={row: header for row, header in enumerate(headers) if isinstance(header, Header)},
        bad=bad | damaged,
        refusal=refusal_with(bad) or refusal_with(bad | damaged),
    )


class _ImageSums(NamedTuple):
    """Sums over the pixels of one image, or over one point."""

    digest: bytes
    total: np.ndarray  # [C]
    squares: np.ndarray  # sum of the squares [C]
    n_pixels: int


def _image_sums(image):
    """Return the _ImageSums of an image uint8 [H, W, C] or a point float32 [1, 1, D]."""
    kind = np.int64 if image.dtype == np.uint8 else np.float64
    values = image.reshape(-1, image.shape[-1]).astype(kind)
    digest = hashlib.sha256(np.ascontiguousarray(image)).digest()[:16]
    return _ImageSums(digest, values.sum(0), (values * values).sum(0), len(values))


def _pixel_statistics(rows: Iterable[int], results: Iterable[_ImageSums | InputError]):
    """Return (PixelStatistics, {row: BadFile}) from the result of each row."""
    digests, bad, sums = {}, {}, {}
    for row, result in zip(rows, results, strict=True):
        if isinstance(result, InputError):
            bad[row] = result
            continue
        digests[row], *moments = result
        n_channels = len(result.total)
        so_far = sums.get(n_channels, (0, 0, 0))
        sums[n_channels] = [a + b for a, b in zip(so_far, moments, strict=True)]
    if not sums:
        return PixelStatistics(digests, 0, np.zeros(0), np.zeros(0)), bad
    n_channels, (total, squares, n) = max(sums.items(), key=lambda item: item[1][2])
    std = np.sqrt(squares / n - (total / n) ** 2)
    return PixelStatistics(digests, n_channels, total / n, std), bad
