"""What the pixels of a data set are: their depth, unit and stretch, and the way to a net and back.

Images of 8 bits without a stretch have none of this; see images.to_net.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from gan_jax import images
from gan_jax.data import stretches
from gan_jax.errors import InputError, counted

_BLOCK_BYTES = 2**26  # of images that are worked on at a time


class PixelFormat(NamedTuple):
    """Depth, unit and stretch of images. Limits are per band, in stored numbers."""

    dtype: str  # of the stored numbers: "uint8", "uint16" or "float32"
    scale: float = 1.0  # value in the data's units = zero + scale * stored number
    zero: float = 0.0
    unit: str = ""  # such as "nJy"; "" where the source names none
    bands: tuple[str, ...] = ()  # names of the channels; () where the source names none
    stretch: str = ""  # see stretches.parse
    # Stored numbers [C] that become 0 and 1. With limits of each image they are the medians over
    # the training images, which generated images have.
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    # (key, value) of the FITS header of all images, and CDELT1 and CDELT2: width and height in
    # arcsec of a pixel of the size that is trained on. They say nothing of the numbers.
    header: tuple[tuple[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return a dict of JSON values; "header", a dict, only where there is one."""
        out = {k: list(v) if isinstance(v, tuple) else v for k, v in self._asdict().items()}
        header = dict(out.pop("header"))
        return out | ({"header": header} if header else {})

    def of_numbers(self) -> dict[str, Any]:
        """Return what decides on the meaning of the numbers, for digests: all but the header."""
        return self._replace(header=()).to_dict()

    def describe(self) -> str:
        """Say in a line what is kept, and how it is stretched."""
        unit, choice = f" {self.unit}" if self.unit else "", stretches.parse(self.stretch)
        ends = [[self.zero + self.scale * x for x in end] for end in (self.low, self.high)]
        ends = [sorted(set(end)) for end in ends]
        low, high = (f"{e[0]:.5g}" + (f" to {e[-1]:.5g}" if len(e) > 1 else "") for e in ends)
        each = ", of each image by itself; medians:" if choice.per_image else ":"
        start = f", counted from {self.zero:g}" if self.dtype == "uint16" and self.zero else ""
        return (
            f"kept as {self.dtype}{start}; stretched by {self.stretch or 'linear'}{each} "
            f"low {low}, high {high}{unit}{', by band' if len(ends[0]) > 1 else ''}"
        )


def from_dict(raw: dict[str, Any] | None) -> PixelFormat | None:
    """Invert PixelFormat.to_dict; None for None."""
    if raw is None:
        return None
    header = tuple(raw.get("header", {}).items())
    known = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
    return PixelFormat(**(known | {"header": header}))


