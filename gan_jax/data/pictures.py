"""Image files: found, decoded and kept as one uint8 array in the cache. What every source made of files shares."""

import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import struct
import sys
import time
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from gan_jax import cache, errors
from gan_jax.data import resize

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")  # the content must be one of these too, whatever the name says
_GRAY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N")
_BLOCK = 256  # images decoded between two writes
_VERSION = 2  # part of the cache key: raise it when decoding changes


class Listing(NamedTuple):
    """The image files of one split, in order, before any is opened.

    top: folder that every path lies in. paths: list of Path [N]. labels: int32 [N], -1 where unknown; None if the source
    has no classes. classes: their names. crop: side of the centre crop in source pixels where the user names none; 0 for
    the largest square. notes: lines about the source that the user should see.
    """

    top: pathlib.Path
    paths: list
    labels: np.ndarray | None = None
    classes: tuple = ()
    crop: int = 0
    notes: tuple = ()


class Header(NamedTuple):
    """What a file says of itself. width, height: in pixels. channels: 1 (gray) or 3. mode: Pillow's, such as "RGB"."""

    width: int
    height: int
    channels: int
    mode: str


def readable(arg, name):
    """The folder of --data=NAME:ARG as an absolute Path; refused if it is not a folder that can be read."""
    root = pathlib.Path(arg).resolve()
    if not root.is_dir() or not os.access(root, os.R_OK | os.X_OK):
        raise errors.InputError(f"--data={name}:{arg} is not a folder that can be read; give the one with the images.")
    return root


def below(folder):
    """Image files anywhere below a folder, links followed, hidden ones left out, in natural order of their paths."""
    found, seen = [], set()

    def refuse(error):
        raise errors.InputError(f"{error.filename} cannot be read ({error.strerror}); check its permissions.")

    for parent, subfolders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(parent)
        subfolders[:] = [] if real in seen else sorted(name for name in subfolders if not name.startswith("."))
        if real not in seen:
            found += [pathlib.Path(parent, name) for name in names if is_image(name)]
        seen.add(real)
    return sorted(found, key=lambda path: natural(path.as_posix()))


def is_image(name):
    """Whether a file's name is that of an image."""
    return not name.startswith(".") and name.lower().endswith(EXTENSIONS)


def natural(text):
    """Sorting key that puts 9.png before 10.png; the text itself decides between 1.png and 01.png."""
    parts = re.split(r"([0-9]+)", text)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], text


def load(listing, view, split):
    """Decodes the files of a listing, once: later calls with the same files and settings read the cache.

    Decoding: orientation as EXIF says; transparent pixels over black; 16-bit gray divided by 257; palette and CMYK to
    RGB. A file's mode, not its pixels, makes it gray (C = 1) or colour (C = 3), and all files must agree. Nothing is
    enlarged.

    Args:
      listing: Listing.
      view, split: as in `source.load`. With view.skip_bad, unreadable, animated and too small files are left out and
        named on stderr.

    Returns:
      (images uint8 memmap [N, size, size, C], read-only; labels int32 [N] or None; class names).

    Raises:
      InputError: an unreadable, animated or too small image (by name), gray and colour files mixed, or no good file.
    """
    crop = view.crop or listing.crop
    if crop and crop < view.size:
        raise errors.InputError(
            f"The images are cropped to {crop} pixels, fewer than --size={view.size}; "
            f"use --size={crop} or less, or --crop={view.size} or more."
        )
    settings = {
        "path": str(listing.top),
        "files": cache.digest(_stamps(listing)),
        "size": view.size,
        "crop": crop,
        "split": split,
        "skip_bad": view.skip_bad,
        "version": _VERSION,
    }
    entry = cache.entry("images", settings, lambda folder: _decode_all(listing, view._replace(crop=crop), folder))
    try:
        images = np.load(entry / "images.npy", mmap_mode="r")
        skipped = {int(i): reason for i, reason in json.loads((entry / "skipped.json").read_text()).items()}
    except (OSError, ValueError) as error:
        raise errors.InputError(f"The cache entry {entry} is damaged; delete that folder and start again.") from error
    if skipped:
        print(
            f"{len(skipped)} of {len(listing.paths)} files skipped: {'; '.join(_first_few(skipped.values()))}", file=sys.stderr
        )
    kept = np.setdiff1d(np.arange(len(listing.paths)), list(skipped))
    return images, None if listing.labels is None else listing.labels[kept], listing.classes


def decode(path, size, crop=0):
    """One image file as an array.

    Args:
      path: the file.
      size, crop: as in `resize.fit`.

    Returns:
      uint8 [size, size, C], C = 1 for gray files and 3 for colour.

    Raises:
      InputError: the file cannot be decoded.
    """
    with _named(path), Image.open(path, formats=_FORMATS) as image:
        upright = _to_8bit(ImageOps.exif_transpose(image))
        pixels = np.asarray(resize.fit(upright, size, crop))
    return pixels if pixels.ndim == 3 else pixels[..., None]


def header(path):
    """The Header of a file, without decoding it.

    Raises:
      InputError: it is no image, or an animated one.
    """
    with _named(path), Image.open(path, formats=_FORMATS) as image:
        n_frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # phones put previews into a JPEG
        if n_frames > 1:
            raise errors.InputError(f"{path} is animated ({n_frames} frames); save one as a still image.")
        return Header(*image.size, 1 if image.mode in _GRAY_MODES else 3, image.mode)


