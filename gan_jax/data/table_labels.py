"""Labels of images from a table: `--labels=FILE:COLUMN`, whatever the data source.

A column of text or of whole numbers has classes. A column of other numbers has quantities, and
several columns, with commas, have several. FILE:COLUMN>NUMBER makes two classes of a column of
numbers.

The first column names the image files, with or without folder and ending. Of data without files,
such as an npz file, and of a single file with many images, such as an HDF5 file or a FITS table of
stamps, the rows of the table are the images in their order. That file may hold the table, too.
"""

import collections
import os
import pathlib
from typing import NamedTuple

import numpy as np

from gan_jax.data import formats, tables
from gan_jax.data.image_files import ImageFileList, natural_sort_key
from gan_jax.data.types import OpenedArrays
from gan_jax.errors import InputError, counted, printable

MAX_CLASSES = 256  # of a column
_FORM = f"--labels=FILE:COLUMN, of a file that ends in {', '.join(tables.READERS)}"
_COMPARISONS = {">": np.greater, "<": np.less}


class Choice(NamedTuple):
    """What --labels=FILE:COLUMN says."""

    path: pathlib.Path
    columns: tuple[str, ...]
    comparison: str = ""  # ">" or "<"; "" without one
    threshold: float = 0.0


def parse(text: str) -> Choice | None:
    """Parse --labels; None if it names no table.

    Raises:
      InputError: it names a table, and no column of it.
    """
    path, colon, rest = text.rpartition(":")
    if not colon:
        path, rest = text, ""
    if pathlib.Path(path).suffix.lower() not in tables.READERS:
        return None
    comparison = next((sign for sign in _COMPARISONS if sign in rest), "")
    columns, _, limit = rest.partition(comparison) if comparison else (rest, "", "0")
    names = tuple(name.strip() for name in columns.split(","))
    try:
        threshold = float(limit)
    except ValueError:
        threshold = np.nan
    fits = all(names) and len(set(names)) == len(names) and (len(names) == 1 or not comparison)
    if not fits or not np.isfinite(threshold):
        raise InputError(
            f"--labels={text} cannot be read; write {_FORM}; FILE:COLUMN,COLUMN for several "
            "quantities, or FILE:COLUMN>0.5 for two classes."
        )
    return Choice(pathlib.Path(path).expanduser(), names, comparison, threshold)


def absolute(text: str) -> str:
    """Return --labels with the path of its table absolute."""
    return _with_path(text, os.path.abspath)


def portable(text: str) -> str:
    """Return --labels with the path of its table cut to its last part."""
    return _with_path(text, os.path.basename)


def _with_path(text, change):
    choice = parse(text)
    return text if choice is None else f"{change(choice.path)}:{text.rpartition(':')[2]}"


def attach(
    opened: ImageFileList | OpenedArrays, choice: Choice, split: str, skip: bool
) -> ImageFileList | OpenedArrays:
    """Give images their labels.

    Args:
      opened: what a source opens without labels.
      choice: of the table.
      split: "train" or "test". Test images stay without labels if they have no names, or none that
        the table has.
      skip: leave out image files without a value; otherwise they are refused. Images without a
        class stay, as unknown.

    Raises:
      InputError: there is no such table, it cannot be read, has no such column, or does not fit the
        images.
    """
    if not choice.path.is_file():
        raise InputError(f"--labels: there is no file {printable(choice.path)}; write {_FORM}.")
    table = tables.read(choice.path, choice.columns)
    if isinstance(opened, ImageFileList) and _is_of_images(opened, table):
        opened = opened._replace(within=True)
        rows, note = np.arange(0 if split == "test" else len(table.keys)), ""
    elif isinstance(opened, ImageFileList):
        rows, note = _rows_of_files(opened, table, choice.path)
    else:
        rows, note = _rows_of_arrays(opened, table, choice.path, split)
    if split == "test" and not (rows >= 0).any():
        return opened
    if not (rows >= 0).any():
        raise InputError(
            f"The first column of {printable(choice.path)} names none of the images, such as "
            f"{printable(opened.paths[0].name)}; it has {printable(table.keys[0])}. Put the names "
            "of the files there."
        )
    notes = (*opened.notes, *([note] if note else []))
    columns = [_take(table.columns[name], rows) for name in choice.columns]
    if choice.comparison or not _are_quantities(choice, table):
        labels, classes = _classes(choice, table, columns[0], rows)
        return opened._replace(labels=labels, classes=classes, notes=notes)
    values = np.stack(columns, 1).astype(np.float32)
    missing = np.flatnonzero(~np.isfinite(values).all(1))
    if len(missing):
        is_files = isinstance(opened, ImageFileList) and not opened.within
        first = opened.paths[missing[0]].name if is_files else f"image {missing[0]}"
        text = (
            f"{printable(choice.path)} has no {' and '.join(choice.columns)} of "
            f"{counted(len(missing), 'image')}, the first {printable(first)}"
        )
        if not (is_files and skip):
            way = ", or leave these images out with --skip_bad_images" if is_files else ""
            raise InputError(f"{text}; add them{way}.")
        kept = np.setdiff1d(np.arange(len(values)), missing)
        if not len(kept):
            raise InputError(f"{text}, which are all; add them.")
        notes = (*notes, f"{text}; left out.")
        opened = opened._replace(paths=[opened.paths[row] for row in kept])
        values = values[kept]
    return opened._replace(
        labels=None, classes=(), values=values, quantities=choice.columns, notes=notes
    )


