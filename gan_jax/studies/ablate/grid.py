"""A grid of flag overrides, written in one line: its configurations, and a short name for each."""

import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

from gan_jax import cache
from gan_jax.errors import InputError

MAX_NAME = 80  # characters
AMBIGUOUS = ("none", "true", "false", "off")  # values that are named with their flag
FORM = "write it as FLAG=VALUE,VALUE;FLAG=VALUE+FLAG=VALUE,VALUE"


class Configuration(NamedTuple):
    """One point of a grid."""

    name: str  # short, unlike that of other configurations, fit for a folder
    overrides: dict[str, str]  # {flag: value as written}


def _split(text, separator):
    """Split a text at separators that have no backslash before them."""
    return re.split(rf"(?<!\\){separator}", text)


def parse_axis(axis: str) -> list[dict[str, str]]:
    r"""Parse one axis of a grid.

    Args:
      axis: "FLAG=CHOICE,CHOICE,...". A CHOICE is a value of FLAG, and may bring further flags
        along: VALUE+FLAG=VALUE. A comma or semicolon that belongs to a value is written behind a
        backslash.

    Returns:
      {flag: value} of each choice.

    Raises:
      InputError: it is not of that form.
    """
    first, equals, rest = axis.partition("=")
    if not (equals and re.fullmatch(r"\w+", first)):
        raise InputError(f"--vary={axis} names no flag; {FORM}.")
    choices = []
    for choice in _split(rest, ","):
        value, *more = re.split(r"\+(?=\w+=)", choice)
        words = [(first, value), *(word.split("=", 1) for word in more)]
        if len(dict(words)) < len(words):
            raise InputError(f"--vary={axis} sets one flag twice in {choice!r}; {FORM}.")
        choices.append({flag: re.sub(r"\\([,;])", r"\1", value) for flag, value in words})
    return choices


def expand(grids: Sequence[str]) -> list[Configuration]:
    """List the configurations of several grids one after another, each once.

    Args:
      grids: lines "AXIS;AXIS;...", see `parse_axis`: every choice of an axis with every choice of
        the others. No line at all is the one configuration without overrides.

    Returns:
      configurations; the last axis of a grid varies fastest.

    Raises:
      InputError: a line is not of that form, or two of its axes set the same flag.
    """
    distinct = {}
    for line in grids or [""]:
        axes = [axis.strip() for axis in _split(line, ";") if axis.strip()]
        for choices in itertools.product(*map(parse_axis, axes)):
            overrides = {flag: value for choice in choices for flag, value in choice.items()}
            if len(overrides) < sum(map(len, choices)):
                firsts = ", ".join(next(iter(choice)) for choice in choices)
                raise InputError(f"--vary sets one flag on two axes ({firsts}); {FORM}.")
            distinct.setdefault(cache.digest(overrides), (choices, overrides))
    configurations = {}
    for key, (choices, overrides) in distinct.items():
        name = _name(choices)
        if name in configurations or len(name) > MAX_NAME:
            name = f"{name[: MAX_NAME - 9]}_{key[:8]}"
        configurations[name] = Configuration(name, overrides)
    return list(configurations.values())


def _name(choices):
    """Name a configuration, such as dragan_net-none_lr-0.1.

    The name has the values of every choice, after the flag where the first value alone says little.
    """
    parts = []
    for choice in choices:
        flag, first = next(iter(choice.items()))
        prefix = [] if first[:1].isalpha() and first not in AMBIGUOUS else [flag]
        parts.append("-".join([*prefix, *choice.values()]))
    return re.sub(r"[^\w.-]", "-", "_".join(parts)) or "base"
