"""What people say of a run: its title, notes and tags, and whether it is archived.

It lies in notes.json of the run folder, which training neither reads nor removes.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

from gan_jax import cache
from gan_jax.errors import InputError
from gan_jax.studio import files

NAME = "notes.json"
EMPTY: dict[str, Any] = {"title": "", "notes": "", "tags": [], "archived": False}
MAX_TITLE, MAX_NOTES, MAX_TAGS, MAX_TAG = 100, 20_000, 20, 40  # characters, and a number of tags


def read(folder: Path) -> dict[str, Any]:
    """Return the notes of a run; EMPTY where there are none, or they cannot be read."""
    with contextlib.suppress(InputError):
        return _checked(files.read_json(folder / NAME) or {})
    return dict(EMPTY)


def change(folder: Path, changes: dict[str, Any]) -> dict[str, Any]:
    """Change some of the notes of a run. Returns all of them.

    Raises:
      InputError: a value is not allowed; notes.json is damaged, or cannot be written.
    """
    notes = _checked({**(files.read_json(folder / NAME) or {}), **changes})
    try:
        cache.write_atomic(folder / NAME, json.dumps(notes, indent=1) + "\n")
    except OSError as error:
        raise InputError(f"{NAME} cannot be written ({error.strerror}).") from error
    return notes


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    """Return the known values, with EMPTY's for those that are missing.

    Raises:
      InputError: a value is of another type, or too long.
    """
    notes = {**EMPTY, **{key: values[key] for key in EMPTY if key in values}}
    for key, empty in EMPTY.items():
        if type(notes[key]) is not type(empty):
            raise InputError(f"{key} of {NAME} is not of type {type(empty).__name__}.")
    if not all(isinstance(tag, str) for tag in notes["tags"]):
        raise InputError("A tag is a text.")
    notes["title"] = " ".join(notes["title"].split())
    tags = [" ".join(tag.split()) for tag in notes["tags"]]
    notes["tags"] = list(dict.fromkeys(tag for tag in tags if tag))
    if len(notes["title"]) > MAX_TITLE:
        raise InputError(f"A title has at most {MAX_TITLE} characters.")
    if len(notes["notes"]) > MAX_NOTES:
        raise InputError(f"Notes have at most {MAX_NOTES:,} characters.")
    if len(notes["tags"]) > MAX_TAGS or any(len(tag) > MAX_TAG for tag in notes["tags"]):
        raise InputError(f"A run has at most {MAX_TAGS} tags, of at most {MAX_TAG} characters.")
    try:
        json.dumps(notes, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise InputError("The text holds a character that is none.") from error
    return notes
