"""Prints a completion script for bash: commands, flags, names of flagfiles.

gan-jax completion > ~/.local/share/bash-completion/completions/gan-jax

Begin a new shell afterwards. zsh reads it after `autoload -U bashcompinit && bashcompinit`.
"""

import contextlib
import dataclasses
import io
import re
from collections.abc import Sequence

from gan_jax.commands import command_line, entry, flagfile_list, presets

SCRIPT = """\
# Completion of gan-jax; made by `gan-jax completion`.
_gan_jax() {{
  local line="${{COMP_LINE:0:COMP_POINT}}" cur command i reply=""
  local -a words
  read -ra words <<< "$line"
  [[ "$line" == *[[:space:]] ]] && words+=("")
  cur="${{words[-1]}}"
  i=1
  [[ "${{words[1]}}" == train && ${{#words[@]}} -gt 2 ]] && i=2
  command="${{words[i]}}"
  if (( ${{#words[@]}} == i + 1 )); then
    if (( i == 2 )); then reply="{training}"; else reply="train {commands}"; fi
  elif [[ "$cur" == --flagfile=* ]]; then
    cur="${{cur#--flagfile=}}"
    case "$command" in
{flagfiles}
    esac
  elif [[ "$cur" == -* ]]; then
    compopt -o nospace 2>/dev/null
    case "$command" in
{flags}
    esac
  fi
  if [[ -n "$reply" ]]; then COMPREPLY=($(compgen -W "$reply" -- "$cur")); else COMPREPLY=(); fi
}}
complete -o default -F _gan_jax gan-jax
"""


@dataclasses.dataclass(frozen=True)
class Flags(command_line.CommonFlags):
    """Flags of this command."""


def flags_of(command: str) -> list[str]:
    """List the flags that --help of a command shows, as they are typed: "--size="."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        entry.run(command, ["--help"])
    return [f"--{name}=" for name in re.findall(r"^  --(\w+)=", text.getvalue(), re.MULTILINE)]


def command_of(word: str) -> str:
    """Return the command that a word names; some have two."""
    return entry.ALIASES.get(word) or word


def script() -> str:
    """Write the script."""

    def cases(words_of):
        lines = [(name, " ".join(words_of(name))) for name in [*entry.names(), *entry.ALIASES]]
        return "\n".join(f'      {name}) reply="{words}" ;;' for name, words in lines if words)

    def flags(name):
        return ["--flagfile=", *flags_of(command_of(name))]

    def flagfiles(name):
        return flagfile_list.flagfiles_of(command_of(name))

    return SCRIPT.format(
        training=" ".join(presets.TABLE),
        commands=" ".join([*entry.MODULES, *entry.ALIASES]),
        flagfiles=cases(flagfiles),
        flags=cases(flags),
    )


def run(argv: Sequence[str]) -> None:
    """Print the script."""
    command_line.parse(__doc__, "completion", [Flags()], argv)
    print(script(), end="")
