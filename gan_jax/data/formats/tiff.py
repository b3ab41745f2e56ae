"""TIFF and OME-TIFF files, by tifffile: of any depth, planar or chunky, in strips or tiles.

Of the first series of a file (the full resolution of a pyramid), and of others of its shape, X and
Y are the image, C and S its channels, and all other axes, such as Z, T and pages, count images.
Transparent pixels lie over black; extra samples that are not said to be transparency are bands.
"""

import math
import pathlib

import numpy as np
import tifffile

from gan_jax.data.formats.contents import Contents, check_shape, refuse

_CHANNELS = "CS"
_WHITE_IS_ZERO = 0
_PREMULTIPLIED, _TRANSPARENCY = 1, 2  # what an extra sample is


def describe(path: pathlib.Path) -> Contents:
    """Return the Contents of a file."""
    with tifffile.TiffFile(path) as file:
        (series, *more), page = _series(path, file)
        sizes = dict(zip(series.axes, series.shape, strict=True))
        channels = math.prod(sizes.get(axis, 1) for axis in _CHANNELS)
        n = (1 + len(more)) * math.prod(series.shape) // (channels * sizes["Y"] * sizes["X"])
        if _alpha(page):
            channels -= 1
        check_shape(path, (n, sizes["Y"], sizes["X"], channels), "NHWC")
        dtype = np.dtype(series.dtype).newbyteorder("=")
        scale, zero = 1.0, 0.0
        if page.photometric == _WHITE_IS_ZERO:
            scale, zero = -1.0, float(_white(page))
        names = _names(file) if channels > 1 else ()
        names = names if len(names) == channels else ()
        return Contents(n, sizes["Y"], sizes["X"], channels, dtype, scale, zero, "", names)


def read(path: pathlib.Path) -> np.ndarray:
    """Read the images of a file: raw numbers [n, H, W, C]."""
    with tifffile.TiffFile(path) as file:
        alike, page = _series(path, file)
        values, axes = np.stack([one.asarray() for one in alike]), "+" + alike[0].axes
        alpha, inverted = _alpha(page), page.photometric == _WHITE_IS_ZERO
        white = _white(page) if inverted or alpha else 0
    rest = [i for i, axis in enumerate(axes) if axis not in "YX" + _CHANNELS]
    bands = [i for i, axis in enumerate(axes) if axis in _CHANNELS]
    order = [*rest, axes.index("Y"), axes.index("X"), *bands]
    height, width = (values.shape[axes.index(axis)] for axis in "YX")
    n = math.prod(values.shape[i] for i in rest)
    values = np.ascontiguousarray(values.transpose(order)).reshape(n, height, width, -1)
    values = values.astype(values.dtype.newbyteorder("="))
    if alpha == _PREMULTIPLIED:  # it lies over black already
        values = values[..., :-1]
    elif alpha:
        over_black = values[..., :-1] * (values[..., -1:] / np.float64(white))
        whole = values.dtype.kind != "f"
        values = (np.rint(over_black) if whole else over_black).astype(values.dtype)
    return (white - values).astype(values.dtype) if inverted else values


def _series(path, file):
    """Return (the series that are read, the first page)."""
    series = file.series[0] if file.series else None
    if series is None or not {"X", "Y"} <= set(series.axes):
        raise refuse(path, "no image", "holds no image", "remove it")
    page = series.keyframe
    if page.photometric == 3:
        raise refuse(path, "palette", "has a palette of more than 8 bits", "save it as RGB")
    if np.dtype(series.dtype).kind not in "iuf":
        raise refuse(path, "no image", f"holds {series.dtype}", "use integers or floats")
    kind = series.axes, series.shape, series.dtype
    return [one for one in file.series if (one.axes, one.shape, one.dtype) == kind], page


def _alpha(page):
    """Return the kind of transparency that the last channel is; 0 where it is none."""
    is_rgb = page.photometric == 2 and page.samplesperpixel == 4
    kind = int(page.extrasamples[-1]) if is_rgb and page.extrasamples else 0
    return kind if kind in (_PREMULTIPLIED, _TRANSPARENCY) else 0


def _white(page):
    """Return the number of white where 0 is black."""
    return 2**page.bitspersample - 1 if page.dtype.kind == "u" else 1


def _names(file):
    """Return the names of the channels of an OME-TIFF file; () without any."""
    if not file.is_ome:
        return ()
    channels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]
    channels = channels[0] if isinstance(channels, list) else channels
    described = channels["Pixels"].get("Channel", ())
    described = described if isinstance(described, list) else [described]
    return tuple(str(one.get("Name", "")) for one in described if one) if described else ()
