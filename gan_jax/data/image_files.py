"""Image files: found, decoded and kept as one uint8 array in the cache. What every source made of files shares."""

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
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from gan_jax import cache, errors
from gan_jax.data import resize

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_FORMATS = (
    "PNG",
    "JPEG",
    "WEBP",
    "BMP",
)  # the content must be one of these too, whatever the name says
_GRAY = ("1", "L", "I")  # how the modes of gray images begin
_BLOCK = 256  # images that wait in memory at most
_QUIET = 2  # seconds before progress is shown
# What Pillow raises about damaged files.
_DECODER_ERRORS = (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, struct.error,
                   Image.DecompressionBombError)  # fmt: skip
_VERSION = 3  # part of the cache key: raise it when decoding changes


class ImageFileList(NamedTuple):
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
    """What a file says of itself. width, height: in pixels. channels: 1 (gray) or 3. mode: Pillow's, such as "RGB"; of a PNG
    file with the bits per channel if they are not 8, such as "RGB;16B"."""

    width: int
    height: int
    channels: int
    mode: str


class BadFile(errors.InputError):
    """An image file that cannot be used. why: its fault, in words that all files with that fault share. detail: its own."""

    def __init__(self, message, why, detail):
        super().__init__(message)
        self.why, self.detail = why, detail


def readable(arg, name):
    """The folder of --data=NAME:ARG as an absolute Path; refused if it is not a folder that can be read."""
    root = pathlib.Path(os.path.realpath(arg))
    if not root.is_dir() or not os.access(root, os.R_OK | os.X_OK):
        raise errors.InputError(
            f"--data={name}:{arg} is not a folder that can be read; give the one with the images."
        )
    return root


def below(folder):
    """Image files anywhere below a folder, links followed, hidden ones left out, in natural order of their paths."""
    found, seen = [], set()

    def refuse(error):
        raise errors.InputError(
            f"{shown(error.filename)} cannot be read ({error.strerror}); check its permissions."
        )

    for parent, subfolders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(parent)
        subfolders[:] = (
            [] if real in seen else sorted(name for name in subfolders if not name.startswith("."))
        )
        if real not in seen:
            found += [pathlib.Path(parent, name) for name in names if is_image(name)]
        seen.add(real)
    return sorted(found, key=lambda path: natural(path.as_posix()))


def index(folder, key, others=None):
    """{key(path): path} of the image files below a folder, in natural order.

    Raises:
      InputError: there are none, or two have one key; others: {key: path} that may not occur either.
    """
    found, others = {}, others or {}
    for path in below(folder):
        name = key(path)
        other = found.get(name) or others.get(name)
        if other:
            raise errors.InputError(
                f"{shown(other)} and {shown(path)} are both image {shown(name)}; remove one of them."
            )
        found[name] = path
    if not found:
        raise errors.InputError(f"{shown(folder)} has no images; unzip {folder.name}.zip there.")
    return found


def is_image(name):
    """Whether a file's name is that of an image."""
    return not name.startswith(".") and name.lower().endswith(EXTENSIONS)


def natural(text):
    """Sorting key that puts 9.png before 10.png; the text itself decides between 1.png and 01.png."""
    parts = re.split(r"([0-9]+)", text)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], text


def shown(path):
    """A path as messages of one line show it: in quotes and escaped where it holds line breaks or what is no text."""
    text = str(path)
    return text if text.isprintable() else repr(text)


def load(listing, view, split):
    """Decodes the files of a listing, once: later calls with the same files and settings read the cache.

    Decoding: orientation as EXIF says; transparent pixels over black; 16-bit gray divided by 257, of 16-bit colour the
    higher byte; palette and CMYK (as Adobe has it, 0 is full ink) to RGB. A file's mode, not its pixels, makes it gray
    (C = 1) or colour (C = 3), and all files must agree. Nothing is enlarged.

    Args:
      listing: Listing.
      view, split: as in `datasets.load`. With view.skip_bad, unreadable, animated and too small files are left out and
        named on stderr.

    Returns:
      (images uint8 memmap [N, size, size, C], read-only; labels int32 [N] or None; class names).

    Raises:
      InputError: an unreadable, animated or too small image (by name), gray and colour files mixed, or no good file.
    """
    view = in_effect(listing.crop, view)
    settings = {
        "path": str(listing.top),
        "files": cache.digest(_stamps(listing)),
        "size": view.size,
        "crop": view.crop,
        "split": split,
        "skip_bad": view.skip_bad,
        "version": _VERSION,
    }
    entry = cache.entry("images", settings, lambda folder: _decode_all(listing.paths, view, folder))
    try:
        images = np.load(entry / "images.npy", mmap_mode="r")
        skipped = {
            int(i): reason for i, reason in json.loads((entry / "skipped.json").read_text()).items()
        }
    except (OSError, ValueError) as error:
        raise errors.InputError(
            f"The cache entry {entry} is damaged; delete that folder and start again."
        ) from error
    kept = np.setdiff1d(np.arange(len(listing.paths)), list(skipped))
    labels = None if listing.labels is None else listing.labels[kept]
    if skipped:
        lost = () if labels is None else np.setdiff1d(listing.labels, [-1, *labels])
        lines = [f"No image is left in class {listing.classes[i]}." for i in lost]
        say_skipped(len(listing.paths), list(skipped.values()), lines)
    return images, labels, listing.classes