def _take(column, rows):
    """Take rows of a column; -1 is an image without one: NaN, or empty text."""
    empty = "" if column.dtype.kind == "U" else np.nan
    return np.concatenate([column, [empty]])[rows]


def _is_of_images(files, table):
    """Return whether the rows of a table are the images within the only file of a list."""
    names = [] if len(files.paths) > 1 else _names(files.paths[0].relative_to(files.top))
    return bool(names) and not set(names) & set(table.keys) and bool(formats.find(files.paths[0]))


def _names(path):
    """Return what a table may call a file: its whole path, then ever less of it."""
    return [str(path), str(path.with_suffix("")), path.name, path.stem]


def _rows_of_arrays(arrays, table, path, split):
    """Return (the row of each image, -1 without one; a note or "")."""
    n = len(arrays.images)
    if split == "test":
        return np.full(n, -1), ""
    if len(table.keys) != n:
        raise InputError(
            f"{printable(path)} has {len(table.keys):,} rows for {counted(n, 'image')} without "
            "names; give a row for each image, in their order."
        )
    return np.arange(n), ""


def _rows_of_files(files, table, path):
    """Return (the row of each file, -1 without one; a note or "")."""
    row_of = {key: row for row, key in enumerate(table.keys)}
    for shown in zip(*(_names(file.relative_to(files.top)) for file in files.paths), strict=True):
        rows = np.array([row_of.get(name, -1) for name in shown])
        if (rows >= 0).any():
            break
    twice = [name for name, n in collections.Counter(shown).items() if n > 1 and name in row_of]
    if twice:
        raise InputError(
            f"{printable(path)} has one row for several images, such as {printable(twice[0])}; "
            "name them with their folders."
        )
    repeated = [key for key, n in collections.Counter(table.keys).items() if n > 1]
    if repeated:
        raise InputError(
            f"{printable(path)}: {printable(repeated[0])} occurs a second time; keep one of the "
            "two rows."
        )
    n_missing = int((rows < 0).sum())
    return rows, (
        f"{printable(path)} has no row for {counted(n_missing, 'image')}." if n_missing else ""
    )


def _are_quantities(choice, table):
    columns = [table.columns[name] for name in choice.columns]
    texts = [n for n, c in zip(choice.columns, columns, strict=True) if c.dtype.kind == "U"]
    if len(columns) > 1 and texts:
        raise InputError(
            f"{texts[0]} in {printable(choice.path)} is text, which is no quantity; name it alone, "
            "for classes."
        )
    return len(columns) > 1 or not (texts or _is_whole(columns[0]))


def _is_whole(column):
    known = column[np.isfinite(column)]
    return bool(len(known)) and bool((known == np.round(known)).all())


def _classes(choice, table, column, rows):
    """Return (labels int32 of the images, -1 where unknown; classes of the whole table)."""
    name, whole = choice.columns[0], table.columns[choice.columns[0]]
    if choice.comparison:
        if whole.dtype.kind == "U":
            raise InputError(
                f"{name} in {printable(choice.path)} is text and cannot be compared with a number; "
                f"leave {choice.comparison}{choice.threshold:g} out."
            )
        holds = _COMPARISONS[choice.comparison](column, choice.threshold)
        sign, other = choice.comparison, {">": "<=", "<": ">="}[choice.comparison]
        classes = tuple(f"{name}{s}{choice.threshold:g}" for s in (other, sign))
        return np.where(np.isnan(column), -1, holds).astype(np.int32), classes
    if whole.dtype.kind != "U":
        whole, column = (
            np.array(["" if np.isnan(x) else f"{x:.0f}" for x in c]) for c in (whole, column)
        )
    found = sorted(set(whole.tolist()) - {""}, key=natural_sort_key)
    if len(found) > MAX_CLASSES:
        raise InputError(
            f"{name} in {printable(choice.path)} has {len(found):,} different values, too many "
            f"for classes (at most {MAX_CLASSES}); use --labels=FILE:{name}>NUMBER for two "
            "classes, or name another quantity beside it."
        )
    number = {text: i for i, text in enumerate(found)} | {"": -1}
    return np.array([number[text] for text in column.tolist()], np.int32), tuple(found)
