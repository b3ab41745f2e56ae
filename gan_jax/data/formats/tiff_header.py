"""Whether a TIFF file is an ordinary picture, by Pillow alone."""

import os
import pathlib

from PIL import Image

BITS, SAMPLES, EXTRA_SAMPLES, SAMPLE_FORMAT = 258, 277, 338, 339
_UNSPECIFIED = 0  # an extra sample that is no transparency, which Pillow leaves out
_UNSIGNED = (1, 4)  # sample formats; 4 is "undefined", which programs write for unsigned


def is_ordinary(path: str | os.PathLike | pathlib.Path) -> bool:
    """Return whether Pillow reads all of a TIFF file: one page of up to 8 bits, without sign.

    Also where the file is so damaged that its header cannot be read; decoding then says so.
    """
    try:
        with Image.open(path, formats=["TIFF"]) as image:
            tags = image.tag_v2
            return (
                getattr(image, "n_frames", 1) == 1
                and tags.get(SAMPLES, 1) <= 4
                and _UNSPECIFIED not in tags.get(EXTRA_SAMPLES, ())
                and max(tags.get(BITS, (1,))) <= 8
                and set(tags.get(SAMPLE_FORMAT, (1,))) <= set(_UNSIGNED)
            )
    except Exception:
        # Layouts that Pillow does not know, such as planes apart or five bands.
        with open(path, "rb") as file:
            return not _has_directory(file.read(16), os.path.getsize(path))


def _has_directory(head, size):
    """Return whether a header points into the file."""
    order = "little" if head[:2] == b"II" else "big"
    big = head[2:4] in (b"+\0", b"\0+")
    at = int.from_bytes(head[8:16] if big else head[4:8], order)
    return 8 <= at < size
