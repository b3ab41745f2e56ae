"""Tables in text files: read line by line, with errors that name the file and the line."""

import csv
import pathlib
from collections.abc import Iterable, Iterator, Sequence

from gan_jax.errors import InputError, printable

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
Row = tuple[int, list[str]]  # (line number from 1, fields)


def read_lines(path: pathlib.Path) -> Iterator[Row]:
    """Yield the lines of a table that are not empty.

    Lines of .csv files are split at commas, of .tsv files at tabs, others at spaces.

    Raises:
      InputError: the file cannot be read, or is not text.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as f:
            if path.suffix in _DELIMITERS:
                reader = csv.reader(f, delimiter=_DELIMITERS[path.suffix])
                rows = ([field.strip() for field in row] for row in reader)
            else:
                rows = map(str.split, f)
            for number, fields in enumerate(rows, 1):
                if any(fields):
                    yield number, fields
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{printable(path)} cannot be read ({error}); it is damaged or no table, "
            "fetch it again."
        ) from error


def next_fields(path: pathlib.Path, rows: Iterator[Row]) -> list[str]:
    """Return the fields of the next of the rows from `read_lines`, such as a header.

    Raises:
      InputError: there is none.
    """
    for _, fields in rows:
        return fields
    raise InputError(f"{printable(path)} is empty or ends before its header; fetch it again.")


def read_columns(
    path: pathlib.Path, header: Sequence[str], rows: Iterable[Row], key: str, columns: Sequence[str]
) -> dict[str, Row]:
    """Read some columns of a table.

    Args:
      path: the file, for the errors.
      header: names of all columns.
      rows: the lines after the header, as from `read_lines`.
      key: the column whose values name the rows.
      columns: names of the columns to read.

    Returns:
      {value in the key column: (line number, [value in each of the columns])}, in file order.

    Raises:
      InputError: no rows, a missing column, a row of another length, or a key that occurs twice.
    """
    file = printable(path)
    for name in (key, *columns):
        if name not in header:
            names = ", ".join(header[:8]) + (", ..." if len(header) > 8 else "")
            raise InputError(
                f"{file} has no column {name}; its columns ({len(header)}) are {printable(names)}."
            )
    key_index, indices = header.index(key), [header.index(name) for name in columns]
    table = {}
    for line, fields in rows:
        if len(fields) != len(header):
            raise InputError(
                f"{file}, line {line} has {len(fields)} fields instead of {len(header)}; "
                "the file is damaged, fetch it again."
            )
        name = fields[key_index]
        if name in table:
            raise InputError(
                f"{file}, line {line}: {printable(name)} occurs a second time; keep one of the two."
            )
        table[name] = line, [fields[i] for i in indices]
    if not table:
        raise InputError(f"{file} has a header and no rows; it is truncated, fetch it again.")
    return table


def field_error(path: pathlib.Path, line: int, what: str, text: str, allowed: str) -> InputError:
    """Return the error for a field.

    Args:
      path, line: where the field is.
      what: name of the field.
      text: its value.
      allowed: the allowed values, in words.
    """
    value = printable(text) if text else "empty"
    return InputError(
        f"{printable(path)}, line {line}: {printable(what)} is {value}; it must be {allowed}."
    )
