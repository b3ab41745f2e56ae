"""Lists the flagfiles that come with gan_jax: what each trains, and how long that takes.

NAME as the first word lists those of one command. A flagfile is used by its name, from any folder:
--flagfile=morpho_quick. Its first line is a comment, "# SUMMARY; TIME."
"""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from gan_jax.commands import command_line, entry, presets
from gan_jax.commands.process import typed
from gan_jax.errors import InputError
from gan_jax.settings import setting


@dataclasses.dataclass(frozen=True)
class Flags(command_line.CommonFlags):
    """Flags of this command."""

    positional: ClassVar[str] = "command"

    command: str = setting("", "list the flagfiles of one command; empty: of all")


class Flagfile(NamedTuple):
    """A flagfile of the package."""

    name: str  # what --flagfile is given
    summary: str  # what it trains
    time: str  # how long that takes, and on what


def flagfiles_of(command: str) -> list[str]:
    """List the names of the flagfiles of a command.

    They begin with its name, and with that of no command whose name is longer.
    """
    commands = sorted(entry.names(), key=len, reverse=True)
    stems = sorted(path.stem for path in command_line.FLAGFILES.glob("*.flags"))
    owners = {
        stem: next((name for name in commands if f"{stem}_".startswith(f"{name}_")), None)
        for stem in stems
    }
    return [stem for stem, owner in owners.items() if owner == command]


def describe(name: str) -> Flagfile:
    """Read the first line of a flagfile. name: its file name without the ending."""
    with open(command_line.FLAGFILES / f"{name}.flags", encoding="utf-8") as file:
        summary, _, time = file.readline().strip("# \n.").rpartition("; ")
    return Flagfile(name, summary, time)


def table(command: str) -> list[str]:
    """Return a line for each flagfile of a command."""
    files = [describe(name) for name in flagfiles_of(command)]
    width = max((len(file.name) for file in files), default=0)
    return [f"  {file.name:{width}}  {file.summary}; {file.time}" for file in files]


def run(argv: Sequence[str]) -> None:
    """Print the flagfiles that a command line asks for."""
    (flags,), _ = command_line.parse(__doc__, "flagfiles", [Flags()], argv)
    command = entry.ALIASES.get(flags.command, flags.command)
    if command and command not in entry.names():
        raise InputError(f"{command} is not a command; use one of: {', '.join(entry.names())}.")
    for name in [command] if command else entry.names():
        if lines := table(name):
            words = f"train {name}" if name in presets.TABLE else name
            print("\n".join([f"{typed(words)} --flagfile=NAME", *lines, ""]))
