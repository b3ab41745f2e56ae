"""Files that are expensive to make and can be made again: classifiers, uint8 images, compiled code.

Everything lies under `~/.cache/gan_jax` (or `GAN_JAX_CACHE`), in folders named by a hash of source and settings.
Concurrent runs are safe: an entry appears whole, by rename, or not at all.
"""

import hashlib
import json
import os
import pathlib
import shutil
import tempfile
import time

from gan_jax.errors import InputError


def root():
    """The cache folder, as a Path (it may not exist yet)."""
    return pathlib.Path(
        os.environ.get("GAN_JAX_CACHE") or pathlib.Path.home() / ".cache" / "gan_jax"
    )


def digest(*settings):
    """A 16-digit hash of JSON-able settings."""
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def entry(kind, settings, build):
    """The folder of one cache entry; built first if it does not exist.

    Args:
      kind: a short name, the entry's parent folder ("images", "classifier").
      settings: JSON-able description of all that determines the content.
      build: function(folder Path) that writes the files of the entry into an existing empty folder.

    Returns:
      Path of the finished entry.

    Raises:
      InputError: the cache cannot be written.
    """
    path = root() / kind / digest(settings)
    if path.is_dir():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        scratch = pathlib.Path(tempfile.mkdtemp(prefix=".tmp-", dir=path.parent))
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
            f"The cache {path.parent} cannot be written ({error.strerror or error}); make room, or set GAN_JAX_CACHE."
        ) from error
    return path


def _sweep(folder):
    """Removes what killed processes left a day ago or earlier."""
    for left in folder.glob(".tmp-*"):
        if left.stat().st_mtime < time.time() - 86400:
            shutil.rmtree(left, ignore_errors=True)


def write_atomic(path, data):
    """Writes bytes or text so that a reader sees the old file or the new one, never a part of it."""
    path = pathlib.Path(path)
    handle, scratch = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as f:
            f.write(data.encode() if isinstance(data, str) else data)
        os.chmod(scratch, 0o644)
        os.replace(scratch, path)
    except BaseException:
        os.unlink(scratch)
        raise
