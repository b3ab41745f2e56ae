"""Decoding of one image file: its header, its pixels as uint8, and its faults."""

import contextlib
import os
import struct
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gan_jax.data import colors, resize
from gan_jax.errors import InputError, printable
from gan_jax.settings import Size

# The content must have one of these formats, whatever the file's name says.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
_GRAY = ("1", "L", "I")  # first letters of the modes of gray images
# Tags of TIFF files: what bits, white and samples mean.
_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 256, 257, 258, 262, 339
_MIN_IS_WHITE = 0
_ORIENTATION = 274  # a tag of EXIF, of which 5 and more exchange the sides
_UNSIGNED = (1, 4)  # sample formats; 4 is "undefined", which programs write for unsigned
# Pillow's errors for damaged files.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)


class Header(NamedTuple):
    """The properties of an image file that are known before it is decoded."""

    width: int  # in pixels, turned as EXIF says
    height: int
    channels: int  # 1 (gray) or 3
    # Pillow's mode, such as "RGB"; with the bits per channel if they are more than 8, such as
    # "RGB;16B" of a PNG file
    mode: str


class BadFile(InputError):
    """An image file that cannot be used.

    Attributes:
      fault: the kind of fault, in words that all files with it share.
      detail: what is wrong with this file.
    """

    def __init__(self, message: str, fault: str, detail: str):
        super().__init__(message)
        self.fault, self.detail = fault, detail


def read_header(file: str | os.PathLike | BinaryIO) -> Header:
    """Return the Header of an image file, without decoding it.

    Raises:
      BadFile: it is not an image, or an animated one, or of numbers whose range is unknown.
    """
    with _as_bad_file(file), Image.open(file, formats=_FORMATS) as image:
        # An MPO file is a JPEG file with previews, as phones write them.
        n_frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        if n_frames > 1 and image.format == "TIFF":
            detail = f"{n_frames} pages"
            raise BadFile(
                f"{printable(file)} has several pages ({detail}); save each as a file of its own.",
                "several pages",
                detail,
            )
        if n_frames > 1:
            detail = f"{n_frames} frames"
            raise BadFile(
                f"{printable(file)} is animated ({detail}); save one as a still image.",
                "animated",
                detail,
            )
        _refuse_unknown_range(image, file)
        mode = _mode(image)
        return Header(*_turned_size(image), 1 if mode.startswith(_GRAY) else 3, mode)


def decode_image(
    file: str | os.PathLike | BinaryIO, size: int | Size, crop: int = 0, color: str = colors.AUTO
) -> np.ndarray:
    """Decode an image file, crop its centre and resize it; see `decode_parts`.

    Args:
      file: the image file.
      size: of the result, see resize.crop_and_resize.
      crop: side of the centre crop in source pixels; 0 for the whole image.
      color: convert to colors.RGB or colors.GRAY; colors.AUTO: as the file is.

    Returns:
      uint8 [H, W, C].

    Raises:
      BadFile: it cannot be decoded.
    """
    return decode_parts(file, Size.of(size), crop, color)[0][0]


def decode_parts(
    file: str | os.PathLike | BinaryIO, hw: Size, crop: int, color: str, patches: int = 0
) -> tuple[np.ndarray, Size]:
    """Decode an image file, cut its centre or patches out of it, and resize them.

    The orientation is applied as EXIF says; transparent pixels lie over black; 16-bit gray is
    divided by 257, 12-bit gray by 4095 / 255, and 16-bit colour reduced to its higher byte;
    palettes and CMYK (as Adobe has it, 0 is full ink) become RGB. The file's mode, not its pixels,
    makes it gray or colour.

    Args:
      file: the image file.
      hw, crop, patches: see resize.boxes.
      color: convert to colors.RGB or colors.GRAY; colors.AUTO: as the file is.

    Returns:
      (uint8 [parts, H, W, C], C = 1 for gray and 3 for colour; the size of the whole image).

    Raises:
      BadFile: it cannot be decoded.
    """
    with _as_bad_file(file), Image.open(file, formats=_FORMATS) as image:
        _refuse_unknown_range(image, file)
        is_gray = _mode(image).startswith(_GRAY) if color == colors.AUTO else color == colors.GRAY
        ImageOps.exif_transpose(image, in_place=True)
        image = _to_8bit(image, is_gray)
        whole = Size(image.height, image.width)
        boxes = resize.boxes(*whole, hw, crop, patches)
        if not boxes:  # it is turned, which is said only after its pixels
            raise ValueError(f"turned as EXIF says it is {whole.width}x{whole.height} pixels")
        parts = np.stack([np.asarray(resize.cut_and_resize(image, box, hw)) for box in boxes])
    return (parts if parts.ndim == 4 else parts[..., None]), whole


