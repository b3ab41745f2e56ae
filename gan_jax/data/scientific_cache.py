"""Cache entries of files with several images, or deeper than 8 bits: one array, once."""

import collections
import json
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from gan_jax.data import image_checks, pixel_format, resize, scientific_files
from gan_jax.data.image_decoding import BadFile
from gan_jax.data.image_files import ImageFileList
from gan_jax.data.npy_writer import write_images
from gan_jax.data.pixel_format import PixelFormat
from gan_jax.data.threads import parallel_map
from gan_jax.data.types import DataOptions, OpenedArrays
from gan_jax.errors import InputError, counted, printable, result_or_error
from gan_jax.settings import Size

POSITION = "position"  # value of --labels: where in its image a patch lies, as quantities
_MAX_WAITING = 2**30  # bytes of images that threads work on, or that wait to be written


def build(
    paths: Sequence[pathlib.Path], keys: list[str], options: DataOptions, folder: pathlib.Path
) -> dict[int, BadFile]:
    """Write images.npy, skipped.json and format.json into a cache entry, see image_cache.

    format.json: {"format": PixelFormat; "rows": the file of each image; "notes": lines}. With
    --patches also patches.npy, int32 [n, 6]: file, number of the image in the file, top and left in
    it, and its height and width.

    Returns:
      {row: BadFile} of the files that were left out.

    Raises:
      InputError: see image_cache.load_files.
    """
    described = scientific_files.describe(paths, keys)
    bad = image_checks.find_unusable(paths, described.headers, options)
    image_checks.common_channels(paths, described.headers, bad, options)
    form = scientific_files.choose_format(paths, described, bad)
    good = {row: described.contents[row] for row in range(len(paths)) if row not in bad}
    form = form._replace(header=scientific_files.common_header([*good.values()], options))
    pieces = [(row, *piece) for row, one in good.items() for piece in _pieces(one, options)]
    of_file, places = [], []
    counts = {name: collections.Counter() for name in ("undefined", "saturated", "empty")}

    def read_piece(piece):
        row, part, strip = piece
        read = scientific_files.read_images
        return result_or_error(read, paths[row], keys[row], good[row], form, options, part, strip)

    def good_images():
        at_a_time = _at_a_time(good.values(), form, options)
        read = parallel_map(read_piece, pieces, "images read", at_a_time)
        for (row, part, _), one in zip(pieces, read, strict=True):
            if isinstance(one, InputError):
                bad[row] = one
                if not options.skip_bad_images:
                    return
            if row in bad:
                continue
            of_file.extend([row] * len(one.stored))
            first = part.start if part else 0
            places.append(np.insert(one.places, 0, row, 1) + np.int32([0, first, 0, 0, 0, 0]))
            for name, count in counts.items():
                count[row] += getattr(one, name)
            yield from one.stored

    write_images(folder / "images.npy", good_images(), form.dtype)
    image_checks.common_channels(paths, described.headers, bad, options)
    if bad.keys() & set(of_file):
        of_file = _without_files(folder / "images.npy", of_file, bad)
    if options.patches:
        table = np.concatenate(places) if places else np.zeros((0, 6), np.int32)
        np.save(folder / "patches.npy", table[~np.isin(table[:, 0], list(bad))])
    if not of_file:
        raise InputError(
            f"--patches={options.patches}: every patch has a band without a defined value; use "
            "larger ones."
        )
    reasons = {row: str(bad[row]) for row in sorted(bad)}
    (folder / "skipped.json").write_text(json.dumps(reasons))
    counts = {
        name: collections.Counter({row: n for row, n in count.items() if row not in bad})
        for name, count in counts.items()
    }
    about = {
        "format": form.to_dict(),
        "rows": of_file,
        "notes": [*_notes(described, bad, len(of_file), options, **counts)],
    }
    (folder / "format.json").write_text(json.dumps(about))
    return bad


def _pieces(contents, options):
    """Return what of a file is read at a time: [(slice of its images, Strip)], None for all."""
    n, block, strips = contents.n, contents.block, scientific_files.strips(contents, options)
    if strips:
        return [(slice(i, i + 1), strip) for i in range(n) for strip in strips]
    if not 0 < block < n:
        return [(None, None)]
    return [(slice(start, min(start + block, n)), None) for start in range(0, n, block)]


