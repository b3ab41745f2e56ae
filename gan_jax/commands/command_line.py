"""Flags from settings dataclasses: declares, documents and parses them."""

import dataclasses
import importlib.util
import pathlib
import re
from collections.abc import Sequence
from typing import ClassVar

from absl import flags

from gan_jax import plugins
from gan_jax.commands.process import typed
from gan_jax.errors import EXIT_DONE, InputError, install_command
from gan_jax.settings import Size, check, setting

FLAGFILES = pathlib.Path(__file__).resolve().parent / "flagfiles"
HELP_WORDS = ("--help", "-h", "-help", "--helpfull")

_DEFINE = {
    bool: flags.DEFINE_boolean,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    tuple: flags.DEFINE_multi_string,
}


class _SizeParser(flags.ArgumentParser):
    """Reads a size of images to settings.Size.value."""

    syntactic_help = "a side, or height x width"

    def parse(self, argument):
        return Size.of(argument).value


@dataclasses.dataclass(frozen=True)
class CommonFlags:
    """Flags of every command that are not part of a configuration."""

    help: bool = setting(False, "print this text")
    debug: bool = setting(False, "show the traceback of an error")
    trust: bool = setting(
        False,
        "import the Python code from outside of gan_jax that a run folder or a flagfile names; "
        "what you type yourself is imported without it",
    )

    positional: ClassVar[str] = ""  # flag whose value may be the first word, without its name


@dataclasses.dataclass(frozen=True)
class RunFlags(CommonFlags):
    """Flags of commands that open a run at one of its checkpoints."""

    positional: ClassVar[str] = "workdir"

    workdir: str = setting(
        "", "the run folder, a published folder or hf:USER/NAME; it may also be the first word"
    )
    checkpoint: str = setting("newest", "newest, best (of a run with --keep_best), or a step")
    download: bool = setting(
        False, "fetch hf:USER/NAME from the hub if it is not in the local cache (extra: hub)"
    )


def define(groups: Sequence) -> flags.FlagValues:
    """Define one absl flag per field of dataclass instances, whose values are the defaults."""
    values = flags.FlagValues()
    for group in groups:
        for field in dataclasses.fields(group):
            default, text = getattr(group, field.name), field.metadata["text"]
            if field.metadata.get("is_size"):
                parser, writer = _SizeParser(), flags.ArgumentSerializer()
                flags.DEFINE(parser, field.name, default, text, values, writer)
            else:
                _DEFINE[type(default)](field.name, default, text, flag_values=values)
    text = "file with one --flag=value per line"
    flags.DEFINE_multi_string("flagfile", None, text, flag_values=values)
    return values


def usage(doc: str | None, name: str, groups: Sequence) -> str:
    """Write the text of --help: the command's docstring, then its flags in groups.

    Args:
      doc: docstring of the command.
      name: name of the command.
      groups: see `parse`.
    """
    folder = f" {groups[0].positional.upper()}" if groups[0].positional else ""
    head = (
        f"Usage: {typed(name)}{folder} [--flagfile=FILE] [--flag=value ...]; "
        "flags win over the file."
    )
    lines = [(doc or "").strip(), "", head]
    if not plugins.is_name("methods", name.split()[-1]):
        lines.append(f"Flagfiles that come with gan_jax: {typed(f'flagfiles {name.split()[-1]}')}")
    lines.append("")
    for group in groups:
        for field in dataclasses.fields(group):
            default, choices = getattr(group, field.name), field.metadata["choices"]
            if choices and field.metadata["plugins"]:
                choices = (*choices, plugins.FORM)
            shown = repr(default).replace("'", "")
            if isinstance(default, tuple):
                shown = "... (may be repeated)"
            allowed = f" [{' | '.join(map(str, choices))}]" if choices else ""
            lines += [f"  --{field.name}={shown}", f"      {field.metadata['text']}{allowed}"]
        lines.append("")
    return "\n".join(lines)


