"""DICOM files, by pydicom. Only what describes pixels is read: no name, no date, no number.

Numbers stay as stored; RescaleSlope and RescaleIntercept lead to units, such as Hounsfield's. Of
MONOCHROME1, where large numbers are dark, brightness is what is kept. The window is not applied.

Source: DICOM PS3.3, sections C.7.6.3 (pixels), C.11.1 (rescale) and C.11.2 (window).
"""

import pathlib

import numpy as np
import pydicom
import pydicom.pixels

from gan_jax.data.formats.contents import Contents, check_shape, refuse


def describe(path: pathlib.Path) -> Contents:
    """Return the Contents of a file."""
    data = pydicom.dcmread(path, stop_before_pixels=True)
    if "Rows" not in data or "PhotometricInterpretation" not in data:
        raise refuse(path, "no image", "has no pixels", "remove it")
    kind, channels = data.PhotometricInterpretation, int(data.SamplesPerPixel)
    if kind == "PALETTE COLOR":
        raise refuse(path, "palette", "has a palette", "save it as RGB")
    shape = int(data.get("NumberOfFrames", 1) or 1), int(data.Rows), int(data.Columns), channels
    check_shape(path, shape, "NHWC")
    signed = bool(data.get("PixelRepresentation", 0))
    dtype = np.dtype(f"{'i' if signed else 'u'}{-(-int(data.BitsAllocated) // 8)}")
    slope = float(data.get("RescaleSlope", 1) or 1)
    zero = float(data.get("RescaleIntercept", 0) or 0)
    window = None
    if "WindowCenter" in data and "WindowWidth" in data:
        center, width = (
            float(np.atleast_1d(data[key].value)[0]) for key in ("WindowCenter", "WindowWidth")
        )
        window = center - width / 2, center + width / 2
    blank = data.get("PixelPaddingValue")
    blank = None if blank is None else int(blank)
    if kind == "MONOCHROME1":
        most = _mirror(data)
        slope, zero = -slope, zero + slope * most
        blank = None if blank is None else most - blank
    unit = str(data.get("RescaleType", "") or "")
    unit = "" if unit == "US" else unit  # "unspecified"
    return Contents(*shape, dtype, slope, zero, unit, (), blank, None, window)


def read(path: pathlib.Path) -> np.ndarray:
    """Read the images of a file: raw numbers [n, H, W, C]; RGB where the file has other colours."""
    contents, data = describe(path), pydicom.dcmread(path)
    values = pydicom.pixels.pixel_array(data)
    values = values.reshape(contents[:4])
    if data.PhotometricInterpretation == "MONOCHROME1":
        values = (_mirror(data) - values.astype(np.int64)).astype(values.dtype)
    return values


def _mirror(data):
    """Return the number m of MONOCHROME1: number x is as bright as m - x."""
    bits = int(data.BitsStored)
    return -1 if data.get("PixelRepresentation", 0) else 2**bits - 1
