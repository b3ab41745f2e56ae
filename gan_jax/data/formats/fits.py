"""FITS files, by astropy: images, several bands, and tables of stamps.

The images of a file are, whichever it has first:
  an image of two axes; further ones of the same shape are its bands, in order. Extensions named
    ERR, UNCERT, WHT and alike are left out; where some are named SCI, only those count.
  an image of three axes, of which the first in numpy's order (NAXIS3) is the band; of four axes,
    of which the first (NAXIS4) counts images.
  a table with columns of images (TDIM): a row is an image, and the columns are its bands.

Rows of pixels stay in the file's order.

Source: FITS Standard 4.0, sections 4.4.2 (BSCALE, BZERO, BLANK) and 7.3 (tables).
"""

import pathlib
import re
import warnings

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from gan_jax.data.formats import fits_header
from gan_jax.data.formats.contents import Contents, check_shape, not_read, refuse

_SCIENCE = "SCI"
_NO_IMAGE = re.compile(  # names of extensions that describe noise, background or quality
    r"(ERR|ERROR|SIGMA|UNC|UNCERT|UNCERTAINTY|STD|STDDEV|RMS|NOISE|BKG|BACKGROUND|DQ|QUALITY|WHT|"
    r"WEIGHT|VAR|VARIANCE|IVAR|INVVAR|MASK|FLAGS?|CTX|PSF|SAMP|TIME)([_ ].*|\d*)",
    re.IGNORECASE,
)
# Such a file is refused, by its name, which this warning lacks.
warnings.filterwarnings("ignore", "File may have been truncated", AstropyUserWarning)
_DTYPES = {8: "u1", 16: "i2", 32: "i4", 64: "i8", -32: "f4", -64: "f8"}


def describe(path: pathlib.Path) -> Contents:
    """Return the Contents of a file."""
    with _open(path) as hdus:
        planes = _images(hdus)
        if planes:
            headers, contents = [plane.header for plane in planes], _describe_images(path, planes)
        else:
            table, columns = _table(path, hdus)
            headers, contents = [table.header], _describe_table(path, table, columns)
        return contents._replace(
            header=fits_header.kept_keys(headers, hdus[0].header),
            pixel_scale=fits_header.pixel_scale(headers) if planes else None,
            note=_note(hdus, planes),
            by_lines=bool(planes)
            and not any(isinstance(plane, fits.CompImageHDU) for plane in planes)
            and not path.name.lower().endswith(".gz"),
        )


def read(path: pathlib.Path, rows: slice = slice(None), lines: slice | None = None) -> np.ndarray:
    """Read the images of a file, or some lines of some: raw numbers [n, H, W, C]."""
    # Mapped, only the pages of these lines are read.
    with _open(path, memmap=lines is not None) as hdus:
        planes = _images(hdus)
        if not planes:
            table, columns = _table(path, hdus)
            _refuse_cut(path, table)
            return np.concatenate([_stamps(table, name) for name in columns], -1)
        for plane in planes:
            _refuse_cut(path, plane)
        stacked = [_last_axis_bands(plane.data)[rows, lines or slice(None)] for plane in planes]
        return np.concatenate([x.astype(x.dtype.newbyteorder("=")) for x in stacked], -1)


def _open(path, memmap=False):
    # Raw numbers: 16 bits stay 16 bits, and BLANK stays what it is.
    return fits.open(path, memmap=memmap, do_not_scale_image_data=True, ignore_blank=True)


def _images(hdus):
    """Return the HDUs that are an image together; [] if there is none."""
    images = _all_images(hdus)
    named = [hdu for hdu in images if hdu.name.upper().startswith(_SCIENCE)]
    images = named or [hdu for hdu in images if not _NO_IMAGE.fullmatch(hdu.name)]
    if not images or len(images[0].shape) > 2:
        return images[:1]
    return [hdu for hdu in images if hdu.shape == images[0].shape]


def _all_images(hdus):
    kinds = (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU)
    return [hdu for hdu in hdus if isinstance(hdu, kinds) and len(hdu.shape) >= 2]


def _note(hdus, planes):
    """Return a line on the images of a file that are not read; empty if all are."""
    read = {id(plane) for plane in planes}
    others = [hdu.name or "one without name" for hdu in _all_images(hdus) if id(hdu) not in read]
    return f"Extensions of FITS {not_read(others)}" if others else ""


