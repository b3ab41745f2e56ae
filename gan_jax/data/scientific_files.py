"""Lists of image files of which some are deeper than 8 bits: one array at their own depth, once."""

import collections
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gan_jax.data import colors, formats, image_checks, image_decoding, pixel_format, resize
from gan_jax.data.formats.contents import Contents
from gan_jax.data.image_decoding import BadFile, Header
from gan_jax.data.npy_writer import write_images
from gan_jax.data.pixel_format import PixelFormat
from gan_jax.data.threads import parallel_map
from gan_jax.data.types import DataOptions, OpenedArrays
from gan_jax.errors import InputError, counted, printable, result_or_error

_PICTURE = "picture"  # title of files that Pillow reads with 8 bits
_WHITE = {"uint8": 255, "uint16": 65535}
_MAX_WAITING = 2**30  # bytes of images that threads work on, or that wait to be written


class Described(NamedTuple):
    """What a list of files is, before pixels are read."""

    keys: list[str]  # of formats.TABLE; "" for ordinary pictures [N]
    contents: list[Contents | BadFile]  # [N]

    @property
    def headers(self) -> list[Header | BadFile]:
        """The Header of each file."""
        return [
            one if isinstance(one, BadFile) else _header(key, one)
            for key, one in zip(self.keys, self.contents, strict=True)
        ]


class Images(NamedTuple):
    """The images of one file, as they are stored, and what was changed or noticed."""

    stored: np.ndarray  # [n, H, W, C]
    undefined: int = 0  # values that were replaced
    saturated: int = 0  # values at the top of the range


def find(paths: Sequence[pathlib.Path]) -> list[str] | None:
    """Return the formats of files, see Described.keys; None if all are ordinary pictures."""
    keys = list(parallel_map(formats.find, paths, "files looked into"))
    return keys if any(keys) else None


def describe(paths: Sequence[pathlib.Path], keys: list[str]) -> Described:
    """Read the headers of all files.

    Raises:
      InputError: an extra is missing.
    """

    def one(row):
        path = paths[row]
        if keys[row]:
            return result_or_error(formats.describe, path, keys[row])
        header = result_or_error(image_decoding.read_header, path)
        if not isinstance(header, Header):
            return header
        return Contents(1, header.height, header.width, header.channels, np.dtype("uint8"))

    contents = []
    for header in parallel_map(one, range(len(paths)), "image headers read"):
        if isinstance(header, InputError) and not isinstance(header, BadFile):
            raise header
        contents.append(header)
    return Described(keys, contents)


def choose_format(
    paths: Sequence[pathlib.Path], described: Described, bad: Mapping[int, BadFile]
) -> PixelFormat:
    """Choose how the numbers of all usable files are stored.

    Whole numbers of up to 16 bits and of one scale stay what they are; all others become float32
    in the files' units. Pictures of 8 bits among those of 16 are scaled to 16.

    Raises:
      InputError: pictures of 8 bits are mixed with files whose numbers have units.
    """
    rows = [row for row in range(len(paths)) if row not in bad]
    contents = [described.contents[row] for row in rows]
    plain = [row for row in rows if not described.keys[row]]
    other = [row for row in rows if described.keys[row] and not _is_picture(described, row)]
    if plain and other:
        raise InputError(
            f"{printable(paths[plain[0]])} is a picture of 8 bits, and "
            f"{printable(paths[other[0]])} is {formats.TABLE[described.keys[other[0]]].title} with "
            "values of its own; put them into folders of their own."
        )
    first = contents[0]
    units, bands = {one.unit for one in contents}, {one.bands for one in contents}
    unit = first.unit if len(units) == 1 else ""
    names = first.bands if len(bands) == 1 else ()
    kinds = {(*pixel_format.stored_type(one.dtype), one.scale, one.zero) for one in contents}
    if {kind[0] for kind in kinds} <= set(_WHITE) and len({kind[1:] for kind in kinds}) == 1:
        dtype = max((kind[0] for kind in kinds), key=_WHITE.__getitem__)
        _, shift, scale, zero = kinds.pop()
        return PixelFormat(dtype, scale, zero + scale * shift, unit, names)
    return PixelFormat("float32", unit=unit, bands=names)


