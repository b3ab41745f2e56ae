"""Files of run folders as a watcher may read them: no links, no pipes, no more than needed, and only what JSON can hold."""

import json
import os
import stat

from gan_jax.errors import InputError

SMALL = 2**21  # bytes of a config.json, eval.json or studio.json, at most
TAIL = 2**14  # bytes in which the newest record is looked for first
LONGEST = 2**20  # bytes of one record, at most
HUGE = 1e300  # beyond it a number is taken for infinite


def open_regular(path):
    """A file opened for reading bytes. Raises OSError: it is absent, a link, a pipe or a folder."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError("it is no regular file")
    return os.fdopen(handle, "rb")


def _finite(text):
    value = float(text)
    if not abs(value) < HUGE:
        raise ValueError(f"{text[:20]} is not a finite number")
    return value


def loads(text):
    """A JSON value without NaN, infinities or bottomless nesting. Raises ValueError."""
    try:
        return json.loads(text, parse_float=_finite, parse_constant=_finite, parse_int=_whole)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _whole(text):
    if len(text) > 18:
        raise ValueError(f"{text[:20]}... is too large")
    return int(text)


def read_json(path):
    """A small JSON object of a file; None where there is no such file.

    Raises:
      InputError: it cannot be read, or is no object.
    """
    try:
        with open_regular(path) as file:
            found = loads(file.read(SMALL + 1)[:SMALL])
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path.name} cannot be read: it is damaged, or of another version ({error})."
        ) from error
    if not isinstance(found, dict):
        raise InputError(f"{path.name} cannot be read: it holds no JSON object.")
    return found


def record(line):
    """The record that a line of metrics.jsonl holds, or None."""
    try:
        found = loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and type(found.get("step")) is int else None


def newest_record(path):
    """The last readable record at the end of a metrics.jsonl of any length, or None."""
    try:
        with open_regular(path) as file:
            size, reach = os.fstat(file.fileno()).st_size, TAIL
            while True:
                file.seek(max(size - reach, 0))
                lines = file.read(reach).split(b"\n")
                for line in reversed(lines[:-1] if reach >= size else lines[1:-1]):
                    if found := record(line):
                        return found
                if reach >= min(size, LONGEST):
                    return None
                reach *= 8
    except OSError:
        return None


def tail(path, n):
    """(the last n bytes of a text file, from the beginning of a line; its size); ("", 0) where there is none."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(size - n, 0))
            data = file.read(n)
    except OSError:
        return "", 0
    return (data if size <= n else data.partition(b"\n")[2]).decode(errors="replace"), size


def last_line(path):
    """The last line of a text file that is not empty, cut to 500 characters; "" where there is none."""
    lines = [line.strip() for line in tail(path, TAIL)[0].splitlines() if line.strip()]
    return lines[-1][-500:] if lines else ""
