"""Settings from arguments in Python: checked like flags, and refused in words of arguments."""

import contextlib
import dataclasses
import difflib
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gan_jax import plugins
from gan_jax.commands import evaluate, train
from gan_jax.errors import InputError
from gan_jax.settings import Size

# A flag, or what is to be typed into a shell and stays as it is: a command, pip with its options.
_FLAG = re.compile(r"--(no)?(\w+)(=?)|`[^`]*`|pip install(?: -\S+)*")
# Flags of a training command that `gan_jax.train` has under another form, or not at all.
NOT_SETTINGS = (
    "help",
    "debug",
    "trust",
    "workdir",
    "restart",
    "dry_run",
    "check_data",
    "members",
    "members_by",
)


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Let refusals within the context speak of arguments: size=32, not --size=32."""
    try:
        yield
    except InputError as error:
        raise InputError(_FLAG.sub(_as_argument, str(error))) from error


def _as_argument(flag):
    """Write one flag of a message as an argument."""
    negated, name, equals = flag.groups()
    if name is None:
        is_flag = flag[0].startswith("`-")
        return f"`{_FLAG.sub(_as_argument, flag[0][1:])}" if is_flag else flag[0]
    whole = f"{negated or ''}{name}"
    if equals:
        return f"{whole}="
    booleans = {
        field.name
        for group in train.settings_groups("dcgan")
        for field in dataclasses.fields(group)
        if isinstance(field.default, bool)
    } | {"download"}
    if negated and name in booleans:
        return f"{name}=False"
    return f"{whole}=True" if whole in booleans else whole


def data_spec(data: Any, labels: Any, test: Any, classes: Sequence[str] | None) -> str:
    """Return the --data spec of what was passed as data; "" for the default.

    Args:
      data: an array, a path, a --data spec, a function that loads data, or None.
      labels, test, classes: see api.train; of an array alone.

    Raises:
      InputError: they do not fit, or are of the wrong type.
    """
    if data is None or isinstance(data, (str, os.PathLike)) or callable(data):
        if labels is not None or test is not None or classes is not None:
            raise InputError("labels, test and classes go with an array as data; leave them out.")
        if isinstance(data, os.PathLike):
            return evaluate.data_spec_of(os.fspath(data))
        return plugins.name_of(data) if callable(data) else data or ""
    from gan_jax.data import array_files

    test_images, test_labels = test if isinstance(test, tuple) else (test, None)
    return array_files.save(data, labels, test_images, test_labels, classes)


def plain_value(value: Any) -> str | bool | int | float:
    """Return a setting as a flag would give it: a plain value, or the name of an own object."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (tuple, list)) and all(isinstance(v, (int, np.integer)) for v in value):
        return "x".join(str(int(v)) for v in value)  # (24, 40): height and width
    if isinstance(value, (str, bool, int, float)):
        return value
    return os.fspath(value) if isinstance(value, os.PathLike) else plugins.name_of(value)


def distribute(groups: Sequence[Any], values: Mapping[str, Any]) -> list[Any]:
    """Return settings dataclasses with values replaced, each where the name belongs.

    Args:
      groups: of a training command, see train.settings_groups.
      values: {name: plain value}.

    Raises:
      InputError: a name is unknown, or a value of another type.
    """
    known = {field.name for group in groups for field in dataclasses.fields(group)}
    for name in values:
        _require_known(name, known - set(NOT_SETTINGS), "is not a setting of this method")
    return [replace(g, {k: v for k, v in values.items() if hasattr(g, k)}) for g in groups]


def replace(group: Any, values: Mapping[str, Any]) -> Any:
    """Replace fields of one settings dataclass.

    A whole number is taken where a float is wanted, and the other way round.

    Raises:
      InputError: a name is unknown, or a value of another type.
    """
    fields = {field.name: field for field in dataclasses.fields(group)}
    out = {}
    for name, value in values.items():
        _require_known(name, fields, "is not known here")
        kind = type(fields[name].default)
        if fields[name].metadata.get("is_size"):
            out[name] = _size(name, value)
            continue
        if kind is float and type(value) is int:
            value = float(value)
        elif kind is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not kind:
            shown = f"{name}={value!r}" if isinstance(value, (str, int, float)) else name
            raise InputError(f"{shown} is {_a(type(value))}; give {_a(kind)}.")
        out[name] = value
    return dataclasses.replace(group, **out)


def _size(name, value):
    try:
        return Size.of(value).value
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{name}={value!r} is no size of images; give a side, such as 32, or height and width, "
            "such as (24, 40)."
        ) from error


def _a(kind: type) -> str:
    """Return the name of a type with its article."""
    return f"an {kind.__name__}" if kind is int else f"a {kind.__name__}"


def _require_known(name: str, known: Collection[str], what: str):
    """Refuse an unknown name, with those that look like it."""
    if name not in known:
        close = difflib.get_close_matches(name, sorted(known), 3)
        hint = f"; did you mean {' or '.join(close)}?" if close else "."
        raise InputError(f"{name} {what}{hint}")
