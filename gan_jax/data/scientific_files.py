"""Lists of image files of which some are deeper than 8 bits: one array at their own depth, once."""

import itertools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gan_jax.data import colors, formats, image_decoding, pixel_format, resize
from gan_jax.data.formats.contents import Contents
from gan_jax.data.image_decoding import BadFile, Header
from gan_jax.data.pixel_format import PixelFormat
from gan_jax.data.threads import parallel_map
from gan_jax.data.types import DataOptions
from gan_jax.errors import InputError, printable, result_or_error

_PICTURE = "picture"  # title of files that Pillow reads with 8 bits
LARGE = 2**28  # bytes of an image above which --patches reads strips of it
_WHITE = {"uint8": 255, "uint16": 65535}
_DEEPER = _WHITE["uint16"] // _WHITE["uint8"]  # what brings 8 bits to 16


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
    # Of each: number of the image in what was read, top and left in it, and its height and width;
    # int32 [n, 5].
    places: np.ndarray
    undefined: int = 0  # values that were replaced
    saturated: int = 0  # values at the top of the range
    empty: int = 0  # patches that were left out, as a band has no value in them


class Strip(NamedTuple):
    """Lines of a large image that are read at a time, and what is cut out of them."""

    lines: slice
    boxes: list[resize.Box]  # in the whole image
    fresh: int  # the first line that no strip before has read