def flagfiles_first(argv: Sequence[str], name: str) -> tuple[list[str], list[str]]:
    """Move --flagfile first, so that command-line flags override it.

    A flagfile is given by its path, or by its name if it is one of the package's (FLAGFILES).

    Args:
      argv: words after the command's name.
      name: name of the command, for refusals.

    Returns:
      (["--flagfile=PATH", ...], the other words).

    Raises:
      InputError: there is no such file.
    """
    files, rest = [], []
    for word in argv:
        if not word.startswith("--flagfile"):
            rest.append(word)
            continue
        if "=" not in word:
            raise InputError(f"{word} lacks its value; write --flagfile=FILE, with an equals sign.")
        path = pathlib.Path(word.partition("=")[2]).expanduser()
        # The package's are found from any folder, also by their path in a checkout.
        candidates = (path, FLAGFILES / f"{path.name.removesuffix('.flags')}.flags")
        own = path.parent.name in ("", "flagfiles")
        existing = next((c for c in candidates[: 1 + own] if c.is_file()), None)
        if existing is None:
            command = name.split()[-1]
            own_files = (
                "flagfiles" if plugins.is_name("methods", command) else f"flagfiles {command}"
            )
            raise InputError(
                f"{word} is not a file, and gan_jax has none of that name; see "
                f"`{typed(own_files)}`."
            )
        files.append(f"--flagfile={existing}")
    return files, rest


def trust_typed(words: Sequence[str]) -> None:
    """Trust the plug-ins that the user typed on the command line; with --trust all of them.

    Args:
      words: of the command line, without the content of flagfiles.
    """
    plugins.trust([word for word in words if not word.startswith("--flagfile")])
    if "--trust" in words:
        plugins.trust([plugins.ANY])


def parse(
    doc: str | None, name: str, groups: Sequence, argv: Sequence[str]
) -> tuple[list, flags.FlagValues]:
    """Parse a command line into settings.

    Args:
      doc: docstring of the command.
      name: name of the command.
      groups: dataclass instances. Their fields are the flags, their values the defaults. The first
        is a CommonFlags.
      argv: words after the command's name.

    Returns:
      (new instances of the groups, FlagValues).

    Raises:
      InputError: unknown flag, unreadable value, value out of bounds.
      SystemExit: with code 0, after --help.
    """
    files, rest = flagfiles_first(argv, name)
    trust_typed(rest)
    if any(word in HELP_WORDS for word in rest):
        print(usage(doc, name, groups))
        raise SystemExit(EXIT_DONE)
    values = define(groups)
    if groups[0].positional and rest and not rest[0].startswith("-"):
        rest = [f"--{groups[0].positional}={rest[0]}", *rest[1:]]
    try:
        words = values([name, *files, *rest])
    except (flags.Error, UnicodeDecodeError) as error:
        text = " ".join(str(error).split())
        raise InputError(f"{text}; see `{typed(name)} --help`.") from error
    if words[1:]:
        suggestion = _suggest_data(words[1], values)
        raise InputError(
            f"{words[1]!r} is not a flag; {suggestion}{'. Other ' if suggestion else ''}flags have "
            f"the form --name=value, see `{typed(name)} --help`."
        )
    if values["trust"].value and "--trust" not in rest:
        raise InputError(
            "--trust counts only where you type it yourself, as it is, and not in a flagfile; "
            "take it out there, and add --trust to the command."
        )
    # absl reads flagfiles and forgets their names.
    values["flagfile"].value = [word.partition("=")[2] for word in files]
    parsed = []
    for group in groups:
        fields = {f.name: values[f.name].value for f in dataclasses.fields(group)}
        parsed.append(dataclasses.replace(group, **fields))
        check(parsed[-1])
    return parsed, values


def _suggest_data(word, values):
    """Suggest --data for a path that stands alone; "" for other words and commands."""
    if "data" not in values:
        return ""
    from gan_jax.data import datasets  # slow to import

    return datasets.suggest_source(word)


def workdir_of(
    workdir: str, values: flags.FlagValues, name: str, has_runs: bool = False
) -> pathlib.Path:
    """Return the folder that a command works in.

    Args:
      workdir: --workdir. Empty: runs/ and the name of the flagfile, so that each flagfile has a
        folder of its own, or the name of the command without one.
      values: see `parse`.
      name: name of the command.
      has_runs: whether the command has runs of its own, as studies have. With a flagfile of
        another command its folder has both names: the flagfile's is that of a run.
    """
    files = values["flagfile"].value
    # Of python:package.module the last word names a folder.
    default = pathlib.Path(files[-1]).stem if files else re.split("[.:]", name)[-1]
    if has_runs and not default.startswith(name):
        default = f"{name}_{default}"
    return pathlib.Path(workdir or f"runs/{default}").expanduser()


def installed(module: str) -> bool:
    """Say whether a module can be imported."""
    return importlib.util.find_spec(module) is not None


def need(module: str, flag: str, extra: str) -> None:
    """Refuse a flag whose module is not installed.

    Raises:
      InputError: names the extra that installs it.
    """
    if not installed(module):
        raise InputError(f"{flag} needs {module}; install it with: {install_command(extra)}.")
