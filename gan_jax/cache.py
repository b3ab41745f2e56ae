"""The cache of files that are expensive to make: classifiers, uint8 images, compiled code.

Everything lies under `~/.cache/gan_jax` (or `GAN_JAX_CACHE`), in folders named by a hash of the
settings. Concurrent runs are safe: an entry appears whole, by a rename, or not at all.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
import time
from collections.abc import Callable

from gan_jax.errors import InputError

SECONDS_PER_DAY = 86_400
SCRATCH = ".gan_jax-"  # prefix of files and folders that are being written


def root() -> pathlib.Path:
    """Return the cache folder, which may not exist yet.

    Raises:
      InputError: no home folder is known, and GAN_JAX_CACHE is not set.
    """
    if folder := os.environ.get("GAN_JAX_CACHE"):
        return pathlib.Path(folder)
    try:
        return pathlib.Path.home() / ".cache" / "gan_jax"
    except RuntimeError as error:  # no HOME, and no entry in the password file
        raise InputError(
            "No home folder is known, which the cache would lie in; set GAN_JAX_CACHE to a folder "
            "of your own, such as GAN_JAX_CACHE=/tmp/my_cache."
        ) from error


def digest(*settings) -> str:
    """Return a hash of 16 hex digits of JSON-able settings."""
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def entry(kind: str, settings, build: Callable[[pathlib.Path], object]) -> pathlib.Path:
    """Return the folder of one cache entry; build it first if it does not exist.

    Args:
      kind: name of the entry's parent folder, such as "images" or "classifier".
      settings: JSON-able description of all that determines the content.
      build: writes the files of the entry into an existing empty folder.

    Raises:
      InputError: the cache cannot be written.
    """
    path = root() / kind / digest(settings)
    if path.is_dir():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path.parent)
        scratch = pathlib.Path(tempfile.mkdtemp(prefix=SCRATCH, dir=path.parent))
        try:
            build(scratch)
            try:
                scratch.rename(path)
            except OSError:  # another process finished the same entry first
                if not path.is_dir():
                    raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise InputError(
            f"The cache {path.parent} cannot be written ({error.strerror or error}); "
            "make room, or set GAN_JAX_CACHE to another folder."
        ) from error
    return path


def remove_abandoned(folder: pathlib.Path) -> None:
    """Remove what was half-written in a folder by processes killed a day ago or earlier.

    Later ones may be at work: this computer cannot tell, where another one shares the disk.
    """
    for scratch in folder.glob(f"{SCRATCH}*"):
        with contextlib.suppress(OSError):  # finished, or removed, at this moment
            if scratch.stat().st_mtime > time.time() - SECONDS_PER_DAY:
                continue
            if scratch.is_dir():
                shutil.rmtree(scratch, ignore_errors=True)
            else:
                scratch.unlink()


def write_atomic(path: str | os.PathLike, data: bytes | str) -> None:
    """Write a file so that readers see its old content or the new, never a part."""
    path = pathlib.Path(path)
    handle, scratch = tempfile.mkstemp(prefix=SCRATCH, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as f:
            f.write(data.encode() if isinstance(data, str) else data)
        os.chmod(scratch, 0o644)
        os.replace(scratch, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):  # it has its name already
            os.unlink(scratch)
        raise
