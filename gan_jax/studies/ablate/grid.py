"""A grid of flag overrides, written in one line: its points, and a short name for each."""

import itertools
import re
from typing import NamedTuple

from gan_jax import cache
from gan_jax.errors import InputError

MAX_NAME = 80  # characters
UNTELLING = ("none", "true", "false", "off")  # values that are named with their flag
HOW = "write it as FLAG=VALUE,VALUE;FLAG=VALUE+FLAG=VALUE,VALUE"


class Point(NamedTuple):
    """One point of a grid. name: short, unlike other points', fit for a folder. overrides: {flag: value as written}."""

    name: str
    overrides: dict


def _split(text, mark):
    """Parts of a text between marks; a mark behind a backslash is part of the text."""
    return re.split(rf"(?<!\\){mark}", text)


def choices(axis):
    """Choices of one axis of a grid: a dict {flag: value} each.

    Args:
      axis: "FLAG=CHOICE,CHOICE,...": a CHOICE is a value of FLAG, and may bring further flags along: VALUE+FLAG=VALUE. A comma
        or semicolon that belongs to a value is written behind a backslash.

    Raises:
      InputError: it is not of that form.
    """
    first, equals, rest = axis.partition("=")
    if not (equals and re.fullmatch(r"\w+", first)):
        raise InputError(f"--vary={axis} names no flag; {HOW}.")
    out = []
    for choice in _split(rest, ","):
        value, *more = re.split(r"\+(?=\w+=)", choice)
        words = [(first, value), *(word.split("=", 1) for word in more)]
        if len(dict(words)) < len(words):
            raise InputError(f"--vary={axis} sets one flag twice in {choice!r}; {HOW}.")
        out.append({flag: re.sub(r"\\([,;])", r"\1", value) for flag, value in words})
    return out


def expand(grids):
    """The points of several grids one after another, each once.

    Args:
      grids: lines "AXIS;AXIS;...", see `choices`: every choice of an axis with every choice of the others. None at all is the
        one point without overrides.

    Returns:
      [Point]; the last axis of a grid varies fastest.

    Raises:
      InputError: a line is not of that form, or two of its axes set the same flag.
    """
    combined = [
        combo
        for line in grids or [""]
        for combo in itertools.product(*(choices(axis) for axis in _axes(line)))
    ]
    found = {}
    for combo in combined:
        overrides = {flag: value for choice in combo for flag, value in choice.items()}
        if len(overrides) < sum(map(len, combo)):
            raise InputError(
                f"--vary sets one flag on two axes ({', '.join(next(iter(c)) for c in combo)}); {HOW}."
            )
        found.setdefault(cache.digest(overrides), (combo, overrides))
    points = {}
    for key, (combo, overrides) in found.items():
        name = _name(combo)
        if name in points or len(name) > MAX_NAME:
            name = f"{name[: MAX_NAME - 9]}_{key[:8]}"
        points[name] = Point(name, overrides)
    return list(points.values())


def _axes(line):
    return [axis.strip() for axis in _split(line, ";") if axis.strip()]


def _name(combo):
    """dragan_net-none_lr-0.1: of every axis the values that go together, after the flag where the first says little itself."""
    parts = []
    for choice in combo:
        flag, first = next(iter(choice.items()))
        telling = first[:1].isalpha() and first not in UNTELLING
        parts.append("-".join([*([] if telling else [flag]), *choice.values()]))
    return re.sub(r"[^\w.-]", "-", "_".join(parts)) or "base"