def attempt(function, *args):
    """function(*args), or the InputError that it raised."""
    try:
        return function(*args)
    except errors.InputError as error:
        return error


def over(function, items, what):
    """Yields function(item) of every item, in order, on all cores; from 2 s on, progress on stderr."""
    terminal, start = sys.stderr.isatty(), time.monotonic()
    due = start + 2
    with (
        concurrent.futures.ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool,
        tqdm(total=len(items), desc=what, unit="image", delay=2, disable=not terminal, leave=False) as bar,
    ):
        for done in range(0, len(items), _BLOCK):  # in blocks: results wait in memory, and Ctrl-C for what is queued
            for result in pool.map(function, items[done : done + _BLOCK]):
                yield result
                bar.update()
            now, n_done = time.monotonic(), min(done + _BLOCK, len(items))
            if now > due and not terminal:
                due = now + 10
                left = (now - start) * (len(items) - n_done) / n_done
                print(f"{n_done} of {len(items)} {what}, {left:.0f} s left", file=sys.stderr, flush=True)


def _stamps(listing):
    """[path, size, time of change] of every file: what tells that a folder has changed."""
    stamps = []
    for path in listing.paths:
        try:
            stat = path.stat()
            stamps.append((path.relative_to(listing.top).as_posix(), stat.st_size, stat.st_mtime_ns))
        except OSError:  # decoding will say so, and skip it if asked to
            stamps.append((path.relative_to(listing.top).as_posix(), -1, -1))
    return stamps


def _decode_all(listing, view, folder):
    """Writes images.npy and skipped.json ({row: reason}) into a cache entry.

    Headers come first: what they can refuse should not cost minutes of decoding. Written through the file and not
    through a memory map: a full disk is then an error, where a map would kill the process.
    """
    bad = {}
    headers = list(over(lambda path: attempt(header, path), listing.paths, "image headers read"))
    channels = _checked(listing.paths, headers, view, bad)
    rows = [i for i in range(len(listing.paths)) if i not in bad]
    with open(folder / "images.npy", "wb") as f:
        _write_header(f, (0, view.size, view.size, channels))
        decoded = over(lambda i: attempt(decode, listing.paths[i], view.size, view.crop), rows, "images decoded")
        for i, image in zip(rows, decoded, strict=True):
            if isinstance(image, errors.InputError):
                _refuse_or_note(bad, i, image, view)
            else:
                f.write(image.tobytes())
        f.seek(0)
        _write_header(f, (_n_good(listing.paths, bad), view.size, view.size, channels))
    (folder / "skipped.json").write_text(json.dumps({i: str(bad[i]) for i in sorted(bad)}))


def _write_header(f, shape):
    """The header of a .npy file; numpy pads it so that the first axis can be rewritten in place."""
    np.lib.format.write_array_header_1_0(f, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _n_good(paths, bad):
    if len(bad) == len(paths):
        raise errors.InputError(f"None of the {len(paths)} images is good; the first: {bad[0]}")
    return len(paths) - len(bad)


def _refuse_or_note(bad, i, error, view):
    if not view.skip_bad:
        raise errors.InputError(f"{error} --skip_bad_images leaves such files out.") from error
    bad[i] = error


def _checked(paths, headers, view, bad):
    """The number of channels all files have; bad files go into `bad`, or are refused."""
    for i, found in enumerate(headers):
        if isinstance(found, errors.InputError):
            _refuse_or_note(bad, i, found, view)
    flag, needed = ("crop", view.crop) if view.crop else ("size", view.size)
    small = [i for i, h in enumerate(headers) if i not in bad and min(h.width, h.height) < needed]
    for i in sorted(small, key=lambda i: min(headers[i].width, headers[i].height)):
        h = headers[i]
        error = errors.InputError(
            f"{paths[i]} is {h.width}x{h.height} pixels, too small for {flag} {needed} (images are never enlarged); "
            f"use --{flag}={min(h.width, h.height)} or less, or remove such files ({len(small)} of {len(paths)})."
        )
        _refuse_or_note(bad, i, error, view)
    _n_good(paths, bad)
    kinds = collections.Counter(h.channels for i, h in enumerate(headers) if i not in bad)
    if len(kinds) > 1:
        gray, colour = (next(p for p, h in zip(paths, headers, strict=True) if getattr(h, "channels", 0) == c) for c in (1, 3))
        raise errors.InputError(
            f"{gray} is gray but {colour} is in colour ({kinds[1]} gray, {kinds[3]} colour files); convert them to one kind."
        )
    return next(iter(kinds))


def _first_few(reasons, n=5):
    reasons = [str(reason) for reason in reasons]
    return reasons[:n] + ([f"and {len(reasons) - n} more"] if len(reasons) > n else [])


@contextlib.contextmanager
def _named(path):
    """Turns what Pillow raises about a broken file into an InputError that names it."""
    try:
        yield
    except errors.InputError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        missing = getattr(error, "strerror", None)  # of the file system, not of a decoder
        what = f"read ({missing})" if missing else f"decoded ({' '.join(str(error).split())})"
        raise errors.InputError(f"{path} cannot be {what}; repair or remove the file.") from error


def _to_8bit(image):
    gray = image.mode in _GRAY_MODES
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.float64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"gray values from {values.min():.0f} to {values.max():.0f} do not fit 16 bits")
        return Image.fromarray(np.rint(values / 257).astype(np.uint8))
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, "black")
        ground.alpha_composite(image.convert("RGBA"))
        image = ground
    return image.convert("L" if gray else "RGB")
