"""Plug-ins: methods, nets, losses, penalties, metrics, data sources that others define, by name.

A plug-in's name stands wherever a built-in name does: in a flag, an argument, config.json. It is
one of two:

  python:MODULE:NAME  an object of a module that can be imported; python:MODULE is the module itself
  NAME                an entry point of an installed package, in a group of GROUPS

A `Table` looks both up. What a user typed or passed is imported. What a run folder, a flagfile or a
web form names is imported only after `trust`. An installed entry point is trusted, since its owner
registered it for gan_jax. docs/write-your-own.md is the page for users.
"""

import contextlib
import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import linecache
import os
import pathlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from gan_jax.errors import InputError

T = TypeVar("T")

PREFIX = "python:"
FORM = f"{PREFIX}MODULE:NAME"
# {table: group of entry points}.
GROUPS = {
    name: f"gan_jax.{name}"
    for name in ("methods", "nets", "losses", "penalties", "metrics", "features", "data")
}
ANY = "*"  # among the trusted names: every name
# A name within a longer value, such as shard:1/2/0:python:MODULE:NAME.
_NAMES = re.compile(r"(?<![^\s,:;=+])python:[^\W\d][\w.]*(?::[^\W\d][\w.]*)?")

_trusted: set[str] = set()
_accepted: set[str] = set()  # names that were trusted once: they stay so while the process lives
_objects: dict[str, Any] = {}  # {name: object that was passed from Python}
_tables: dict[str, "Table"] = {}  # {group: its table}


class Table(dict[str, T]):
    """A table of built-in parts, in which plug-ins are found, too.

    Iteration, `len` and the order see the built-in parts alone.
    """

    def __init__(
        self, group: str, parts: Mapping[str, T], adapt: Callable[[str, Any], T] | None = None
    ):
        """Make a table.

        Args:
          group: key of GROUPS.
          parts: {name: part}.
          adapt: (name of a plug-in, object that it names) -> part. Raises InputError, with a
            message that begins with the name, for an object that is none. None: any object is.
        """
        super().__init__(parts)
        self.group, self._adapt = group, adapt
        _tables[group] = self

    def __missing__(self, name: str) -> T:
        if not is_name(self.group, name):
            raise KeyError(name)
        part = load(self.group, name)
        return self._adapt(name, part) if self._adapt else part

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and is_name(self.group, name))

    def get(self, name: str, default: Any = None) -> Any:
        """Return a part or a plug-in; the default where there is none of that name."""
        return self[name] if name in self else default  # noqa: SIM401 - it is this method

    def is_plugin(self, name: str) -> bool:
        """Say whether a name is that of a plug-in and of no built-in part."""
        return not super().__contains__(name) and is_name(self.group, name)


def is_name(group: str, name: str) -> bool:
    """Say whether a name is that of a plug-in; python: names need not exist."""
    return name.startswith(PREFIX) or name in _entry_points(group)


def is_plugin(group: str, name: str) -> bool:
    """Say whether a name is that of a plug-in and of no built-in part of a group's table."""
    table = _tables.get(group)
    return table.is_plugin(name) if table is not None else is_name(group, name)


def find(group: str, name: str) -> Any:
    """Return a part of a group's table by name; import a plug-in if it is trusted.

    Raises:
      InputError: it is not trusted, cannot be imported, does not exist, or is something else. The
        message begins with the name.
    """
    table = _tables.get(group)
    return table[name] if table is not None else load(group, name)


def load(group: str, name: str) -> Any:
    """Return the object that a plug-in's name stands for, whatever it is; see `find`."""
    if name in _objects:
        return _objects[name]
    if not name.startswith(PREFIX):
        point = _entry_points(group)[name]
        with _one_line(name, f"reinstall {_distribution(point) or 'its package'}"):
            return point.load()
    _parse(name)
    if not is_trusted(name):
        raise InputError(
            f"{name} is Python code from outside of gan_jax, and you have not typed its name "
            "yourself; read it, then allow it with --trust."
        )
    _accepted.add(name)
    return _import(name)


