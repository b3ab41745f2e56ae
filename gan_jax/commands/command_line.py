"""Flags from settings: declares, documents and parses them."""

import dataclasses
import importlib.util
import pathlib

from absl import flags

from gan_jax.commands.process import EXIT_DONE
from gan_jax.errors import InputError
from gan_jax.settings import check, setting

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


_DEFINE = {bool: flags.DEFINE_boolean, int: flags.DEFINE_integer, float: flags.DEFINE_float, str: flags.DEFINE_string,
           tuple: flags.DEFINE_multi_string}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Command:
    """Flags of every command that are not part of a configuration."""

    help: bool = setting(False, "print this text")
    debug: bool = setting(False, "show the traceback of an error")


def define(groups):
    """absl FlagValues with one flag per field of the given dataclass instances, whose values are the defaults."""
    values = flags.FlagValues()
    for group in groups:
        for field in dataclasses.fields(group):
            default = getattr(group, field.name)
            _DEFINE[type(default)](field.name, default, field.metadata["text"], flag_values=values)
    flags.DEFINE_multi_string(
        "flagfile", None, "file with one --flag=value per line", flag_values=values
    )
    return values


def usage(doc, module, groups):
    """The text of --help: what the command is, then every flag with its default, a group per paragraph."""
    lines = [
        doc.strip(),
        "",
        f"Usage: python -m {module} [--flagfile=FILE] [--flag=value ...]; flags win over the file.",
        "",
    ]
    for group in groups:
        for field in dataclasses.fields(group):
            default, choices = getattr(group, field.name), field.metadata["choices"]
            shown = (
                "... (may be repeated)"
                if isinstance(default, tuple)
                else repr(default).replace("'", "")
            )
            lines.append(f"  --{field.name}={shown}")
            allowed = f" [{' | '.join(map(str, choices))}]" if choices else ""
            lines.append(f"      {field.metadata['text']}{allowed}")
        lines.append("")
    return "\n".join(lines)


def flagfiles_first(argv):
    """absl lets the last word win; a flagfile is where a setting starts from, so it goes first. It may be named as those of
    the project are, by a path relative to the project, or by any path."""
    files, rest = [], []
    for word in argv:
        if not word.startswith("--flagfile"):
            rest.append(word)
            continue
        path = pathlib.Path(word.partition("=")[2]).expanduser()
        if "=" not in word:
            raise InputError("Write --flagfile=FILE, with an equals sign.")
        if not path.is_file():
            named = ROOT / "experiments" / "flagfiles" / f"{path}.flags"
            path = named if named.is_file() else ROOT / path
            if not path.is_file():
                known = ", ".join(
                    sorted(p.stem for p in (ROOT / "experiments" / "flagfiles").glob("*.flags"))
                )
                raise InputError(
                    f"{word} is not a file; those of the project lie in experiments/flagfiles: {known}."
                )
        files.append(f"--flagfile={path}")
    return files, rest


def parse(doc, module, groups, argv):
    """Reads the command line into the groups.

    Args:
      doc: the command's docstring. module: its name for `python -m`.
      groups: dataclass instances whose fields are the flags and whose values are the defaults; the first is a Command.
      argv: words after the command's name.

    Returns:
      (list of new instances, FlagValues)

    Raises:
      InputError: unknown flag, unreadable value, value out of bounds. SystemExit(0) after --help.
    """
    files, rest = flagfiles_first(argv)
    if any(word in ("--help", "-h", "-help", "--helpfull") for word in rest):
        print(usage(doc, module, groups))
        raise SystemExit(EXIT_DONE)
    values = define(groups)
    try:
        words = values([module, *files, *rest])
    except (flags.Error, UnicodeDecodeError) as error:
        raise InputError(
            " ".join(str(error).split()) + f"; see python -m {module} --help."
        ) from error
    if words[1:]:
        raise InputError(f"{words[1]!r} is not a flag; flags have the form --name=value.")
    values["flagfile"].value = [
        word.partition("=")[2] for word in files
    ]  # absl reads them in and forgets their names
    out = [
        dataclasses.replace(
            group, **{f.name: values[f.name].value for f in dataclasses.fields(group)}
        )
        for group in groups
    ]
    for group in out:
        check(group)
    return out, values


def workdir_of(workdir, values, name):
    """Path of the folder that a command works in.

    Args:
      workdir: what --workdir says; "" is runs/ and the name of the flagfile, so that each has a folder of its own, or of the
        command if there is none. values: FlagValues of `parse`. name: the command's.
    """
    given = values["flagfile"].value
    return pathlib.Path(
        workdir or f"runs/{pathlib.Path(given[-1]).stem if given else name}"
    ).expanduser()


def installed(module):
    """Whether a module can be imported."""
    return importlib.util.find_spec(module) is not None


def need(module, flag, extra):
    """Refuses a flag whose module is not installed, naming the extra that brings it. Raises InputError."""
    if not installed(module):
        raise InputError(f"{flag} needs {module}; install it with: pip install 'gan-jax[{extra}]'.")
