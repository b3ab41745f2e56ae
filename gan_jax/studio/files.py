"""Safe reading of files in run folders: no links, no pipes, bounded sizes, finite numbers."""

import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

from gan_jax.errors import InputError
from gan_jax.rundir import config_file

MAX_JSON_BYTES = 2**24  # of a config.json, eval.json or studio.json; 1,000 classes take 8 MiB
TAIL_BYTES = 2**14  # where the newest record is searched first
MAX_RECORD_BYTES = 2**20  # of one line of metrics.jsonl
MAX_DIGITS = 18  # of an integer
MAX_NUMBER = 1e300  # larger numbers count as infinite


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading bytes.

    Raises:
      OSError: it is absent, a link, a pipe or a folder.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError("it is no regular file")
    return os.fdopen(handle, "rb")


def parse_json(text: str | bytes) -> Any:
    """Parse JSON without NaN, infinities, huge integers or deep nesting.

    Raises:
      ValueError
    """
    try:
        return json.loads(
            text, parse_float=_parse_float, parse_constant=_parse_float, parse_int=_parse_int
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _parse_float(text):
    value = float(text)
    if not abs(value) < MAX_NUMBER:
        raise ValueError(f"{text[:20]} is not a finite number")
    return value


def _parse_int(text):
    if len(text) > MAX_DIGITS:
        raise ValueError(f"{text[:20]}... is too large")
    return int(text)


def finite_float(value: Any) -> float:
    """Return a finite number as float, and 0.0 for anything else."""
    return float(value) if type(value) in (int, float) and abs(value) < MAX_NUMBER else 0.0


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a small JSON object; None where there is no such file.

    Raises:
      InputError: it cannot be read, or is no object.
    """
    try:
        with open_regular(path) as file:
            text = file.read(MAX_JSON_BYTES + 1)
        if len(text) > MAX_JSON_BYTES:
            raise ValueError(f"it is larger than {MAX_JSON_BYTES // 2**20} MiB")
        value = parse_json(text)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path.name} cannot be read: it is damaged, or of another version ({error})."
        ) from error
    if not isinstance(value, dict):
        raise InputError(f"{path.name} cannot be read: it holds no JSON object.")
    return value


def read_config(folder: Path) -> dict[str, Any] | None:
    """Read the config.json of a run folder, with the keys of this version.

    Raises:
      InputError: see `read_json`.
    """
    config = read_json(folder / config_file.NAME)
    if config is None:
        return None
    return {config_file.RENAMED_KEYS.get(key, key): value for key, value in config.items()}


def parse_record(line: str | bytes) -> dict[str, Any] | None:
    """Parse a line of metrics.jsonl; None where it is no record."""
    try:
        record = parse_json(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and type(record.get("step")) is int else None


def newest_record(path: Path) -> dict[str, Any] | None:
    """Read the last valid record of a metrics.jsonl from its end, however long it is."""
    try:
        with open_regular(path) as file:
            size, n_bytes = os.fstat(file.fileno()).st_size, TAIL_BYTES
            while True:
                file.seek(max(size - n_bytes, 0))
                lines = file.read(n_bytes).split(b"\n")
                for line in reversed(lines[:-1] if n_bytes >= size else lines[1:-1]):
                    if record := parse_record(line):
                        return record
                if n_bytes >= min(size, MAX_RECORD_BYTES):
                    return None
                n_bytes *= 8
    except OSError:
        return None


def read_tail(path: Path, n_bytes: int) -> tuple[str, int]:
    """Read the end of a text file, from the beginning of a line.

    Returns:
      (text of at most n_bytes, size of the file); ("", 0) where there is no such file.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(size - n_bytes, 0))
            data = file.read(n_bytes)
    except OSError:
        return "", 0
    return (data if size <= n_bytes else data.partition(b"\n")[2]).decode(errors="replace"), size


def last_line(path: Path) -> str:
    """Return the last line of a text file that is not empty, cut to 500 characters; "" if none."""
    lines = [line.strip() for line in read_tail(path, TAIL_BYTES)[0].splitlines() if line.strip()]
    return lines[-1][-500:] if lines else ""
