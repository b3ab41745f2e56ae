"""gan_jax: trains GANs, scores them, samples from them, compares them.

NAME --help describes a command, and train NAME --help a training command. These are the commands:
"""

import difflib
import sys

from gan_jax import plugins
from gan_jax.commands import entry, presets, process
from gan_jax.errors import EXIT_DONE, EXIT_REFUSED


def usage() -> str:
    """Return the text of --help: a line for each command."""
    lines = [f"Usage: {process.typed('NAME')} [...]", "", __doc__ or ""]
    for name in presets.TABLE:
        lines.append(f"  {f'train {name}':24} {entry.summary(name)}")
    lines.append(f"  {'train python:MODULE':24} A method of your own: docs/write-your-own.md.")
    lines.append("")
    for name in entry.MODULES:
        others = [word for word, command in entry.ALIASES.items() if command == name]
        lines.append(f"  {', '.join([*others, name]):24} {entry.summary(name)}")
    return "\n".join(lines)


def method_first(words: list[str]) -> list[str]:
    """Return the words after `train` with the method first, which --method=NAME may say, too."""
    flag = next((word for word in words if word.startswith("--method=")), None)
    if flag is None or not words[0].startswith("-"):
        return words
    return [flag.partition("=")[2], *(word for word in words if word is not flag)]


def main() -> None:
    """Run the command that the first words name, and exit with its code."""
    process.outlive_readers()
    words = sys.argv[1:]
    if words[:1] == ["train"] and words[1:2] not in ([], ["--help"], ["-h"]):
        words = method_first(words[1:])
    if not words or words[0] in ("--help", "-h", "train"):
        print(usage())
        sys.exit(EXIT_DONE)
    name, *words = words
    name = entry.ALIASES.get(name, name)
    plugins.trust([name])
    if name not in entry.names() and not presets.is_training(name):
        known = ["train", *entry.ALIASES, *entry.names()]
        close = difflib.get_close_matches(name, known, 3)
        hint = (
            f"did you mean {' or '.join(close)}?" if close else f"use one of: {', '.join(known)}."
        )
        print(f"{name} is not a command; {hint}", file=sys.stderr)
        sys.exit(EXIT_REFUSED)
    sys.argv[1:] = words
    entry.main(name)


if __name__ == "__main__":
    main()
