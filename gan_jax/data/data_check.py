"""Inspection of a data set without training: is every file good, would training accept it?

The data_report module writes the result as text; both together are `--check_data`.
"""

import hashlib
import os
import pathlib
import tempfile
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, overload

import numpy as np

from gan_jax.data import (
    datasets,
    image_checks,
    image_decoding,
    pixel_format,
    scientific_cache,
    scientific_files,
)
from gan_jax.data.digests import RunningDigest, with_values
from gan_jax.data.image_decoding import BadFile, Header
from gan_jax.data.image_files import ImageFileList
from gan_jax.data.threads import parallel_map
from gan_jax.data.types import DataOptions, Dataset
from gan_jax.errors import InputError, printable, result_or_error
from gan_jax.settings import Size


class PixelStatistics(NamedTuple):
    """Statistics of the good images, or of the points, as training sees them."""

    digests: dict[int, bytes]  # {row: hash}, equal for images with equal pixels
    n_channels: int  # of most of the images; 0 if there are none
    # float64 [C], over pixels of images with so many channels, 0 to 255, or over points, -1 to 1
    mean: np.ndarray
    std: np.ndarray
    histogram: np.ndarray  # int64 [256], how often each value occurs in images; of points all 0


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
    digest: str  # see digests.content_digest; of the good images
    points: bool = False  # whether these are points, not images
    # The good images, of data with a format; None of others.
    dataset: Dataset | None = None
    values: np.ndarray | None = None  # float32 [N, A], see types.Dataset
    quantities: tuple[str, ...] = ()


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
    datasets.refuse_patches_of_arrays(opened, spec, options)
    if isinstance(opened, ImageFileList):
        options = image_checks.resolve_crop(opened.crop, options)
        keys = scientific_files.find(opened.paths, options)
        if keys:
            return _inspect_scientific(opened, keys, options, spec, split)
        return _inspect_files(opened, options, spec, split)
    dataset = datasets.as_dataset(opened, spec, options, split)
    if opened is None or dataset is None:
        return None
    rows = range(len(dataset.images))
    if dataset.format:
        pixels = _statistics_of(dataset, list(rows))
        return _finished(dataset, options, pixels, opened.notes)
    sums = parallel_map(lambda row: _image_sums(dataset.images[row]), rows, "images examined")
    pixels, _, _ = _pixel_statistics(rows, sums)
    return _finished(dataset, options, pixels, opened.notes)


def _finished(dataset, options, pixels, notes):
    """Return the InspectedSplit of arrays."""
    what = "point" if dataset.points else "image"
    return InspectedSplit(
        names=[f"{what} {row}" for row in range(len(dataset.images))],
        location=dataset.name,
        options=options._replace(hw=Size.of(dataset.images.shape[1:3])),
        pixels=pixels,
        labels=dataset.labels,
        classes=dataset.classes,
        notes=notes,
        headers={},
        bad={},
        refusal=None,
        digest=dataset.digest,
        points=dataset.points,
        dataset=dataset if dataset.format else None,
        values=dataset.values,
        quantities=dataset.quantities,
    )


def inspect(spec: str, options: DataOptions) -> dict[str, InspectedSplit | InputError | None]:
    """Inspect both splits.

    Args:
      spec, options: see datasets.load.

    Returns:
      {"train", "test": the findings; None if there is no such split; or the error that inspecting
      it raised}. Without a train split that can be inspected, the test split is not opened.
    """
    train = result_or_error(inspect_split, spec, options)
    if isinstance(train, InputError):
        return {"train": train, "test": None}
    return {"train": train, "test": result_or_error(inspect_split, spec, options, "test")}