def common_header(
    contents: Sequence[Contents], options: DataOptions
) -> tuple[tuple[str, Any], ...]:
    """Return what the FITS headers of all files have in common, see PixelFormat.header.

    A pixel grows with what is cut out of an image: by its side over that of --size.
    """
    headers = []
    for one in contents:
        pairs = list(one.header)
        if one.pixel_scale:
            part = resize.fit(one.height, one.width, options.hw, options.crop)
            sides = [
                float(f"{scale * old / new:.6g}")
                for scale, old, new in zip(one.pixel_scale, part, options.hw, strict=True)
            ]
            pairs += [("CDELT1", sides[1]), ("CDELT2", sides[0])]
        headers.append(pairs)
    common = set(headers[0]).intersection(*headers[1:])
    return tuple(pair for pair in headers[0] if pair in common)


def read_images(
    path: pathlib.Path,
    key: str,
    contents: Contents,
    form: PixelFormat,
    options: DataOptions,
    rows: slice | None = None,
) -> Images:
    """Read the images of one file, cropped, resized, and stored as the format says.

    Args:
      path, key: the file and its format, "" for an ordinary picture.
      contents: its Contents.
      form: see `choose_format`.
      options: see datasets.load.
      rows: which of its images, see formats.read; None for all.

    Raises:
      BadFile: it is damaged, or a band has no value.
    """
    if not key:
        size, crop = options.hw, options.crop
        picture = image_decoding.decode_image(path, size, crop, options.colors)[None]
        deep = form.dtype == "uint16"
        return Images(picture.astype(np.uint16) * 257 if deep else picture.astype(form.dtype))
    raw = formats.read(path, key, rows)
    n = contents.n if rows is None else rows.stop - rows.start
    if raw.shape != (n, *contents[1:4]):
        raise _bad(path, "damaged", f"holds {list(raw.shape)}, and says {list(contents[:4])}")
    whole = raw.dtype.kind in "iu"
    top = contents.full
    if top is None and whole and raw.dtype.itemsize <= 2:
        top = np.iinfo(raw.dtype).max
    saturated = 0 if top is None else int((raw >= top).sum())
    undefined = np.zeros(raw.shape, bool)
    if whole and contents.blank is not None:
        undefined = raw == contents.blank
    elif not whole:
        undefined = ~np.isfinite(raw)
    values = _store(raw, contents, form)
    if form.dtype == "float32":
        undefined |= ~np.isfinite(values)  # beyond the range of float32
    values = _fill(path, values, undefined)
    if options.colors != colors.AUTO:
        values = colors.convert(values, options.colors, printable(path))
    values = resize.resize_channels(values, options.hw, options.crop)
    return Images(values, int(undefined.sum()), saturated)


def build(
    paths: Sequence[pathlib.Path], keys: list[str], options: DataOptions, folder: pathlib.Path
) -> dict[int, BadFile]:
    """Write images.npy, skipped.json and format.json into a cache entry, see image_cache.

    format.json: {"format": PixelFormat; "rows": the file of each image; "notes": lines}.

    Returns:
      {row: BadFile} of the files that were left out.

    Raises:
      InputError: see image_cache.load_files.
    """
    described = describe(paths, keys)
    bad = image_checks.find_unusable(paths, described.headers, options)
    image_checks.common_channels(paths, described.headers, bad, options)
    form = choose_format(paths, described, bad)
    good = {row: described.contents[row] for row in range(len(paths)) if row not in bad}
    form = form._replace(header=common_header([*good.values()], options))
    pieces = [(row, part) for row, one in good.items() for part in _parts(one)]
    of_file, undefined, saturated = [], collections.Counter(), collections.Counter()

    def read_piece(piece):
        row, part = piece
        return result_or_error(read_images, paths[row], keys[row], good[row], form, options, part)

    def good_images():
        at_a_time = _at_a_time(good.values(), form, options)
        read = parallel_map(read_piece, pieces, "images read", at_a_time)
        for (row, _), one in zip(pieces, read, strict=True):
            if isinstance(one, InputError):
                bad[row] = one
                if not options.skip_bad_images:
                    return
            if row in bad:
                continue
            of_file.extend([row] * len(one.stored))
            undefined[row] += one.undefined
            saturated[row] += one.saturated
            yield from one.stored

    write_images(folder / "images.npy", good_images(), form.dtype)
    image_checks.common_channels(paths, described.headers, bad, options)
    if bad.keys() & set(of_file):
        of_file = _without_files(folder / "images.npy", of_file, bad)
    reasons = {row: str(bad[row]) for row in sorted(bad)}
    (folder / "skipped.json").write_text(json.dumps(reasons))
    counts = [
        collections.Counter({row: n for row, n in count.items() if row not in bad})
        for count in (undefined, saturated)
    ]
    about = {
        "format": form.to_dict(),
        "rows": of_file,
        "notes": [*_notes(described, bad, len(of_file), *counts)],
    }
    (folder / "format.json").write_text(json.dumps(about))
    return bad


