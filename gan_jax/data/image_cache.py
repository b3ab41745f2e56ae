"""The cache of decoded images: every list of image files becomes one array, once."""

import contextlib
import json
import os
import pathlib
import sys
from collections.abc import Sequence

import numpy as np

from gan_jax import cache
from gan_jax.data import (
    colors,
    formats,
    image_checks,
    image_decoding,
    scientific_cache,
    scientific_files,
)
from gan_jax.data.image_decoding import BadFile
from gan_jax.data.image_files import ImageFileList
from gan_jax.data.npy_writer import write_images
from gan_jax.data.threads import parallel_map
from gan_jax.data.types import DataOptions, OpenedArrays
from gan_jax.errors import InputError, result_or_error

_VERSION = 4  # part of the cache key: raise it when decoding changes


def load_files(files: ImageFileList, options: DataOptions, split: str) -> OpenedArrays:
    """Decode image files; later calls with the same files and options read the cache.

    See image_decoding.decode_image, and scientific_files of what is deeper than 8 bits. All files
    must have the same channels. Images are not enlarged.

    Args:
      files: ImageFileList.
      options: with skip_bad_images, files that are unreadable, animated or too small are left out
        and named on stderr.
      split: part of the cache key.

    Returns:
      OpenedArrays with images uint8, or as their format says, a read-only memmap [N, H, W, C]; and
      labels int32 [N] or None.

    Raises:
      InputError: an image is unreadable, animated or too small (by name), files of different
        channels are mixed, or no file is good.
    """
    options = image_checks.resolve_crop(files.crop, options)
    settings = {
        "path": str(files.top),
        "files": cache.digest(_file_stamps(files)),
        "size": options.hw.value,
        "crop": options.crop,
        "split": split,
        "skip_bad": options.skip_bad_images,
        "version": _VERSION,
        # Left out where it changes nothing, so that entries of earlier versions serve.
        **({} if options.colors == colors.AUTO else {"colors": options.colors}),
        **({"patches": options.patches} if options.patches else {}),
        # Entries from before other bands of a file were read, or its headers kept, are made anew.
        **({"header": 2} if formats.may_be(files.paths, "fits") else {}),
        **({"bands": 1} if formats.may_be(files.paths, "tiff", "dicom") else {}),
    }
    entry = cache.entry("images", settings, lambda folder: _build(files.paths, options, folder))
    with refuse_damaged(entry):
        raw = json.loads((entry / "skipped.json").read_text())
        skipped = {int(row): reason for row, reason in raw.items()}
        if (entry / "format.json").exists():
            images, rows, opened = scientific_cache.open_built(entry)
        else:
            images, rows, opened = np.load(entry / "images.npy", mmap_mode="r"), None, None
    kept = np.setdiff1d(np.arange(len(files.paths)), list(skipped))
    if skipped:
        labels = None if files.labels is None else files.labels[kept]
        emptied = () if labels is None else np.setdiff1d(files.labels, [-1, *labels])
        lines = [f"No image is left in class {files.classes[label]}." for label in emptied]
        report_skipped(len(files.paths), list(skipped.values()), lines)
    if opened is None:
        return OpenedArrays(images, **files.labels_of(kept))
    return scientific_cache.with_labels(opened, rows, files, entry, options)


@contextlib.contextmanager
def refuse_damaged(entry: pathlib.Path, *kinds: type[Exception]):
    """Turn errors in reading a cache entry into InputError.

    Args:
      entry: folder of the entry.
      *kinds: kinds of errors besides OSError and ValueError.
    """
    try:
        yield
    except (OSError, ValueError, *kinds) as error:
        raise InputError(
            f"The cache entry {entry} is damaged; delete that folder and start again."
        ) from error


def report_skipped(
    n_images: int, reasons: Sequence[str], more: Sequence[str] = (), n_named: int = 5
) -> None:
    """Name skipped images on stderr.

    Args:
      n_images: number of images, the skipped included.
      reasons: one line for each skipped image.
      more: further lines.
      n_named: number of images that are named.
    """
    lines = [f"{len(reasons)} of {n_images} images skipped:", *reasons[:n_named]]
    if len(reasons) > n_named:
        n_more = len(reasons) - n_named
        lines.append(f"and {n_more:,} more; a training command with --check_data names them.")
    print("\n  ".join([*lines, *more]), file=sys.stderr, flush=True)


def _file_stamps(files):
    """Return [path, size, time of change] of every file, to notice changes."""
    stamps = []
    for path in files.paths:
        name, stamp = path.relative_to(files.top).as_posix(), (-1, -1)
        # Decoding refuses or skips what cannot be read. Once it can be, it is tried again.
        with contextlib.suppress(OSError):
            if os.access(path, os.R_OK):
                stat = path.stat()
                stamp = stat.st_size, stat.st_mtime_ns
        stamps.append((name, *stamp))
    return stamps


def _build(paths, options, folder):
    """Write images.npy and skipped.json ({row: reason}) into a cache entry.

    Headers come first: what they can refuse should not cost minutes of decoding.
    """
    keys = scientific_files.find(paths, options)
    if keys:
        scientific_cache.build(paths, keys, options, folder)
        return
    headers = image_checks.read_headers(paths)
    bad = image_checks.find_unusable(paths, headers, options)
    image_checks.common_channels(paths, headers, bad, options)
    rows = [row for row in range(len(paths)) if row not in bad]

    def decode(row):
        return result_or_error(
            image_decoding.decode_image, paths[row], options.hw, options.crop, options.colors
        )

    def good_images():
        """Yield good images and note bad ones, up to the first unless they are skipped."""
        for row, image in zip(rows, parallel_map(decode, rows, "images decoded"), strict=True):
            if not isinstance(image, BadFile):
                yield image
                continue
            bad[row] = image
            if not options.skip_bad_images:
                return

    write_images(folder / "images.npy", good_images())
    image_checks.common_channels(paths, headers, bad, options)
    reasons = {row: str(bad[row]) for row in sorted(bad)}
    (folder / "skipped.json").write_text(json.dumps(reasons))