def find(paths: Sequence[pathlib.Path], options: DataOptions) -> list[str] | None:
    """Return the formats of files, see Described.keys.

    None if all are ordinary pictures that are one image each, for which image_cache is faster.
    """
    keys = list(parallel_map(formats.find, paths, "files looked into"))
    return keys if any(keys) or options.patches else None


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
      InputError: pictures of 8 bits are mixed with files whose numbers have units, or files in
        which large numbers are dark with others.
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
    dark = [row for row in rows if _is_turned(described, row)]
    bright = [row for row in rows if row not in set(dark)]
    if dark and bright:
        raise InputError(
            f"Large numbers are dark in {printable(paths[dark[0]])} (MONOCHROME1 of DICOM, or "
            f"white at 0 of TIFF), and bright in {printable(paths[bright[0]])}; save all alike, "
            "or put them into folders of their own."
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
            box = resize.boxes(one.height, one.width, options.hw, options.crop, options.patches)[0]
            part = box.height, box.width
            sides = [
                float(f"{scale * old / new:.6g}")
                for scale, old, new in zip(one.pixel_scale, part, options.hw, strict=True)
            ]
            pairs += [("CDELT1", sides[1]), ("CDELT2", sides[0])]
        headers.append(pairs)
    common = set(headers[0]).intersection(*headers[1:])
    return tuple(pair for pair in headers[0] if pair in common)


def strips(contents: Contents, options: DataOptions) -> list[Strip]:
    """Divide a large image that --patches cuts into strips; [] where all is read at once."""
    line = contents.width * contents.channels * contents.dtype.itemsize
    if not (options.patches and contents.by_lines and contents.height * line > LARGE):
        return []
    boxes = resize.boxes(contents.height, contents.width, options.hw, options.crop, options.patches)
    out, fresh = [], 0
    for top, of_top in itertools.groupby(boxes, lambda box: box.top):
        here = list(of_top)
        end = top + here[0].height
        if out and (end - out[-1].lines.start) * line <= LARGE // 4:
            last = out.pop()
            here, top, fresh = last.boxes + here, last.lines.start, last.fresh
        out.append(Strip(slice(top, end), here, fresh))
        fresh = end
    return out


def read_images(
    path: pathlib.Path,
    key: str,
    contents: Contents,
    form: PixelFormat,
    options: DataOptions,
    rows: slice | None = None,
    strip: Strip | None = None,
) -> Images:
    """Read the images of one file, cropped or cut, resized, and stored as the format says.

    Args:
      path, key: the file and its format, "" for an ordinary picture.
      contents: its Contents.
      form: see `choose_format`.
      options: see datasets.load.
      rows: which of its images, see formats.read; None for all.
      strip: which of their lines, see `strips`; None for all.

    Raises:
      BadFile: it is damaged, or a band has no value.
    """
    if not key:
        hw, crop, patches = options.hw, options.crop, options.patches
        parts, whole = image_decoding.decode_parts(path, hw, crop, options.colors, patches)
        deep = form.dtype == "uint16"
        parts = parts.astype(np.uint16) * _DEEPER if deep else parts.astype(form.dtype)
        return Images(parts, _places(1, resize.boxes(*whole, hw, crop, patches), whole))
    raw = formats.read(path, key, rows, strip and strip.lines)
    n = contents.n if rows is None else rows.stop - rows.start
    first = strip.lines.start if strip else 0
    height = strip.lines.stop - first if strip else contents.height
    if raw.shape != (n, height, *contents[2:4]):
        raise _bad(path, "damaged", f"holds {list(raw.shape)}, and says {list(contents[:4])}")
    integers = raw.dtype.kind in "iu"
    top = contents.full
    if top is None and integers and raw.dtype.itemsize <= 2:
        top = np.iinfo(raw.dtype).max
    fresh = slice(strip.fresh - first if strip else 0, None)  # lines that are counted
    saturated = 0 if top is None else int((raw[:, fresh] >= top).sum())
    undefined = np.zeros(raw.shape, bool)
    if integers and contents.blank is not None:
        undefined = raw == contents.blank
    elif not integers:
        undefined = ~np.isfinite(raw)
    if key == "tiff" and raw.dtype == np.uint8 and form.dtype == "uint16":  # as of a picture
        raw = raw.astype(np.uint16) * _DEEPER
    values = _store(raw, contents, form)
    if form.dtype == "float32":
        undefined |= ~np.isfinite(values)  # beyond the range of float32
    values = _fill(path, values, undefined, of_strip=strip is not None)
    if options.colors != colors.AUTO:
        values = colors.convert(values, options.colors, printable(path))
    whole_hw = contents.height, contents.width
    in_whole = (
        strip.boxes if strip else resize.boxes(*whole_hw, options.hw, options.crop, options.patches)
    )
    boxes = [box._replace(top=box.top - first) for box in in_whole]
    values = resize.resize_parts(values, options.hw, boxes)
    n_undefined = int(undefined[:, fresh].sum())
    images = Images(values, _places(n, in_whole, whole_hw), n_undefined, saturated)
    if not (options.patches and undefined.any()):
        return images
    kept = [
        not undefined[i, top : top + height, left : left + width].all((0, 1)).any()
        for i in range(n)
        for top, left, height, width in boxes
    ]
    return images._replace(
        stored=values[kept], places=images.places[kept], empty=len(kept) - sum(kept)
    )


def _places(n, boxes, whole):
    """Return Images.places of the boxes of n images."""
    return np.array([(i, b.top, b.left, *whole) for i in range(n) for b in boxes], np.int32)


def _header(key, one: Contents):
    title = formats.TABLE[key].title if key else _PICTURE
    return Header(one.width, one.height, one.channels, f"{title}, {one.dtype.name}")


def _is_picture(described, row):
    """Return whether numbers are brightness from 0 to 65535, and nothing else."""
    one: Any = described.contents[row]
    plain = one.dtype == np.uint16 and (one.scale, one.zero) == (1, 0)
    return described.keys[row] in ("png", "tiff") and plain


def _is_turned(described, row):
    """Return whether large numbers of a file are dark, so that its format turns them."""
    one: Any = described.contents[row]
    return described.keys[row] in ("dicom", "tiff") and one.scale < 0


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


def _fill(path, values, undefined, of_strip):
    """Replace undefined values, see pixel_format.fill. A band without any of a strip becomes 0."""
    holes = np.flatnonzero(undefined.any((1, 2, 3)))
    values = values.copy() if len(holes) else values
    for row in holes:
        if of_strip:
            empty = undefined[row].all((0, 1))
            values[row][..., empty] = 0
            rest = undefined[row] & ~empty
            pixel_format.fill(values[row], rest, f"image {row}")
            continue
        try:
            pixel_format.fill(values[row], undefined[row], f"image {row}")
        except InputError as error:
            raise _bad(
                path, "no value", f"is of no use ({str(error).partition(';')[0]})"
            ) from error
    return values


def _bad(path, fault, detail):
    return BadFile(f"{printable(path)} {detail}; repair or remove the file.", fault, detail)