def save(path, images):
    """Writes images uint8 [H, W, C] of one shape, as they come, into one .npy file [N, H, W, C].

    Through the file and not through a memory map: a full disk is then an error, where a map would kill the process.
    """
    n = 0
    with open(path, "wb") as f:
        for image in images:
            if not n:
                _write_header(f, (0, *image.shape))
            f.write(image.tobytes())
            n += 1
        if n:
            f.seek(0)
            _write_header(f, (n, *image.shape))


def say_skipped(n_images, reasons, more=(), n=5):
    """Names the first n skipped images on stderr. n_images: the skipped included. reasons: one each. more: further lines."""
    lines = [f"{len(reasons)} of {n_images} images skipped:", *reasons[:n]]
    lines += [f"and {len(reasons) - n} more; --check_data names them."] if len(reasons) > n else []
    print("\n  ".join([*lines, *more]), file=sys.stderr, flush=True)


def in_effect(own, view):
    """The view with the crop that the user asks for, or else the source's own; refused if smaller than the images' size."""
    crop = view.crop or own
    if crop and crop < view.size:
        raise errors.InputError(
            f"The images are cropped to {crop} pixels, fewer than --size={view.size}; "
            f"use --size={crop} or less, or --crop={view.size} or more."
        )
    return view._replace(crop=crop)


def read_headers(paths):
    """The Header of every file, or the BadFile that it is: list [N]."""
    return list(over(lambda path: attempt(header, path), paths, "image headers read"))


def judge(paths, headers, view):
    """The files that their headers rule out: {row: BadFile}, in the order in which they are refused.

    Args:
      paths, headers: [N], see `read_headers`.
      view: as `in_effect`.
    """
    bad = {i: found for i, found in enumerate(headers) if isinstance(found, BadFile)}
    flag, needed = ("crop", view.crop) if view.crop else ("size", view.size)
    sides = {i: min(found.width, found.height) for i, found in enumerate(headers) if i not in bad}
    small = sorted((i for i, side in sides.items() if side < needed), key=sides.get)
    for i in small:
        detail = f"{headers[i].width}x{headers[i].height} pixels"
        bad[i] = BadFile(
            f"{shown(paths[i])} is {detail}, too small for {flag} {needed} (images are never enlarged); "
            f"use --{flag}={sides[i]} or less, or remove such files ({len(small)} of {len(paths)}).",
            "too small",
            detail,
        )
    return bad


def channels(paths, headers, bad, view):
    """The number of channels of all files that are not in `bad`.

    Raises:
      InputError: all files are bad, one is and they are not to be skipped, or gray and colour files are mixed.
    """
    first = next(iter(bad.values()), None)
    if len(bad) == len(paths):
        raise errors.InputError(
            f"None of the {len(paths)} images can be used; the first: {first}"
        ) from first
    if bad and not view.skip_bad:
        raise errors.InputError(f"{first} --skip_bad_images leaves such files out.") from first
    rows = {1: [], 3: []}
    for i, found in enumerate(headers):
        if i not in bad:
            rows[found.channels].append(i)
    gray, colour = rows.values()
    if gray and colour:
        raise errors.InputError(
            f"{shown(paths[gray[0]])} is gray but {shown(paths[colour[0]])} is in colour ({len(gray)} gray, "
            f"{len(colour)} colour files); convert them to one kind."
        )
    return 1 if gray else 3


def decode(path, size, crop=0):
    """One image file as an array.

    Args:
      path: the file.
      size, crop: as in `resize.fit`.

    Returns:
      uint8 [size, size, C], C = 1 for gray files and 3 for colour.

    Raises:
      BadFile: it cannot be decoded.
    """
    with _named(path), Image.open(path, formats=_FORMATS) as image:
        is_gray = _mode(image).startswith(_GRAY)
        ImageOps.exif_transpose(image, in_place=True)
        pixels = np.asarray(resize.fit(_to_8bit(image, is_gray), size, crop))
    return pixels if pixels.ndim == 3 else pixels[..., None]


def header(path):
    """The Header of a file, without decoding it.

    Raises:
      BadFile: it is no image, or an animated one.
    """
    with _named(path), Image.open(path, formats=_FORMATS) as image:
        n_frames = (
            1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        )  # phones put previews into a JPEG
        if n_frames > 1:
            detail = f"{n_frames} frames"
            raise BadFile(
                f"{shown(path)} is animated ({detail}); save one as a still image.",
                "animated",
                detail,
            )
        mode = _mode(image)
        return Header(*image.size, 1 if mode.startswith(_GRAY) else 3, mode)