def open_inspected(
    spec: str, splits: Mapping[str, InspectedSplit | InputError | None], split: str
) -> Dataset | None:
    """Open a split as training would, without its pixels, which are all 0.

    Args:
      spec: --data.
      splits: see `inspect`.
      split: "train" or "test".

    Raises:
      InputError: what datasets.load would raise.
    """
    found = splits[split]
    if found is None:
        return None
    refusal = found if isinstance(found, InputError) else found.refusal
    if refusal:
        raise refusal
    if found.dataset:
        return found.dataset
    good = [row for row in range(len(found.names)) if row not in found.bad]
    shape = len(good), *found.options.hw, found.pixels.n_channels
    labels, values = (x if x is None else x[good] for x in (found.labels, found.values))
    blank = np.float32(0) if found.points else np.uint8(0)
    images = np.broadcast_to(blank, shape)
    return Dataset(
        images,
        labels,
        found.classes,
        spec,
        found.digest,
        values=values,
        quantities=found.quantities,
    )


def _inspect_scientific(files, keys, options, spec, split):
    """Inspect a list of image files of which some are deeper than 8 bits."""
    paths = files.paths
    found = scientific_files.describe(paths, keys)
    headers, kept = found.headers, options._replace(skip_bad_images=True)
    bad = image_checks.find_unusable(paths, headers, options)
    result = result_or_error(image_checks.common_channels, paths, headers, bad, options)
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        built = result_or_error(scientific_cache.build, paths, keys, kept, folder)
        if isinstance(built, InputError):
            bad_files, rows, dataset, notes = bad, np.arange(0), None, []
            refusal = result if isinstance(result, InputError) else built
        else:
            bad_files, (images, rows, opened) = built, scientific_cache.open_built(folder)
            result = result_or_error(image_checks.common_channels, paths, headers, built, options)
            refusal, notes = result if isinstance(result, InputError) else None, opened.notes
            opened = opened._replace(images=_kept(images))
            opened = scientific_cache.with_labels(opened, rows, files, folder, options)
            dataset = datasets.as_dataset(opened, spec, options, split)
    names, of_file = [], []
    for row, path in enumerate(paths):
        n, name = int((rows == row).sum()), printable(path.relative_to(files.top))
        names += [f"{name}[{i}]" for i in range(n)] if n > 1 else [name]
        of_file += [row] * max(n, 1)
    used = set(rows.tolist())
    good = [i for i, row in enumerate(of_file) if row in used]
    labels = files.labels_of(np.array(of_file, int))
    if dataset is not None and (files.within or options.labels == scientific_cache.POSITION):
        labels = {
            "labels": _spread(dataset.labels, good, len(of_file), -1),
            "classes": dataset.classes,
            "values": _spread(dataset.values, good, len(of_file), 0),
            "quantities": dataset.quantities,
        }
    if dataset is not None and dataset.format:
        pixels = _statistics_of(dataset, good)
    else:
        sums = [] if dataset is None else map(_image_sums, dataset.images)
        pixels, _, _ = _pixel_statistics(good, sums)
    return InspectedSplit(
        names=names,
        location=printable(files.top),
        options=options,
        pixels=pixels,
        notes=(*files.notes, *notes),
        headers={i: h for i, r in enumerate(of_file) if isinstance(h := headers[r], Header)},
        bad={i: bad_files[row] for i, row in enumerate(of_file) if row in bad_files},
        refusal=refusal,
        digest=dataset.digest if dataset else "",
        dataset=dataset if dataset and dataset.format else None,
        **labels,
    )


def _spread(array, rows, n, empty):
    """Put an array, or None, into some of n rows; the others are empty."""
    if array is None:
        return None
    out = np.full((n, *array.shape[1:]), empty, array.dtype)
    out[rows] = array
    return out


def _kept(images):
    """Return a memmap that outlives its file. Elsewhere than on POSIX it has to be read."""
    return images if os.name == "posix" else np.array(images)


def _statistics_of(dataset, rows):
    """Return the PixelStatistics of data with a format, means in the data's units.

    Args:
      dataset: Dataset.
      rows: number of each image in the split.
    """
    digests, total, squares, n = {}, 0, 0, 0
    for row, image in zip(rows, dataset.stored, strict=True):
        digests[row] = hashlib.sha256(np.ascontiguousarray(image)).digest()[:16]
        values = pixel_format.in_units(image, dataset.format).astype(np.float64)
        total, squares = total + values.sum((0, 1)), squares + (values * values).sum((0, 1))
        n += values.shape[0] * values.shape[1]
    std = np.sqrt(np.maximum(squares / n - (total / n) ** 2, 0))
    histogram = np.bincount(np.asarray(dataset.images).ravel(), minlength=256)
    return PixelStatistics(digests, dataset.images.shape[3], total / n, std, histogram)