@contextlib.contextmanager
def _as_bad_file(file):
    """Turn Pillow's errors into BadFile."""
    try:
        yield
    except BadFile:
        raise
    except _DECODER_ERRORS as error:
        fault, detail = _fault(error)
        verb = "read" if fault == "unreadable" else "decoded"
        raise BadFile(
            f"{printable(file)} cannot be {verb} ({detail}); repair or remove the file.",
            fault,
            detail,
        ) from error


def _fault(error):
    """Return (fault, detail) of a BadFile."""
    if isinstance(error, UnidentifiedImageError):
        formats = f"{', '.join(_FORMATS[:-1])} or {_FORMATS[-1]}"
        return "not an image", f"empty, or no {formats} that can be read inside"
    if isinstance(error, OSError) and error.strerror:  # of the file system, not of a decoder
        return "unreadable", error.strerror
    fault = "too large" if isinstance(error, Image.DecompressionBombError) else "damaged"
    return fault, " ".join(str(error).split()).rstrip(".")


def _turned_size(image):
    """Return (width, height) after the turn that EXIF says."""
    # Of TIFF files, some versions of Pillow have turned the size already.
    is_tiff = image.format == "TIFF"
    size = (image.tag_v2[_WIDTH], image.tag_v2[_HEIGHT]) if is_tiff else image.size
    # Pillow's own method for PNG files would decode the image.
    turned = Image.Image.getexif(image).get(_ORIENTATION, 1) >= 5
    return size[::-1] if turned else size


def _mode(image):
    """Return the mode as Header has it.

    Pillow itself calls PNG files of 16 bits per channel RGB, even gray ones with transparency.
    """
    if image.format == "TIFF":
        bits = max(image.tag_v2.get(_BITS, (1,)))
        return f"{image.mode.partition(';')[0]};{bits}" if bits > 8 else image.mode
    return image.tile[0][3] if image.format == "PNG" and image.tile else image.mode


def _refuse_unknown_range(image, file):
    """Refuse a TIFF file whose numbers have no black and white of their own."""
    if image.format != "TIFF":
        return
    kinds = set(image.tag_v2.get(_SAMPLE_FORMAT, (1,)))
    if image.mode in ("I", "F") or not kinds <= set(_UNSIGNED):
        bits = max(image.tag_v2.get(_BITS, (1,)))
        kind = "fractions" if 3 in kinds else "negative values" if 2 in kinds else "whole numbers"
        detail = f"{kind} of {bits} bits"
        raise BadFile(
            f"{printable(file)} holds {detail}, and what is black and white is not known; save it "
            "with 8 or 16 bits per channel, without sign.",
            "unknown range",
            detail,
        )


def _to_8bit(image, is_gray):
    """Convert a Pillow image to mode L or RGB."""
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.float64)
        low, high = values.min(), values.max()
        if low < 0 or high > 65535:
            raise ValueError(f"gray values from {low:.0f} to {high:.0f} do not fit 16 bits")
        values[values == image.info.get("transparency")] = 0
        white = 65535
        if image.format == "TIFF":
            white = 2 ** image.tag_v2[_BITS][0] - 1
            if image.tag_v2.get(_PHOTOMETRIC) == _MIN_IS_WHITE:  # Pillow turns 8 bits alone
                values = white - values
        gray = Image.fromarray(np.rint(values / (white / 255)).astype(np.uint8))
        return gray if is_gray else gray.convert("RGB")
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, "black")
        ground.alpha_composite(image.convert("RGBA"))
        image = ground
    mode = "L" if is_gray else "RGB"
    # An image of this mode is not converted, because `convert` copies, at a fifth of the time.
    return image if image.mode == mode else image.convert(mode)
