"""What a FITS header says of an image besides its pixels: instrument, filter, size of a pixel.

Source: FITS Standard 4.0, sections 4.4.2 and 8.2 (world coordinates).
"""

import math
from collections.abc import Sequence
from typing import Any

from astropy.io.fits import Header

_KEYS = ("TELESCOP", "INSTRUME", "FILTER", "EXPTIME")
_ARCSEC = {
    "": 3600.0,  # degrees are the default of angles
    "deg": 3600.0,
    "degree": 3600.0,
    "arcmin": 60.0,
    "arcsec": 1.0,
    "mas": 1e-3,
    "rad": 3600 * 180 / math.pi,
}


def kept_keys(headers: Sequence[Header], primary: Header) -> tuple[tuple[str, Any], ...]:
    """Return (key, value) of the kept keys that all planes of an image agree on.

    Args:
      headers: of its planes.
      primary: of the file, which counts where a plane has no such key.
    """
    pairs = []
    for key in _KEYS:
        values = {header.get(key, primary.get(key)) for header in headers}
        value = values.pop() if len(values) == 1 else None
        value = value.strip() if isinstance(value, str) else value
        if isinstance(value, str | int | float) and value != "":
            pairs.append((key, value))
    return tuple(pairs)


def pixel_scale(headers: Sequence[Header]) -> tuple[float, float] | None:
    """Return the height and width of a pixel on the sky in arcsec; None where not all say one.

    They are the lengths of the columns of the matrix CDi_j, or PCi_j times CDELTi. A rotation by
    CROTA2 does not change them.
    """
    scales = {_pixel_scale(header) for header in headers}
    return scales.pop() if len(scales) == 1 else None


def _pixel_scale(header):
    names = [str(header.get(f"CTYPE{i}", "")).partition("-")[0].strip().upper() for i in (1, 2)]
    if not all(name in ("RA", "DEC") or name[1:] in ("LON", "LAT") for name in names):
        return None
    units = [_ARCSEC.get(str(header.get(f"CUNIT{i}", "")).strip().lower()) for i in (1, 2)]
    has_matrix = any(f"CD{i}_{j}" in header for i in (1, 2) for j in (1, 2))
    if None in units or not (has_matrix or ("CDELT1" in header and "CDELT2" in header)):
        return None

    def element(i, j):
        if has_matrix:
            return float(header.get(f"CD{i}_{j}", 0))
        return float(header.get(f"PC{i}_{j}", i == j)) * float(header[f"CDELT{i}"])

    width, height = (
        math.hypot(*(unit * element(i, j) for i, unit in enumerate(units, 1))) for j in (1, 2)
    )
    return (height, width) if height and width else None
