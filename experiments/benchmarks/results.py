"""Where the numbers of a benchmark go besides the terminal."""

import json
import pathlib

from gan_jax import cache
from gan_jax.errors import InputError


def path(named, flag="json"):
    """The Path of a file to be written, or None where none is named. Raises InputError if it cannot be."""
    out = pathlib.Path(named).expanduser()
    if named and (out.is_dir() or not out.parent.is_dir()):
        raise InputError(
            f"--{flag}={named} cannot be written; name a file in a folder that exists."
        )
    return out if named else None


def write(out, table):
    """Writes what JSON can hold to a path, if there is one."""
    if out:
        cache.write_atomic(out, json.dumps(table, indent=1) + "\n")