def _at_a_time(contents, form, options):
    """Return how many pieces may be in memory at a time."""
    largest = 1
    for one in contents:
        stored = options.hw.height * options.hw.width * np.dtype(form.dtype).itemsize
        n, height = min(one.n, one.block or one.n), one.height
        boxes = resize.boxes(one.height, one.width, options.hw, options.crop, options.patches)
        if strips := scientific_files.strips(one, options):
            n, height = 1, max(strip.lines.stop - strip.lines.start for strip in strips)
            boxes = max((strip.boxes for strip in strips), key=len)
        pixels = height * one.width * one.dtype.itemsize
        largest = max(largest, n * one.channels * (3 * pixels + len(boxes) * stored))
    return max(1, min(256, _MAX_WAITING // largest))


def _without_files(path, of_file, bad):
    """Write images.npy again without files that proved bad after some of their images.

    Returns:
      the file of each image that is left.
    """
    kept = [i for i, row in enumerate(of_file) if row not in bad]
    images, rest = np.load(path, mmap_mode="r"), path.with_suffix(".rest")
    write_images(rest, (images[i] for i in kept), images.dtype.name)
    os.replace(rest, path)
    return [of_file[i] for i in kept]


def open_built(folder: pathlib.Path) -> tuple[np.ndarray, np.ndarray, OpenedArrays]:
    """Open what `build` wrote.

    Returns:
      (images, read-only; the file of each; OpenedArrays of them without labels).
    """
    images = np.load(folder / "images.npy", mmap_mode="r")
    about = json.loads((folder / "format.json").read_text())
    form = pixel_format.from_dict(about["format"])
    form = None if is_plain(form) else form
    opened = OpenedArrays(images, None, (), tuple(about["notes"]), form)
    return images, np.array(about["rows"], int), opened


def with_labels(
    opened: OpenedArrays,
    rows: np.ndarray,
    files: ImageFileList,
    folder: pathlib.Path,
    options: DataOptions,
) -> OpenedArrays:
    """Give images the labels of their files, or their own.

    With --labels=position these are the place of a patch, as quantities: x and y are of its centre,
    -1 and 1 are the edges of its image, and y grows downwards in pictures, as rows do.

    Args:
      opened: OpenedArrays.
      rows: the file of each image, int [N].
      files: the files with their labels.
      folder: what `build` wrote.
      options: DataOptions.

    Raises:
      InputError: a table has another number of rows than the only file has images.
    """
    patches = np.load(folder / "patches.npy").T if options.patches else None
    numbers = np.arange(len(rows)) if patches is None else patches[1]
    labels = files.labels if files.values is None else files.values
    if files.within and labels is not None:
        n_images = int(numbers.max()) + 1
        if len(labels) < n_images or (len(labels) > n_images and not options.patches):
            raise InputError(
                f"{printable(files.paths[0])} holds {counted(n_images, 'image')}, and the table of "
                f"--labels has {len(labels):,} rows; give a row for each image, in their order."
            )
    opened = opened._replace(**files.labels_of(rows, numbers))
    if options.labels != POSITION or patches is None:
        return opened
    _, _, top, left, height, width = patches
    part = resize.fit(options.patches, options.patches, options.hw)
    x = (2 * left + part.width) / width - 1
    y = (2 * top + part.height) / height - 1
    values = np.stack([x, y], 1).astype(np.float32)
    return opened._replace(values=values, quantities=("x", "y"))


def is_plain(form: PixelFormat | None) -> bool:
    """Return whether numbers are nothing but pictures of 8 bits."""
    return form is not None and form._replace(bands=(), header=()) == PixelFormat("uint8")


def _notes(described, bad, n_images, options, undefined, saturated, empty):
    """Yield lines on what the files hold. undefined, saturated, empty: {row: how many}."""
    good = [one for row, one in enumerate(described.contents) if row not in bad]
    if options.patches:
        side = Size(*resize.fit(options.patches, options.patches, options.hw))
        yield (
            f"{counted(len(good), 'file')} cut into {n_images:,} patches of "
            f"{side.height}x{side.width} pixels, half a side apart or less."
        )
    elif n_images > len(good):
        yield f"{counted(len(good), 'file')} with {n_images:,} images."
    for note, n_files in collections.Counter(one.note for one in good if one.note).most_common(3):
        yield note if n_files == len(good) == 1 else f"{counted(n_files, 'file')}: {note}"
    if n := empty.total():
        yield f"Left out, as a band has no defined value there: {n:,} more."
    if n := undefined.total():
        n_files = sum(map(bool, undefined.values()))
        yield pixel_format.undefined_note(n, counted(n_files, "file"))
    if n := saturated.total():
        yield f"{counted(n, 'value')} saturated; kept as in the files."
    if any(one.dtype.kind == "f" and one.dtype.itemsize > 4 for one in good):
        yield "float64 is kept as float32: 7 digits."
    if any(one.dtype.kind in "iu" and one.dtype.itemsize > 2 for one in good):
        yield "Whole numbers of 32 bits and more are kept as float32: exact up to 16,777,216."
    windows = {one.window for one in good}
    if len(windows) == 1 and None not in windows:
        low, high = windows.pop()
        yield (
            f"The files are meant to be shown from {low:g} to {high:g}; "
            f"--stretch=linear:low={low:g},high={high:g} clips them so."
        )
