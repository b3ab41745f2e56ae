"""Tables in text files, as data sets bring them: read line by line, and refused by name and line."""

import csv

from gan_jax import errors
from gan_jax.data import image_files


def lines(path):
    """Yields (line number, fields) of a table's lines that are not empty: split at commas in .csv files, else at spaces.

    Raises:
      InputError: the file cannot be read, or is not text.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as f:
            commas = ([field.strip() for field in row] for row in csv.reader(f))
            for number, fields in enumerate(
                commas if path.suffix == ".csv" else map(str.split, f), 1
            ):
                if any(fields):
                    yield number, fields
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise errors.InputError(
            f"{image_files.shown(path)} cannot be read ({error}); it is damaged or no table, fetch it again."
        ) from error


def first_line(path, rows):
    """The fields of the next of the `lines` of a file; refused if there is none."""
    for _, fields in rows:
        return fields
    raise errors.InputError(
        f"{image_files.shown(path)} is empty or ends before its header; fetch it again."
    )


def columns(path, header, rows, key, wanted):
    """Some columns of a table: {text in the column `key`: (line number, [text in each wanted column])}, in file order.

    Args:
      path: for the errors. header: names of all columns. rows: (line number, fields) of the lines after it.
      key: column whose values name the rows. wanted: names of columns.

    Raises:
      InputError: no rows, a missing column, a row of another length, or a key that occurs twice.
    """
    file = image_files.shown(path)
    for name in (key, *wanted):
        if name not in header:
            names = ", ".join(header[:8]) + (", ..." if len(header) > 8 else "")
            raise errors.InputError(
                f"{file} has no column {name}; its columns ({len(header)}) are {image_files.shown(names)}."
            )
    i_key, i_wanted = header.index(key), [header.index(name) for name in wanted]
    found = {}
    for line, fields in rows:
        if len(fields) != len(header):
            raise errors.InputError(
                f"{file}, line {line} has {len(fields)} fields instead of {len(header)}; the file is damaged, fetch it again."
            )
        name = fields[i_key]
        if name in found:
            raise errors.InputError(
                f"{file}, line {line}: {image_files.shown(name)} occurs a second time; keep one of the two."
            )
        found[name] = line, [fields[i] for i in i_wanted]
    if not found:
        raise errors.InputError(
            f"{file} has a header and no rows; it is truncated, fetch it again."
        )
    return found


def bad_field(path, line, what, text, allowed):
    """The InputError for a field with a text that it must not have."""
    found = image_files.shown(text) if text else "empty"
    return errors.InputError(
        f"{image_files.shown(path)}, line {line}: {image_files.shown(what)} is {found}; it must be {allowed}."
    )
