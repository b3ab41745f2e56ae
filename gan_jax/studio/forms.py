"""Forms made from the experiments' own settings: fields with type, default, bounds and help; and the words of a command."""

import dataclasses

from gan_jax.errors import InputError
from gan_jax.settings import check, setting

LONGEST = 500  # characters of a value
UNSET = (
    "help",
    "debug",
    "workdir",
    "dry_run",
    "check_data",
    "restart",
    "members",
    "members_by",
)  # not asked for in a form


@dataclasses.dataclass(frozen=True)
class Asked:
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


def read(group, given):
    """A settings dataclass instance with the values of a form, {name: value}. Raises InputError."""
    found = {field["name"]: field for field in fields(group)}
    for name in given:
        if name not in found:
            raise InputError(f"{str(name)[:60]!a} is not asked for here.")
    return dataclasses.replace(
        group, **{name: value(found[name], text) for name, text in given.items()}
    )


def fields(group):
    """JSON-able descriptions of a settings dataclass instance, whose values are the defaults."""
    return [
        {
            "name": f.name,
            "type": type(getattr(group, f.name)).__name__,
            "default": getattr(group, f.name),
            "text": f.metadata["text"],
            **{key: f.metadata[key] for key in ("low", "above", "high")},
            "choices": list(f.metadata["choices"] or ()),
        }
        for f in dataclasses.fields(group)
        if f.name not in UNSET
    ]


def describe(doc, groups, flagfiles):
    """What a form needs to know of a training command, JSON-able.

    Args:
      doc: its docstring. groups: {title: settings dataclass instance}. flagfiles: {name: {flag: value}} that begin a form.
    """
    titled = [{"title": title, "fields": fields(group)} for title, group in groups.items()]
    return {"doc": doc.strip(), "groups": titled, "flagfiles": flagfiles}


def known(described):
    """{flag: its field} of a described command."""
    return {field["name"]: field for group in described["groups"] for field in group["fields"]}


def value(field, given):
    """A form's value as the type of its field, within its bounds.

    Raises:
      InputError: it is not; names the flag, what is allowed, and what was given.
    """
    name, kind = field["name"], field["type"]
    text = str(given).strip()
    if len(text) > LONGEST or not (text.isprintable() or not text):
        raise InputError(f"--{name} is longer than {LONGEST} characters, or holds a line break.")
    try:
        text.encode()
        found = {"bool": _switch, "int": int, "float": float}.get(kind, str)(text)
    except (ValueError, UnicodeEncodeError) as error:
        raise InputError(f"--{name}={text[:60]!a} is not a value of type {kind}.") from error
    one = dataclasses.make_dataclass(
        "One",
        [
            (
                name,
                object,
                dataclasses.field(metadata={**field, "choices": field["choices"] or None}),
            )
        ],
    )
    check(one(found))
    return found


def _switch(text):
    return (
        {"true": True, "false": False}[text.lower()]
        if text.lower() in ("true", "false")
        else int(text + "?")
    )


def words(described, flagfile, given):
    """The flags of a command: the flagfile, then what differs from it.

    Args:
      described: see `describe`. flagfile: one of its flagfiles, or "". given: {flag: value} of a form.

    Raises:
      InputError: an unknown flagfile, flag or value.
    """
    if flagfile and flagfile not in described["flagfiles"]:
        raise InputError("There is no such flagfile for this command.")
    begins = {name: field["default"] for name, field in known(described).items()}
    begins |= described["flagfiles"].get(flagfile, {})
    out = [f"--flagfile={flagfile}"] if flagfile else []
    for name, text in given.items():
        if name not in begins:
            raise InputError(f"--{str(name)[:60]!a} is not a flag of this command.")
        found = value(known(described)[name], text)
        if found != begins[name]:
            out.append(f"--{name}={str(found).lower() if isinstance(found, bool) else found}")
    return out


def refuse_unknown(described, flags):
    """Refuses words that are not flags of a command, as a damaged studio.json may hold. Raises InputError."""
    for word in flags:
        name = (
            word.removeprefix("--").partition("=")[0]
            if isinstance(word, str) and word.isprintable()
            else ""
        )
        if (
            not name
            or not word.startswith("--")
            or (name != "flagfile" and name not in known(described))
        ):
            raise InputError("studio.json asks for a flag that this command does not have.")
