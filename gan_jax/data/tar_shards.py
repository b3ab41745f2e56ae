"""Images in .tar files, as WebDataset has them: they are copied into the cache once.

Files of one name up to the first dot belong together: an image, and in NAME.cls its class, as a
number or a word; a second image of the name is refused. Images get new names in the cache, so that
no path within an archive is ever written to. Links and other special members are left out. Memory
is bounded: archives are read in order, a piece at a time.
"""

import collections
import json
import os
import pathlib
import tarfile
from typing import NamedTuple

from gan_jax import cache
from gan_jax.data.image_cache import refuse_damaged
from gan_jax.data.image_files import EXTENSIONS, natural_sort_key
from gan_jax.errors import InputError, printable

ENDING = ".tar"
_VERSION = 2  # part of the cache key
_PIECE_BYTES = 2**20
_MAX_CLASS_BYTES = 256
_REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE)


class Unpacked(NamedTuple):
    """The images of a list of archives."""

    folder: pathlib.Path  # in the cache
    paths: list[pathlib.Path]  # in the order of the archives [N]
    class_of: list[str]  # "" without one [N]
    others: collections.Counter[str]  # {type: number of files that are not read}


def find(folder: pathlib.Path) -> list[pathlib.Path]:
    """List the archives that lie directly in a folder, in natural order."""
    names = [name for name in os.listdir(folder) if name.lower().endswith(ENDING)]
    shown = sorted((name for name in names if name[0] != "."), key=natural_sort_key)
    return [folder / name for name in shown]


def unpack(archives: list[pathlib.Path]) -> Unpacked:
    """Copy the images of archives into the cache; later calls find them there.

    Raises:
      InputError: an archive is damaged, cut off or unreadable, or has several images of a sample.
    """
    stamps = []
    for path in archives:
        try:
            with open(path, "rb") as file:
                stat = os.fstat(file.fileno())
        except OSError as error:
            raise InputError(
                f"{printable(path)} cannot be read ({error.strerror}); check its permissions."
            ) from error
        stamps.append((str(path), stat.st_size, stat.st_mtime_ns))
    settings = {"archives": stamps, "version": _VERSION}
    entry = cache.entry("tar", settings, lambda folder: _build(archives, folder))
    with refuse_damaged(entry):
        images, others = json.loads((entry / "images.json").read_text())
    paths = [entry / name for name, _ in images]
    return Unpacked(entry, paths, [kind for _, kind in images], collections.Counter(others))


def _build(archives, folder):
    """Write images.json, [[[file, class], ...], {type: number of other files}], and the images."""
    images, others = [], collections.Counter()
    for number, path in enumerate(archives):
        into = f"{number:05d}_{path.name[:100]}"
        (folder / into).mkdir()
        class_of, keys, members = {}, [], collections.defaultdict(dict)
        try:
            with tarfile.open(path, "r:") as file:
                for member in file:
                    if member.type not in _REGULAR or _base(member).startswith("."):
                        continue
                    key, kind = _split(member)
                    ending = next((e for e in EXTENSIONS if kind.endswith(e)), "")
                    if ending:
                        name = f"{into}/{len(keys):06d}{ending}"
                        keys.append((name, key))
                        members[key][kind] = _base(member)
                        _copy(file, member, folder / name)
                    elif kind == ".cls":
                        content = file.extractfile(member).read(_MAX_CLASS_BYTES)
                        class_of[key] = content.decode(errors="replace").strip()
                    else:
                        others["".join(kind.rpartition(".")[1:])] += 1
                # Python ends without a word where the next header is damaged or missing.
                file.fileobj.seek(file.offset)
                if file.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                    raise tarfile.ReadError("it breaks off, or a header within it is damaged")
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise InputError(
                f"{printable(path)} cannot be read as a tar file ({printable(error)}); fetch it "
                "again, or remove it."
            ) from error
        for names in members.values():
            # Such as .png and .seg.png; a number after the dot is a part of a plain name.
            if len(names) > 1 and not any(kind[1].isdigit() for kind in names):
                raise InputError(
                    f"{printable(path)} has several images of one sample, "
                    f"{printable(', '.join(names.values()))}, as a photograph and its mask are; "
                    "keep one image for each name up to the first dot."
                )
        images += [(name, class_of.get(key, "")) for name, key in keys]
    (folder / "images.json").write_text(json.dumps([images, others]))


def _base(member):
    return member.name.rpartition("/")[2]


def _split(member):
    """Split a member's path at the first dot of its name: (what its files share, type)."""
    _, dot, kind = _base(member).partition(".")
    return member.name[: len(member.name) - len(dot + kind)], (dot + kind).lower()


def _copy(file, member, path):
    source, left = file.extractfile(member), member.size
    with open(path, "wb") as out:
        while left > 0:
            piece = source.read(min(left, _PIECE_BYTES))
            if not piece:
                raise tarfile.ReadError("it breaks off")
            out.write(piece)
            left -= len(piece)
