"""Forms made from settings dataclasses: fields for the pages, and flags from what a form sends."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from gan_jax import plugins
from gan_jax.errors import InputError
from gan_jax.settings import Size, check, setting

MAX_VALUE_LENGTH = 500  # characters
# Flags that forms leave out.
HIDDEN_FLAGS = (
    "help",
    "debug",
    "trust",
    "workdir",
    "dry_run",
    "check_data",
    "restart",
    "members",
    "members_by",
)
# Flags that a form shows first, beside those that its flagfile sets.
BASIC_FLAGS = ("data", "size", "batch", "steps", "lr", "seed")


@dataclasses.dataclass(frozen=True)
class SampleOptions:
    """What is sampled."""

    checkpoint: str = setting("newest", "newest, best, or a step")
    ema: bool = setting(True, "use the averaged generator")
    seed: int = setting(0, "seed of the noise", low=0, high=2**31 - 1)
    n: int = setting(36, "how many images", low=1, high=4096)
    kind: int = setting(
        -1, "only this class, generator or code; -1: as in the data", low=-1, high=100_000
    )
    truncation: float = setting(
        0.0, "keep the noise within so many standard deviations; 0: all of it", low=0.0, high=10.0
    )


def parse_settings(defaults: Any, values: dict[str, Any]) -> Any:
    """Replace settings by the values of a form.

    Args:
      defaults: settings dataclass instance.
      values: {name: value of the form}.

    Raises:
      InputError: an unknown name, or a value that is not allowed.
    """
    fields = {field["name"]: field for field in describe_fields(defaults)}
    for name in values:
        if name not in fields:
            raise InputError(f"{str(name)[:60]!a} is not asked for here.")
    parsed = {name: parse_value(fields[name], value) for name, value in values.items()}
    return dataclasses.replace(defaults, **parsed)


def describe_fields(defaults: Any, hidden: Sequence[str] = HIDDEN_FLAGS) -> list[dict[str, Any]]:
    """Describe the fields of a settings dataclass instance for JSON.

    Args:
      defaults: the instance.
      hidden: names of fields that are left out.

    Returns:
      [{"name", "type", "default", "text", "low", "above", "high", "choices"}]; see
      settings.setting. Entry points of installed packages are among the choices.
    """
    return [
        {
            "name": f.name,
            "type": _type(f, getattr(defaults, f.name)),
            "default": getattr(defaults, f.name),
            "text": f.metadata["text"],
            **{key: f.metadata[key] for key in ("low", "above", "high")},
            "choices": _choices(f.metadata),
        }
        for f in dataclasses.fields(defaults)
        if f.name not in hidden
    ]


def _type(field, value):
    return "size" if field.metadata.get("is_size") else type(value).__name__


def _choices(metadata):
    choices, group = list(metadata["choices"] or ()), metadata["plugins"]
    return choices + (plugins.entry_names(group) if choices and group else [])


def describe_command(
    doc: str,
    groups: dict[str, Any],
    flagfiles: dict[str, dict[str, Any]],
    about: dict[str, dict[str, str]] | None = None,
    hidden: Sequence[str] = HIDDEN_FLAGS,
) -> dict[str, Any]:
    """Describe a command for its form, as JSON.

    Args:
      doc: what its --help says first.
      groups: {title: settings dataclass instance}.
      flagfiles: {name: {flag: value}}, from which a form may start.
      about: {name of a flagfile: {"summary", "time"}}.
      hidden: names of flags that the form leaves out.

    Returns:
      {"doc", "groups": [{"title", "fields"}], "flagfiles", "about", "basic": names of flags}.
    """
    titled = [
        {"title": title, "fields": describe_fields(group, hidden)}
        for title, group in groups.items()
    ]
    return {
        "doc": doc.strip(),
        "groups": titled,
        "flagfiles": flagfiles,
        "about": about or {},
        "basic": list(BASIC_FLAGS),
    }


def join_commands(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Join two descriptions: the flags and flagfiles of both, see `describe_command`."""
    return {
        **second,
        "groups": [*first["groups"], *second["groups"]],
        "flagfiles": {**second["flagfiles"], **first["flagfiles"]},
        "about": {**second["about"], **first["about"]},
    }


def fields_by_flag(command: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return {flag: its field} of a command, see `describe_command`."""
    return {field["name"]: field for group in command["groups"] for field in group["fields"]}


def parse_value(field: dict[str, Any], value: Any) -> bool | int | float | str | list[str]:
    """Convert a form's value to the type of its field, and check its bounds.

    The value of a flag that may be repeated is a text with a line for each.

    Raises:
      InputError: names the flag, what is allowed, and the value.
    """
    name, kind = field["name"], field["type"]
    if kind == "tuple":
        lines = [line.strip() for line in str(value).splitlines() if line.strip()]
        return [str(parse_value({**field, "type": "str"}, line)) for line in lines]
    text = str(value).strip()
    if len(text) > MAX_VALUE_LENGTH or not (text.isprintable() or not text):
        raise InputError(
            f"--{name} is longer than {MAX_VALUE_LENGTH} characters, or holds a line break."
        )
    parse = {"bool": _parse_bool, "int": int, "float": float, "size": _parse_size}.get(kind, str)
    try:
        text.encode()
        parsed = parse(text)
    except (ValueError, UnicodeEncodeError) as error:
        raise InputError(f"--{name}={text[:60]!a} is not a value of type {kind}.") from error
    # The command itself looks for Python code that a value names; the server imports none.
    is_open = not field["choices"] or bool(plugins.names_in(text))
    choices = None if is_open else field["choices"]
    metadata = {**field, "choices": choices, "is_size": kind == "size"}
    single = dataclasses.make_dataclass(
        "Single", [(name, object, dataclasses.field(metadata=metadata))]
    )
    check(single(parsed))
    return parsed


def _parse_bool(text):
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _parse_size(text):
    return Size.of(text).value


def build_flags(command: dict[str, Any], flagfile: str, values: dict[str, Any]) -> list[str]:
    """Build the flags of a command from a form: its flagfile, then what differs from it.

    Args:
      command: see `describe_command`.
      flagfile: one of its flagfiles, or "".
      values: {flag: value of the form}.

    Raises:
      InputError: an unknown flagfile, flag or value.
    """
    if flagfile and flagfile not in command["flagfiles"]:
        raise InputError("There is no such flagfile for this command.")
    fields = fields_by_flag(command)
    initial = {name: field["default"] for name, field in fields.items()}
    initial |= command["flagfiles"].get(flagfile, {})
    flags = [f"--flagfile={flagfile}"] if flagfile else []
    for name, value in values.items():
        if name not in initial:
            raise InputError(f"--{str(name)[:60]!a} is not a flag of this command.")
        parsed = parse_value(fields[name], value)
        if isinstance(parsed, list):
            flags += [f"--{name}={line}" for line in parsed]
        elif parsed != initial[name]:
            flags.append(f"--{name}={str(parsed).lower() if isinstance(parsed, bool) else parsed}")
    return flags


def refuse_unknown(command: dict[str, Any], flags: list) -> None:
    """Refuse flags that a command does not have, as a damaged studio.json may hold.

    Raises:
      InputError
    """
    known = {"flagfile", *fields_by_flag(command)}
    for flag in flags:
        is_flag = isinstance(flag, str) and flag.isprintable() and flag.startswith("--")
        if not is_flag or flag.removeprefix("--").partition("=")[0] not in known:
            raise InputError("studio.json asks for a flag that this command does not have.")
