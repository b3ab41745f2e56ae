"""Pictures in folders: `--data=folder:DIR`."""

import concurrent.futures
import contextlib
import os
import pathlib
import re
import struct
import sys
import time

import numpy as np
from PIL import Image, ImageOps

from gan_jax import cache, errors
from gan_jax.data import resize

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")  # the content must be one of these too, whatever the name says
_OTHER_SPLITS = ("test", "val", "valid", "validation")  # folders that may lie beside train without being classes
_GRAY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N")
_BLOCK = 256  # images decoded between two writes
_VERSION = 1  # part of the cache key: raise it when decoding changes


def load(arg, size, crop=0, split="train"):
    """Opens a folder of .png, .jpg, .jpeg, .webp and .bmp files, searched recursively; hidden files are left out.

    Two or more subfolders with images are the classes, in natural order of their names; otherwise the images have no
    labels. If DIR/train exists, DIR/train and DIR/test are the splits and the classes are those of DIR/train; without
    it everything is the train split. Images are decoded once, into the cache.

    Decoding: orientation as EXIF says; transparent pixels over black; 16-bit gray divided by 257; palette and CMYK to
    RGB. A file's mode, not its pixels, makes it gray (C = 1) or colour (C = 3), and all files must agree.

    Args:
      arg: the folder.
      size, crop, split: as in `source.load`. Nothing is enlarged.

    Returns:
      (images uint8 memmap [N, size, size, C], read-only; labels int32 [N] or None; class names); None if there is no
      such split.

    Raises:
      InputError: no images, an unreadable, animated or too small image (by name), gray and colour files mixed, or a
        folder structure with two readings.
    """
    root = pathlib.Path(arg).resolve()
    if not root.is_dir() or not os.access(root, os.R_OK | os.X_OK):
        raise errors.InputError(f"--data=folder:{arg} is not a folder that can be read; give the one with the images.")
    if crop and crop < size:
        raise errors.InputError(f"--crop={crop} is smaller than --size={size}; use --size={crop} or less, or no crop.")
    top = _split_folder(root, split)
    if top is None:
        return None
    groups = _groups(top)
    train = groups if split == "train" else _groups(root / "train")
    classes = tuple(train) if len(train) > 1 else ()
    labels = _labels(groups, classes, top)
    paths = [path for group in groups.values() for path in group]
    return _cached(top, paths, size, crop, split), labels, classes


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


def _split_folder(root, split):
    """The folder of the split, or None. Refuses DIR/train beside what looks like other classes."""
    if not (root / "train").is_dir():
        return root if split == "train" else None
    for other in _subfolders(root):
        if other.name not in ("train", *_OTHER_SPLITS) and _images_below(other):
            raise errors.InputError(
                f"{root} holds train/, which would be the train split, and {other.name}/ with images too; "
                "move all class folders into train/, or rename train/ if it is a class."
            )
    return root / split if (root / split).is_dir() else None


def _groups(top):
    """{class folder's name: its image paths} in natural order; {"": paths} for images without class folders."""
    groups = {folder.name: _images_below(folder) for folder in _subfolders(top)}
    groups = {name: paths for name, paths in groups.items() if paths}
    loose = [path for path in top.iterdir() if _is_image(path.name) and not path.is_dir()]
    if loose and groups:
        raise errors.InputError(
            f"{top} holds images directly ({min(loose).name}) and in folders ({next(iter(groups))}/); "
            "put every image into a class folder, or all into one folder."
        )
    if not loose and not groups:
        raise errors.InputError(f"{top} has no images; put {', '.join(EXTENSIONS)} files or class folders there.")
    return groups or {"": sorted(loose, key=lambda path: _natural(path.name))}


def _subfolders(folder):
    found = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(found, key=lambda path: _natural(path.name))


def _images_below(folder):
    """Image files anywhere below a folder, links followed, in natural order of their paths."""
    found, seen = [], set()

    def refuse(error):
        raise errors.InputError(f"{error.filename} cannot be read ({error.strerror}); check its permissions.")

    for parent, subfolders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(parent)
        subfolders[:] = [] if real in seen else sorted(name for name in subfolders if not name.startswith("."))
        if real not in seen:
            found += [pathlib.Path(parent, name) for name in names if _is_image(name)]
        seen.add(real)
    return sorted(found, key=lambda path: _natural(path.as_posix()))