def attempt(function, *args):
    """function(*args), or the InputError that it raised."""
    try:
        return function(*args)
    except errors.InputError as error:
        return error


def over(function, items, what):
    """Yields function(item) of every item, in order, on all cores; progress and speed on stderr if it takes long."""
    terminal, start = sys.stderr.isatty(), time.monotonic()
    due = start + _QUIET
    with (
        concurrent.futures.ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool,
        tqdm(
            total=len(items),
            desc=what,
            unit="image",
            delay=_QUIET,
            disable=not terminal,
            leave=False,
        ) as bar,
    ):
        for done in range(
            0, len(items), _BLOCK
        ):  # in blocks: results wait in memory, and Ctrl-C for what is queued
            for result in pool.map(function, items[done : done + _BLOCK]):
                yield result
                bar.update()
            now, n_done = time.monotonic(), min(done + _BLOCK, len(items))
            if now > due and not terminal:
                due = now + 10
                left = (now - start) * (len(items) - n_done) / n_done
                print(
                    f"{n_done} of {len(items)} {what}, {left:.0f} s left",
                    file=sys.stderr,
                    flush=True,
                )
    if (spent := time.monotonic() - start) > _QUIET:
        print(
            f"{len(items)} {what} in {spent:.0f} s, {len(items) / spent:.0f} per second",
            file=sys.stderr,
            flush=True,
        )


def _stamps(listing):
    """[path, size, time of change] of every file: what tells that a folder has changed."""
    stamps = []
    for path in listing.paths:
        name, stamp = path.relative_to(listing.top).as_posix(), (-1, -1)
        # Decoding refuses what cannot be read, or skips it; it is to be tried again once it can be.
        with contextlib.suppress(OSError):
            if os.access(path, os.R_OK):
                stat = path.stat()
                stamp = stat.st_size, stat.st_mtime_ns
        stamps.append((name, *stamp))
    return stamps


def _decode_all(paths, view, folder):
    """Writes images.npy and skipped.json ({row: reason}) into a cache entry.

    Headers come first: what they can refuse should not cost minutes of decoding.
    """
    headers = read_headers(paths)
    bad = judge(paths, headers, view)
    channels(paths, headers, bad, view)
    rows = [i for i in range(len(paths)) if i not in bad]
    decoded = over(
        lambda i: attempt(decode, paths[i], view.size, view.crop), rows, "images decoded"
    )

    def good():
        for i, image in zip(rows, decoded, strict=True):
            if not isinstance(image, BadFile):
                yield image
                continue
            bad[i] = image
            if not view.skip_bad:
                return

    save(folder / "images.npy", good())
    channels(paths, headers, bad, view)
    (folder / "skipped.json").write_text(json.dumps({i: str(bad[i]) for i in sorted(bad)}))


def _write_header(f, shape):
    """The header of a .npy file; numpy pads it so that the first axis can be rewritten in place."""
    np.lib.format.write_array_header_1_0(
        f, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )


@contextlib.contextmanager
def _named(path):
    """Turns what Pillow raises about a broken file into a BadFile."""
    try:
        yield
    except BadFile:
        raise
    except _DECODER_ERRORS as error:
        why, detail = _fault(error)
        verb = "read" if why == "unreadable" else "decoded"
        raise BadFile(
            f"{shown(path)} cannot be {verb} ({detail}); repair or remove the file.", why, detail
        ) from error


def _fault(error):
    """(why, detail) for a BadFile."""
    if isinstance(error, UnidentifiedImageError):
        return "not an image", f"empty, or no {', '.join(_FORMATS[:-1])} or {_FORMATS[-1]} inside"
    if isinstance(error, OSError) and error.strerror:  # of the file system, not of a decoder
        return "unreadable", error.strerror
    why = "too large" if isinstance(error, Image.DecompressionBombError) else "damaged"
    return why, " ".join(str(error).split()).rstrip(".")


def _mode(image):
    """As Header has it. Pillow itself calls PNG files of 16 bits per channel RGB, even gray ones with transparency."""
    return image.tile[0][3] if image.format == "PNG" and image.tile else image.mode


def _to_8bit(image, is_gray):
    """A Pillow image in mode L or RGB."""
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.float64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(
                f"gray values from {values.min():.0f} to {values.max():.0f} do not fit 16 bits"
            )
        values[values == image.info.get("transparency")] = 0
        return Image.fromarray(np.rint(values / 257).astype(np.uint8))
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, "black")
        ground.alpha_composite(image.convert("RGBA"))
        image = ground
    mode = "L" if is_gray else "RGB"
    return (
        image if image.mode == mode else image.convert(mode)
    )  # convert would copy, at a fifth of the time