def blocks(stored: np.ndarray) -> list[slice]:
    """Cut the rows of an array into slices of some megabytes."""
    rows = max(1, _BLOCK_BYTES // max(1, stored[:1].nbytes))
    return [slice(i, i + rows) for i in range(0, len(stored), rows)]


def measure(stored: np.ndarray, base: PixelFormat, stretch: str) -> PixelFormat:
    """Find the limits of a stretch over training images.

    Extremes are exact. Percentiles and zscale are of up to stretches.N_SAMPLED values of each band,
    evenly spread.

    Args:
      stored: numbers of base.dtype [N, H, W, C], all finite.
      base: PixelFormat without a stretch.
      stretch: --stretch.
    """
    choice = stretches.parse(stretch)
    if choice.per_image:
        of_rows = np.concatenate(
            [image_limits(stored[part], base._replace(stretch=stretch)) for part in blocks(stored)]
        )
        low, high = np.median(of_rows, axis=0).tolist()
        return base._replace(stretch=stretch, low=tuple(low), high=tuple(high))
    n, height, width, channels = stored.shape
    step = max(1, n * height * width // stretches.N_SAMPLED)
    while step > 1 and math.gcd(step, height * width) > 1:  # it would see some columns alone
        step += 1
    sampled, first, last = [], [], []
    for part in blocks(stored):
        block = np.asarray(stored[part]).reshape(-1, channels)
        sampled.append(block[::step])
        first.append(block.min(0))
        last.append(block.max(0))
    ends = [np.min(first, 0)[None], np.max(last, 0)[None]] if step > 1 else []
    values = np.concatenate([*sampled, *ends])
    low, high = _limits(values, choice, base)
    return base._replace(stretch=stretch, low=tuple(low), high=tuple(high))


def image_limits(stored: np.ndarray, form: PixelFormat) -> np.ndarray:
    """Find the limits of each image: float32 [N, 2, C], in stored numbers."""
    choice, channels = stretches.parse(form.stretch), stored.shape[-1]
    limits = [_limits(np.asarray(x).reshape(-1, channels), choice, form) for x in stored]
    return np.array(limits, np.float32).reshape(-1, 2, channels)


def has_image_limits(form: PixelFormat) -> bool:
    """Return whether each image has limits of its own."""
    return stretches.parse(form.stretch).per_image


def _limits(values, choice, form):
    """Find (low [C], high [C]) of values [n, C].

    Where low is not below high, as of constant bands, high becomes low + 1.

    Raises:
      InputError: the low and high of the whole set that --stretch says contradict the values.
    """
    asked = choice
    ordered = np.sort(values.reshape(-1, 1) if choice.joint else values, axis=0)

    def to_stored(value):
        return (value - form.zero) / form.scale

    if form.scale < 0:  # low and high of the units are high and low of stored numbers
        choice = choice._replace(low=_mirrored(choice.high), high=_mirrored(choice.low))
    pairs = [choice.find_limits(band, to_stored) for band in ordered.T]
    for band, pair in zip(ordered.T, pairs, strict=True):
        is_asked = (asked.low or asked.high) and not asked.per_image
        if pair[1] <= pair[0] and band[0] < band[-1] and is_asked:
            raise _contradiction(asked, pair, band, form)
    pairs = [(low, high if high > low else low + 1) for low, high in pairs]
    pairs *= values.shape[1] // len(pairs)
    return [low for low, _ in pairs], [high for _, high in pairs]


def _contradiction(choice, pair, band, form):
    """Return the error for limits that --stretch says and sorted values do not have."""
    ends = [form.zero + form.scale * float(x) for x in (*pair, band[0], band[-1])]
    low, high, least, most = ends if form.scale > 0 else (ends[1], ends[0], ends[3], ends[2])
    asked = (f"{k}={v}" for k, v in (("low", choice.low), ("high", choice.high)) if v)
    return InputError(
        f"--stretch: {','.join(asked)} makes low {low:.5g} and high {high:.5g}, of values from "
        f"{least:.5g} to {most:.5g}; give a low below the high, within these values."
    )


def _mirrored(end):
    return f"{100 - float(end[:-1]):g}%" if end.endswith("%") else end


def stretch(stored: Any, form: PixelFormat, limits: Any = None) -> Any:
    """Stretch stored numbers to [0, 1]; what lies outside the limits is clipped.

    With joint bands, all are multiplied by one factor, that of the largest band: ratios, and so
    colours, stay, and nothing is clipped besides.

    Args:
      stored: numbers of form.dtype [..., H, W, C], of numpy or JAX.
      form: PixelFormat.
      limits: of each image, float32 [..., 2, C]; None for those of the format.

    Returns:
      float32 [..., H, W, C] of the same kind of array.

    Source of joint bands: Lupton et al. 2004, equation 2, with the largest band as intensity.
    """
    xp, choice = _module(stored), stretches.parse(form.stretch)
    low, high = _ends(form, limits, xp, np.float32)
    u = ((stored.astype(np.float32) - low) / (high - low)).clip(0, 1)
    if not choice.joint:
        return choice.stretch.forward(u, choice.p, xp).clip(0, 1).astype(np.float32)
    largest = u.max(-1, keepdims=True)
    target = choice.stretch.forward(largest, choice.p, xp).clip(0, 1)
    return (u * (target / xp.where(largest > 0, largest, 1))).clip(0, 1).astype(np.float32)


def unstretch(y: np.ndarray, form: PixelFormat, limits: Any = None) -> np.ndarray:
    """Invert `stretch`: float [..., H, W, C] in [0, 1] -> stored numbers, float64, not rounded."""
    y, choice = np.asarray(y, np.float64).clip(0, 1), stretches.parse(form.stretch)
    low, high = _ends(form, limits, np, np.float64)
    if choice.joint:
        largest = y.max(-1, keepdims=True)
        target = choice.stretch.inverse(largest, choice.p, np)
        u = y * (target / np.where(largest > 0, largest, 1))
    else:
        u = choice.stretch.inverse(y, choice.p, np)
    return low + u.clip(0, 1) * (high - low)


def to_net(stored: Any, form: PixelFormat, pixels: str, limits: Any = None) -> Any:
    """Bring stored numbers to the range of a net, inside or outside of jit.

    Args:
      stored, form, limits: see `stretch`.
      pixels: "tanh" ([-1, 1]) or "sigmoid" ([0, 1]).

    Returns:
      float32 [..., H, W, C].
    """
    scale, shift = images.unit_range(pixels)
    return stretch(stored, form, limits) * scale - shift


def to_units(x: np.ndarray, form: PixelFormat, pixels: str, limits: Any = None) -> np.ndarray:
    """Invert `to_net`, up to the data's own units.

    Args:
      x: what a generator made, float [N, H, W, C].
      form, pixels, limits: see `to_net`.

    Returns:
      [N, H, W, C] in the data's units: whole numbers of the smallest type that holds the data's
      where they are whole; otherwise float32.
    """
    scale, shift = images.unit_range(pixels)
    y = (np.asarray(x, np.float64) + shift) / scale
    return in_units(unstretch(y, form, limits), form)


def in_units(stored: np.ndarray, form: PixelFormat) -> np.ndarray:
    """Bring stored numbers, rounded or not, to the data's units; types as in `to_units`."""
    if form.dtype == "float32":
        return (form.zero + form.scale * np.asarray(stored, np.float64)).astype(np.float32)
    most = np.iinfo(form.dtype).max
    whole = np.rint(np.asarray(stored, np.float64)).clip(0, most)
    values = form.zero + form.scale * whole
    if abs(form.scale) != 1 or form.zero != int(form.zero):
        return values.astype(np.float32)
    ends = sorted((form.zero, form.zero + form.scale * most))
    kinds = (np.uint8, np.int8, np.uint16, np.int16, np.int32)
    fits = (k for k in kinds if np.iinfo(k).min <= ends[0] and ends[1] <= np.iinfo(k).max)
    return values.astype(next(fits, np.float64))


def view(stored: np.ndarray, form: PixelFormat) -> np.ndarray:
    """Stretch images to 8 bits, as they are shown and scored: uint8 [N, H, W, C]."""
    limits = image_limits(stored, form) if has_image_limits(form) else None
    return images.to_uint8(stretch(np.asarray(stored), form, limits), "sigmoid")


def count_clipped(stored: np.ndarray, form: PixelFormat) -> int:
    """Count the values outside the limits."""
    n = 0
    for part in blocks(stored):
        block = np.asarray(stored[part]).astype(np.float32)
        limits = image_limits(block, form) if has_image_limits(form) else None
        low, high = _ends(form, limits, np, np.float32)
        n += int(((block < low) | (block > high)).sum())
    return n


def as_stored(array: np.ndarray) -> tuple[np.ndarray, PixelFormat | None]:
    """Choose how numbers are stored, and store them so.

    uint8 stays, without a format; integers of up to 16 bits become uint16, shifted where they have
    a sign; all others become float32.

    Args:
      array: numbers of any integer or float type [N, H, W, C].

    Returns:
      (the stored numbers, PixelFormat without a stretch or None).
    """
    if array.dtype == np.uint8:
        return array, None
    dtype, zero = stored_type(array.dtype)
    if dtype == "float32":
        with np.errstate(over="ignore"):  # what is too large becomes infinite, which is undefined
            return array.astype(np.float32), PixelFormat(dtype)
    return (array.astype(np.int32) - zero).astype(np.uint16), PixelFormat(dtype, zero=float(zero))


def stored_type(dtype: np.dtype) -> tuple[str, int]:
    """Return (dtype that numbers of a type are stored as, the number that is stored as 0)."""
    if dtype == np.uint8:
        return "uint8", 0
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        return "uint16", int(np.iinfo(dtype).min)
    return "float32", 0


def store(array: np.ndarray, name: object) -> tuple[np.ndarray, PixelFormat | None, list[str]]:
    """Store an array of images, see `as_stored`; what is not finite becomes a median.

    Args:
      array: [N, H, W, C].
      name: what messages call it.

    Returns:
      (stored numbers, all finite; PixelFormat or None; lines about them).

    Raises:
      InputError: a band of an image has no finite value.
    """
    stored, form = as_stored(array)
    if stored.dtype != np.float32:
        return stored, form, []
    notes, n, n_images = [], 0, 0
    for row in range(len(stored)):
        undefined = ~np.isfinite(stored[row])
        if undefined.any():
            n, n_images = n + int(undefined.sum()), n_images + 1
            fill(stored[row], undefined, f"Image {row} of {name}")
    if n:
        notes.append(undefined_note(n, counted(n_images, "image")))
    return stored, form, notes


def fill(image: np.ndarray, undefined: np.ndarray, name: str) -> None:
    """Replace values of an image by the median of the others of their band, in place.

    Args:
      image: numbers [H, W, C].
      undefined: bool [H, W, C], where.
      name: what a message calls the image.

    Raises:
      InputError: a band has no others.
    """
    for band in np.flatnonzero(undefined.any((0, 1))):
        holes = undefined[..., band]
        if holes.all():
            raise InputError(f"{name} has no defined value in band {band}; remove it.")
        median = np.median(image[..., band][~holes])
        image[..., band][holes] = np.rint(median) if image.dtype.kind == "u" else median


def undefined_note(n: int, where: str) -> str:
    """Say how many values were undefined."""
    return (
        f"{counted(n, 'value')} in {where} undefined (NaN, infinite or blank): replaced by the "
        "median of the image's band."
    )


def _ends(form, limits, xp, dtype):
    """Return (low, high), broadcast over [..., H, W, C]."""
    if limits is None:
        return xp.asarray(form.low, dtype), xp.asarray(form.high, dtype)
    limits = limits.astype(dtype)
    return limits[..., None, None, 0, :], limits[..., None, None, 1, :]


def _module(array):
    if isinstance(array, np.ndarray):
        return np
    import jax.numpy as jnp

    return jnp
