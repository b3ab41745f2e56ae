"""Plug-ins: methods, nets, losses, penalties, metrics, data sources that others define, by name.

A plug-in's name stands wherever a built-in name does: in a flag, an argument, config.json. It is
one of two:

  python:MODULE:NAME  an object of a module that can be imported; python:MODULE is the module itself
  NAME                an entry point of an installed package, in a group of GROUPS

A `Table` looks both up. What a user typed or passed is imported. What a run folder, a published
model or a web form names is imported only after `trust`. An installed entry point is trusted, since
its owner registered it for gan_jax.
"""

import contextlib
import hashlib
import importlib
import importlib.metadata
import inspect
import pathlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from gan_jax.errors import InputError

PREFIX = "python:"
# {table: group of entry points}.
GROUPS = {
    name: f"gan_jax.{name}"
    for name in ("methods", "nets", "losses", "penalties", "metrics", "features", "data")
}
ANY = "*"  # among the trusted names: every name
_trusted: set[str] = set()
_objects: dict[str, Any] = {}  # {name: object that was passed from Python}


class Table(dict[str, Any]):
    """A table of built-in parts, in which plug-ins are found, too.

    Iteration, `len` and the order see the built-in parts alone.
    """

    def __init__(self, group: str, parts: dict[str, Any]):
        """Make a table. group: key of GROUPS. parts: {name: part}."""
        super().__init__(parts)
        self.group = group

    def __missing__(self, name: str) -> Any:
        if not is_name(self.group, name):
            raise KeyError(name)
        return find(self.group, name)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and is_name(self.group, name))


def is_name(group: str, name: str) -> bool:
    """Say whether a name is that of a plug-in; python: names need not exist."""
    return name.startswith(PREFIX) or name in _entry_points(group)


def find(group: str, name: str) -> Any:
    """Return a plug-in; import it if it is trusted.

    Args:
      group: key of GROUPS.
      name: name for which `is_name` holds.

    Raises:
      InputError: it is not trusted, cannot be imported, or does not exist.
    """
    if name in _objects:
        return _objects[name]
    if not name.startswith(PREFIX):
        return _entry_points(group)[name].load()
    if not _trusted & {ANY, name}:
        raise InputError(
            f"{name} is Python code from outside of gan_jax, named by what is to be opened and not "
            "by you; read it, then allow it with --trust."
        )
    return _import(name)


def _import(name):
    """Import python:MODULE or python:MODULE:NAME."""
    module_name, _, attribute = name.removeprefix(PREFIX).partition(":")
    try:
        found = importlib.import_module(module_name)
        for part in attribute.split(".") if attribute else ():
            found = getattr(found, part)
    except AttributeError as error:
        raise InputError(f"{name}: the module {module_name} has no {attribute}.") from error
    except ImportError as error:
        raise InputError(
            f"{name} cannot be imported ({error}); install it, or add its folder to PYTHONPATH."
        ) from error
    except ValueError as error:
        raise InputError(
            f"{name} is no module's name; write python:package.module:name."
        ) from error
    return found


def _entry_points(group):
    return {point.name: point for point in importlib.metadata.entry_points(group=GROUPS[group])}


def trust(names: Iterable[str]) -> None:
    """Allow plug-ins to be imported in this process. names: their names, or ANY."""
    _trusted.update(names)


@contextlib.contextmanager
def trusting(names: Iterable[str]) -> Iterator[None]:
    """Trust plug-ins within a `with` block."""
    added = set(names) - _trusted
    _trusted.update(added)
    try:
        yield
    finally:
        _trusted.difference_update(added)


def name_of(part: Any) -> str:
    """Register an object that was passed from Python, and return its name.

    Args:
      part: a module, a class or a function. One that was defined in a notebook or a script can be
        found by other processes only if they are given it again.

    Raises:
      InputError: it has no name, like a lambda or the result of functools.partial.
    """
    if inspect.ismodule(part):
        name = f"{PREFIX}{part.__name__}"
    else:
        qualified = getattr(part, "__qualname__", None)
        if qualified is None or "<" in qualified:
            raise InputError(
                f"{part!r} has no name that config.json could record; use a function or a class "
                "defined at the top of a module, a script or a notebook."
            )
        name = f"{PREFIX}{part.__module__}:{qualified}"
    _objects[name] = part
    return name


def describe(name: str) -> dict[str, str]:
    """Describe the code of a plug-in for config.json.

    Args:
      name: python: name or entry point that was found before.

    Returns:
      {"version": of the distribution that holds it, where one does; "sha256": of its source}.
    """
    module_name, _, _ = name.removeprefix(PREFIX).partition(":")
    if not name.startswith(PREFIX):
        points = [point for group in GROUPS for point in _entry_points(group).values()]
        module_name = next(point.module for point in points if point.name == name)
    out = {}
    packages = importlib.metadata.packages_distributions()
    if distributions := packages.get(module_name.partition(".")[0]):
        out["version"] = importlib.metadata.version(distributions[0])
    source = _source(module_name, _objects.get(name))
    if source is not None:
        out["sha256"] = hashlib.sha256(source).hexdigest()
    return out


def _source(module_name, part):
    """Return the bytes of a module's file; of a notebook's cell those of the object itself."""
    path = getattr(sys.modules.get(module_name), "__file__", None)
    if path and pathlib.Path(path).is_file() and module_name != "__main__":
        return pathlib.Path(path).read_bytes()
    try:
        return inspect.getsource(part).encode() if part is not None else None
    except (OSError, TypeError):
        return None