def _parts(contents):
    """Return the slices of a file's images that are read at a time; [None] for all at once."""
    n, block = contents.n, contents.block
    if not 0 < block < n:
        return [None]
    return [slice(start, min(start + block, n)) for start in range(0, n, block)]


def _at_a_time(contents, form, options):
    """Return how many pieces may be in memory at a time."""
    largest = 1
    for one in contents:
        n = min(one.n, one.block or one.n)
        pixels = one.height * one.width * one.dtype.itemsize
        stored = options.hw.height * options.hw.width * np.dtype(form.dtype).itemsize
        largest = max(largest, n * one.channels * (3 * pixels + stored))
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


def is_plain(form: PixelFormat | None) -> bool:
    """Return whether numbers are nothing but pictures of 8 bits."""
    return form is not None and form._replace(bands=(), header=()) == PixelFormat("uint8")


def _notes(described, bad, n_images, undefined, saturated):
    """Yield lines on what the files hold. undefined, saturated: {row: number of values}."""
    good = [one for row, one in enumerate(described.contents) if row not in bad]
    if n_images > len(good):
        yield f"{counted(len(good), 'file')} with {n_images:,} images."
    for note, n_files in collections.Counter(one.note for one in good if one.note).most_common(3):
        yield note if n_files == len(good) == 1 else f"{counted(n_files, 'file')}: {note}"
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


def _header(key, one: Contents):
    title = formats.TABLE[key].title if key else _PICTURE
    return Header(one.width, one.height, one.channels, f"{title}, {one.dtype.name}")


def _is_picture(described, row):
    """Return whether numbers are brightness from 0 to 65535, and nothing else."""
    one: Any = described.contents[row]
    plain = one.dtype == np.uint16 and (one.scale, one.zero) == (1, 0)
    return described.keys[row] in ("png", "tiff") and plain


def _store(raw, contents, form):
    """Turn raw numbers into stored ones."""
    if form.dtype == "float32":
        with np.errstate(over="ignore", invalid="ignore"):
            if (contents.scale, contents.zero) == (1, 0):
                return raw.astype(np.float32)
            return (contents.zero + contents.scale * raw.astype(np.float64)).astype(np.float32)
    shift = round((form.zero - contents.zero) / contents.scale)
    return (
        raw
        if not shift and raw.dtype == form.dtype
        else (raw.astype(np.int32) - shift).astype(form.dtype)
    )


def _fill(path, values, undefined):
    """Replace undefined values, see pixel_format.fill."""
    holes = np.flatnonzero(undefined.any((1, 2, 3)))
    values = values.copy() if len(holes) else values
    for row in holes:
        try:
            pixel_format.fill(values[row], undefined[row], f"image {row}")
        except InputError as error:
            raise _bad(
                path, "no value", f"is of no use ({str(error).partition(';')[0]})"
            ) from error
    return values


def _bad(path, fault, detail):
    return BadFile(f"{printable(path)} {detail}; repair or remove the file.", fault, detail)
