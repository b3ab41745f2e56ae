"""Tables in text, FITS, parquet and HDF5 files.

`read` gives columns of any of them. The others read text line by line, with errors that name the
file and the line.
"""

import collections
import csv
import importlib
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gan_jax.errors import InputError, counted, install_command, printable

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
# What programs write for no value; "none" in small letters may be a class.
_EMPTY = ("NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None")
Row = tuple[int, list[str]]  # (line number from 1, fields)


class Table(NamedTuple):
    """Columns of a table."""

    keys: list[str]  # the first column [R], as text
    columns: dict[str, np.ndarray]  # {name: numbers float64 [R], NaN where empty, or text [R]}


def read_lines(path: pathlib.Path) -> Iterator[Row]:
    """Yield the lines of a table that are not empty.

    Lines of .csv files are split at commas, of .tsv files at tabs, others at spaces.

    Raises:
      InputError: the file cannot be read, or is not text.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as f:
            delimiter = _DELIMITERS.get(path.suffix.lower())
            if delimiter:
                reader = csv.reader(f, delimiter=delimiter)
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
    _check_columns(path, header, (key, *columns))
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


def _check_columns(path, header, names):
    """Refuse names that are not in the header of a file."""
    for name in names:
        if name not in header:
            shown = ", ".join(header[:12]) + (", ..." if len(header) > 12 else "")
            raise InputError(
                f"{printable(path)} has no column {printable(name)}; its columns "
                f"({len(header)}) are {printable(shown)}."
            )


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


def read(path: pathlib.Path, names: Sequence[str]) -> Table:
    """Read columns of a file of READERS.

    Args:
      path: an existing file with one of their endings.
      names: names of the columns.

    Raises:
      InputError: there is no such column, no row, no library for the file, or it is damaged.
    """
    header, column_of = READERS[path.suffix.lower()](path)
    _check_columns(path, header, names)
    keys = [_key_text(key) for key in column_of(header[0])]
    if not keys:
        raise InputError(f"{printable(path)} has no rows; give one for each image.")
    return Table(keys, {name: _typed(column_of(name)) for name in names})


def _key_text(key):
    if isinstance(key, (float, np.floating)) and np.isfinite(key) and key == int(key):
        return str(int(key))
    return str(key).strip()


def _typed(column):
    """Return a column as numbers float64, or as text where one is no number; NaN or "": empty."""
    array = np.asarray(column)
    if array.dtype.kind in "fiub":
        return array.astype(np.float64)
    texts = [str(x).strip() for x in array.tolist()]
    texts = ["" if text in _EMPTY else text for text in texts]
    try:
        return np.array([float(text) if text else np.nan for text in texts])
    except ValueError:
        return np.array(texts, str)


def _read_text(path) -> tuple[list[str], Callable]:
    rows = read_lines(path)
    header, lines = next_fields(path, rows), list(rows)
    for number, fields in lines:
        if len(fields) != len(header):
            raise InputError(
                f"{printable(path)}, line {number} has {counted(len(fields), 'field')} instead of "
                f"{len(header)}; complete it."
            )
    return header, lambda name: [fields[header.index(name)] for _, fields in lines]


def _read_fits(path) -> tuple[list[str], Callable]:
    io = _library("astropy.io.fits", "astro", path)
    try:
        with io.open(path) as file:
            table = next(hdu for hdu in file if isinstance(hdu, io.BinTableHDU | io.TableHDU))
            columns = {name: np.array(table.data[name]) for name in table.columns.names}
    except StopIteration:
        raise InputError(f"{printable(path)} has no table; name a FITS file with one.") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{printable(path)} is no readable FITS table ({error}).") from error
    flat = {name: column for name, column in columns.items() if column.ndim == 1}
    native = {n: c.astype(c.dtype.newbyteorder("=")) for n, c in flat.items()}
    return list(native), native.__getitem__


def _read_parquet(path) -> tuple[list[str], Callable]:
    parquet = _library("pyarrow.parquet", "tables", path)
    try:
        table = parquet.read_table(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{printable(path)} is no readable parquet file ({error}).") from error
    return list(table.column_names), lambda name: table[name].to_pylist()


def _read_hdf5(path) -> tuple[list[str], Callable]:
    """Read the arrays of one axis that have the length that most of them have."""
    h5py = _library("h5py", "hdf5", path)
    columns = {}

    def visit(name, array):
        if isinstance(array, h5py.Dataset) and array.ndim == 1 and len(array):
            columns[name] = array.asstr()[()] if h5py.check_string_dtype(array.dtype) else array[()]

    try:
        with h5py.File(path, "r", locking=False) as file:
            file.visititems(visit)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{printable(path)} is no readable HDF5 file ({error}).") from error
    lengths = collections.Counter(map(len, columns.values()))
    if not lengths:
        raise InputError(f"{printable(path)} has no array of one axis, such as labels.")
    n = max(lengths, key=lambda length: (lengths[length], length))
    columns = {name: column for name, column in columns.items() if len(column) == n}
    return list(columns), columns.__getitem__


def _library(name, extra, path):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"--labels={printable(path)} needs {name.partition('.')[0]}; install it with: "
            f"{install_command(extra)}"
        ) from error


READERS: dict[str, Callable] = {
    ".csv": _read_text,
    ".tsv": _read_text,
    ".txt": _read_text,
    ".fits": _read_fits,
    ".fit": _read_fits,
    ".parquet": _read_parquet,
    ".h5": _read_hdf5,
    ".hdf5": _read_hdf5,
}