def _import(name):
    """Import python:MODULE or python:MODULE:NAME."""
    module_name, attributes = _parse(name)
    if module_name == "__main__":
        raise InputError(
            f"{name} was defined in a notebook or a script; load the run from Python and pass it "
            "again, or put it into a module."
        )
    with contextlib.suppress(FileNotFoundError):  # where the working directory is deleted
        # The console script gan-jax does not look there, as `python -m gan_jax` does.
        if not {"", os.getcwd()} & set(sys.path):
            sys.path.append(os.getcwd())
    with _one_line(name, "install it, run the command in its folder, or add that to PYTHONPATH"):
        part = importlib.import_module(module_name)
    for attribute in attributes:
        if not hasattr(part, attribute):
            raise InputError(
                f"{name} does not exist: {module_name} has no {'.'.join(attributes)}; "
                "check both names."
            )
        part = getattr(part, attribute)
    return part


def _parse(name):
    """Split python:MODULE:NAME into (module, attributes)."""
    words = name.removeprefix(PREFIX).split(":")
    module_name, attributes = words[0], words[1].split(".") if len(words) == 2 else []
    parts = [*module_name.split("."), *attributes]
    if len(words) > 2 or not all(part.isidentifier() for part in parts):
        raise InputError(f"{name} is no name of Python code; write {FORM}.")
    return module_name, attributes