def _last_axis_bands(data):
    """[H, W], [C, H, W] or [N, C, H, W] -> [N, H, W, C]."""
    data = data[(None,) * (4 - data.ndim)] if data.ndim < 4 else data
    return data.transpose(0, 2, 3, 1)


def _describe_images(path, planes):
    first = planes[0].header
    shape = (1, 1, *planes[0].shape)[-4:]
    if len(planes[0].shape) > 4:
        raise refuse(
            path,
            "too many axes",
            f"has an image of {len(planes[0].shape)} axes",
            "use [N, bands, height, width] at most",
        )
    n, channels, height, width = shape
    channels *= len(planes)
    check_shape(path, (n, height, width, channels), "NHWC")
    facts = {_facts(plane.header) for plane in planes}
    if len(facts) > 1:
        raise refuse(
            path,
            "mixed bands",
            "has bands of several types or scales (BITPIX, BSCALE, BZERO, BLANK)",
            "save them all as floats",
        )
    dtype, scale, zero, blank = facts.pop()
    names = tuple(_band(plane) for plane in planes) if len(planes) > 1 else _bands(first, channels)
    full = first.get("SATURATE")
    return Contents(
        n,
        height,
        width,
        channels,
        np.dtype(dtype),
        scale,
        zero,
        str(first.get("BUNIT", "")).strip(),
        names if all(names) else (),
        blank,
        None if full is None else (float(full) - zero) / scale,
    )


def _facts(header):
    bits = header["BITPIX"]
    scale, zero = float(header.get("BSCALE", 1)), float(header.get("BZERO", 0))
    return _DTYPES[bits], scale, zero, header.get("BLANK") if bits > 0 else None


def _band(plane):
    header = plane.header
    return str(header.get("FILTER") or header.get("BAND") or plane.name).strip()


def _bands(header, n):
    """Return the names of the bands of a cube, from BAND1, BAND2, ... or FILTER1, FILTER2, ..."""
    for key in ("BAND", "FILTER"):
        names = tuple(str(header.get(f"{key}{i + 1}", "")).strip() for i in range(n))
        if all(names):
            return names
    return ()


def _table(path, hdus):
    """Return (the first table with columns of images, the names of these columns)."""
    for hdu in hdus:
        if not isinstance(hdu, fits.BinTableHDU) or isinstance(hdu, fits.CompImageHDU):
            continue
        shapes = {c.name: hdu.columns.dtype[c.name].shape for c in hdu.columns}
        images = {name: shape for name, shape in shapes.items() if len(shape) in (2, 3)}
        if images:
            first = next(iter(images.values()))
            return hdu, [name for name, shape in images.items() if shape == first]
    raise refuse(path, "no image", "has no image and no column of images", "remove it")


def _describe_table(path, table, columns):
    kinds = {table.columns.dtype[name].base.newbyteorder("=") for name in columns}
    if len(kinds) > 1 or kinds.pop().kind not in "iuf":
        raise refuse(path, "mixed bands", "has columns of several types", "save all as floats")
    first = _stamps(table, columns[0], slice(0, 1))
    n, height, width, channels = len(table.data), *first.shape[1:]
    names = columns if len(columns) > 1 else _bands(table.header, channels)
    channels *= len(columns)
    check_shape(path, (n, height, width, channels), "NHWC")
    unit = table.columns[columns[0]].unit or ""
    full = table.header.get("SATURATE")
    names = tuple(names) if len(names) == channels else ()
    return Contents(
        n, height, width, channels, first.dtype, 1.0, 0.0, unit, names, None, full and float(full)
    )


def _stamps(table, name, rows=slice(None)):
    """Return the stamps of a column, in units: [n, H, W, C]."""
    values = np.asarray(table.data[name][rows])
    values = values.astype(values.dtype.newbyteorder("="))
    return values[..., None] if values.ndim == 3 else values.transpose(0, 2, 3, 1)


def _refuse_cut(path, hdu):
    """Refuse a file that ends before its data do."""
    info = hdu.fileinfo()
    if info and not path.name.lower().endswith(".gz"):
        # The size of compressed tiles is that of their pixels.
        size = info["datSpan"] if isinstance(hdu, fits.CompImageHDU) else hdu.size
        missing = info["datLoc"] + size - path.stat().st_size
        if missing > 0:
            raise refuse(path, "cut off", f"ends {missing:,} bytes too early", "fetch it again")