def _is_image(name):
    return not name.startswith(".") and name.lower().endswith(EXTENSIONS)


def _natural(text):
    """Sorting key that puts 9.png before 10.png; the text itself decides between 1.png and 01.png."""
    parts = re.split(r"([0-9]+)", text)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], text


def _labels(groups, classes, top):
    if not classes:
        return None
    strangers = [name or "images outside class folders" for name in groups if name not in classes]
    if strangers:
        raise errors.InputError(f"{top} has {strangers[0]}, not among the classes of train: {', '.join(classes)}.")
    return np.concatenate([np.full(len(paths), classes.index(name), np.int32) for name, paths in groups.items()])


def _cached(top, paths, size, crop, split):
    """The decoded images as a read-only memmap, from the cache if files and settings are the same as then."""
    files = []
    for path in paths:
        try:
            stat = path.stat()
        except OSError as error:
            raise errors.InputError(f"{path} cannot be read ({error.strerror}); repair or remove it.") from error
        files.append((path.relative_to(top).as_posix(), stat.st_size, stat.st_mtime_ns))
    settings = {"path": str(top), "files": cache.digest(files), "size": size, "crop": crop, "split": split, "version": _VERSION}
    entry = cache.entry("images", settings, lambda folder: _decode_all(paths, size, crop, folder / "images.npy"))
    try:
        return np.load(entry / "images.npy", mmap_mode="r")
    except (OSError, ValueError) as error:
        raise errors.InputError(f"The cache entry {entry} is damaged; delete that folder and start again.") from error


def _decode_all(paths, size, crop, target):
    """Decodes all files into one .npy file.

    Headers come first: what they can refuse should not cost minutes of decoding. Written through the file and not
    through a memory map: a full disk is then an error, where a map would kill the process.
    """
    channels = _checked_headers(paths, size, crop)
    shape = (len(paths), size, size, channels)
    with open(target, "wb") as f:
        np.lib.format.write_array_header_1_0(f, {"descr": "|u1", "fortran_order": False, "shape": shape})
        images = _map(lambda path: decode(path, size, crop), paths, "images decoded")
        f.writelines(image.tobytes() for image in images)


def _checked_headers(paths, size, crop):
    """The number of channels all files have; refused if one is too small or they do not agree."""
    sides, channels = zip(*_map(_header, paths, "image headers read"), strict=True)
    if len(set(channels)) > 1:
        gray, colour = paths[channels.index(1)], paths[channels.index(3)]
        raise errors.InputError(f"{gray} is gray but {colour} is in colour; convert the files to one kind.")
    flag, needed = ("crop", crop) if crop else ("size", size)
    if min(sides) < needed:
        smallest = paths[sides.index(min(sides))]
        with _named(smallest), Image.open(smallest, formats=_FORMATS) as image:
            width, height = image.size
        raise errors.InputError(
            f"{smallest} is {width}x{height} pixels, too small for --{flag}={needed} (images are never enlarged); "
            f"use --{flag}={min(sides)} or less, or remove such files ({sum(side < needed for side in sides)} "
            f"of {len(paths)})."
        )
    return channels[0]


def _header(path):
    """(smaller side in pixels, channels) of a file, without decoding it."""
    with _named(path), Image.open(path, formats=_FORMATS) as image:
        n_frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # phones put previews into a JPEG
        if n_frames > 1:
            raise errors.InputError(f"{path} is animated ({n_frames} frames); save one as a still image.")
        return min(image.size), 1 if image.mode in _GRAY_MODES else 3


def _map(function, paths, what):
    """function of every path, in order, on all cores; from 2 s on, a line of progress on stderr every 10 s."""
    start = time.monotonic()
    due = start + 2
    with concurrent.futures.ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        for done in range(0, len(paths), _BLOCK):  # in blocks: results wait in memory, and Ctrl-C for what is queued
            yield from pool.map(function, paths[done : done + _BLOCK])
            now = time.monotonic()
            if now > due:
                due = now + 10
                n_done = min(done + _BLOCK, len(paths))
                left = (now - start) * (len(paths) - n_done) / n_done
                print(f"{n_done} of {len(paths)} {what}, {left:.0f} s left", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _named(path):
    """Turns what Pillow raises about a broken file into an InputError that names it."""
    try:
        yield
    except errors.InputError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())
        raise errors.InputError(f"{path} cannot be decoded ({reason}); repair or remove the file.") from error


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