def _inspect_files(files, options, spec, split):
    """Inspect a list of image files; refuse in the order of image_cache.load_files."""
    paths = files.paths
    headers = image_checks.read_headers(paths)
    bad = image_checks.find_unusable(paths, headers, options)
    rows = [row for row in range(len(paths)) if row not in bad]

    def image_sums(row):
        image = image_decoding.decode_image(paths[row], options.hw, options.crop, options.colors)
        return _image_sums(image)

    def refusal_with(bad):
        result = result_or_error(image_checks.common_channels, paths, headers, bad, options)
        return result if isinstance(result, InputError) else None

    sums = parallel_map(lambda row: result_or_error(image_sums, row), rows, "images examined")
    pixels, damaged, digest = _pixel_statistics(rows, sums)
    refusal = refusal_with(bad) or refusal_with(bad | damaged)
    bad |= damaged
    good = files.labels_of(np.setdiff1d(np.arange(len(paths)), list(bad)))
    return InspectedSplit(
        names=[printable(path.relative_to(files.top)) for path in paths],
        location=printable(files.top),
        options=options,
        pixels=pixels,
        notes=files.notes,
        headers={row: header for row, header in enumerate(headers) if isinstance(header, Header)},
        bad=bad,
        refusal=refusal,
        digest=with_values(
            digest.finish(good["labels"], files.classes), good["values"], files.quantities
        ),
        **files.labels_of(np.arange(len(paths))),
    )


class _ImageSums(NamedTuple):
    """An image or a point, and sums over its pixels."""

    image: np.ndarray
    digest: bytes
    total: np.ndarray  # [C]
    squares: np.ndarray  # sum of the squares [C]
    n_pixels: int
    histogram: np.ndarray | int  # int64 [256] over all channels; 0 of points


def _image_sums(image):
    """Return the _ImageSums of an image uint8 [H, W, C] or a point float32 [1, 1, D]."""
    digest = hashlib.sha256(np.ascontiguousarray(image)).digest()[:16]
    values = image.reshape(-1, image.shape[-1])
    if image.dtype != np.uint8:
        values = values.astype(np.float64)
        return _ImageSums(image, digest, values.sum(0), (values * values).sum(0), len(values), 0)
    counts = np.array([np.bincount(channel, minlength=256) for channel in values.T])
    levels = np.arange(256)
    return _ImageSums(
        image, digest, counts @ levels, counts @ levels**2, len(values), counts.sum(0)
    )


def _pixel_statistics(rows: Iterable[int], results: Iterable[_ImageSums | InputError]):
    """Return (PixelStatistics, {row: BadFile}, RunningDigest) from the result of each row.

    The digest is of images of one shape; of others it means nothing.
    """
    digests, bad, sums, content = {}, {}, {}, RunningDigest()
    for row, result in zip(rows, results, strict=True):
        if isinstance(result, InputError):
            bad[row] = result
            continue
        image, digests[row], *moments = result
        content.update(image)
        n_channels = len(result.total)
        so_far = sums.get(n_channels, (0, 0, 0, 0))
        sums[n_channels] = [a + b for a, b in zip(so_far, moments, strict=True)]
    no_values = np.zeros(256, np.int64)
    if not sums:
        return PixelStatistics(digests, 0, np.zeros(0), np.zeros(0), no_values), bad, content
    n_channels, (total, squares, n, histogram) = max(sums.items(), key=lambda item: item[1][2])
    std = np.sqrt(squares / n - (total / n) ** 2)
    pixels = PixelStatistics(digests, n_channels, total / n, std, no_values + histogram)
    return pixels, bad, content