@contextlib.contextmanager
def _one_line(name, advice):
    """Turn whatever a module does when imported into one line."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{name} cannot be imported ({text}); {advice}.") from error


def entry_names(group: str) -> list[str]:
    """List the entry points of installed packages that a table of built-in parts lacks."""
    return sorted(name for name in _entry_points(group) if is_plugin(group, name))


def _entry_points(group):
    return _entry_points_on(tuple(sys.path), GROUPS[group])


@functools.lru_cache
def _entry_points_on(path, group):
    """{name: entry point}. path: sys.path, on which it depends."""
    return {point.name: point for point in importlib.metadata.entry_points(group=group)}


@functools.lru_cache
def _distributions_on(path):
    """{module: names of the distributions that hold it}. path: sys.path, on which it depends."""
    return importlib.metadata.packages_distributions()


def _distribution(point):
    return getattr(getattr(point, "dist", None), "name", None)


def names_in(value: Any) -> list[str]:
    """List the python: names in a text, or in the texts of a JSON value, each once."""
    if isinstance(value, str):
        return list(dict.fromkeys(_NAMES.findall(value))) if PREFIX in value else []
    if isinstance(value, Mapping):
        value = [*value, *value.values()]
    if not isinstance(value, (list, tuple)):
        return []
    return list(dict.fromkeys(name for item in value for name in names_in(item)))


def trust(names: Iterable[str]) -> None:
    """Allow plug-ins to be imported in this process.

    Args:
      names: their names, or texts that hold them, such as words of a command line; or ANY.
    """
    for text in names:
        _trusted.update([ANY] if text == ANY else names_in(text))


@contextlib.contextmanager
def trusting(names: Iterable[str]) -> Iterator[None]:
    """Trust plug-ins within a `with` block, and undo what `trust` allows within it.

    Those that were used within it may be used again after it.
    """
    before = set(_trusted)
    trust(names)
    try:
        yield
    finally:
        _trusted.clear()
        _trusted.update(before)


def is_trusted(name: str) -> bool:
    """Say whether a name may be imported; ANY: whether all may."""
    return name in _accepted or bool(_trusted & {ANY, name}) or name in _objects


def refuse_foreign(names: Iterable[str], place: object) -> None:
    """Refuse python: names that are not trusted; the others may be used from here on.

    Args:
      names: names of plug-ins.
      place: what names them, such as a path.

    Raises:
      InputError
    """
    python = [name for name in names if name.startswith(PREFIX)]
    foreign = [name for name in python if not is_trusted(name)]
    if foreign:
        raise InputError(
            f"{place} names {', '.join(foreign)}: Python code from outside of gan_jax, which "
            "opening it would run; read it, then allow it with --trust."
        )
    _accepted.update(python)


def name_of(part: Any) -> str:
    """Register an object that was passed from Python, and return its name.

    Args:
      part: a module, a class, a function, or an object that a loaded module holds under a name. One
        that was defined in a notebook or a script can be found by other processes only if they are
        given it again. A name is returned as it is.

    Raises:
      InputError: it has no name, like a lambda in the middle of an expression.
    """
    if isinstance(part, str):
        return part
    for table in _tables.values():
        for name, built_in in table.items():
            if built_in is part:
                return name
    if inspect.ismodule(part):
        name = f"{PREFIX}{part.__name__}"
    else:
        name = _own_name(part) or _name_in_modules(part)
    if name is None:
        raise InputError(
            f"{part!r} has no name that config.json could record; use a module, or what stands "
            "under a name at the top of a module, a script or a notebook."
        )
    _objects[name] = part
    return name


def _own_name(part):
    """The name of a class or function if it leads back to it, else None."""
    module_name, qualified = (getattr(part, key, None) for key in ("__module__", "__qualname__"))
    holder = sys.modules.get(module_name) if isinstance(module_name, str) else None
    for attribute in qualified.split(".") if isinstance(qualified, str) else [""]:
        holder = getattr(holder, attribute, None)
    return f"{PREFIX}{module_name}:{qualified}" if holder is part else None


def _name_in_modules(part):
    """The name of an object at the top of a loaded module, the script last; None if there is none.

    Modules of gan_jax come after others, since an object of a user's may have been handed to one.
    """
    loaded = {k: v for k, v in sys.modules.items() if inspect.ismodule(v) and k != "__mp_main__"}
    modules = list(loaded.items())
    modules.sort(key=lambda item: (item[0] == "__main__", item[0].split(".")[0] == "gan_jax"))
    for module_name, module in modules:
        for attribute, value in list(vars(module).items()):
            if value is part and attribute.isidentifier() and attribute != "_":
                return f"{PREFIX}{module_name}:{attribute}"
    return None


def describe(name: str) -> dict[str, str]:
    """Describe the code of a plug-in for config.json.

    Args:
      name: python: name or entry point; its module is imported already, or may be.

    Returns:
      {"version": of the distribution that holds it, where one does; "sha256": of its source: its
      module's file, or all files of a package}. {} where it is not there.
    """
    module_name = module_of(name)
    if module_name is None:
        return {}
    out = {}
    distributions = _distributions_on(tuple(sys.path)).get(module_name.partition(".")[0])
    if distributions:
        out["version"] = importlib.metadata.version(distributions[0])
    source = _source(module_name, _objects.get(name))
    if source is not None:
        out["sha256"] = hashlib.sha256(source).hexdigest()
    return out


def module_of(name: str) -> str | None:
    """Return the name of the module that a plug-in is in; None for an entry point not installed."""
    if name.startswith(PREFIX):
        return name.removeprefix(PREFIX).partition(":")[0]
    points = (_entry_points(group).get(name) for group in GROUPS)
    return next((point.module for point in points if point is not None), None)


def is_installed(name: str) -> bool:
    """Say whether an entry point is there; a python: name need not be."""
    return name.startswith(PREFIX) or module_of(name) is not None


def _source(module_name, part):
    """Return the bytes of a module's file, of a package's files, or of what a notebook defines."""
    try:
        module = sys.modules.get(module_name) or importlib.util.find_spec(module_name)
        path = getattr(module, "__file__", None) or getattr(module, "origin", None)
        if module_name == "__main__" or not path or not os.path.isfile(path):
            return None if part is None else _script_source(part)
        file = pathlib.Path(path)
        if file.name != "__init__.py":
            return file.read_bytes()
        files = sorted(file.parent.rglob("*.py"))
        named = (f"{f.relative_to(file.parent)}\n".encode() + f.read_bytes() for f in files)
        return b"".join(named)
    except (OSError, TypeError, ImportError, ValueError, AttributeError):
        return None


def _script_source(part):
    """Return the source of a function or class, of an object that of its functions.

    Python knows no file of a notebook's class. Its source is the cell that defines its functions.
    """
    members = part._asdict() if hasattr(part, "_asdict") else getattr(part, "__dict__", {})
    functions = [getattr(member, "__func__", member) for member in members.values()]
    functions = [function for function in functions if inspect.isfunction(function)]
    try:
        whole = inspect.isfunction(part) or inspect.isclass(part)
        text = "".join(map(inspect.getsource, [part] if whole else functions))
    except (OSError, TypeError):
        cells = sorted({function.__code__.co_filename for function in functions})
        text = "".join(line for cell in cells for line in linecache.getlines(cell))
    return text.encode() if text else None


def changes(before: Mapping[str, Mapping[str, str]]) -> list[str]:
    """List the plug-ins whose code is not what it was: "NAME (version 1.0, now 1.1)".

    Args:
      before: {name: see `describe`}. Those that are not there now are left out.
    """
    out = []
    for name, old in before.items():
        new = describe(name)
        keys = [key for key in old if key in new and old[key] != new[key]]
        # A version may change and the source not; then it is the rest of its package that differs.
        if keys:
            words = [f"{key} {old[key][:8]}, now {new[key][:8]}" for key in keys]
            out.append(f"{name} ({'; '.join(words)})")
    return out
